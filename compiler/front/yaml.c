/* From libyaml's events to a tree. A stack of open collections instead of recursion; the children
 * of all of them lie on one stack, from which a collection that ends takes its own. */
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/yaml_read.h"

enum {
    DEPTH_MAX = 64,
    ANCHORS_MAX = 64,
    NODES_MAX = 4000000,
    FEW_PAIRS = 16,
    TEXTS = 512, /* a power of two */
    TEXT_SHARED_MAX = 31,
};

struct anchor {
    const char *name;
    struct tree *tree; /* NULL while what it names is still open */
    struct span span;
    size_t nodes;
    unsigned height;
};

/* An open collection. */
struct frame {
    struct tree *tree;
    struct anchor *anchor; /* that names it, or NULL */
    size_t first_child;    /* on the stack of children; keys and values in turns */
    size_t nodes_before;
    unsigned height; /* of the highest child */
    bool flow;
};

struct builder {
    struct arena *arena;
    struct diagnostics *diagnostics;
    struct yaml_places places;
    yaml_event_t *event;
    struct frame frames[DEPTH_MAX];
    unsigned depth;
    struct tree **children;
    size_t child_count, child_capacity;
    struct anchor anchors[ANCHORS_MAX];
    size_t anchor_count;
    size_t nodes; /* aliases expanded */
    struct tree *root;
    bool failed;
    const char *texts[TEXTS]; /* recent texts by hash: most keys and many values come again */
};

static struct span event_span(struct builder *builder)
{
    return yaml_span(&builder->places, &builder->event->start_mark, &builder->event->end_mark);
}

static struct diagnostic *report(struct builder *builder, enum diagnostic_code code,
                                 struct span span, const char *message)
{
    builder->failed = true;
    return diagnose(builder->diagnostics, code, span, "%s", message);
}

static bool at_key(const struct builder *builder)
{
    const struct frame *frame = builder->depth ? &builder->frames[builder->depth - 1] : NULL;
    return frame && frame->tree->kind == TREE_MAPPING &&
           (builder->child_count - frame->first_child) % 2 == 0;
}

static bool count_nodes(struct builder *builder, size_t nodes, struct span span)
{
    builder->nodes += nodes;
    if (builder->nodes <= NODES_MAX) {
        return true;
    }
    struct diagnostic *diagnostic =
        report(builder, DIAG_TOO_MANY_NODES, span, "the file holds more than 4,000,000 values");
    diagnostic_label(builder->diagnostics, diagnostic, "reached here, aliases counted in full");
    diagnostic_help(builder->diagnostics, diagnostic,
                    "aliases of aliases multiply; put what VMs share under defaults");
    return false;
}

/* ---- children ---- */

static void add_child(struct builder *builder, struct tree *tree, unsigned height)
{
    if (builder->depth == 0) {
        builder->root = tree;
        return;
    }
    struct frame *frame = &builder->frames[builder->depth - 1];
    frame->height = height > frame->height ? height : frame->height;
    if (builder->child_count == builder->child_capacity) {
        builder->child_capacity *= 2;
        builder->children =
            base_realloc(builder->children, builder->child_capacity * sizeof *builder->children);
    }
    builder->children[builder->child_count++] = tree;
}

static void report_duplicate(struct builder *builder, const struct tree *first,
                             const struct tree *again)
{
    builder->failed = true;
    struct diagnostic *diagnostic = diagnose(builder->diagnostics, DIAG_DUPLICATE_KEY, again->span,
                                             "the key \"%.80s\" is given twice", again->text);
    diagnostic_label(builder->diagnostics, diagnostic, "again here");
    diagnostic_secondary(builder->diagnostics, diagnostic, first->span, "first given here");
    diagnostic_help(builder->diagnostics, diagnostic, "remove or rename one of them");
}

static int compare_keys(const void *a, const void *b)
{
    const struct tree *left = *(struct tree *const *)a, *right = *(struct tree *const *)b;
    int order = strcmp(left->text, right->text);
    if (order) {
        return order;
    }
    bool before = left->span.line < right->span.line ||
                  (left->span.line == right->span.line && left->span.column < right->span.column);
    return before ? -1 : 1;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (*a == *b && strcmp(a, b) == 0);
}

