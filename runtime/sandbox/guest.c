/* Guests: what answers at the address of an instance, by the instance's state: nothing until it
 * runs, refusals while it boots, then every port; nothing when it cannot boot. */
#include <string.h>

#include "runtime/sandbox/guests.h"
#include "runtime/sandbox/internal.h"

enum { UNANSWERED_MS = 3000, ANSWER_MS = 2 };

static const char no_route[] = "No route to host";
static const char refused[] = "Connection refused";

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

static int describe_self(struct request *r, const char *host, const char **page)
{
    struct guest_backend backends[GUEST_BACKENDS_MAX];
    bool answering[GUEST_BACKENDS_MAX];
    struct instance *instance = instance_by_address(r, host);
    struct guest_port self = {.instance = instance->resource.id,
                              .vm = tag_value(&instance->resource.tags, "drc:vm"),
                              .address = instance->private_ip};
    size_t count = guest_backends(r, self.instance, backends);
    for (size_t i = 0; i < count; i++) {
        answering[i] = why_unreachable(r, backends[i].address) == NULL;
    }
    struct buffer text = {0};
    int status = guest_page(&self, backends, answering, count, &text);
    *page = arena_strdup(r->arena, buffer_text(&text));
    buffer_free(&text);
    return status;
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
    response->status = describe_self(r, host, &response->body);
    response->body_length = strlen(response->body);
}
