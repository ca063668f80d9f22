/* What a runbook costs: 500 VMs, each with a script on its instance, a check, and a record in one zone of
 * Route 53, failed over in the sandbox on a virtual clock under AWS's request rates, then cleaned up. Told:
 * requests by API, held against those that cannot be shared; how long it took against what was predicted.
 * `bench_runbook [VMS]`; figures are exact and the same on every machine. */
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/map.h"
#include "compiler/compile.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/source.h"
#include "compiler/graph/estimate.h"
#include "runtime/engine/executor.h"
#include "runtime/engine/limits.h"
#include "runtime/simulation/rehearsal.h"

static void give_up(const char *doing, const struct error *error)
{
    fprintf(stderr, "bench_runbook: %s: %s\n", doing, error->message ? error->message : "failed");
    exit(1);
}

/* --- the plan --- */

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0 || chmod(path, mode) != 0) {
        perror(path);
        exit(1);
    }
}

static void put_plan(struct buffer *out, int vms)
{
    buffer_puts(out, "version: 1\nname: fleet\nobjectives: {rpo: 1h, rto: 8h}\n"
                     "replication: {every: 10m}\n"
                     "sites:\n  recovery:\n    aws:\n      region: eu-west-1\n"
                     "      account: \"111122223333\"\n"
                     "      placeholder_image: {bios: ami-0c000000000000001}\n"
                     "      conversion: {inject: never}\n"
                     "networks:\n  production:\n    vpc: vpc-0a000000000000001\n    subnets:\n"
                     "      app: {id: subnet-0a00000000000000a, cidr: 10.20.0.0/20, "
                     "zone: eu-west-1a}\n"
                     "    security_groups: {app: sg-0a000000000000001}\n"
                     "dns:\n  fleet.example: {provider: route53}\n"
                     "defaults: {instance_type: m6i.large, subnet: app, security_groups: [app],"
                     " iam_profile: dr-instance}\n"
                     "vms:\n");
    for (int i = 0; i < vms; i++) {
        buffer_printf(out,
                      "  vm-%04d:\n    source: /DC0/vm/fleet/vm-%04d\n"
                      "    post_boot:\n"
                      "      - {script: hello.sh}\n"
                      "      - check: {tcp: 443}\n"
                      "      - dns: {zone: fleet.example, record: vm-%04d, type: A, ttl: 60,"
                      " values: [\"${self.address}\"]}\n",
                      i, i, i);
    }
}

static const struct plan *make_plan(struct arena *arena, const char *directory, int vms)
{
    struct error error = {0};
    struct buffer text = {0};
    const char *path = arena_printf(arena, "%s/plan.yaml", directory);
    put_plan(&text, vms);
    write_file(path, buffer_text(&text), 0644);
    buffer_free(&text);
    write_file(arena_printf(arena, "%s/hello.sh", directory), "#!/bin/sh\necho hello\n", 0755);
    struct source *source = source_read(arena, path, &error);
    struct diagnostics *diagnostics = diagnostics_create(arena);
    struct plan *plan = source ? compile_plan(arena, source, NULL, 0, diagnostics) : NULL;
    if (!plan) {
        struct buffer out = {0};
        diagnostics_write(diagnostics, DIAGNOSTIC_FORMAT_HUMAN, false, &out);
        fprintf(stderr, "%s\n", buffer_text(&out));
        exit(1);
    }
    return plan;
}

/* --- requests, by API --- */

struct tally {
    struct arena *arena;
    struct map by_name; /* -> int64_t * */
    int64_t all;
    bool counts; /* not what is asked beforehand */
};

static const char *header_of(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, name) == 0) {
            return request->headers[i].value;
        }
    }
    return NULL;
}

/* "RunInstances": of a form, of a JSON target, else the method and the path's beginning. */
static const char *name_of(struct tally *tally, const struct http_request *request)
{
    const char *target = header_of(request, "X-Amz-Target");
    const char *body = request->body_length > 0 ? request->body : "";
    const char *action = strstr(body, "Action=");
    if (target) {
        return arena_strdup(tally->arena, strrchr(target, '.') ? strrchr(target, '.') + 1 : target);
    }
    if (action && strncmp(body, "Action=", 7) == 0) {
        return arena_strndup(tally->arena, action + 7, strcspn(action + 7, "&"));
    }
    const char *path = strchr(strstr(request->url, "://") + 3, '/');
    const char *end = path ? strpbrk(path + 1, "?") : NULL;
    const char *last = path;
    for (const char *c = path; c && *c && c != end; c++) {
        last = *c == '/' ? c : last;
    }
    size_t length = last ? strcspn(last, "?") : 0;
    if (path && strstr(path, "/change/")) {
        return "GET /change";
    }
    return arena_printf(tally->arena, "%s %.*s", request->method, (int)length, last ? last : "");
}

