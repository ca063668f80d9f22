#include "tests/unit/support/failover_maker.h"

#include "compiler/base/arena.h"

/* One machine under construction. */
struct making {
    struct graph *graph;
    const struct maker_machine *machine;
    uint32_t launch, volumes[8], injected;
};

static uint32_t add(struct making *make, const char *rest, enum action action)
{
    const char *id = arena_printf(make->graph->arena, "%s/%s", make->machine->name, rest);
    uint32_t node = maker_node(make->graph, id, action, action_info(action)->expected_ms);
    make->graph->nodes[node].because =
        (struct because){.file = "plans/shop/plan.yaml", .line = 86, .rule = "boot: attach"};
    return node;
}

static uint32_t then(struct making *make, uint32_t before, const char *rest, enum action action)
{
    uint32_t node = add(make, rest, action);
    maker_edge(make->graph, before, node);
    return node;
}

static uint32_t on_disk(struct making *make, uint32_t before, int disk, const char *what,
                        enum action action)
{
    const char *rest = arena_printf(make->graph->arena, "disk-%d/%s", disk, what);
    return before == UINT32_MAX ? add(make, rest, action) : then(make, before, rest, action);
}

static void attach_inputs(struct making *make, uint32_t node, int disk, const char *device)
{
    maker_output(make->graph, node, "volume_id", make->volumes[disk], "volume_id");
    maker_output(make->graph, node, "instance_id", make->launch, "instance_id");
    if (device) {
        maker_text(make->graph, node, "device", device);
    }
}

static uint32_t make_volume(struct making *make, int disk)
{
    struct graph *graph = make->graph;
    uint32_t create = on_disk(make, UINT32_MAX, disk, "create-volume", ACTION_CREATE_VOLUME);
    make->volumes[disk] = create;
    const char *snapshot =
        arena_printf(graph->arena, "%s/disk-%d/snapshot", make->machine->name, disk);
    maker_bind(graph, create, "snapshot_id", snapshot);
    maker_text(graph, create, "zone", "eu-west-1a");
    maker_int(graph, create, "size_gib", 8 << disk);
    maker_text(graph, create, "type", "gp3");
    uint32_t wait =
        on_disk(make, create, disk, "wait-volume-available", ACTION_WAIT_VOLUME_AVAILABLE);
    maker_output(graph, wait, "volume_id", create, "volume_id");
    return wait;
}

static uint32_t make_injection(struct making *make, uint32_t volume)
{
    struct graph *graph = make->graph;
    uint32_t attach = on_disk(make, volume, 0, "convert/attach-volume", ACTION_ATTACH_VOLUME);
    maker_output(graph, attach, "volume_id", make->volumes[0], "volume_id");
    maker_text(graph, attach, "instance_id", "i-0f00ba40000000000");
    maker_value(graph, attach, "device", (struct value){.kind = VALUE_SLOT, .node = 0});
    graph->nodes[attach].acquire = 0;
    uint32_t attached =
        on_disk(make, attach, 0, "convert/wait-volume-attached", ACTION_WAIT_VOLUME_ATTACHED);
    uint32_t inject = on_disk(make, attached, 0, "inject", ACTION_INJECT);
    maker_text(graph, inject, "conversion_instance", "i-0f00ba40000000000");
    maker_output(graph, inject, "volume_id", make->volumes[0], "volume_id");
    maker_value(graph, inject, "device", (struct value){.kind = VALUE_SLOT, .node = 0});
    maker_text(graph, inject, "os", "linux");
    maker_text(graph, inject, "firmware", "bios");
    uint32_t injected = on_disk(make, inject, 0, "wait-injected", ACTION_WAIT_INJECTED);
    uint32_t detach = on_disk(make, injected, 0, "convert/detach-volume", ACTION_DETACH_VOLUME);
    maker_text(graph, detach, "instance_id", "i-0f00ba40000000000");
    uint32_t free =
        on_disk(make, detach, 0, "convert/wait-volume-available", ACTION_WAIT_VOLUME_AVAILABLE);
    graph->nodes[free].release = 0;
    graph->nodes[detach].guards = graph->nodes[free].guards = (int32_t)attach;
    make->injected = injected;
    return free;
}

