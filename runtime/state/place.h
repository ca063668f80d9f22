/* Place: which folder a process has for a run: STATE/PLAN/runs/RUN/place, a random id that is made with the
 * first need of it and never shared. Where several runners share a state, each has a copy of the run and a
 * place of its own, so that the journal tells whose machine a script was begun on. */
#ifndef DRC_STATE_PLACE_H
#define DRC_STATE_PLACE_H

#include "compiler/base/error.h"

struct arena;
struct world;

/* In the arena; NULL: the folder cannot be written. */
const char *place_of(struct arena *arena, struct world *world, const char *run_directory,
                     struct error *error);

#endif