/* Few keys are compared with each other; many are sorted, which no choice of keys makes slow. */
static void check_duplicates(struct builder *builder, const struct tree *mapping)
{
    const struct tree_pair *pairs = mapping->pairs;
    size_t count = mapping->pair_count;
    if (count <= FEW_PAIRS) {
        for (size_t i = 1; i < count; i++) {
            for (size_t j = 0; j < i; j++) {
                if (same_text(pairs[i].key->text, pairs[j].key->text)) {
                    report_duplicate(builder, pairs[j].key, pairs[i].key);
                    break;
                }
            }
        }
        return;
    }
    struct tree **keys = base_alloc(count * sizeof *keys);
    for (size_t i = 0; i < count; i++) {
        keys[i] = pairs[i].key;
    }
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 1, first = 0; i < count; i++) {
        if (strcmp(keys[i]->text, keys[first]->text) == 0) {
            report_duplicate(builder, keys[first], keys[i]);
        } else {
            first = i;
        }
    }
    free(keys);
}

static void take_children(struct builder *builder, struct frame *frame)
{
    struct tree *tree = frame->tree;
    struct tree **children = builder->children + frame->first_child;
    size_t count = builder->child_count - frame->first_child;
    builder->child_count = frame->first_child;
    if (tree->kind == TREE_SEQUENCE) {
        tree->items = arena_alloc(builder->arena, count * sizeof *tree->items);
        tree->item_count = count;
        if (count > 0) {
            memcpy(tree->items, children, count * sizeof *children);
        }
        return;
    }
    tree->pair_count = count / 2;
    tree->pairs = arena_alloc(builder->arena, tree->pair_count * sizeof *tree->pairs);
    for (size_t i = 0; i < tree->pair_count; i++) {
        tree->pairs[i] = (struct tree_pair){children[2 * i], children[2 * i + 1]};
    }
    check_duplicates(builder, tree);
}

/* ---- anchors ---- */

/* Remembers the anchor of the event, if there is one. Fails when there are too many. */
static bool add_anchor(struct builder *builder, const yaml_char_t *name, struct anchor **anchor)
{
    *anchor = NULL;
    if (!name) {
        return true;
    }
    if (builder->anchor_count == ANCHORS_MAX) {
        struct diagnostic *diagnostic = report(builder, DIAG_TOO_MANY_ANCHORS, event_span(builder),
                                               "the file defines more than 64 anchors");
        diagnostic_label(builder->diagnostics, diagnostic, "one more here");
        diagnostic_help(builder->diagnostics, diagnostic, "put what VMs share under defaults");
        return false;
    }
    *anchor = &builder->anchors[builder->anchor_count++];
    **anchor = (struct anchor){.name = arena_strdup(builder->arena, (const char *)name),
                               .span = event_span(builder)};
    return true;
}

/* A later anchor of the same name hides an earlier one. */
static struct anchor *find_anchor(struct builder *builder, const char *name)
{
    for (size_t i = builder->anchor_count; i-- > 0;) {
        if (strcmp(builder->anchors[i].name, name) == 0) {
            return &builder->anchors[i];
        }
    }
    return NULL;
}

/* An alias of nothing, or of what it lies in. */
static void report_alias(struct builder *builder, struct span span, const char *name,
                         const struct anchor *around)
{
    if (around) {
        struct diagnostic *diagnostic =
            report(builder, DIAG_ALIAS_CYCLE, span, "an alias lies inside of what it stands for");
        diagnostic_secondary(builder->diagnostics, diagnostic, around->span,
                             "the value of this anchor contains the alias");
        diagnostic_help(builder->diagnostics, diagnostic, "write the value out instead");
        return;
    }
    const char *names[ANCHORS_MAX];
    for (size_t i = 0; i < builder->anchor_count; i++) {
        names[i] = builder->anchors[i].name;
    }
    builder->failed = true;
    struct diagnostic *diagnostic = diagnose(builder->diagnostics, DIAG_UNKNOWN_ALIAS, span,
                                             "no anchor \"%.80s\" comes before this alias", name);
    const char *nearest = nearest_name(name, names, builder->anchor_count);
    if (nearest) {
        diagnostic_help(builder->diagnostics, diagnostic, "did you mean *%s?", nearest);
    } else {
        diagnostic_help(builder->diagnostics, diagnostic,
                        "quote the text if it is meant to begin with an asterisk");
    }
}

