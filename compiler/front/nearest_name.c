/* "Did you mean": the edit distance that counts a swap of neighbours as one slip (optimal string
 * alignment). */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "compiler/front/diagnostic.h"

enum { NAME_MAX_BYTES = 63 }; /* longer words are not slips of the pen */

static unsigned smallest(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;
    return least < c ? least : c;
}

static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    unsigned rows[3][NAME_MAX_BYTES + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_length; j++) {
        last[j] = (unsigned)j;
        before[j] = 0;
    }
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned cost = a[i - 1] != b[j - 1];
            row[j] = smallest(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost);
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && before[j - 2] + 1 < row[j]) {
                row[j] = before[j - 2] + 1;
            }
        }
        unsigned *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[b_length];
}

const char *nearest_name(const char *word, const char *const *candidates, size_t count)
{
    size_t length = strlen(word);
    if (length == 0 || length > NAME_MAX_BYTES) {
        return NULL;
    }
    const char *nearest = NULL;
    unsigned least = (unsigned)(length < 3 ? 3 : length) / 3 + 1; /* a third of it may be wrong */
    for (size_t i = 0; i < count; i++) {
        size_t candidate_length = strlen(candidates[i]);
        size_t apart = length > candidate_length ? length - candidate_length
                                                 : candidate_length - length;
        if (candidate_length > NAME_MAX_BYTES || apart >= least) {
            continue; /* that many letters at least are missing */
        }
        unsigned far = strcasecmp(word, candidates[i]) == 0
                           ? 0
                           : distance(word, length, candidates[i], candidate_length);
        /* A word of which nothing is left is no slip. */
        if (far < least && far < candidate_length && far < length) {
            least = far;
            nearest = candidates[i];
        }
    }
    return nearest;
}
