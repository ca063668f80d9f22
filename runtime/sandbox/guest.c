/* Guests: what answers at the address of an instance, by the instance's state: nothing until it
 * runs, refusals while it boots, then every port; nothing when it cannot boot. */
#include <string.h>

#include "runtime/sandbox/ec2.h"
#include "runtime/sandbox/internal.h"

enum { UNANSWERED_MS = 3000, ANSWER_MS = 2 };

static const char no_route[] = "No route to host";
static const char refused[] = "Connection refused";
static const char guest_body[] = "{\"status\":\"ok\"}";

static const char *why_unreachable(struct request *r, const char *host)
{
    const char *why;
    struct instance *instance = instance_by_address(r, host);
    if (!instance || strcmp(instance->state, "running") != 0 ||
        !instance_boots(r, instance, &why)) {
        return no_route;
    }
    return r->now_ms >= instance_boot_ms(r, instance) ? NULL : refused;
}

void guest_connect(struct request *r, const char *host, const char **failure, int64_t *latency_ms)
{
    *failure = why_unreachable(r, host);
    if (!*failure && state_setting_int(r->state, "guests", 0)) {
        *failure = refused; /* whatever listens was asked before: sandbox_world.c */
    }
    *latency_ms = *failure == no_route ? UNANSWERED_MS : ANSWER_MS;
}

void guest_http(struct request *r, const char *host, struct http_response *response,
                int64_t *latency_ms)
{
    const char *failure;
    guest_connect(r, host, &failure, latency_ms);
    if (failure) {
        response->failure = HTTP_UNREACHABLE;
        response->failure_text = failure;
        return;
    }
    response->failure = HTTP_ANSWERED;
    response->status = 200;
    response->body = guest_body;
    response->body_length = sizeof guest_body - 1;
}
