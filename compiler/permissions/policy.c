#include "compiler/permissions/policy.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/permissions/names.h"
#include "compiler/permissions/permission.h"
#include "compiler/permissions/statement.h"

struct making {
    struct arena *arena;
    struct policy *policy;
    const struct plan *plan;
    struct holders holders;
    struct names (*allowed)[STATEMENT_COUNT]; /* permissions, by holder */
    struct statement_terms terms;
    size_t note_capacity, document_capacity;
};

static void note(struct making *m, const char *text)
{
    struct policy *policy = m->policy;
    policy->notes = arena_grow(m->arena, policy->notes, policy->note_count, &m->note_capacity,
                               sizeof *policy->notes);
    policy->notes[policy->note_count++] = text;
}

/* ---- which permissions ---- */

static void allow(struct making *m, enum statement statement, const char *permission,
                  enum resource_kind where)
{
    for (size_t i = 0; i < m->holders.count; i++) {
        bool there = where == RESOURCE_ANY || m->holders.items[i].resources[where].count > 0;
        if (there && holder_has(&m->holders, i, statement_info(statement)->holder)) {
            names_add(m->arena, &m->allowed[i][statement], permission);
        }
    }
}

static void allow_actions(struct making *m, const bool actions[ACTION_COUNT])
{
    for (int action = ACTION_NONE + 1; action < ACTION_COUNT; action++) {
        const char *own = action_info((enum action)action)->permission;
        const struct permission_row *row;
        for (size_t i = 0; actions[action] && (row = permission_row(i)); i++) {
            bool is_how = row->action == ACTION_NONE && row->workflows == 0;
            if (is_how ? strcmp(row->permission, own) == 0 : row->action == (enum action)action) {
                allow(m, row->statement, row->permission, RESOURCE_ANY);
            }
        }
    }
}

static void allow_reads(struct making *m)
{
    const struct permission_row *row;
    for (size_t i = 0; (row = permission_row(i)); i++) {
        if (row->workflows & (1U << m->policy->workflow)) {
            allow(m, row->statement, row->permission, row->where);
        }
    }
}

static int compare(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;
    return strcmp(*a, *b);
}

/* What EC2 calls the calls that make things: ec2:CreateAction. */
static void know_create_actions(struct making *m, const bool actions[ACTION_COUNT])
{
    struct names *names = &m->terms.create_actions;
    for (int action = ACTION_NONE + 1; action < ACTION_COUNT; action++) {
        const struct action_info *info = action_info((enum action)action);
        if (actions[action] && info->effect == EFFECT_CREATE &&
            strncmp(info->permission, "ec2:", 4) == 0) {
            names_add(m->arena, names, info->permission + 4);
        }
    }
    if (names->count > 1) {
        qsort(names->items, names->count, sizeof *names->items, compare);
    }
}

static void know_actions(struct making *m, const struct graph *graph)
{
    bool actions[ACTION_COUNT] = {false};
    for (size_t i = 0; graph && i < graph->node_count; i++) {
        actions[graph->nodes[i].action] = true;
    }
    permission_add_take_back(actions);
    know_create_actions(m, actions);
    allow_actions(m, actions);
    allow_reads(m);
}

/* ---- documents ---- */

static size_t characters(const struct policy_document *document)
{
    struct buffer text = {0};
    policy_write_json(document, 0, &text);
    size_t count = 0;
    for (size_t i = 0; i < text.length; i++) {
        count += strchr(" \t\r\n", text.data[i]) == NULL;
    }
    buffer_free(&text);
    return count;
}

static void add_document(struct making *m, const struct policy_document *document)
{
    struct policy *policy = m->policy;
    if (document->count == 0) {
        return;
    }
    policy->documents = arena_grow(m->arena, policy->documents, policy->count,
                                   &m->document_capacity, sizeof *policy->documents);
    policy->documents[policy->count++] = *document;
}

/* As many statements in each as it takes, in order. */
static void pack(struct making *m, const char *role, const struct policy_statement *statements,
                 size_t count)
{
    struct policy_document document = {.role = role, .statements = statements};
    for (size_t i = 0; i < count; i++) {
        document.count++;
        size_t size = characters(&document);
        if (size > POLICY_CHARACTERS_MAX && document.count > 1) {
            document.count--;
            add_document(m, &document);
            document =
                (struct policy_document){.role = role, .statements = &statements[i], .count = 1};
            size = characters(&document);
        }
        document.characters = size;
    }
    add_document(m, &document);
}

/* Parts of a statement whose things are too many for one document: what is named is looked at one
 * by one, so that it does not matter which part names it. */
