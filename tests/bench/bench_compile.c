/* How long a plan of 10,000 VMs takes to be checked and lowered, as a ratio to a bare libyaml event
 * parse of the same text in the same process. `bench_compile [VMS] [ROUNDS]`; the least of the
 * rounds counts, in CPU time. Exits with 1 when a budget of DESIGN's is not held:
 * check and lower 3, with the graph written out as JSON 12. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <yaml.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/compile.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/schema.h"
#include "compiler/front/tree.h"
#include "tests/bench/budget.h"

static const double CHECK_AND_LOWER_MAX = 3, WITH_JSON_MAX = 12;

enum stage { BARE, PARSE, VALIDATE, COMPILE_PLAN, LOWER, EMIT, WHOLE, WHOLE_JSON, STAGE_COUNT };

static const char *const stage_names[STAGE_COUNT] = {
    "bare libyaml events", "of it, tree",     "of it, schema", "check", "lower",
    "graph as JSON",       "check and lower", "with JSON",
};

/* ---- the plan: tiers of VMs in one subnet of each of 40 zones' worth of addresses ---- */

static void write_head(struct buffer *out)
{
    buffer_puts(out, "version: 1\nname: fleet\ndescription: Ten thousand VMs\n"
                     "objectives: {rpo: 1h, rto: 8h}\n"
                     "backup: {every: 10m, repository: s3://acme-dr-eu/fleet}\n"
                     "replication: {every: 10m}\n"
                     "sites:\n  recovery:\n    aws:\n      region: eu-west-1\n"
                     "      account: \"111122223333\"\n      boot: attach\n"
                     "      placeholder_image: ami-0c000000000000001\n"
                     "      conversion:\n        instances: {eu-west-1a: i-0f00ba40000000000}\n"
                     "networks:\n  production:\n    vpc: vpc-0a000000000000001\n    subnets:\n");
    for (int i = 0; i < 40; i++) {
        buffer_printf(out,
                      "      net-%d: {id: subnet-0a0000000000%05x, cidr: 10.%d.0.0/20, "
                      "zone: eu-west-1a}\n",
                      i, i, i);
    }
    buffer_puts(out, "    security_groups:\n      web: sg-0a000000000000001\n"
                     "      db: sg-0a000000000000002\n"
                     "defaults:\n  instance_type: auto\n  tags: {service: fleet}\nvms:\n");
}

static void write_vm(struct buffer *out, int i)
{
    buffer_printf(out,
                  "  vm-%05d:\n"
                  "    source: /DC0/vm/fleet/vm-%05d\n"
                  "    instance_type: [m6i.large, m5.large]\n"
                  "    subnet: net-%d\n"
                  "    security_groups: [%s]\n"
                  "    private_ip: 10.%d.%d.%d\n"
                  "    critical: true\n"
                  "    tags: {tier: \"%d\"}\n"
                  "    volumes:\n"
                  "      0: {type: gp3, iops: 6000, throughput: 250}\n"
                  "    timeouts: {start: 10m}\n",
                  i, i, i % 40, i % 2 ? "web" : "db", i % 40, 1 + i / 40 / 200, 10 + i / 40 % 200,
                  i % 10);
    if (i % 10 != 0) {
        buffer_printf(out, "    depends_on: [vm-%05d]\n", i - 1);
    }
    buffer_puts(out, "    ready:\n"
                     "      - instance_status: ok\n"
                     "        timeout: 10m\n"
                     "      - tcp: 5432\n"
                     "      - http: {port: 8080, path: /healthz, status: 200}\n");
}

/* ---- stages ---- */

static double cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1e6;
}

static void parse_bare(const struct buffer *text)
{
    yaml_parser_t parser;
    yaml_parser_initialize(&parser);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text->data, text->length);
    for (bool going = true; going;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            abort();
        }
        going = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
}

static void fail_with(const struct diagnostics *diagnostics)
{
    struct buffer out = {0};
    diagnostics_write(diagnostics, DIAGNOSTIC_FORMAT_HUMAN, false, &out);
    fprintf(stderr, "bench_compile: the plan does not compile:\n%.4000s\n", buffer_text(&out));
    exit(1);
}

