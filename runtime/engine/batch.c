/* Batch: one request for several nodes, and its halving when it was refused because of one. */
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/engine/executor_state.h"
#include "runtime/engine/limits.h"
#include "runtime/world/world.h"

struct flight *flight_create(struct executor *executor, uint32_t node, enum flight_kind kind)
{
    struct flight *flight = executor->free_flights;
    if (flight) {
        executor->free_flights = flight->next;
    } else {
        flight = arena_alloc(executor->arena, sizeof *flight);
    }
    const struct node_run *run = &executor->nodes[node];
    flight->call = (struct call){
        .graph = executor->graph,
        .node = &executor->graph->nodes[node],
        .inputs = run->inputs,
        .input_count = run->input_count,
        .run_id = executor->options.run_id,
        .token = flight->token,
        .generation = run->status.generation,
        .choice = run->status.choice,
        .attempt = run->status.attempts,
        .deadline_ms = node_deadline_ms(executor, node),
        .priority = executor->rank[node],
        .elsewhere = run->elsewhere,
        .kept = run->kept,
        .note = notes_take,
        .output = notes_output,
        .context = executor,
    };
    flight->kind = kind;
    flight->node = node;
    flight->batch_size = 1;
    flight->batch = 0;
    flight->follows = flight->said = false;
    flight->next = NULL;
    flight->token[0] = '\0';
    if (kind != FLIGHT_POLL) {
        token_make(executor->options.run_id, flight->call.node->id, run->status.generation,
                   flight->token);
    }
    return flight;
}

void flight_free(struct executor *executor, struct flight *flight)
{
    flight->next = executor->free_flights;
    executor->free_flights = flight;
}

bool batch_halve(struct executor *executor, struct flight *flight)
{
    if (flight->batch_size < 2) {
        return false;
    }
    executor->nodes[flight->node].batch_limit = (flight->batch_size + 1) / 2;
    return true;
}
