/* The files of schemas/, embedded at build (tools/embed), each with a NUL behind. */
#ifndef DRC_BASE_EMBEDDED_H
#define DRC_BASE_EMBEDDED_H

extern const char embedded_plan_schema_json[];
extern const char embedded_facts_schema_json[];
extern const char embedded_graph_schema_json[];
extern const char embedded_events_schema_json[];
extern const char embedded_journal_sql[];
extern const char embedded_sandbox_sql[];

#endif
