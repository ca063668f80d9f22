/* Report, as a picture: the timeline as SVG: a bar for each VM, in which injection and waiting have
 * colours of their own, over an axis of minutes, with the objective. For files and pages; it carries
 * its style, and shows on light and on dark ground. */
#include <inttypes.h>
#include <stdio.h>

#include "compiler/base/buffer.h"
#include "compiler/base/xml_text.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"
#include "runtime/report/report.h"
#include "runtime/report/report_parts.h"

enum {
    WIDTH = 900,
    LEFT_MIN = 150, /* columns of names */
    LEFT_MAX = 400,
    LETTER = 8,
    RIGHT = 110,
    TOP = 56,
    ROW = 28,
    BAR = 16,
    BOTTOM = 40,
    TICKS_MAX = 10,
};

struct picture {
    const struct report *report;
    struct buffer *out;
    int64_t whole_ms;
    int left; /* of it are the names */
};

static double x_of(const struct picture *picture, int64_t ms)
{
    return picture->left + (double)(WIDTH - picture->left - RIGHT) * (double)ms / (double)picture->whole_ms;
}

static void put_bar(const struct picture *picture, const char *kind, int64_t from, int64_t to, int y,
                    const char *title)
{
    if (from >= 0 && to > from) {
        buffer_printf(picture->out,
                      "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"><title>%s ",
                      kind, x_of(picture, from), y, x_of(picture, to) - x_of(picture, from), BAR,
                      title);
        char text[32];
        buffer_printf(picture->out, "%s</title></rect>\n", format_duration(text, to - from));
    }
}

static void put_vm(const struct picture *picture, const struct report_vm *vm, int y)
{
    char text[32];
    bool back = vm->recovered_ms >= 0;
    buffer_printf(picture->out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", picture->left - 10, y + 13);
    xml_escape(picture->out, vm->name);
    buffer_puts(picture->out, "</text>\n");
    int64_t shown = picture->whole_ms / 200; /* however short it was */
    int64_t last = vm->last_ms < vm->began_ms + shown ? vm->began_ms + shown : vm->last_ms;
    put_bar(picture, vm->outcome == VM_FAILED ? "failed" : "work", vm->began_ms, last, y, "at work");
    put_bar(picture, "inject", vm->inject_from_ms, vm->inject_to_ms, y, "drivers injected");
    put_bar(picture, "inject", vm->send_from_ms, vm->send_to_ms, y, "blocks sent");
    if (vm->waited_ms > 0) {
        put_bar(picture, "wait", vm->waited_from_ms, vm->waited_from_ms + vm->waited_ms, y, "waited");
    }
    int64_t end = vm->last_ms > 0 ? vm->last_ms : 0;
    buffer_printf(picture->out, "<text class=\"small\" x=\"%.1f\" y=\"%d\">%s</text>\n",
                  x_of(picture, end) + 6, y + 12,
                  back ? format_duration(text, vm->recovered_ms) : report_outcome_name(vm->outcome));
}

/* Whole minutes (or more), so that there are few enough. */
static int64_t tick_ms(int64_t whole_ms)
{
    static const int64_t steps[] = {1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (whole_ms / (steps[i] * 1000) <= TICKS_MAX) {
            return steps[i] * 1000;
        }
    }
    return whole_ms;
}

static void put_axis(const struct picture *picture, int bottom)
{
    int64_t step = tick_ms(picture->whole_ms);
    for (int64_t at = 0; at <= picture->whole_ms; at += step) {
        char text[32];
        double x = x_of(picture, at);
        buffer_printf(picture->out,
                      "<line class=\"axis\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>"
                      "<text class=\"small\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                      x, TOP - 8, x, bottom, x, bottom + 16, format_duration(text, at));
    }
    int64_t objective = picture->report->options.rto_ms;
    if (objective > 0 && objective <= picture->whole_ms) {
        double x = x_of(picture, objective);
        buffer_printf(picture->out,
                      "<line class=\"objective\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"><title>"
                      "objective</title></line>\n",
                      x, TOP - 8, x, bottom);
    }
}

static void put_head(const struct picture *picture, int height)
{
    const struct report *report = picture->report;
    struct buffer line = {0};
    report_put_rto(report, &line);
    buffer_puts(&line, " · ");
    report_put_loss(report, &line);
    buffer_printf(picture->out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 "
                  "%d %d\" role=\"img\">\n<style>text{font:13px sans-serif;fill:#57606a}.title{font-"
                  "weight:bold}.small{font-size:11px}.work{fill:#2da44e}.failed{fill:#cf222e}.inject{"
                  "fill:#bf8700}.wait{fill:#8c959f}.axis{stroke:#8c959f;stroke-opacity:.35}.objective{"
                  "stroke:#cf222e;stroke-dasharray:4 3}</style>\n",
                  WIDTH, height, WIDTH, height);
    buffer_puts(picture->out, "<text class=\"title\" x=\"10\" y=\"20\">");
    xml_escape(picture->out, report->graph->plan_name);
    buffer_printf(picture->out, " · %s · %s</text>\n<text class=\"small\" x=\"10\" y=\"38\">",
                  workflow_name(report->graph->workflow), run_status_name(report->status));
    xml_escape(picture->out, buffer_text(&line));
    buffer_puts(picture->out, "</text>\n");
    buffer_free(&line);
}

static void put_legend(const struct picture *picture, int y)
{
    bool copies = report_is_replicate(picture->report);
    const char *const kinds[][2] = {{"work", "at work"},
                                    {"inject", copies ? "blocks sent" : "drivers injected"},
                                    {"wait", "waits for another VM"}};
    size_t count = sizeof kinds / sizeof *kinds - copies; /* copies wait for no other VM */
    for (size_t i = 0; i < count; i++) {
        int x = picture->left + (int)i * 170;
        buffer_printf(picture->out,
                      "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"12\" height=\"8\"/><text "
                      "class=\"small\" x=\"%d\" y=\"%d\">%s</text>\n",
                      kinds[i][0], x, y, x + 18, y + 8, kinds[i][1]);
    }
}

static int left_of(const struct report *report)
{
    int left = LEFT_MIN;
    for (size_t i = 0; i < report->graph->vm_count; i++) {
        int needed = 20 + LETTER * text_columns(report->graph->vms[i].name);
        left = needed > left ? needed : left;
    }
    return left < LEFT_MAX ? left : LEFT_MAX;
}

void report_write_svg(const struct report *report, struct buffer *out)
{
    struct picture picture = {report, out, report->elapsed_ms > 0 ? report->elapsed_ms : 1,
                              left_of(report)};
    int bottom = TOP + (int)report->graph->vm_count * ROW;
    put_head(&picture, bottom + BOTTOM + 10);
    put_axis(&picture, bottom);
    for (size_t i = 0; i < report->graph->vm_count; i++) {
        put_vm(&picture, &report->vms[i], TOP + (int)i * ROW);
    }
    put_legend(&picture, bottom + BOTTOM - 8);
    buffer_puts(out, "</svg>\n");
}
