#include "runtime/sandbox/guests.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/sandbox/internal.h"

/* Which ports there are. */

static void add_service(struct request *r, const struct plan *plan, const struct plan_vm *vm,
                        const struct check *check)
{
    if (check->kind == CHECK_TCP || check->kind == CHECK_HTTP) {
        state_run(r->state,
                  "INSERT INTO guest_services VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET http = "
                  "max(http, excluded.http)",
                  "ssdd", plan->name, vm->name, check->port, check->kind == CHECK_HTTP);
    }
}

void populate_guests(struct request *r, const struct plan *plan)
{
    state_run(r->state, "DELETE FROM guest_services WHERE plan = ?", "s", plan->name);
    for (size_t i = 0; i < plan->vm_count; i++) {
        const struct plan_vm *vm = &plan->vms[i];
        for (size_t j = 0; j < vm->ready_count; j++) {
            add_service(r, plan, vm, &vm->ready[j]);
        }
        for (size_t j = 0; j < vm->post_boot_count; j++) {
            if (vm->post_boot[j].kind == STEP_CHECK) {
                add_service(r, plan, vm, &vm->post_boot[j].check);
            }
        }
    }
}

bool sandbox_give_guests(struct sandbox *sandbox, const struct plan *plan, struct error *error)
{
    pthread_mutex_lock(&sandbox->lock);
    struct arena *arena = arena_create();
    bool kept = state_begin(sandbox->state);
    if (kept) {
        struct request r = sandbox_own_request(sandbox, arena, sandbox->options.utc_base_ms);
        populate_guests(&r, plan);
        kept = state_set_int(sandbox->state, "guests", 1) && state_end(sandbox->state, true);
    }
    if (!kept) {
        error_set(error, "the sandbox's guests cannot be kept: %s", state_failure(sandbox->state));
    }
    arena_destroy(arena);
    pthread_mutex_unlock(&sandbox->lock);
    return kept;
}

/* Which of them are up. */

/* What AWS's own image boots, before the VM's disks take its place, is not the VM. */
static bool is_placeholder(struct request *r, const struct instance *instance)
{
    const struct volume *root = instance_root_volume(instance);
    return root && root->snapshot &&
           state_value(r->state, 0,
                       "SELECT 1 FROM snapshots WHERE id = ? AND description = 'placeholder'", "s",
                       root->snapshot);
}

static bool is_up(struct request *r, const struct instance *instance)
{
    const char *why;
    return strcmp(instance->state, "running") == 0 && instance->private_ip &&
           instance_boots(r, instance, &why) && r->now_ms >= instance_boot_ms(r, instance) &&
           !is_placeholder(r, instance);
}

static struct objects tagged_instances(struct request *r)
{
    struct objects ids = {0};
    struct sqlite3_stmt *rows = state_query(
        r->state,
        "SELECT id FROM instances WHERE transition = 'pending' AND EXISTS (SELECT 1 FROM tags JOIN "
        "guest_services ON value = vm WHERE resource = id AND key = 'drc:vm') ORDER BY id",
        "");
    while (state_next(r->state, rows)) {
        objects_add(r->arena, &ids, (void *)state_text(r->arena, rows, 0));
    }
    return ids;
}

static size_t add_ports(struct request *r, const struct instance *instance,
                        struct guest_port *ports, size_t most)
{
    const struct tags *tags = &instance->resource.tags;
    const char *vm = tag_value(tags, "drc:vm");
    struct sqlite3_stmt *rows =
        state_query(r->state, "SELECT port, http FROM guest_services WHERE plan = ? AND vm = ?",
                    "ss", tag_value(tags, "drc:plan"), vm);
    size_t count = 0;
    while (state_next(r->state, rows)) {
        if (count < most) {
            ports[count++] = (struct guest_port){.instance = instance->resource.id,
                                                 .vm = vm,
                                                 .address = instance->private_ip,
                                                 .port = (int)state_int(rows, 0),
                                                 .http = state_int(rows, 1) != 0};
        }
    }
    return count;
}

size_t guests_up(struct request *r, struct guest_port *ports, size_t most)
{
    struct objects ids = tagged_instances(r);
    size_t count = 0;
    for (size_t i = 0; i < ids.count; i++) {
        struct instance *instance = instance_load(r, ids.items[i]);
        if (instance && is_up(r, instance)) {
            count += add_ports(r, instance, ports + count, most - count);
        }
    }
    return count;
}

