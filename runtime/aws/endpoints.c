#include "runtime/aws/endpoints.h"

#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/ini.h"
#include "runtime/world/redactor.h"

enum { BUCKET_MAX = 255 };

const struct aws_service_info *aws_service_info(enum aws_service service)
{
    static const struct aws_service_info table[AWS_SERVICE_COUNT] = {
#define SERVICE(NAME, name, prefix, environment, config, PROTOCOL, version)                        \
    [AWS_SERVICE_##NAME] = {name, prefix, environment, config, AWS_PROTOCOL_##PROTOCOL, version},
#include "runtime/aws/service.def"
#undef SERVICE
    };
    return &table[service];
}

/* Partitions by the beginning of their regions' names: DNS suffixes, plain and dual-stack; the region
 * that global services are signed for, and where in their names it says so ("" or "us-gov."). */
struct partition {
    const char *prefix, *suffix, *dualstack, *global_region, *global, *global_dualstack;
};
static const struct partition *partition_of(const char *region)
{
    static const struct partition partitions[] = {
        {"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn", "cn-northwest-1", "", "global."},
        {"us-gov-", "amazonaws.com", "api.aws", "us-gov-west-1", "us-gov.", "us-gov."},
        {"us-iso-", "c2s.ic.gov", "c2s.ic.gov", "us-iso-east-1", "", ""},
        {"us-isob-", "sc2s.sgov.gov", "sc2s.sgov.gov", "us-isob-east-1", "", ""},
        {"eusc-", "amazonaws.eu", "api.amazonwebservices.eu", "eusc-de-east-1", "", "global."},
        {"", "amazonaws.com", "api.aws", "us-east-1", "", "global."},
    };
    const struct partition *partition = partitions;
    while (strncmp(region, partition->prefix, strlen(partition->prefix)) != 0) {
        partition++;
    }
    return partition;
}

/* In the order of the SDKs; NULL: the service's own. *from tells who said it. */
static const char *configured_url(const struct aws_settings *settings, enum aws_service service,
                                  const char **from)
{
    const struct aws_service_info *info = aws_service_info(service);
    if (settings_flag(settings, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
                      "ignore_configured_endpoint_urls")) {
        return NULL;
    }
    *from = arena_printf(settings->arena, "AWS_ENDPOINT_URL_%s", info->environment);
    const char *url = settings_environment(settings, *from);
    if (!url) {
        *from = "AWS_ENDPOINT_URL";
        url = settings_environment(settings, *from);
    }
    *from = url ? *from : settings->config_path;
    const char *services = settings_get(settings, settings->profile, "services");
    if (!url && services) {
        url = settings_section(settings, "services", services,
                               arena_printf(settings->arena, "%s.endpoint_url", info->config));
    }
    return url ? url : settings_get(settings, settings->profile, "endpoint_url");
}

static bool split_url(const struct aws_settings *settings, const char *url, const char *from,
                      struct aws_endpoint *endpoint, struct error *error)
{
    bool https = strncmp(url, "https://", 8) == 0;
    const char *host = url + (https ? 8 : 7);
    size_t length = https || strncmp(url, "http://", 7) == 0 ? strcspn(host, "/?#@ ") : 0;
    bool bracket = *host == '[' && !memchr(host, ']', length);
    if (length == 0 || bracket || (host[length] != '\0' && host[length] != '/') ||
        strpbrk(host + length, "?#@ \"\\")) {
        error_set(error, "\"%s\" (from %s) is not the URL of an endpoint",
                  redactor_text(NULL, settings->arena, url, NULL), from);
        return error_help(error, "give it as http://host:port or https://host");
    }
    size_t end = strlen(url);
    while (url[end - 1] == '/') {
        end--;
    }
    endpoint->url = arena_strndup(settings->arena, url, end);
    endpoint->path = endpoint->url + (host - url) + length;
    const char *port = https ? ":443" : ":80";
    if (length > strlen(port) && strncmp(host + length - strlen(port), port, strlen(port)) == 0) {
        length -= strlen(port);
    }
    endpoint->host = arena_strndup(settings->arena, host, length);
    return true;
}

static bool is_region(const char *region)
{
    size_t length = strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return length > 0 && length <= 40 && region[length] == '\0';
}

const char *aws_signing_region(enum aws_service service, const char *region)
{
    return service == AWS_SERVICE_ROUTE53 ? partition_of(region)->global_region : region;
}

static const char *own_url(const struct aws_settings *settings, enum aws_service service,
                           const char *region)
{
    const struct partition *partition = partition_of(region);
    bool fips = settings_flag(settings, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint");
    bool dualstack =
        settings_flag(settings, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint");
    if (service == AWS_SERVICE_S3) { /* of old: its dual-stack names are its own */
        return arena_printf(settings->arena, "https://s3%s%s.%s.%s", fips ? "-fips" : "",
                            dualstack ? ".dualstack" : "", region, partition->suffix);
    }
    /* In GovCloud the plain endpoints are the FIPS ones. */
    fips = fips && (dualstack || strcmp(partition->prefix, "us-gov-") != 0);
    if (service == AWS_SERVICE_ROUTE53) { /* one for each partition */
        return arena_printf(settings->arena, "https://route53%s.%s%s", fips ? "-fips" : "",
                            dualstack ? partition->global_dualstack : partition->global,
                            dualstack ? partition->dualstack : partition->suffix);
    }
    return arena_printf(settings->arena, "https://%s%s.%s.%s", aws_service_info(service)->prefix,
                        fips ? "-fips" : "", region,
                        dualstack ? partition->dualstack : partition->suffix);
}

struct known_endpoint {
    enum aws_service service;
    const char *region, *bucket; /* "": none */
    struct aws_endpoint endpoint;
    struct known_endpoint *next;
};

static const struct known_endpoint *find_known(const struct aws_settings *settings,
                                               enum aws_service service, const char *region,
                                               const char *bucket)
{
    const struct known_endpoint *known = *settings->endpoints;
    while (known && (known->service != service || strcmp(known->region, region) != 0 ||
                     strcmp(known->bucket, bucket) != 0)) {
        known = known->next;
    }
    return known;
}

static void keep(const struct aws_settings *settings, enum aws_service service, const char *region,
                 const char *bucket, const struct aws_endpoint *endpoint)
{
    struct known_endpoint *known = ARENA_NEW(settings->arena, struct known_endpoint);
    *known = (struct known_endpoint){service, arena_strdup(settings->arena, region),
                                     arena_strdup(settings->arena, bucket), *endpoint,
                                     *settings->endpoints};
    *settings->endpoints = known;
}

bool aws_endpoint(const struct aws_settings *settings, enum aws_service service, const char *region,
                  struct aws_endpoint *endpoint, struct error *error)
{
    const struct known_endpoint *known = find_known(settings, service, region, "");
    if (known) {
        *endpoint = known->endpoint;
        return true;
    }
    if (!is_region(region)) {
        return error_set(error, "\"%s\" is not the name of an AWS region", region);
    }
    const char *from = "";
    const char *url = configured_url(settings, service, &from);
    endpoint->overridden = url != NULL;
    endpoint->ca_file = aws_ca_bundle(settings);
    if (!split_url(settings, url ? url : own_url(settings, service, region), from, endpoint,
                   error)) {
        return false;
    }
    keep(settings, service, region, "", endpoint);
    return true;
}

/* A certificate for *.s3.REGION.amazonaws.com covers one label. */
static bool is_label(const char *bucket)
{
    size_t length = strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return length >= 3 && length <= 63 && bucket[length] == '\0' && bucket[0] != '-' &&
           bucket[length - 1] != '-';
}

static bool is_bucket(const char *bucket)
{
    size_t length = strspn(bucket, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                   "-._");
    return length >= 3 && length <= BUCKET_MAX && bucket[length] == '\0' &&
           strcmp(bucket, "...") != 0;
}

bool aws_bucket_endpoint(const struct aws_settings *settings, const char *region,
                         const char *bucket, bool path_style, struct aws_endpoint *endpoint,
                         struct error *error)
{
    char name[BUCKET_MAX + 2]; /* as it is known: "/BUCKET" by its path */
    if (!is_bucket(bucket)) {
        return error_set(error, "\"%.80s\" is not the name of an S3 bucket", bucket);
    }
    snprintf(name, sizeof name, "%s%s", path_style ? "/" : "", bucket);
    const struct known_endpoint *known = find_known(settings, AWS_SERVICE_S3, region, name);
    if (known) {
        *endpoint = known->endpoint;
        return true;
    }
    if (!aws_endpoint(settings, AWS_SERVICE_S3, region, endpoint, error)) {
        return false;
    }
    struct arena *arena = settings->arena;
    if (path_style || endpoint->overridden || !is_label(bucket)) {
        endpoint->url = arena_printf(arena, "%s/%s", endpoint->url, bucket);
        endpoint->path = arena_printf(arena, "%s/%s", endpoint->path, bucket);
    } else {
        endpoint->host = arena_printf(arena, "%s.%s", bucket, endpoint->host);
        endpoint->url = arena_printf(arena, "https://%s", endpoint->host);
    }
    keep(settings, AWS_SERVICE_S3, region, name, endpoint);
    return true;
}

const char *aws_ca_bundle(const struct aws_settings *settings)
{
    const char *bundle = settings_environment(settings, "AWS_CA_BUNDLE");
    bundle = bundle ? bundle : settings_get(settings, settings->profile, "ca_bundle");
    return bundle ? arena_strdup(settings->arena, bundle) : NULL;
}
