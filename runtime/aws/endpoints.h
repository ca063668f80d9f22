/* Endpoints: where a service answers, by the rules of AWS's SDKs.
 * Source: AWS SDKs and Tools Reference Guide, "Service-specific endpoints", "Dual-stack and FIPS
 * endpoints". */
#ifndef DRC_AWS_ENDPOINTS_H
#define DRC_AWS_ENDPOINTS_H

#include <stdbool.h>

#include "compiler/base/error.h"
#include "runtime/aws/profile.h"

enum aws_service {
#define SERVICE(NAME, ...) AWS_SERVICE_##NAME,
#include "runtime/aws/service.def"
#undef SERVICE
    AWS_SERVICE_COUNT
};

enum aws_protocol {
    AWS_PROTOCOL_QUERY,
    AWS_PROTOCOL_JSON,
    AWS_PROTOCOL_REST_JSON,
    AWS_PROTOCOL_REST_XML /* S3, Route 53 */
};

struct aws_service_info {
    const char *name, *prefix, *environment, *config;
    enum aws_protocol protocol;
    const char *version;
};
const struct aws_service_info *aws_service_info(enum aws_service service);

struct aws_endpoint {
    const char *url;     /* without a slash at its end */
    const char *host;    /* for the Host header: with a port that is not the scheme's own */
    const char *path;    /* "" or "/base" */
    bool overridden;     /* by environment or config */
    const char *ca_file; /* as aws_ca_bundle */
};

/* False for a region that cannot be one, or an endpoint URL that is none. Texts in settings'
 * arena; what was resolved once is kept there, so that many requests do not make it grow. */
bool aws_endpoint(const struct aws_settings *settings, enum aws_service service, const char *region,
                  struct aws_endpoint *endpoint, struct error *error);

/* The region that requests to it are signed for: that of a global service is its partition's own. */
const char *aws_signing_region(enum aws_service service, const char *region);

/* The same of an S3 bucket: its own host (BUCKET.s3.REGION.amazonaws.com), or, where the endpoint is
 * overridden, the bucket's name is not one label of a host (dots, capitals) or path_style is wanted, a
 * folder of the path: it is then part of url and path.
 * Source: "Virtual hosting of general purpose buckets", Amazon S3 User Guide. */
bool aws_bucket_endpoint(const struct aws_settings *settings, const char *region,
                         const char *bucket, bool path_style, struct aws_endpoint *endpoint,
                         struct error *error);

/* AWS_CA_BUNDLE, else ca_bundle of the profile; NULL: the system's store. */
const char *aws_ca_bundle(const struct aws_settings *settings);

#endif
