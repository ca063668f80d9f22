#include "runtime/cli/transfer_line.h"

#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/emit/emit.h"
#include "runtime/cli/progress_line.h"

enum {
    BAR_MAX = 24,
    BAR_MIN = 8,
    BESIDE = 54, /* what is said behind a bar */
    WARM_UP_MS = 1000,
    GUESS_FROM = 5, /* percent */
    NAME_COLUMNS = 28,
};

static void put_bar(struct line *line, double part, int columns)
{
    int filled = (int)(part * columns);
    for (int i = 0; i < columns; i++) {
        line_put(line, i < filled ? INK_CYAN : INK_DIM, i < filled ? "━" : "─");
    }
    line_put(line, INK_PLAIN, "  ");
}

void transfer_line(const struct transfer_state *state, int width, bool bar, bool colour,
                   struct buffer *out)
{
    char done[32], total[32], rate[32], left[32];
    struct line line = {.out = out, .width = width, .colour = colour};
    double part = state->total > 0 ? (double)state->passed / (double)state->total : 1;
    line_put(&line, INK_PLAIN, state->what);
    line_put(&line, INK_PLAIN, "  ");
    int from = line.column > NAME_COLUMNS ? line.column : NAME_COLUMNS, room = width - from - BESIDE;
    if (bar && room >= BAR_MIN) {
        line_to_column(&line, NAME_COLUMNS);
        put_bar(&line, part, room < BAR_MAX ? room : BAR_MAX);
    }
    line_printf(&line, INK_BOLD, "%3d %%", (int)(part * 100));
    line_printf(&line, INK_PLAIN, "  %s of %s", format_size(done, state->passed),
                format_size(total, state->total));
    if (state->elapsed_ms >= WARM_UP_MS) {
        double seconds = (double)state->elapsed_ms / 1000;
        line_printf(&line, INK_PLAIN, "  %s/s",
                    format_size(rate, (int64_t)((double)state->moved / seconds)));
        if (part * 100 >= GUESS_FROM && part < 1) {
            line_printf(&line, INK_DIM, "  %s left",
                        line_clock(left, (int64_t)(seconds * 1000 * (1 - part) / part)));
        }
    }
}