static void report_depth(struct builder *builder, struct span span)
{
    struct diagnostic *diagnostic =
        report(builder, DIAG_TOO_DEEP, span, "values are nested more than 64 levels deep");
    diagnostic_label(builder->diagnostics, diagnostic, "the 65th level");
    diagnostic_help(builder->diagnostics, diagnostic,
                    "no plan needs more than ten; is a bracket repeated by mistake?");
}

/* ---- events; each returns false when parsing cannot go on ---- */

/* A key has to be text; one that is not was reported, and is replaced. */
static struct tree *as_key(struct builder *builder, const struct tree *tree)
{
    struct tree *key = ARENA_NEW(builder->arena, struct tree);
    key->kind = TREE_STRING;
    key->span = tree->span;
    key->text =
        arena_printf(builder->arena, "(line %u, column %u)", tree->span.line, tree->span.column);
    return key;
}

static bool on_alias(struct builder *builder)
{
    const char *name = (const char *)builder->event->data.alias.anchor;
    struct span span = event_span(builder);
    if (at_key(builder)) {
        report(builder, DIAG_KEY_NOT_TEXT, span, "an alias cannot be a key");
    }
    struct anchor *anchor = find_anchor(builder, name);
    if (!anchor || !anchor->tree) {
        report_alias(builder, span, name, anchor);
        struct tree *nothing = ARENA_NEW(builder->arena, struct tree);
        *nothing = (struct tree){.kind = TREE_NULL, .span = span, .text = ""};
        add_child(builder, at_key(builder) ? as_key(builder, nothing) : nothing, 0);
        return true;
    }
    if (builder->depth + anchor->height > DEPTH_MAX) {
        report_depth(builder, span);
        return false;
    }
    if (!count_nodes(builder, anchor->nodes, span)) {
        return false;
    }
    struct tree *tree = at_key(builder) ? as_key(builder, anchor->tree) : anchor->tree;
    add_child(builder, tree, anchor->height);
    return true;
}

static const char *core_tag(const yaml_char_t *tag)
{
    static const char prefix[] = "tag:yaml.org,2002:";
    const char *text = (const char *)tag;
    return strncmp(text, prefix, sizeof prefix - 1) == 0 ? text + sizeof prefix - 1 : NULL;
}

static void report_tag(struct builder *builder, const yaml_char_t *tag)
{
    builder->failed = true;
    struct diagnostic *diagnostic =
        diagnose(builder->diagnostics, DIAG_YAML_TAG, event_span(builder),
                 "the tag \"%.80s\" is not allowed here", (const char *)tag);
    diagnostic_help(builder->diagnostics, diagnostic, "remove the tag; quotes make a value text");
}

/* Kind and value by an explicit tag; reports one that is not the core schema's. */
static void resolve_tagged(struct builder *builder, struct tree *scalar, size_t length,
                           const yaml_char_t *tag)
{
    static const char *const names[] = {[TREE_NULL] = "null",
                                        [TREE_BOOL] = "bool",
                                        [TREE_INT] = "int",
                                        [TREE_FLOAT] = "float",
                                        [TREE_STRING] = "str"};
    const char *core = core_tag(tag);
    if (strcmp((const char *)tag, "!") == 0 || (core && strcmp(core, "str") == 0)) {
        scalar->kind = TREE_STRING;
        return;
    }
    bool fits = yaml_resolve(scalar, length);
    if (scalar->kind == TREE_INT && core && strcmp(core, "float") == 0) {
        scalar->kind = TREE_FLOAT;
        scalar->number = strtod(scalar->text, NULL);
        return;
    }
    if (!fits || !core || strcmp(core, names[scalar->kind]) != 0) {
        report_tag(builder, tag);
    }
}

/* A block scalar's end mark lies behind the blank lines that follow. */
static void trim_block(struct span *span)
{
    while (span->end_line > span->line && span->end_column == 1) {
        size_t length;
        const char *text = source_line(span->source, --span->end_line, &length);
        while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t')) {
            length--;
        }
        uint32_t characters = 0;
        for (size_t i = 0; i < length; i++) {
            characters += ((unsigned char)text[i] & 0xC0) != 0x80;
        }
        span->end_column = characters + 1;
    }
}

