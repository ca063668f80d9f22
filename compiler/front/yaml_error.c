/* libyaml's reasons in words that say what to do. */
#include <string.h>

#include "compiler/front/diagnostic.h"
#include "compiler/front/visible.h"
#include "compiler/front/yaml_read.h"

/* What libyaml says, what it means, what to do (NULL: nothing in particular). */
static const struct meaning {
    const char *problem, *message, *help;
} meanings[] = {
    {"did not find expected key", "a key was expected here",
     "keys of one mapping are indented alike; has the line before its colon, its quote, its "
     "bracket?"},
    {"did not find expected '-' indicator", "an entry of the list was expected here",
     "entries of one list begin with \"- \" and are indented alike"},
    {"could not find expected ':'", "a key without its colon",
     "write \"key: value\", with a space behind the colon"},
    {"mapping values are not allowed in this context", "a colon that begins no value",
     "text that holds \": \" has to be quoted; a mapping begins on a line of its own, indented"},
    {"block sequence entries are not allowed in this context", "a list cannot begin here",
     "begin it on a line of its own, or write it as [a, b]"},
    {"mapping keys are not allowed in this context", "a key cannot stand here",
     "begin the mapping on a line of its own"},
    {"found character that cannot start any token", "no value begins with this character",
     "quote text that begins with @, ` or %"},
    {"found unexpected end of stream", "the file ends within a quoted text", "close the quote"},
    {"did not find expected ',' or ']'", "the list in brackets is not closed",
     "entries are parted by commas, and a ] closes the list"},
    {"did not find expected ',' or '}'", "the mapping in braces is not closed",
     "entries are parted by commas, and a } closes the mapping"},
    {"did not find expected node content", "a value was expected here",
     "is there a comma or a bracket too many?"},
    {"found unknown escape character", "an escape that YAML does not know",
     "in double quotes a backslash begins an escape; write \\\\, or use single quotes"},
    {"found undefined tag handle", "a tag whose handle is not defined", "remove the tag"},
    {"did not find expected <document start>", "something stands behind the end of the document",
     "is a line indented too little?"},
    {"found unexpected document indicator", "a quoted text is not closed before \"---\" or \"...\"",
     "close the quote"},
    {"did not find expected alphabetic or numeric character",
     "& and * begin an anchor and an alias, and want a name", "quote text that begins with them"},
};

static const struct meaning *find_meaning(const char *problem)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (strcmp(meanings[i].problem, problem) == 0) {
            return &meanings[i];
        }
    }
    return NULL;
}

/* Whether a TAB stands in the indentation of the line; *column becomes its place. */
static bool indented_by_tab(const struct source *source, uint32_t line, uint32_t *column)
{
    size_t length;
    const char *text = source_line(source, line, &length);
    for (size_t i = 0; i < length && (text[i] == ' ' || text[i] == '\t'); i++) {
        if (text[i] == '\t') {
            *column = (uint32_t)i + 1;
            return true;
        }
    }
    return false;
}

static void report_tab(struct span span, struct diagnostics *diagnostics)
{
    struct diagnostic *diagnostic = diagnose(diagnostics, DIAG_TAB_INDENTATION, span,
                                             "line %u is indented by a TAB", span.line);
    diagnostic_label(diagnostics, diagnostic, "this is a TAB");
    diagnostic_help(diagnostics, diagnostic,
                    "indent with spaces; expand -t 2 %s converts a whole file", span.source->path);
}

/* What libyaml was doing when it stopped, as a label of where that began. */
static const char *context_label(const char *context)
{
    static const char *const labels[][2] = {
        {"flow sequence", "the list begins here"},
        {"block collection", "the list begins here"},
        {"flow mapping", "the mapping begins here"},
        {"block mapping", "the mapping begins here"},
        {"quoted scalar", "the quoted text begins here"},
        {"simple key", "the key begins here"},
    };
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        if (strstr(context, labels[i][0])) {
            return labels[i][1];
        }
    }
    return context;
}

static void add_context(const yaml_parser_t *parser, struct yaml_places *places,
                        const struct span *at, struct diagnostics *diagnostics,
                        struct diagnostic *diagnostic)
{
    if (!parser->context) {
        return;
    }
    struct span span = yaml_span(places, &parser->context_mark, &parser->context_mark);
    if (span.line != at->line || span.column != at->column) {
        span.end_column++;
        diagnostic_secondary(diagnostics, diagnostic, span, "%s", context_label(parser->context));
    }
}

void yaml_report_syntax(const yaml_parser_t *parser, struct yaml_places *places,
                        struct diagnostics *diagnostics)
{
    const char *problem = parser->problem ? parser->problem : "the text cannot be parsed";
    /* A key without a colon is told where the next token is: the key itself says more. */
    bool at_key = parser->context && strcmp(problem, "could not find expected ':'") == 0;
    const yaml_mark_t *mark = at_key ? &parser->context_mark : &parser->problem_mark;
    struct span span = yaml_span(places, mark, mark);
    uint32_t column;
    if (indented_by_tab(places->source, span.line, &column)) {
        span.column = column;
        span.end_column = column + 1;
        report_tab(span, diagnostics);
        return;
    }
    const struct meaning *meaning = find_meaning(problem);
    struct diagnostic *diagnostic =
        diagnose(diagnostics, DIAG_YAML_SYNTAX, span, "this is not well-formed YAML: %s",
                 meaning ? meaning->message : problem);
    if (meaning) {
        diagnostic_help(diagnostics, diagnostic, "%s", meaning->help);
    }
    add_context(parser, places, &span, diagnostics, diagnostic);
}
