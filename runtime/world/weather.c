#include "runtime/world/weather.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"

static void *one_more(void *items, size_t count, size_t size)
{
    char *more = base_alloc((count + 1) * size);
    if (count > 0) {
        memcpy(more, items, count * size);
    }
    free(items);
    return more;
}

void weather_add_silence(struct weather *weather, const char *host, int64_t from_ms,
                         int64_t until_ms)
{
    weather->silences =
        one_more(weather->silences, weather->silence_count, sizeof *weather->silences);
    weather->silences[weather->silence_count++] = (struct weather_silence){
        .host = host ? base_strdup(host) : NULL, .from_ms = from_ms, .until_ms = until_ms};
}

bool weather_is_silent(const struct weather *weather, const char *where, int64_t now_ms)
{
    const char *scheme = strstr(where, "://");
    const char *host = scheme ? scheme + 3 : where;
    for (size_t i = 0; i < weather->silence_count; i++) {
        const struct weather_silence *silence = &weather->silences[i];
        if (now_ms >= silence->from_ms && now_ms < silence->until_ms &&
            (!silence->host || strncmp(host, silence->host, strlen(silence->host)) == 0)) {
            return true;
        }
    }
    return false;
}

void weather_add_jump(struct weather *weather, int64_t at_ms, int64_t by_ms)
{
    weather->jumps = one_more(weather->jumps, weather->jump_count, sizeof *weather->jumps);
    weather->jumps[weather->jump_count++] = (struct weather_jump){at_ms, by_ms};
}

int64_t weather_skew_ms(const struct weather *weather, int64_t now_ms)
{
    int64_t skew_ms = 0;
    for (size_t i = 0; i < weather->jump_count; i++) {
        skew_ms += weather->jumps[i].at_ms <= now_ms ? weather->jumps[i].by_ms : 0;
    }
    return skew_ms;
}

void weather_free(struct weather *weather)
{
    for (size_t i = 0; i < weather->silence_count; i++) {
        free(weather->silences[i].host);
    }
    free(weather->silences);
    free(weather->jumps);
    *weather = (struct weather){0};
}
