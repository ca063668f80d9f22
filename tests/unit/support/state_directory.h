/* A state directory for a test: made before it (its path is *state), removed after it. */
#ifndef DRC_TESTS_STATE_DIRECTORY_H
#define DRC_TESTS_STATE_DIRECTORY_H

#include "runtime/world/world.h"

int state_directory_make(void **state);
int state_directory_remove(void **state);

/* A simulated world in which nothing answers. */
struct world *quiet_world(uint64_t seed);

#endif