/* Where they are. */

void guest_listens(struct request *r, const struct guest_port *port, const char *host, int host_port)
{
    state_run(r->state, "INSERT OR REPLACE INTO guest_ports VALUES (?, ?, ?, ?)", "sdsd",
              port->instance, port->port, host, host_port);
}

void guest_ends(struct request *r, const char *instance, int port)
{
    state_run(r->state, "DELETE FROM guest_ports WHERE instance = ? AND port = ?", "sd", instance,
              port);
}

void guests_end(struct request *r)
{
    state_run(r->state, "DELETE FROM guest_ports", "");
}

static bool place_of(struct request *r, const char *instance, int port, const char **host,
                     int *host_port)
{
    struct sqlite3_stmt *row = state_query(
        r->state, "SELECT host, host_port FROM guest_ports WHERE instance = ? AND port = ?", "sd",
        instance, port);
    bool known = state_next(r->state, row);
    if (known) {
        *host = state_text(r->arena, row, 0);
        *host_port = (int)state_int(row, 1);
        state_done(row);
    }
    return known;
}

bool guest_place(struct request *r, const char *address, int port, const char **host,
                 int *host_port)
{
    struct instance *instance = instance_by_address(r, address);
    return instance && place_of(r, instance->resource.id, port, host, host_port);
}

/* Whom they know. */

void guest_hears(struct request *r, const char *instance, const char *script, int64_t since_ms)
{
    static const char digits[] = "0123456789.";
    for (const char *at = script + strcspn(script, digits); *at; at += strcspn(at, digits)) {
        size_t length = strspn(at, digits);
        const char *text = arena_strndup(r->arena, at, length);
        uint32_t unused;
        at += length;
        struct instance *other = parse_address(text, &unused) ? instance_by_address(r, text) : NULL;
        if (other && strcmp(other->resource.id, instance) != 0) {
            state_run(r->state, "INSERT OR REPLACE INTO guest_backends VALUES (?, ?, ?)", "ssi",
                      instance, text, since_ms);
        }
    }
}

static void complete(struct request *r, struct guest_backend *backend)
{
    struct instance *instance = instance_by_address(r, backend->address);
    if (!instance) {
        return;
    }
    const struct tags *tags = &instance->resource.tags;
    backend->vm = tag_value(tags, "drc:vm");
    backend->port = (int)state_value(
        r->state, 0, "SELECT min(port) FROM guest_services WHERE plan = ? AND vm = ?", "ss",
        tag_value(tags, "drc:plan"), backend->vm);
    place_of(r, instance->resource.id, backend->port, &backend->host, &backend->host_port);
}

size_t guest_backends(struct request *r, const char *instance,
                      struct guest_backend backends[GUEST_BACKENDS_MAX])
{
    size_t count = 0;
    struct sqlite3_stmt *rows = state_query(
        r->state,
        "SELECT address FROM guest_backends WHERE instance = ? AND since_ms <= ? ORDER BY address",
        "si", instance, r->now_ms);
    while (state_next(r->state, rows)) {
        if (count < GUEST_BACKENDS_MAX) {
            backends[count++] =
                (struct guest_backend){.address = state_text(r->arena, rows, 0)};
        }
    }
    for (size_t i = 0; i < count; i++) {
        complete(r, &backends[i]);
    }
    return count;
}

int guest_page(const struct guest_port *self, const struct guest_backend *backends,
               const bool *answering, size_t count, struct buffer *out)
{
    bool all = true;
    struct json_writer json = json_writer(out, 0);
    for (size_t i = 0; i < count; i++) {
        all = all && answering[i];
    }
    json_begin_object(&json);
    json_key_string(&json, "status", all ? "ok" : "a backend does not answer");
    json_key_string(&json, "vm", self->vm);
    json_key_string(&json, "instance", self->instance);
    json_key_string(&json, "address", self->address);
    json_key(&json, "backends");
    json_begin_array(&json);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(&json);
        json_key_string(&json, "vm", backends[i].vm);
        json_key_string(&json, "address", backends[i].address);
        json_key_int(&json, "port", backends[i].port);
        json_key_bool(&json, "answers", answering[i]);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
    buffer_putc(out, '\n');
    return all ? 200 : 503;
}