static void count(void *context, int64_t utc_ms, const struct http_request *request,
                  const struct http_response *response)
{
    struct tally *tally = context;
    (void)utc_ms, (void)response;
    if (!tally->counts) {
        return;
    }
    const char *name = name_of(tally, request);
    int64_t *known = map_get(&tally->by_name, name);
    if (!known) {
        known = ARENA_NEW(tally->arena, int64_t);
        map_put(&tally->by_name, name, known);
    }
    ++*known;
    tally->all++;
}

static void tell_tally(struct tally *tally)
{
    size_t at = 0;
    for (struct map_entry *entry = map_first(&tally->by_name); entry; entry = map_next(entry)) {
        printf("%s%s %" PRId64, at++ % 4 ? ", " : "\n    ", entry->key, *(int64_t *)entry->value);
    }
    printf("\n");
    tally->by_name = (struct map){.arena = tally->arena};
    tally->all = 0;
}

/* Requests that cannot be shared, and one for each batch of those that can. */
static int64_t floor_of(const struct graph *graph)
{
    int64_t calls[ACTION_COUNT] = {0}, floor = 0;
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct action_info *info = action_info(graph->nodes[i].action);
        bool asks = info->provider == PROVIDER_AWS && info->effect != EFFECT_WAIT &&
                    !graph_is_for_failure(&graph->nodes[i]);
        calls[graph->nodes[i].action] += asks;
    }
    for (int action = 1; action < ACTION_COUNT; action++) {
        int64_t most = action_info((enum action)action)->batch_max;
        floor += (calls[action] + most - 1) / most;
    }
    return floor;
}

/* --- running --- */

static double carry_out(struct rehearsal *rehearsal, struct tally *tally, const char *what)
{
    struct error error = {0};
    int64_t began = world_monotonic_ms(rehearsal_world(rehearsal));
    tally->counts = true;
    if (rehearsal_process(rehearsal, -1, &error) != REHEARSAL_SUCCEEDED) {
        give_up(what, &error);
    }
    tally->counts = false;
    double took_s = (double)(world_monotonic_ms(rehearsal_world(rehearsal)) - began) / 1000;
    const struct graph *graph = rehearsal_graph(rehearsal);
    printf("%s: %zu actions, took %.1f s (predicted %.1f s); %" PRId64
           " requests, of which %" PRId64 " change something and cannot be shared:",
           what, graph->node_count, took_s,
           (double)rehearsal_schedule(rehearsal)->makespan_ms / 1000, tally->all, floor_of(graph));
    return took_s;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info, (void)type, (void)place;
    return remove(path);
}

int main(int argc, char **argv)
{
    char directory[] = "/tmp/drc-runbook-XXXXXX";
    int vms = argc > 1 ? atoi(argv[1]) : 500;
    struct error error = {0};
    if (vms < 1 || !mkdtemp(directory)) {
        perror(directory);
        return 1;
    }
    struct arena *arena = arena_create();
    char *state = arena_printf(arena, "%s/state", directory);
    mkdir(state, 0755);
    struct tally tally = {.arena = arena, .by_name = {.arena = arena}};
    struct rehearsal_options options = {.plan = make_plan(arena, directory, vms),
                                        .workflow = WORKFLOW_FAILOVER,
                                        .seed = 7,
                                        .directory = state,
                                        .limits = LIMITS_AWS,
                                        .throttle = true,
                                        .tap = count,
                                        .tap_context = &tally};
    struct rehearsal *rehearsal = rehearsal_create(&options, &error);
    if (!rehearsal) {
        give_up("preparing", &error);
    }
    double took_s = carry_out(rehearsal, &tally, "failover with runbook");
    double over = took_s * 1000 / (double)rehearsal_schedule(rehearsal)->makespan_ms;
    double requests = (double)tally.all / (double)floor_of(rehearsal_graph(rehearsal));
    tell_tally(&tally);
    if (!rehearsal_begin_cleanup(rehearsal, &error)) {
        give_up("preparing the cleanup", &error);
    }
    carry_out(rehearsal, &tally, "cleanup");
    double cleanup = (double)tally.all / vms;
    tell_tally(&tally);
    printf("runbook: %.2f of the predicted time; %.2f requests for each that changes something and cannot be "
           "shared; cleanup: %.2f requests for each VM\n",
           over, requests, cleanup);
    rehearsal_destroy(rehearsal);
    arena_destroy(arena);
    nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
