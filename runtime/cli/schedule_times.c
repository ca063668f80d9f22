#include "runtime/cli/schedule.h"

enum { MINUTE_MS = 60000, HOUR = 60, DAY = 24 * HOUR };

/* The minutes of the hour that occur, each with its first hour and the hours between. */
size_t schedule_times(int64_t every_ms, struct schedule_time times[SCHEDULE_TIMES_MAX])
{
    int64_t every = every_ms / MINUTE_MS;
    if (every <= 0 || every_ms % MINUTE_MS || every > DAY || DAY % every) {
        return 0;
    }
    size_t count = 0;
    bool seen[HOUR] = {false};
    for (int64_t at = 0; at < DAY; at += every) {
        int minute = (int)(at % HOUR);
        if (seen[minute]) {
            continue;
        }
        int64_t step = every;
        while (step % HOUR) {
            step += every;
        }
        seen[minute] = true;
        times[count++] = (struct schedule_time){
            .hour = (int)(at / HOUR), .step = (int)(step / HOUR), .minute = minute};
    }
    return count;
}
