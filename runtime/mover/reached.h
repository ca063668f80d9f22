/* Reached: which of a copy's blocks have been put, counted in the order of its map: all before a mark,
 * and some of the next ones. As a text of bounded length it is what a copy keeps (call_note.keep), so
 * that whoever goes on with it sends nothing twice: "blocks 12345:0f3a" (hex, from the mark on, lowest
 * first). */
#ifndef DRC_MOVER_REACHED_H
#define DRC_MOVER_REACHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REACHED_WINDOW = 8192, /* how far beyond the mark blocks can be put */
    REACHED_TEXT_MAX = 32 + REACHED_WINDOW / 4,
};

struct reached {
    uint64_t mark;  /* all before it are there */
    uint64_t count; /* in all */
    unsigned char bits[REACHED_WINDOW / 8]; /* a ring: of number n at n % REACHED_WINDOW */
};

bool reached_has(const struct reached *reached, uint64_t number);
/* Whether it may be put now: not too far beyond the mark. */
bool reached_in_window(const struct reached *reached, uint64_t number);
/* It is in the window. Again does no harm. */
void reached_add(struct reached *reached, uint64_t number);
void reached_text(const struct reached *reached, char out[REACHED_TEXT_MAX]);
/* False, and nothing reached, for what is not such a text. */
bool reached_parse(struct reached *reached, const char *text);

#endif
