/* Flaky store: passes on to another, but for puts, gets and removals that fail as a network's do. */
#ifndef DRC_TESTS_FLAKY_STORE_H
#define DRC_TESTS_FLAKY_STORE_H

#include "runtime/world/store.h"

enum flaw {
    FLAW_NONE,
    FLAW_LOST_REQUEST, /* fails, and did not happen */
    FLAW_LOST_ANSWER,  /* happened, and fails */
    FLAW_SILENT,       /* happened, and there is never an answer */
    FLAW_REFUSED,      /* "there is one already", and there is none */
};

struct flaky_store {
    struct store store; /* first */
    struct store *inner;
    struct world *world;
    enum flaw flaw;
    int next;    /* puts that have it; negative: all */
    int after;   /* so many puts go well first */
    bool breaks; /* after so many removals, all of them fail: */
    int removals;
    const char *unreadable; /* gets of keys with this in them fail, so many times: */
    int unread;
    bool passing;        /* what fails may go through later, it says */
    const char *only;    /* keys with this in them; NULL: all */
    int64_t latency_ms;  /* of every put's answer (of those keys) */
    int puts, lists; /* so far */
    void *owned; /* its own */
};

/* Owns `inner`. store_destroy takes both. */
struct flaky_store *flaky_store_create(struct world *world, struct store *inner);

#endif
