/* Weather: when servers of a simulated world fall silent, and how its UTC clock jumps. */
#ifndef DRC_WORLD_WEATHER_H
#define DRC_WORLD_WEATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weather_silence {
    char *host; /* NULL: all */
    int64_t from_ms, until_ms;
};

struct weather_jump {
    int64_t at_ms, by_ms;
};

/* Zero-initialise; release with weather_free. Times are monotonic milliseconds. */
struct weather {
    struct weather_silence *silences;
    struct weather_jump *jumps;
    size_t silence_count, jump_count;
};

/* From from_ms until before until_ms nothing is heard of hosts whose names begin with `host` (NULL:
 * of all). */
void weather_add_silence(struct weather *weather, const char *host, int64_t from_ms,
                         int64_t until_ms);
/* `where`: a URL, or a host's name. */
bool weather_is_silent(const struct weather *weather, const char *where, int64_t now_ms);

void weather_add_jump(struct weather *weather, int64_t at_ms, int64_t by_ms);
/* How far the UTC clock is off by the jumps so far. */
int64_t weather_skew_ms(const struct weather *weather, int64_t now_ms);

void weather_free(struct weather *weather);

#endif
