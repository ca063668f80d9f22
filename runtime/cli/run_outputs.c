#include "runtime/cli/run_outputs.h"

#include <stdio.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/cli/otlp_export.h"
#include "runtime/cli/output.h"
#include "runtime/cli/session.h"
#include "runtime/report/history.h"
#include "runtime/report/metrics.h"
#include "runtime/report/otlp.h"
#include "runtime/report/report.h"
#include "runtime/state/run_source.h"
#include "runtime/world/world.h"

static void warn(struct error *error)
{
    tell_warning(error->message ? error->message : "failed");
    error_clear(error);
}

static const char *otlp_target(const struct session *session)
{
    return session->invocation->values[FLAG_OTLP];
}

void run_outputs_begin(struct run_outputs *outputs, struct session *session)
{
    const char *target = otlp_target(session);
    struct error error = {0};
    outputs->session = session;
    if (!target || !otlp_is_url(target) || !session->site.real) {
        return;
    }
    outputs->source = run_source_journal(NULL, session->state, &session->run, &error);
    if (!outputs->source) {
        warn(&error);
        return;
    }
    struct otlp_export_options options = {.url = target,
                                          .world = session->site.real,
                                          .source = outputs->source,
                                          .graph = session->graph,
                                          .run_id = session->run.id};
    outputs->exporter = otlp_export_start(&options);
}

bool run_outputs_metrics(const char *path, const struct report *report, struct error *error)
{
    struct buffer text = {0};
    metrics_write(report, &text);
    bool ok = write_aside(path, 0644, text.data, text.length, error); /* the collector is another user */
    buffer_free(&text);
    return ok;
}

static bool write_trace(const char *path, const struct report *report, struct error *error)
{
    struct otlp_trace trace = {report->run_id, report->history};
    struct buffer text = {0};
    otlp_write_run(&trace, &text);
    bool ok = write_aside(path, 0, text.data, text.length, error);
    buffer_free(&text);
    return ok;
}

static bool send_trace(const char *url, const struct report *report, struct error *error)
{
    struct world *world = world_real_create(error);
    if (!world) {
        return false;
    }
    struct buffer problem = {0};
    otlp_export_all(url, world, &(struct otlp_trace){report->run_id, report->history}, &problem);
    bool ok = problem.length == 0;
    if (!ok) {
        error_set(error, "%s", buffer_text(&problem));
        error_help(error, "is it a collector that takes OTLP over HTTP, at /v1/traces?");
    }
    buffer_free(&problem);
    world_destroy(world);
    return ok;
}

bool run_outputs_trace(const char *target, const struct report *report, struct error *error)
{
    return otlp_is_url(target) ? send_trace(target, report, error)
                               : write_trace(target, report, error);
}

void run_outputs_end(struct run_outputs *outputs, const struct report *report)
{
    const struct session *session = outputs->session;
    const char *target = session ? otlp_target(session) : NULL;
    struct error error = {0};
    struct buffer problem = {0};
    if (!session) {
        return;
    }
    const char *metrics = session->invocation->values[FLAG_METRICS];
    if (metrics && report && !run_outputs_metrics(metrics, report, &error)) {
        warn(&error);
    }
    if (target && !otlp_is_url(target) && report && !write_trace(target, report, &error)) {
        warn(&error);
    }
    otlp_export_finish(outputs->exporter, &problem);
    if (problem.length) {
        fprintf(stderr, "warning: %s\n", buffer_text(&problem));
    }
    buffer_free(&problem);
    run_source_close(outputs->source);
}