static size_t split(struct making *m, struct policy_statement whole, struct policy_statement *parts)
{
    enum { LISTED_MAX = POLICY_CHARACTERS_MAX / 2 };
    size_t count = 0, first = 0, listed = 0;
    for (size_t i = 0; i < whole.resource_count; i++) {
        listed += strlen(whole.resources[i]) + strlen("\"\",");
        bool last = i + 1 == whole.resource_count;
        if (last || listed + strlen(whole.resources[i + 1]) > LISTED_MAX) {
            parts[count] = whole;
            parts[count].sid =
                count == 0 ? whole.sid : arena_printf(m->arena, "%s%zu", whole.sid, count + 1);
            parts[count].resources = &whole.resources[first];
            parts[count++].resource_count = i + 1 - first;
            first = i + 1;
            listed = 0;
        }
    }
    return count;
}

static size_t parts_max(const struct policy_statement *statement)
{
    size_t listed = 0;
    for (size_t i = 0; i < statement->resource_count; i++) {
        listed += strlen(statement->resources[i]) + 3;
    }
    return 2 + listed / (POLICY_CHARACTERS_MAX / 4);
}

/* A change of many records is held against one statement as a whole: its names cannot be split. */
static bool has_too_many_records(const struct holder *holder)
{
    size_t listed = 0;
    for (size_t i = 0; i < holder->record_names.count; i++) {
        listed += strlen(holder->record_names.items[i]) + 3;
    }
    return listed > POLICY_CHARACTERS_MAX / 2;
}

static void write_holder(struct making *m, size_t index)
{
    const struct holder *holder = &m->holders.items[index];
    struct policy_statement *statements = NULL;
    size_t count = 0, capacity = 0;
    m->terms.holder = holder;
    m->terms.drops_records = has_too_many_records(holder);
    if (m->terms.drops_records) {
        note(m, "The records are too many to be named: any record of the plan's types in its zones "
                "can be "
                "changed.");
    }
    for (int s = 0; s < STATEMENT_COUNT; s++) {
        struct names *actions = &m->allowed[index][s];
        struct policy_statement whole = {.actions = actions->items, .action_count = actions->count};
        if (actions->count == 0 || !statement_fill(&m->terms, (enum statement)s, &whole)) {
            continue;
        }
        qsort(actions->items, actions->count, sizeof *actions->items, compare);
        struct policy_statement *parts =
            ARENA_ARRAY(m->arena, struct policy_statement, parts_max(&whole));
        size_t part_count = split(m, whole, parts);
        for (size_t i = 0; i < part_count; i++) {
            statements = arena_grow(m->arena, statements, count, &capacity, sizeof *statements);
            statements[count++] = parts[i];
        }
    }
    pack(m, holder->role, statements, count);
}

/* ---- notes ---- */

static bool names_any(const struct making *m, enum resource_kind kind)
{
    return m->holders.items[m->holders.recovery].resources[kind].count > 0;
}

static void note_unknown(struct making *m)
{
    if (!m->plan->aws.account.value) {
        note(m,
             "The plan names no account (sites.recovery.aws.account): ARNs have * in its place.");
    }
    if (names_any(m, RESOURCE_PASSED_ROLES)) {
        note(m,
             "iam:PassRole names the roles as their instance profiles are called: where a role has "
             "another name or a path, put it in.");
    }
    if (names_any(m, RESOURCE_PARAMETERS) || names_any(m, RESOURCE_PUBLIC_PARAMETERS)) {
        note(m, "A placeholder image is named by an SSM parameter: any image can be launched.");
    }
    if (!m->plan->aws.kms_key.value) {
        note(m, "Where the account encrypts EBS by default with a key of its own, name it in "
                "kms_key: the "
                "policy has then what the key needs.");
    }
}

/* ---- all of it ---- */

static const char *partition_of(const char *region)
{
    return strncmp(region, "cn-", 3) == 0       ? "aws-cn"
           : strncmp(region, "us-gov-", 7) == 0 ? "aws-us-gov"
                                                : "aws";
}

struct policy *policy_make(struct arena *arena, const struct plan *plan, enum workflow workflow,
                           const struct graph *graph, const char *state)
{
    const char *region = plan->aws.region.value;
    struct policy *policy = ARENA_NEW(arena, struct policy);
    *policy = (struct policy){.plan_name = plan->name, .workflow = workflow};
    struct making m = {.arena = arena,
                       .policy = policy,
                       .plan = plan,
                       .holders = {.arena = arena},
                       .terms = {.arena = arena,
                                 .plan = plan,
                                 .partition = partition_of(region ? region : ""),
                                 .region = region ? region : "*",
                                 .account = plan->aws.account.value ? plan->aws.account.value : "*",
                                 .state = state,
                                 .repository = plan->backup.repository.value}};
    names_gather(&m.holders, plan, graph, workflow, state);
    m.allowed = arena_zalloc(arena, sizeof *m.allowed * m.holders.count);
    know_actions(&m, graph);
    for (size_t i = 0; i < m.holders.count; i++) {
        write_holder(&m, i);
    }
    if (graph) {
        note_unknown(&m);
    }
    return policy;
}