static void launch_inputs(struct making *make)
{
    struct graph *graph = make->graph;
    const struct maker_machine *machine = make->machine;
    maker_text(graph, make->launch, "image_id", "ami-0c000000000000001");
    maker_value(graph, make->launch, "instance_types",
                maker_texts(graph, (const char *const[]){machine->type}, 1));
    const struct value members[] = {{.kind = VALUE_TEXT, .text = machine->subnet},
                                    {.kind = VALUE_TEXT, .text = machine->address}};
    struct value card =
        maker_map(graph, (const char *const[]){"subnet_id", "private_ip"}, members, 2);
    struct value *cards = ARENA_NEW(graph->arena, struct value);
    *cards = card;
    maker_value(graph, make->launch, "cards",
                (struct value){.kind = VALUE_LIST, .items = cards, .count = 1});
}

/* The placeholder: launched, stopped, its root gone. */
static uint32_t make_instance(struct making *make)
{
    make->launch = add(make, "run-instance", ACTION_RUN_INSTANCE);
    launch_inputs(make);
    uint32_t running = then(make, make->launch, "placeholder/wait-running", ACTION_WAIT_RUNNING);
    uint32_t stop = then(make, running, "stop-instance", ACTION_STOP_INSTANCE);
    maker_output(make->graph, stop, "instance_id", make->launch, "instance_id");
    uint32_t stopped = then(make, stop, "wait-stopped", ACTION_WAIT_STOPPED);
    uint32_t detach = then(make, stopped, "placeholder-root/detach-volume", ACTION_DETACH_VOLUME);
    maker_output(make->graph, detach, "instance_id", make->launch, "instance_id");
    uint32_t gone =
        then(make, detach, "placeholder-root/wait-volume-available", ACTION_WAIT_VOLUME_AVAILABLE);
    then(make, gone, "placeholder-root/delete-volume", ACTION_DELETE_VOLUME);
    return gone;
}

static uint32_t make_disks(struct making *make, uint32_t root_free)
{
    static const char *const devices[] = {"/dev/xvda", "/dev/sdf", "/dev/sdg", "/dev/sdh"};
    uint32_t attached[8];
    int disks = make->machine->disks;
    for (int disk = 0; disk < disks; disk++) {
        uint32_t ready = make_volume(make, disk);
        ready = disk == 0 ? make_injection(make, ready) : ready;
        uint32_t attach = on_disk(make, ready, disk, "attach-volume", ACTION_ATTACH_VOLUME);
        maker_edge(make->graph, root_free, attach);
        if (disk == 0) {
            maker_edge(make->graph, make->injected, attach);
        }
        attach_inputs(make, attach, disk, devices[disk]);
        attached[disk] =
            on_disk(make, attach, disk, "wait-volume-attached", ACTION_WAIT_VOLUME_ATTACHED);
    }
    uint32_t keep =
        then(make, attached[0], "set-delete-on-termination", ACTION_SET_DELETE_ON_TERMINATION);
    for (int disk = 1; disk < disks; disk++) {
        maker_edge(make->graph, attached[disk], keep);
    }
    maker_output(make->graph, keep, "instance_id", make->launch, "instance_id");
    maker_value(make->graph, keep, "devices", maker_texts(make->graph, devices, (uint32_t)disks));
    return keep;
}

