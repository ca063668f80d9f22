#include "runtime/mover/reached.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char PREFIX[] = "blocks ";
static const char HEX[] = "0123456789abcdef";

static bool bit(const struct reached *reached, uint64_t number)
{
    uint64_t at = number % REACHED_WINDOW;
    return reached->bits[at / 8] >> at % 8 & 1;
}

static void set_bit(struct reached *reached, uint64_t number, bool on)
{
    uint64_t at = number % REACHED_WINDOW;
    unsigned char mask = (unsigned char)(1u << at % 8);
    reached->bits[at / 8] =
        (unsigned char)(on ? reached->bits[at / 8] | mask : reached->bits[at / 8] & ~mask);
}

bool reached_in_window(const struct reached *reached, uint64_t number)
{
    return number < reached->mark + REACHED_WINDOW;
}

bool reached_has(const struct reached *reached, uint64_t number)
{
    return number < reached->mark || (reached_in_window(reached, number) && bit(reached, number));
}

static void advance(struct reached *reached)
{
    while (bit(reached, reached->mark)) {
        set_bit(reached, reached->mark, false);
        reached->mark++;
    }
}

void reached_add(struct reached *reached, uint64_t number)
{
    if (reached_has(reached, number) || !reached_in_window(reached, number)) {
        return;
    }
    set_bit(reached, number, true);
    reached->count++;
    advance(reached);
}

void reached_text(const struct reached *reached, char out[REACHED_TEXT_MAX])
{
    int at = snprintf(out, REACHED_TEXT_MAX, "%s%" PRIu64 ":", PREFIX, reached->mark);
    uint64_t beyond = reached->count - reached->mark, number = reached->mark;
    while (beyond > 0) {
        int digit = 0;
        for (int i = 0; i < 4; i++, number++) {
            if (number < reached->mark + REACHED_WINDOW && bit(reached, number)) {
                digit |= 1 << i;
                beyond--;
            }
        }
        out[at++] = HEX[digit];
    }
    out[at] = '\0';
}

static bool parse_bits(struct reached *reached, const char *hex)
{
    for (uint64_t number = reached->mark; *hex; hex++, number += 4) {
        const char *digit = strchr(HEX, *hex);
        if (!digit || number + 4 > reached->mark + REACHED_WINDOW) {
            return false;
        }
        for (int i = 0; i < 4; i++) {
            if ((digit - HEX) >> i & 1) {
                set_bit(reached, number + (uint64_t)i, true);
                reached->count++;
            }
        }
    }
    return true;
}

bool reached_parse(struct reached *reached, const char *text)
{
    char *end;
    *reached = (struct reached){0};
    size_t prefix = sizeof PREFIX - 1;
    if (strncmp(text, PREFIX, prefix) != 0 || text[prefix] < '0' || text[prefix] > '9') {
        return false;
    }
    reached->mark = reached->count = strtoull(text + prefix, &end, 10);
    bool sound = *end == ':' && reached->mark < UINT64_C(1) << 40 && parse_bits(reached, end + 1);
    if (!sound) {
        *reached = (struct reached){0};
    }
    advance(reached);
    return sound;
}
