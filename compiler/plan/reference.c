#include "compiler/plan/reference.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/plan/bind.h"

/* One ${…} while it is read. */
struct scan {
    struct binder *binder;
    const struct tree *scalar;
    size_t dollar_total; /* dollar signs in the scalar's text */
    const char *name;    /* between the braces */
    size_t length;
    struct span at;
};

/* ---- Places inside of a scalar ---- */

static size_t count_dollars(const char *text, const char *end)
{
    size_t count = 0;
    for (; text < end; text++) {
        count += *text == '$';
    }
    return count;
}

static uint32_t code_points(const char *text, size_t length)
{
    uint32_t count = 0;
    for (size_t i = 0; i < length; i++) {
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    return count;
}

/* The bytes of line `line` that belong to the span; *column is that of the first. */
static const char *line_of_span(struct span span, uint32_t line, size_t *length, uint32_t *column)
{
    const char *text = source_line(span.source, line, length);
    const char *end = text + *length;
    *column = 1;
    if (line == span.line) {
        while (*column < span.column && text < end) {
            do {
                text++;
            } while (text < end && ((unsigned char)*text & 0xc0) == 0x80);
            ++*column;
        }
    }
    *length = (size_t)(end - text);
    return text;
}

/* The place of the dollar sign number `index` of the scalar, `width` characters long. What the
 * file says and the scalar's text differ by quotes, escapes and line folding, but mostly not in
 * dollar signs; where they do (a "\x24"), the place is the whole scalar's. */
static struct span place_of_dollar(const struct scan *scan, size_t index, uint32_t width)
{
    struct span span = scan->scalar->span, found = span;
    size_t seen = 0;
    if (!span.source) {
        return span;
    }
    for (uint32_t line = span.line; line <= span.end_line; line++) {
        uint32_t column;
        size_t length;
        const char *text = line_of_span(span, line, &length, &column);
        for (size_t i = 0; i < length; i++) {
            uint32_t here = text[i] == '$' ? column + code_points(text, i) : 0;
            if (!here || (line == span.end_line && here >= span.end_column)) {
                continue;
            }
            if (seen++ == index) {
                found.line = found.end_line = line;
                found.column = here;
                found.end_column = here + width;
            }
        }
    }
    return seen == scan->dollar_total ? found : span;
}

/* ---- What a reference names ---- */

static const struct {
    const char *name;
    enum vm_field field;
} vm_fields[] = {
    {"address", VM_FIELD_ADDRESS},     {"private_ip", VM_FIELD_PRIVATE_IP},
    {"public_ip", VM_FIELD_PUBLIC_IP}, {"instance_id", VM_FIELD_INSTANCE_ID},
    {"name", VM_FIELD_NAME},
};
enum { VM_FIELD_COUNT = sizeof vm_fields / sizeof *vm_fields };

static struct diagnostic *unknown_reference(const struct scan *scan, enum diagnostic_code code,
                                            const char *what, const char *name, size_t length)
{
    return diagnose(scan->binder->diagnostics, code, scan->at, "%s \"%.*s\"", what, (int)length,
                    name);
}

static bool parse_field(const struct scan *scan, const char *name, size_t length,
                        struct reference_part *part)
{
    const char *names[VM_FIELD_COUNT];
    for (size_t i = 0; i < VM_FIELD_COUNT; i++) {
        names[i] = vm_fields[i].name;
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0) {
            part->field = vm_fields[i].field;
            return true;
        }
    }
    struct binder *binder = scan->binder;
    struct diagnostic *found =
        unknown_reference(scan, DIAG_UNKNOWN_REFERENCE, "a VM has no value named", name, length);
    const char *near =
        nearest_name(arena_strndup(binder->arena, name, length), names, VM_FIELD_COUNT);
    if (near) {
        diagnostic_help(binder->diagnostics, found, "did you mean \"%s\"?", near);
    } else {
        diagnostic_help(binder->diagnostics, found,
                        "address, private_ip, public_ip, instance_id and name can be used");
    }
    return false;
}

static bool parse_self(const struct scan *scan, const char *field, size_t length,
                       struct reference_part *part)
{
    part->kind = REFERENCE_VM;
    part->vm = scan->binder->self;
    if (!part->vm) {
        struct diagnostic *found = diagnose(scan->binder->diagnostics, DIAG_SELF_OUTSIDE_VM,
                                            scan->at, "${self.…} has no VM to refer to here");
        diagnostic_help(scan->binder->diagnostics, found, "name the VM: ${vms.NAME.%.*s}",
                        (int)length, field);
        return false;
    }
    return parse_field(scan, field, length, part);
}

