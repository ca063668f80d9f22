/* A run's journal as its file holds it, read with SQL and JSON alone: what is durable at this
 * moment of each node. */
#ifndef DRC_TESTS_SIM_DIARY_H
#define DRC_TESTS_SIM_DIARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/graph/graph.h"

struct arena;
struct buffer;
struct sha256;
struct sqlite3;

enum diary_state { DIARY_NOTHING, DIARY_BEGUN, DIARY_DONE, DIARY_FAILED, DIARY_SKIPPED };

struct diary_output {
    const char *name, *value;
};

struct diary_node {
    enum diary_state state;
    bool was_done, was_over; /* at any time, also before it was taken up again */
    int intents, generation;
    bool forgiven, doubt; /* FAILED: on_failure continue; something may have happened */
    int32_t cause;        /* SKIPPED */
    struct diary_token {
        int generation;
        const char *token;
    } * tokens; /* of its intents, each once */
    size_t token_count, token_capacity;
    const char *message, *code;   /* FAILED; NULL */
    struct diary_output *outputs; /* DONE */
    size_t output_count;
};

struct diary {
    struct arena *arena;
    const struct graph *graph;
    struct sqlite3 *file;
    int64_t number; /* the last group that was read */
    struct diary_node *nodes;
    /* Tells of each record that ends a node, or takes it up again; may be NULL. */
    void (*told)(void *context, uint32_t node, const char *record);
    void *context;
    struct buffer *tell; /* gets the records as they are read; NULL */
};

bool diary_open(struct diary *diary, const char *path, struct error *error);
/* Reads what has become durable since. */
bool diary_read(struct diary *diary, struct error *error);
void diary_close(struct diary *diary);

/* Whether an intent of the node has the token. */
bool diary_has_token(const struct diary *diary, uint32_t node, const char *token);
/* What a done node yielded; NULL. */
const char *diary_output(const struct diary *diary, uint32_t node, const char *name);

/* All of the file's groups, for a trace. */
bool diary_hash(struct diary *diary, struct sha256 *hash, struct error *error);

#endif
