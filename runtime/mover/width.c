#include "runtime/mover/width.h"

struct width width_first(void)
{
    return (struct width){.exact = WIDTH_FIRST};
}

size_t width_now(const struct width *width)
{
    return (size_t)width->exact;
}

/* One more with each round. */
void width_arrived(struct width *width)
{
    width->exact += 1 / width->exact;
    width->exact = width->exact < WIDTH_MAX ? width->exact : WIDTH_MAX;
}

void width_late(struct width *width, int64_t now_ms)
{
    if (width->late_ms == 0 || now_ms - width->late_ms >= WIDTH_LATE_MS) {
        width->exact = width->exact / 2 > WIDTH_MIN ? width->exact / 2 : WIDTH_MIN;
        width->late_ms = now_ms;
    }
}