static bool parse_vm(const struct scan *scan, const char *name, size_t length,
                     struct reference_part *part)
{
    struct binder *binder = scan->binder;
    const char *dot = memchr(name, '.', length);
    size_t name_length = dot ? (size_t)(dot - name) : length;
    part->kind = REFERENCE_VM;
    part->vm = map_get_n(&binder->plan->vm_by_name, name, name_length);
    if (!part->vm) {
        struct diagnostic *found =
            unknown_reference(scan, DIAG_UNKNOWN_VM, "there is no VM", name, name_length);
        bind_suggest(binder, found, arena_strndup(binder->arena, name, name_length),
                     &binder->plan->vm_by_name);
        return false;
    }
    if (!dot) {
        struct diagnostic *found = diagnose(binder->diagnostics, DIAG_UNKNOWN_REFERENCE, scan->at,
                                            "a VM is no value by itself");
        diagnostic_help(binder->diagnostics, found, "say which of its values: ${vms.%.*s.address}",
                        (int)name_length, name);
        return false;
    }
    return parse_field(scan, dot + 1, length - name_length - 1, part);
}

static bool parse_var(const struct scan *scan, const char *name, size_t length,
                      struct reference_part *part)
{
    struct binder *binder = scan->binder;
    part->kind = REFERENCE_VALUE;
    part->text = map_get_n(&binder->plan->vars, name, length);
    if (!part->text) {
        struct diagnostic *found =
            unknown_reference(scan, DIAG_UNKNOWN_VARIABLE, "there is no variable", name, length);
        bind_suggest(binder, found, arena_strndup(binder->arena, name, length),
                     &binder->plan->vars);
    }
    return part->text != NULL;
}

static bool starts_with(const struct scan *scan, const char *prefix)
{
    size_t length = strlen(prefix);
    return scan->length > length && memcmp(scan->name, prefix, length) == 0;
}

static bool says(const struct scan *scan, const char *word)
{
    return scan->length == strlen(word) && memcmp(scan->name, word, scan->length) == 0;
}

static bool parse_fixed(const struct scan *scan, struct reference_part *part)
{
    static const char *const forms[] = {
        "plan.name", "run.id",           "workflow",     "recovery_point.time",
        "vars.NAME", "vms.NAME.address", "self.address",
    };
    struct binder *binder = scan->binder;
    if (says(scan, "plan.name")) {
        *part = (struct reference_part){.kind = REFERENCE_VALUE, .text = binder->plan->name};
    } else if (says(scan, "workflow")) {
        *part = (struct reference_part){.kind = REFERENCE_VALUE};
    } else if (says(scan, "run.id")) {
        *part = (struct reference_part){.kind = REFERENCE_RUN_ID};
    } else if (says(scan, "recovery_point.time")) {
        *part = (struct reference_part){.kind = REFERENCE_RECOVERY_POINT_TIME};
    } else {
        const char *word = arena_strndup(binder->arena, scan->name, scan->length);
        struct diagnostic *found = unknown_reference(scan, DIAG_UNKNOWN_REFERENCE,
                                                     "no value is named", scan->name, scan->length);
        const char *near = nearest_name(word, forms, sizeof forms / sizeof *forms);
        if (near) {
            diagnostic_help(binder->diagnostics, found, "did you mean ${%s}?", near);
        } else {
            diagnostic_help(binder->diagnostics, found,
                            "values are vars.NAME, vms.NAME.FIELD, self.FIELD, plan.name, run.id, "
                            "workflow, recovery_point.time; $${ writes a literal ${");
        }
        return false;
    }
    return true;
}

static bool parse_name(const struct scan *scan, struct reference_part *part)
{
    if (starts_with(scan, "vars.")) {
        return parse_var(scan, scan->name + 5, scan->length - 5, part);
    }
    if (starts_with(scan, "vms.")) {
        return parse_vm(scan, scan->name + 4, scan->length - 4, part);
    }
    if (starts_with(scan, "self.")) {
        return parse_self(scan, scan->name + 5, scan->length - 5, part);
    }
    return parse_fixed(scan, part);
}

/* ---- Texts with references ---- */

