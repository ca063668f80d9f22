/* Timing: how long the sandbox lets things take (timing.def). */
#ifndef DRC_SANDBOX_TIMING_H
#define DRC_SANDBOX_TIMING_H

#include <stdint.h>

#include "compiler/graph/action.h"

struct request;

enum timing {
#define TIMING(NAME, ...) TIMING_##NAME,
#include "runtime/sandbox/timing.def"
#undef TIMING
    TIMING_COUNT
};

struct timing_info {
    const char *name; /* "guest-boot" */
    int64_t min_ms, max_ms;
    double sigma;
    enum action actions[2]; /* ACTION_NONE: none */
};
const struct timing_info *timing_info(enum timing timing);
/* TIMING_COUNT: how long it takes is not one of these. */
enum timing timing_of_action(enum action action);
/* Of that name ("guest-boot", or its first `length` bytes); TIMING_COUNT: there is none. */
enum timing timing_by_name(const char *name, size_t length);

/* Drawn for the request. vm: whose it is; NULL: unknown. */
int64_t timing_draw(struct request *r, enum timing timing, const char *vm);
/* For what is not kept: the same at each call with the same object and moment. */
int64_t timing_of(struct request *r, enum timing timing, const char *vm, const char *id,
                  int64_t since_ms);

#endif
