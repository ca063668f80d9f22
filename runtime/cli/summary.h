/* Summary: what a run is about to do, before it asks: VMs with recovery point and loss, what is
 * made, changed and deleted, what preflight found. */
#ifndef DRC_CLI_SUMMARY_H
#define DRC_CLI_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/aws/aws.h"

struct buffer;
struct graph;
struct plan;
struct schedule;

struct summary {
    const struct plan *plan;
    const struct graph *graph;
    const struct schedule *schedule;
    const struct facts *facts;
    const struct findings *findings;
    const char *account; /* as the credentials say */
    int64_t now_utc_ms;  /* what the loss is measured to */
    int width;           /* columns; 0: lines as long as they are */
    bool colour;
};

void summary_write(const struct summary *summary, struct buffer *out);

/* What preflight found: the counts, then every finding that did not pass. */
void findings_write(const struct findings *findings, int width, bool colour, struct buffer *out);

/* The recovery point's age in ms; -1 when it is not known. */
int64_t summary_loss_ms(const struct facts *facts, const char *vm, int64_t now_utc_ms);

#endif
