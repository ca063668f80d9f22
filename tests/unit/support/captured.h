/* Captured: what something writes to standard output and error. Nothing may fail the test between
 * begin and end, because its report would be captured, too. */
#ifndef DRC_TESTS_CAPTURED_H
#define DRC_TESTS_CAPTURED_H

#include <stdio.h>

/* Release with captured_free. */
struct captured {
    char *out, *err; /* after captured_end */
    FILE *files[2];
    int saved[2];
};

void captured_begin(struct captured *captured);
void captured_end(struct captured *captured);
void captured_free(struct captured *captured);

#endif
