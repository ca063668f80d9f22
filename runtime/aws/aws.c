#include "runtime/aws/aws.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "compiler/base/arena.h"
#include "runtime/aws/internal.h"
#include "runtime/aws/operation.h"

struct aws *aws_create(const struct aws_options *options, struct error *error)
{
    struct aws_client_options aws_client_options = {.world = options->world,
                                                    .gate = options->gate,
                                                    .region = options->region,
                                                    .profile = options->profile,
                                                    .role_arn = options->role_arn};
    struct aws_client *client = aws_client_create(&aws_client_options, error);
    if (!client) {
        return NULL;
    }
    struct aws *aws = base_alloc(sizeof *aws);
    aws->client = client;
    aws->account = options->account ? base_strdup(options->account) : NULL;
    aws->provider = provider_of(aws);
    return aws;
}

void aws_use_scripts(struct aws *aws, struct script_source scripts)
{
    aws->scripts = scripts;
}

void aws_destroy(struct aws *aws)
{
    if (!aws) {
        return;
    }
    while (aws->operations) {
        operation_destroy(aws->operations);
    }
    aws_client_destroy(aws->client);
    free(aws->account);
    free(aws);
}

struct provider *aws_provider(struct aws *aws)
{
    return &aws->provider;
}

bool aws_endpoint_overridden(struct aws *aws)
{
    for (int service = 0; service < AWS_SERVICE_COUNT; service++) {
        struct aws_endpoint endpoint;
        if (service != AWS_SERVICE_S3 && /* its own says nothing about EC2's limits */
            aws_endpoint(aws_client_settings(aws->client), (enum aws_service)service,
                         aws_client_region(aws->client), &endpoint, NULL) &&
            endpoint.overridden) {
            return true;
        }
    }
    return false;
}

static bool is_this_machine(const char *host)
{
    size_t length = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    bool numbers = strspn(host, "0123456789.") == length;
    return (length == 9 && strncasecmp(host, "localhost", 9) == 0) ||
           (length == 5 && strncmp(host, "[::1]", 5) == 0) ||
           (numbers && strncmp(host, "127.", 4) == 0);
}

const char *aws_unencrypted_endpoint(struct aws *aws)
{
    for (int service = 0; service < AWS_SERVICE_COUNT; service++) {
        struct aws_endpoint endpoint;
        if (aws_endpoint(aws_client_settings(aws->client), (enum aws_service)service,
                         aws_client_region(aws->client), &endpoint, NULL) &&
            strncmp(endpoint.url, "http://", 7) == 0 && !is_this_machine(endpoint.host)) {
            return endpoint.url;
        }
    }
    return NULL;
}

int64_t aws_utc_ms(const struct aws *aws)
{
    enum { NEAR_MS = 60 * 1000 };
    int64_t ahead = aws_client_ahead_ms(aws->client);
    int64_t own = world_utc_ms(aws_client_world(aws->client));
    return ahead > NEAR_MS || ahead < -NEAR_MS ? own + ahead : own;
}

int64_t aws_request_count(const struct aws *aws)
{
    return aws_client_requests(aws->client);
}