static void add_part(struct binder *binder, struct template *template, size_t *capacity,
                     const struct reference_part *part)
{
    template->parts = arena_grow(binder->arena, template->parts, template->part_count, capacity,
                                 sizeof *template->parts);
    template->parts[template->part_count++] = *part;
}

static void add_literal(struct binder *binder, struct template *template, size_t *capacity,
                        struct buffer *literal)
{
    if (literal->length) {
        struct reference_part part = {
            .kind = REFERENCE_LITERAL,
            .text = arena_strdup(binder->arena, buffer_text(literal)),
            .at = template->at,
        };
        add_part(binder, template, capacity, &part);
        buffer_clear(literal);
    }
}

/* The } that ends the reference at `open`; NULL when something else comes first. */
static const char *find_end(const char *open)
{
    const char *at = open;
    while ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') ||
           *at == '_' || *at == '-' || *at == '.') {
        at++;
    }
    return *at == '}' && at > open ? at : NULL;
}

/* Reads the ${…} at `text`; returns where it ends. */
static const char *scan_reference(struct scan *scan, const char *text, bool *valid,
                                  struct reference_part *part)
{
    const char *end = find_end(text + 2);
    size_t index = count_dollars(scan->scalar->text, text);
    *valid = false;
    if (!end) {
        struct diagnostic *found =
            diagnose(scan->binder->diagnostics, DIAG_REFERENCE_SYNTAX,
                     place_of_dollar(scan, index, 2), "a reference begins here and is not whole");
        diagnostic_help(scan->binder->diagnostics, found,
                        "${NAME} with letters, digits, -, _ and dots; $${ writes a literal ${");
        return text + 2;
    }
    scan->name = text + 2;
    scan->length = (size_t)(end - scan->name);
    scan->at = place_of_dollar(scan, index, (uint32_t)scan->length + 3);
    *valid = parse_name(scan, part);
    part->at = scan->at;
    return end + 1;
}

struct template reference_parse(struct binder *binder, const struct tree *scalar)
{
    struct template template = {.raw = "", .at = bind_span(scalar, (struct span){0})};
    if (!scalar || !scalar->text || !*scalar->text) {
        return template;
    }
    template.raw = scalar->text;
    struct scan scan = {.binder = binder, .scalar = scalar};
    scan.dollar_total = count_dollars(scalar->text, scalar->text + strlen(scalar->text));
    struct buffer literal = {0};
    size_t capacity = 0;
    for (const char *at = scalar->text; *at;) {
        size_t plain = strcspn(at, "$");
        buffer_append(&literal, at, plain);
        at += plain;
        if (at[0] == '$' && at[1] == '{') {
            struct reference_part part = {0};
            bool valid;
            add_literal(binder, &template, &capacity, &literal);
            at = scan_reference(&scan, at, &valid, &part);
            if (valid) {
                add_part(binder, &template, &capacity, &part);
            }
        } else if (*at) {
            buffer_putc(&literal, '$');
            at += at[1] == '$' ? 2 : 1;
        }
    }
    add_literal(binder, &template, &capacity, &literal);
    buffer_free(&literal);
    return template;
}

static void refuse_here(struct binder *binder, const struct reference_part *part)
{
    struct diagnostic *found =
        diagnose(binder->diagnostics, DIAG_REFERENCE_NOT_HERE, part->at,
                 "this key needs a value that is known when the plan is compiled");
    diagnostic_label(binder->diagnostics, found, "known only in a run");
    diagnostic_help(binder->diagnostics, found,
                    "${vars.NAME} and ${plan.name} can stand here; the others in args, env and "
                    "values of steps");
}

const char *reference_expand(struct binder *binder, const struct tree *scalar)
{
    if (!scalar->text || !strchr(scalar->text, '$')) {
        return scalar->text;
    }
    struct template template = reference_parse(binder, scalar);
    struct buffer text = {0};
    for (size_t i = 0; i < template.part_count; i++) {
        const struct reference_part *part = &template.parts[i];
        if (part->kind <= REFERENCE_VALUE && part->text) {
            buffer_puts(&text, part->text);
        } else {
            refuse_here(binder, part);
        }
    }
    const char *expanded = arena_strdup(binder->arena, buffer_text(&text));
    buffer_free(&text);
    return expanded;
}

bool reference_is_late(const struct reference_part *part)
{
    return part->kind == REFERENCE_VM && part->field != VM_FIELD_NAME;
}
