#include "runtime/site/dns_findings.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/aws.h"
#include "runtime/dns/record_set.h"
#include "runtime/world/provider.h"
#include "runtime/world/secret.h"

/* A record, or a secret, that is asked about. */
struct asked {
    struct survey *survey;
    const struct graph_node *node;
    struct call call;
    const char *subject, *reference; /* reference: of a secret */
    enum finding_severity severity;
    const char *text, *help;
};

struct survey {
    const struct dns_findings_options *options;
    const struct graph *graph;
    struct arena *arena;
    struct asked *asked;
    size_t count, left;
    bool done;
};

static void answered(struct asked *asked, enum finding_severity severity, const char *text,
                     const char *help)
{
    struct survey *survey = asked->survey;
    asked->severity = severity;
    asked->text = arena_strdup(survey->arena, text);
    asked->help = help ? arena_strdup(survey->arena, help) : NULL;
    survey->done = --survey->left == 0;
}

static const char *input_text(const struct graph_node *node, const char *name)
{
    return value_text(graph_input(node, name));
}

/* "is 192.0.2.10 (ttl 60)". */
static const char *value_of(const struct survey *survey, const struct asked *asked, const char *old)
{
    struct record_set set;
    bool known = record_set_read(survey->arena, old, &set, NULL) && set.count > 0;
    return known ? arena_printf(survey->arena, "is %s",
                                record_set_text(survey->arena,
                                                record_type(input_text(asked->node, "type")), &set))
           : *old ? "is an alias"
                  : "is not there yet";
}

static const char *old_of(const struct call_result *result)
{
    for (size_t i = 0; i < result->output_count; i++) {
        if (strcmp(result->outputs[i].name, "old") == 0) {
            return result->outputs[i].value;
        }
    }
    return "";
}

static void on_queried(void *context, struct call *call, const struct call_result *result)
{
    struct asked *asked = call->context;
    const struct survey *survey = context;
    const char *message = result->error.message ? result->error.message : "cannot be read";
    if (result->outcome == OUTCOME_OK) {
        answered(asked, FINDING_PASSED, value_of(survey, asked, old_of(result)), NULL);
    } else if (result->outcome == OUTCOME_FATAL) {
        answered(asked, FINDING_FATAL, message, result->error.help);
    } else { /* DNS at home may be gone with it, and back when its turn comes */
        answered(asked, FINDING_WARNING, message, result->error.help);
    }
}

static void on_secret(void *context, const char *value, const struct error *error)
{
    struct asked *asked = context;
    if (value) {
        answered(asked, FINDING_PASSED, "can be had", NULL);
    } else {
        answered(asked, FINDING_FATAL, error->message, error->help);
    }
}

static bool same_text(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static bool is_known(const struct survey *survey, const struct asked *asked)
{
    for (size_t i = 0; i < survey->count; i++) {
        const struct asked *other = &survey->asked[i];
        if (asked->reference ? same_text(other->reference, asked->reference)
                             : !other->reference && same_text(other->subject, asked->subject)) {
            return true;
        }
    }
    return false;
}

static void add(struct survey *survey, struct asked asked)
{
    if (!is_known(survey, &asked)) {
        asked.survey = survey;
        survey->asked[survey->count++] = asked;
    }
}

static void note_node(struct survey *survey, const struct graph_node *node)
{
    const char *record = input_text(node, "record"), *type = input_text(node, "type");
    const struct value *secret = graph_input(node, "tsig_secret");
    bool known = record && type && input_text(node, "zone");
    bool by_update = node->action == ACTION_QUERY_RECORD && input_text(node, "server");
    bool in_route53 = node->action == ACTION_GET_RECORD_SET && survey->options->aws;
    if (known && (by_update || in_route53)) {
        add(survey, (struct asked){
                        .node = node,
                        .subject = arena_printf(survey->arena, "DNS record %s %s", record, type)});
    } else if (node->action == ACTION_UPDATE_RECORD && secret && !survey->options->own_secrets &&
               (secret->kind == VALUE_SECRET || secret->kind == VALUE_TEXT)) {
        const char *key = input_text(node, "tsig_name");
        add(survey, (struct asked){
                        .node = node,
                        .reference = secret->text,
                        .subject = arena_printf(survey->arena, "TSIG key %s", key ? key : "")});
    }
}

static void ask(struct survey *survey, struct asked *asked)
{
    survey->left++;
    if (asked->reference) {
        secret_look_up(survey->options->world, asked->reference, survey->graph->plan_file, on_secret,
                       asked);
        return;
    }
    asked->call = (struct call){
        .graph = survey->graph,
        .node = asked->node,
        .inputs = asked->node->inputs,
        .input_count = asked->node->input_count,
        .run_id = "preflight",
        .token = "preflight",
        .context = asked,
    };
    struct call *call = &asked->call;
    if (asked->node->action == ACTION_QUERY_RECORD) {
        survey->options->dns->start(survey->options->dns, &call, 1, on_queried, survey);
    }
}

/* Records of one zone of Route 53 share a request, as they do in the run. */
static void ask_route53(struct survey *survey)
{
    struct provider *aws = survey->options->aws;
    size_t most = (size_t)action_info(ACTION_GET_RECORD_SET)->batch_max;
    struct call **calls = ARENA_ARRAY(survey->arena, struct call *, survey->count);
    bool *sent = ARENA_ARRAY(survey->arena, bool, survey->count);
    for (size_t i = 0; i < survey->count; i++) {
        size_t count = 0;
        for (size_t j = i; j < survey->count && count < most; j++) {
            struct call *call = &survey->asked[j].call;
            bool ours = !sent[j] && call->node && call->node->action == ACTION_GET_RECORD_SET;
            if (ours && (count == 0 || aws->together(calls[0], call))) {
                calls[count++] = call;
                sent[j] = true;
            }
        }
        if (count > 0) {
            aws->start(aws, calls, count, on_queried, survey);
        }
    }
}

void dns_findings(const struct dns_findings_options *options, const struct graph *graph, struct arena *arena,
                  struct findings *findings)
{
    struct survey survey = {.options = options, .graph = graph, .arena = arena};
    survey.asked = ARENA_ARRAY(arena, struct asked, graph->node_count + 1);
    for (size_t i = 0; i < graph->node_count; i++) {
        note_node(&survey, &graph->nodes[i]);
    }
    for (size_t i = 0; i < survey.count; i++) {
        ask(&survey, &survey.asked[i]);
    }
    if (options->aws) {
        ask_route53(&survey);
    }
    while (survey.left > 0) {
        world_run(options->world, &survey.done);
    }
    for (size_t i = 0; i < survey.count; i++) {
        const struct asked *asked = &survey.asked[i];
        findings_add(findings, arena, asked->severity, asked->subject, asked->help, "%s",
                     asked->text);
    }
}