static uint32_t make_start(struct making *make, uint32_t prepared, const uint32_t *recovered)
{
    struct graph *graph = make->graph;
    uint32_t start = then(make, prepared, "start-instance", ACTION_START_INSTANCE);
    maker_output(graph, start, "instance_id", make->launch, "instance_id");
    for (uint32_t i = 0; i < 32; i++) {
        if (make->machine->needs >> i & 1) {
            maker_edge(graph, recovered[i], start);
        }
    }
    uint32_t up = then(make, start, "wait-running", ACTION_WAIT_RUNNING);
    uint32_t running = then(make, up, "running", ACTION_RUNNING);
    uint32_t tcp = then(make, running, "ready/tcp-5432/check-tcp", ACTION_CHECK_TCP);
    graph->nodes[tcp].expected_ms = make->machine->ready_ms;
    maker_text(graph, tcp, "address", make->machine->address);
    maker_int(graph, tcp, "port", 5432);
    maker_int(graph, tcp, "interval_ms", 2000);
    uint32_t ready = then(make, tcp, "ready", ACTION_READY);
    return then(make, ready, "recovered", ACTION_RECOVERED);
}

struct graph *maker_failover(struct arena *arena, const struct maker_machine *machines,
                             size_t count, int slots)
{
    struct graph *graph = maker_graph(arena, count * 40);
    maker_pool(graph, "conversion/i-0f00ba40000000000", slots);
    uint32_t *recovered = ARENA_ARRAY(arena, uint32_t, count + 32);
    for (size_t i = 0; i < count; i++) {
        maker_vm(graph, machines[i].name, !machines[i].not_critical);
    }
    for (size_t i = 0; i < count; i++) {
        struct making make = {.graph = graph, .machine = &machines[i]};
        uint32_t prepared = make_disks(&make, make_instance(&make));
        recovered[i] = make_start(&make, prepared, recovered);
    }
    graph_index(graph);
    return graph;
}

struct graph *maker_shop(struct arena *arena)
{
    static const struct maker_machine machines[] = {
        {"db", "r6i.xlarge", "subnet-0a00000000000000b", "10.20.2.10", 2, 0, false, 60000},
        {"app", "m6i.large", "subnet-0a00000000000000a", "10.20.1.11", 1, 1, false, 120000},
        {"web", "m6i.large", "subnet-0a00000000000000a", "10.20.1.12", 1, 2, false, 20000},
    };
    return maker_failover(arena, machines, 3, 5);
}

struct graph *maker_twelve(struct arena *arena)
{
    static const struct maker_machine machines[] = {
        {"dns", "c6i.large", "subnet-0a00000000000000a", "10.20.1.10", 1, 0, false, 10000},
        {"directory", "m6i.large", "subnet-0a00000000000000a", "10.20.1.11", 1, 1, false, 60000},
        {"db-primary", "r6i.2xlarge", "subnet-0a00000000000000b", "10.20.2.10", 3, 2, false, 90000},
        {"db-replica", "r6i.2xlarge", "subnet-0a00000000000000b", "10.20.2.11", 3, 4, false, 60000},
        {"cache", "r6i.large", "subnet-0a00000000000000b", "10.20.2.12", 1, 2, false, 15000},
        {"queue", "m6i.large", "subnet-0a00000000000000b", "10.20.2.13", 2, 2, false, 30000},
        {"app-1", "m6i.large", "subnet-0a00000000000000a", "10.20.1.21", 1, 0x34, false, 45000},
        {"app-2", "m6i.large", "subnet-0a00000000000000a", "10.20.1.22", 1, 0x34, false, 45000},
        {"worker", "c6i.xlarge", "subnet-0a00000000000000a", "10.20.1.23", 1, 0x24, false, 30000},
        {"search", "r6i.xlarge", "subnet-0a00000000000000b", "10.20.2.14", 2, 4, false, 120000},
        {"reports", "m6i.large", "subnet-0a00000000000000a", "10.20.1.30", 2, 8, true, 60000},
        {"web", "m6i.large", "subnet-0a00000000000000a", "10.20.1.40", 1, 0x2c0, false, 20000},
    };
    return maker_failover(arena, machines, 12, 5);
}