static size_t nodes, json_bytes;

/* What the stages of the front end take, on their own. */
static void time_front(const struct buffer *text, double spent[STAGE_COUNT])
{
    struct arena *arena = arena_create();
    struct diagnostics *diagnostics = diagnostics_create(arena);
    double start = cpu_ms();
    struct source *source = source_from_text(arena, "plan.yaml", text->data, text->length);
    struct tree *tree = yaml_parse(arena, source, diagnostics);
    double parsed = cpu_ms();
    if (!tree || !schema_validate(schema_plan(arena), tree, diagnostics)) {
        fail_with(diagnostics);
    }
    spent[PARSE] = parsed - start;
    spent[VALIDATE] = cpu_ms() - parsed;
    arena_destroy(arena);
}

static void time_compilation(const struct buffer *text, double spent[STAGE_COUNT])
{
    struct arena *arena = arena_create();
    struct diagnostics *diagnostics = diagnostics_create(arena);
    double start = cpu_ms();
    struct source *source = source_from_text(arena, "plan.yaml", text->data, text->length);
    struct plan *plan = compile_plan(arena, source, NULL, 0, diagnostics);
    if (!plan) {
        fail_with(diagnostics);
    }
    double checked = cpu_ms();
    struct graph *graph = compile_graph(arena, plan, WORKFLOW_FAILOVER, NULL, diagnostics);
    if (!graph) {
        fail_with(diagnostics);
    }
    double lowered = cpu_ms();
    struct buffer json = {0};
    graph_write_json(graph, &json);
    double emitted = cpu_ms();
    spent[COMPILE_PLAN] = checked - start;
    spent[LOWER] = lowered - checked;
    spent[EMIT] = emitted - lowered;
    spent[WHOLE] = lowered - start;
    spent[WHOLE_JSON] = emitted - start;
    nodes = graph->node_count;
    json_bytes = json.length;
    buffer_free(&json);
    arena_destroy(arena);
}

static void run_round(const struct buffer *text, double least[STAGE_COUNT])
{
    double spent[STAGE_COUNT];
    double start = cpu_ms();
    parse_bare(text);
    spent[BARE] = cpu_ms() - start;
    time_front(text, spent);
    time_compilation(text, spent);
    for (int i = 0; i < STAGE_COUNT; i++) {
        least[i] = spent[i] < least[i] ? spent[i] : least[i];
    }
}

static bool report(const double least[STAGE_COUNT])
{
    static const enum stage order[] = {BARE,  COMPILE_PLAN, PARSE, VALIDATE,
                                       LOWER, EMIT,         WHOLE, WHOLE_JSON};
    for (int i = 0; i < STAGE_COUNT; i++) {
        enum stage stage = order[i];
        printf("  %-20s %8.1f ms %6.2fx\n", stage_names[stage], least[stage],
               least[stage] / least[BARE]);
    }
    double lowered = least[WHOLE] / least[BARE], emitted = least[WHOLE_JSON] / least[BARE];
    bool held = budget_at_most("check and lower against libyaml's events", lowered, CHECK_AND_LOWER_MAX);
    return budget_at_most("the same with JSON", emitted, WITH_JSON_MAX) && held;
}

int main(int argc, char **argv)
{
    int vms = argc > 1 ? atoi(argv[1]) : 10000;
    int rounds = argc > 2 ? atoi(argv[2]) : 5;
    struct buffer text = {0};
    write_head(&text);
    for (int i = 0; i < vms; i++) {
        write_vm(&text, i);
    }
    if (argc > 3) { /* a file to look at */
        FILE *file = fopen(argv[3], "w");
        fwrite(text.data, 1, text.length, file);
        fclose(file);
    }
    double least[STAGE_COUNT];
    for (int i = 0; i < STAGE_COUNT; i++) {
        least[i] = 1e9;
    }
    for (int i = 0; i < rounds; i++) {
        run_round(&text, least);
    }
    printf("compile: %d VMs, %.1f MB of YAML, %zu nodes, %.1f MB of JSON\n", vms,
           (double)text.length / 1e6, nodes, (double)json_bytes / 1e6);
    bool held = report(least);
    buffer_free(&text);
    return held ? 0 : 1;
}
