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

/* Where the key of a line begins: behind blanks and the "- " of lists. */
static size_t key_start(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length &&
           (text[at] == ' ' || (text[at] == '-' && at + 1 < length && text[at + 1] == ' '))) {
        at++;
    }
    return at;
}

/* The line before that has something on it; 0: there is none. */
static uint32_t line_before(const struct source *source, uint32_t line)
{
    for (line--; line > 0; line--) {
        size_t length;
        const char *text = source_line(source, line, &length);
        size_t start = key_start(text, length);
        if (start < length && text[start] != '#') {
            return line;
        }
    }
    return 0;
}

/* A line can have become part of the text before it: because that one has a colon without a space,
 * or because it is itself indented too far. The mistake is shown where it was made. */
static bool explain_continued(struct span at, struct diagnostics *diagnostics,
                              struct diagnostic *diagnostic)
{
    uint32_t before = line_before(at.source, at.line);
    if (before == 0) {
        return false;
    }
    size_t length, here_length;
    const char *text = source_line(at.source, before, &length);
    size_t start = key_start(text, length);
    const char *here = source_line(at.source, at.line, &here_length);
    const char *colon = memchr(text + start, ':', length - start);
    struct span span = {.source = at.source, .line = before, .end_line = before};
    if (colon && colon + 1 < text + length && colon[1] != ' ') {
        span.column = (uint32_t)(colon - text) + 1;
        span.end_column = span.column + 1;
        diagnostic_secondary(diagnostics, diagnostic, span, "no space behind this colon");
        diagnostic_help(diagnostics, diagnostic,
                        "write \"key: value\", with a space behind the colon");
        return true;
    }
    if (!colon || key_start(here, here_length) <= start) {
        return false;
    }
    span.column = (uint32_t)start + 1;
    span.end_column = (uint32_t)(colon - text) + 1;
    diagnostic_secondary(diagnostics, diagnostic, span, "this key has its value already");
    diagnostic_help(
        diagnostics, diagnostic,
        "line %u is indented more than line %u, and so continues its value: indent both "
        "alike",
        at.line, before);
    return true;
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
    bool stray_colon = strcmp(problem, "mapping values are not allowed in this context") == 0;
    if (meaning && !(stray_colon && explain_continued(span, diagnostics, diagnostic))) {
        diagnostic_help(diagnostics, diagnostic, "%s", meaning->help);
    }
    add_context(parser, places, &span, diagnostics, diagnostic);
}
