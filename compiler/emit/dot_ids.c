#include "compiler/emit/dot_ids.h"

#include "compiler/base/arena.h"

static void *ids_open(Agraph_t *graph, Agdisc_t *services)
{
    struct dot_ids *ids = (struct dot_ids *)services;
    ids->graph = graph;
    return ids;
}

static uint64_t new_id(struct dot_ids *ids, const char *name)
{
    ids->names = arena_grow(ids->arena, ids->names, ids->count, &ids->capacity, sizeof *ids->names);
    ids->names[ids->count] = name;
    return ++ids->count; /* 0 is nothing's */
}

/* A name is one number for all kinds of objects, which libcgraph keeps apart itself. */
static long ids_map(void *state, int kind, char *name, IDTYPE *id, int create)
{
    struct dot_ids *ids = state;
    (void)kind;
    uint64_t *known = name ? map_get(&ids->by_name, name) : NULL;
    if (known) {
        *id = *known;
        return 1;
    }
    if (!name) {
        *id = new_id(ids, NULL);
        return 1;
    }
    if (!create) {
        return 0;
    }
    /* libcgraph asks of every name whether it is one of its HTML strings: only its own can tell. */
    const char *copy = agstrdup(ids->graph, name);
    known = ARENA_NEW(ids->arena, uint64_t);
    *known = *id = new_id(ids, copy);
    map_put(&ids->by_name, copy, known);
    return 1;
}

static long ids_refuse(void *state, int kind, IDTYPE id)
{
    (void)state, (void)kind, (void)id;
    return 0;
}

static void ids_free(void *state, int kind, IDTYPE id)
{
    (void)state, (void)kind, (void)id;
}

static char *ids_print(void *state, int kind, IDTYPE id)
{
    const struct dot_ids *ids = state;
    (void)kind;
    return id >= 1 && id <= ids->count ? (char *)ids->names[id - 1] : NULL;
}

static void ids_close(void *state)
{
    (void)state;
}

static void ids_register(void *state, int kind, void *object)
{
    (void)state, (void)kind, (void)object;
}

void dot_ids_init(struct dot_ids *ids, struct arena *arena, Agiodisc_t *io)
{
    static const Agiddisc_t operations = {
        .open = ids_open,
        .map = ids_map,
        .alloc = ids_refuse,
        .free = ids_free,
        .print = ids_print,
        .close = ids_close,
        .idregister = ids_register,
    };
    *ids = (struct dot_ids){
        .services = {.mem = &AgMemDisc, .id = (Agiddisc_t *)&operations, .io = io},
        .arena = arena,
        .by_name = {.arena = arena},
    };
}
