/* Keys from a container's endpoint and from the instance's metadata service (IMDSv2). */
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/fetch.h"
#include "runtime/aws/ini.h"

enum { LOCAL_TIMEOUT_MS = 2000, LOCAL_ATTEMPTS = 2, LOCAL_BYTES_MAX = 1 << 16 };

static void ask(struct fetch *fetch, const char *method, const char *url, const char *header_name,
                const char *header_value, world_http_callback callback)
{
    struct http_header *header = ARENA_NEW(fetch->arena, struct http_header);
    *header = (struct http_header){header_name, header_value};
    fetch->http = (struct http_request){.method = method,
                                        .url = url,
                                        .headers = header,
                                        .header_count = header_value ? 1 : 0,
                                        .connect_timeout_ms = LOCAL_TIMEOUT_MS,
                                        .timeout_ms = LOCAL_TIMEOUT_MS,
                                        .response_max = LOCAL_BYTES_MAX,
                                        .proxy = ""};
    fetch->task = world_http(fetch->settings->world, &fetch->http, callback, fetch);
}

static const char *problem(struct fetch *fetch, const struct http_response *response)
{
    if (response->failure != HTTP_ANSWERED) {
        return response->failure_text ? response->failure_text : "no answer";
    }
    return arena_printf(fetch->arena, "HTTP %d", response->status);
}

static void on_container(void *context, const struct http_response *response)
{
    struct fetch *fetch = context;
    fetch->task = NULL;
    if (response->failure != HTTP_ANSWERED && ++fetch->attempts < LOCAL_ATTEMPTS) {
        fetch_from_container(fetch);
    } else if (response->failure != HTTP_ANSWERED || response->status != 200) {
        fetch_failed(fetch, NULL, "%s: %s", fetch->recipe->description, problem(fetch, response));
    } else {
        fetch_read_json(fetch, fetch->recipe->description, response->body, response->body_length,
                        "Token");
    }
}

/* Over plain HTTP the secret goes only to this machine, or to the addresses of ECS and EKS. */
static bool is_allowed(const char *url)
{
    static const char *const hosts[] = {"localhost",     "127.0.0.1",      "[::1]",
                                        "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};
    if (strncmp(url, "https://", 8) == 0) {
        return true;
    }
    for (size_t i = 0; strncmp(url, "http://", 7) == 0 && i < sizeof hosts / sizeof *hosts; i++) {
        size_t length = strlen(hosts[i]);
        if (strncmp(url + 7, hosts[i], length) == 0 && strchr(":/", url[7 + length])) {
            return true;
        }
    }
    return false;
}

void fetch_from_container(struct fetch *fetch)
{
    const struct recipe *recipe = fetch->recipe;
    const char *token = recipe->container.token;
    struct error error = {0};
    if (!is_allowed(recipe->container.url)) {
        fetch_failed(fetch, "use https, or an address of this machine",
                     "%s is neither https nor local", recipe->description);
        return;
    }
    if (recipe->container.token_file) {
        char *text = read_small_file(fetch->arena, recipe->container.token_file, LOCAL_BYTES_MAX,
                                     NULL, NULL, &error);
        if (!text) {
            fetch_failed(fetch, NULL, "%s: %s", recipe->description, error.message);
            error_clear(&error);
            return;
        }
        text[strcspn(text, "\r\n")] = '\0';
        token = text;
    }
    fetch_keep_secret(fetch, token);
    ask(fetch, "GET", recipe->container.url, "Authorization", token, on_container);
}

static void imds_failed(struct fetch *fetch, const struct http_response *response, const char *what)
{
    const char *looked_at = fetch->recipe->looked_at;
    fetch_failed(fetch,
                 "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile with "
                 "AWS_PROFILE, or give this instance an instance profile",
                 "none found: looked at %s%s%s (%s: %s)", looked_at, *looked_at ? ", " : "",
                 fetch->recipe->description, what, problem(fetch, response));
}

static void on_imds_keys(void *context, const struct http_response *response)
{
    struct fetch *fetch = context;
    fetch->task = NULL;
    if (response->failure != HTTP_ANSWERED || response->status != 200) {
        imds_failed(fetch, response, "the role's keys");
    } else {
        fetch_read_json(fetch, fetch->recipe->description, response->body, response->body_length,
                        "Token");
    }
}

#define IMDS_ROLES "/latest/meta-data/iam/security-credentials/"

static void on_imds_role(void *context, const struct http_response *response)
{
    struct fetch *fetch = context;
    fetch->task = NULL;
    size_t length = response->body ? strcspn(response->body, "\r\n") : 0;
    if (response->failure != HTTP_ANSWERED || response->status != 200 || length == 0 ||
        length > 128 || memchr(response->body, '/', length)) {
        imds_failed(fetch, response, "no role in its instance profile");
        return;
    }
    const char *url = arena_printf(fetch->arena, "%s" IMDS_ROLES "%.*s", fetch->recipe->imds,
                                   (int)length, response->body);
    ask(fetch, "GET", url, "X-aws-ec2-metadata-token", fetch->imds_token, on_imds_keys);
}

static void on_imds_token(void *context, const struct http_response *response)
{
    struct fetch *fetch = context;
    fetch->task = NULL;
    if (response->failure != HTTP_ANSWERED && ++fetch->attempts < LOCAL_ATTEMPTS) {
        fetch_from_imds(fetch);
        return;
    }
    size_t length = response->body ? strcspn(response->body, "\r\n") : 0;
    if (response->failure != HTTP_ANSWERED || response->status != 200 || length == 0) {
        imds_failed(fetch, response, "a session");
        return;
    }
    fetch->imds_token = arena_strndup(fetch->arena, response->body, length);
    fetch_keep_secret(fetch, fetch->imds_token);
    ask(fetch, "GET", arena_printf(fetch->arena, "%s" IMDS_ROLES, fetch->recipe->imds),
        "X-aws-ec2-metadata-token", fetch->imds_token, on_imds_role);
}

void fetch_from_imds(struct fetch *fetch)
{
    ask(fetch, "PUT", arena_printf(fetch->arena, "%s/latest/api/token", fetch->recipe->imds),
        "X-aws-ec2-metadata-token-ttl-seconds", "21600", on_imds_token);
}