static void resolve_scalar(struct builder *builder, struct tree *tree, bool key)
{
    size_t length = builder->event->data.scalar.length;
    const yaml_char_t *tag = builder->event->data.scalar.tag;
    bool plain = builder->event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    tree->kind = TREE_STRING;
    if (tag) {
        resolve_tagged(builder, tree, length, tag);
    } else if (plain && !key && !yaml_resolve(tree, length)) {
        struct diagnostic *diagnostic = report(builder, DIAG_NUMBER_TOO_LARGE, tree->span,
                                               "the number does not fit into 64 bits");
        diagnostic_help(builder->diagnostics, diagnostic,
                        "quote it if it is not meant as a number");
    }
    if (key) {
        tree->kind = TREE_STRING;
    }
    if (key && plain && strcmp(tree->text, "<<") == 0) {
        struct diagnostic *diagnostic = report(builder, DIAG_MERGE_KEY, tree->span,
                                               "merge keys are not part of the plan language");
        diagnostic_help(builder->diagnostics, diagnostic,
                        "put what VMs share under defaults, or give the keys one by one");
    }
}

/* An escape in double quotes can make a NUL, which C text cannot hold. */
static void check_nul(struct builder *builder, struct tree *tree)
{
    if (memchr(tree->text, '\0', builder->event->data.scalar.length)) {
        report(builder, DIAG_CONTROL_CHARACTER, tree->span, "a text holds a NUL character");
    }
}

/* The event's text in the arena, with the NUL; a short one that came lately is used again. */
static const char *keep_text(struct builder *builder)
{
    const char *text = (const char *)builder->event->data.scalar.value;
    size_t length = builder->event->data.scalar.length;
    const char **shared = NULL;
    if (length <= TEXT_SHARED_MAX) {
        uint32_t hash = (uint32_t)length;
        for (size_t i = 0; i < length; i++) {
            hash = (hash ^ (unsigned char)text[i]) * 16777619u;
        }
        shared = &builder->texts[(hash ^ hash >> 15) & (TEXTS - 1)];
        if (*shared && strcmp(*shared, text) == 0) {
            return *shared;
        }
    }
    char *copy = arena_alloc(builder->arena, length + 1);
    memcpy(copy, text, length + 1);
    if (shared && !memchr(copy, '\0', length)) {
        *shared = copy;
    }
    return copy;
}

static bool on_scalar(struct builder *builder)
{
    struct span span = event_span(builder);
    struct anchor *anchor;
    if (!count_nodes(builder, 1, span) ||
        !add_anchor(builder, builder->event->data.scalar.anchor, &anchor)) {
        return false;
    }
    struct tree *tree = ARENA_NEW(builder->arena, struct tree);
    tree->text = keep_text(builder);
    tree->span = span;
    yaml_scalar_style_t style = builder->event->data.scalar.style;
    if (style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE) {
        trim_block(&tree->span);
    }
    if (style == YAML_DOUBLE_QUOTED_SCALAR_STYLE) {
        check_nul(builder, tree);
    }
    resolve_scalar(builder, tree, at_key(builder));
    if (anchor) {
        anchor->tree = tree;
        anchor->nodes = 1;
    }
    add_child(builder, tree, 0);
    return true;
}

static bool on_begin(struct builder *builder, enum tree_kind kind, const yaml_char_t *anchor_name,
                     const yaml_char_t *tag, bool flow)
{
    struct span span = event_span(builder);
    if (builder->depth == DEPTH_MAX) {
        report_depth(builder, span);
        return false;
    }
    struct anchor *anchor;
    size_t nodes_before = builder->nodes;
    if (!count_nodes(builder, 1, span) || !add_anchor(builder, anchor_name, &anchor)) {
        return false;
    }
    const char *core = tag ? core_tag(tag) : NULL;
    if (tag && !(core && strcmp(core, kind == TREE_SEQUENCE ? "seq" : "map") == 0)) {
        report_tag(builder, tag);
    }
    if (at_key(builder)) {
        struct diagnostic *diagnostic =
            report(builder, DIAG_KEY_NOT_TEXT, span,
                   kind == TREE_SEQUENCE ? "a list cannot be a key" : "a mapping cannot be a key");
        diagnostic_help(builder->diagnostics, diagnostic,
                        "quote text that begins with a bracket or a brace");
    }
    struct tree *tree = ARENA_NEW(builder->arena, struct tree);
    tree->kind = kind;
    tree->span = span;
    builder->frames[builder->depth++] = (struct frame){.tree = tree,
                                                       .anchor = anchor,
                                                       .first_child = builder->child_count,
                                                       .nodes_before = nodes_before,
                                                       .flow = flow};
    return true;
}

