#include "compiler/permissions/permission.h"

#define R(NAME) | (UINT64_C(1) << RESOURCE_##NAME)
#define C(NAME) | (UINT32_C(1) << CONDITION_##NAME)
#define W(NAME) | (1U << WORKFLOW_##NAME)

static const struct statement_info statements[] = {
#define STATEMENT(NAME, SID, HOLDER, RESOURCES, CONDITIONS, ABOUT)                                 \
    [STATEMENT_##NAME] = {.sid = SID,                                                              \
                          .about = ABOUT,                                                          \
                          .holder = HOLDER_##HOLDER,                                               \
                          .resources = 0 RESOURCES,                                                \
                          .conditions = 0 CONDITIONS},
#include "compiler/permissions/permission.def"
};

static const char *const templates[] = {
#define RESOURCE(NAME, TEMPLATE) [RESOURCE_##NAME] = TEMPLATE,
#include "compiler/permissions/permission.def"
};

static const struct permission_row rows[] = {
#define HOW(PERMISSION, STATEMENT) {.permission = PERMISSION, .statement = STATEMENT_##STATEMENT},
#define ALSO(ACTION, PERMISSION, STATEMENT, WHY)                                                   \
    {.action = ACTION_##ACTION,                                                                    \
     .permission = PERMISSION,                                                                     \
     .statement = STATEMENT_##STATEMENT,                                                           \
     .why = WHY},
#define READ(WORKFLOWS, IF, PERMISSION, STATEMENT, WHY)                                            \
    {.workflows = 0 WORKFLOWS,                                                                     \
     .where = RESOURCE_##IF,                                                                       \
     .permission = PERMISSION,                                                                     \
     .statement = STATEMENT_##STATEMENT,                                                           \
     .why = WHY},
#include "compiler/permissions/permission.def"
};

static const enum action take_back[][2] = {
#define TAKE_BACK(ACTION, OTHER) {ACTION_##ACTION, ACTION_##OTHER},
#include "compiler/permissions/permission.def"
};

const struct statement_info *statement_info(enum statement statement)
{
    return &statements[statement];
}

const char *resource_template(enum resource_kind kind)
{
    return templates[kind];
}

const struct permission_row *permission_row(size_t index)
{
    return index < sizeof rows / sizeof *rows ? &rows[index] : NULL;
}

void permission_add_take_back(bool actions[ACTION_COUNT])
{
    for (int action = ACTION_NONE + 1; action < ACTION_COUNT; action++) {
        if (actions[action]) {
            actions[action_info((enum action)action)->undo] = true;
        }
    }
    for (size_t i = 0; i < sizeof take_back / sizeof *take_back; i++) {
        if (actions[take_back[i][0]]) {
            actions[take_back[i][1]] = true;
        }
    }
    actions[ACTION_NONE] = false;
}