/* In block style the end mark is where the next token begins; the last child's end is the end. */
static void end_span(struct builder *builder, const struct frame *frame)
{
    struct span *span = &frame->tree->span;
    if (frame->flow) {
        struct span end = event_span(builder);
        span->end_line = end.end_line;
        span->end_column = end.end_column;
    } else if (builder->child_count > frame->first_child) {
        const struct span *last = &builder->children[builder->child_count - 1]->span;
        bool behind = last->end_line > span->line ||
                      (last->end_line == span->line && last->end_column >= span->column);
        if (behind) { /* not for an alias, whose tree lies elsewhere */
            span->end_line = last->end_line;
            span->end_column = last->end_column;
        }
    }
}

static void on_end(struct builder *builder)
{
    struct frame *frame = &builder->frames[builder->depth - 1];
    struct tree *tree = frame->tree;
    end_span(builder, frame);
    take_children(builder, frame);
    unsigned height = frame->height + 1;
    if (frame->anchor) {
        frame->anchor->tree = tree;
        frame->anchor->nodes = builder->nodes - frame->nodes_before;
        frame->anchor->height = height;
    }
    builder->depth--;
    add_child(builder, at_key(builder) ? as_key(builder, tree) : tree, height);
}

static bool on_document(struct builder *builder)
{
    if (!builder->root) {
        return true;
    }
    struct diagnostic *diagnostic = report(builder, DIAG_SEVERAL_DOCUMENTS, event_span(builder),
                                           "the file holds more than one YAML document");
    diagnostic_label(builder->diagnostics, diagnostic, "the second one begins here");
    diagnostic_help(builder->diagnostics, diagnostic, "put each plan in a file of its own");
    return false;
}

static bool on_event(struct builder *builder)
{
    const yaml_event_t *event = builder->event;
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return on_document(builder);
    case YAML_ALIAS_EVENT:
        return on_alias(builder);
    case YAML_SCALAR_EVENT:
        return on_scalar(builder);
    case YAML_SEQUENCE_START_EVENT:
        return on_begin(builder, TREE_SEQUENCE, event->data.sequence_start.anchor,
                        event->data.sequence_start.tag,
                        event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE);
    case YAML_MAPPING_START_EVENT:
        return on_begin(builder, TREE_MAPPING, event->data.mapping_start.anchor,
                        event->data.mapping_start.tag,
                        event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        on_end(builder);
        return true;
    default:
        return true;
    }
}

static bool is_empty(const struct tree *root)
{
    return !root || (root->kind == TREE_NULL && *root->text == '\0');
}

/* Feeds events until the stream ends or nothing more can be made of it. */
static void build(struct builder *builder, yaml_parser_t *parser)
{
    for (bool going = true; going;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            builder->failed = true;
            if (parser->error == YAML_MEMORY_ERROR) {
                base_out_of_memory();
            }
            yaml_report_syntax(parser, &builder->places, builder->diagnostics);
            return;
        }
        builder->event = &event;
        going = on_event(builder) && event.type != YAML_STREAM_END_EVENT;
        builder->event = NULL;
        yaml_event_delete(&event);
    }
    if (!builder->failed && is_empty(builder->root)) {
        const struct source *source = builder->places.source;
        struct diagnostic *diagnostic =
            report(builder, DIAG_EMPTY_PLAN, (struct span){source, 1, 1, 1, 1},
                   "the file holds no plan: it is empty, or has only comments");
        diagnostic_help(
            builder->diagnostics, diagnostic,
            "a plan begins with \"version: 1\" and \"name: …\"; drc plan init writes one");
    }
}

struct tree *yaml_parse(struct arena *arena, const struct source *source,
                        struct diagnostics *diagnostics)
{
    bool ascii;
    if (!yaml_scan(source, diagnostics, &ascii)) {
        return NULL;
    }
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        base_out_of_memory();
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)source->text, source->length);
    struct builder *builder = base_alloc(sizeof *builder);
    builder->arena = arena;
    builder->diagnostics = diagnostics;
    builder->places = yaml_places(arena, source, ascii);
    builder->child_capacity = 64;
    builder->children = base_alloc(builder->child_capacity * sizeof *builder->children);
    build(builder, &parser);
    struct tree *root = builder->failed ? NULL : builder->root;
    yaml_parser_delete(&parser);
    free(builder->children);
    free(builder);
    return root;
}
