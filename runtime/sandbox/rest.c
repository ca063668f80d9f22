/* Which operation method and path mean, for the services that have no word for it. */
#include <string.h>

#include "compiler/base/percent.h"
#include "runtime/sandbox/arrival.h"
#include "runtime/sandbox/request.h"

enum { PARTS_MAX = 5 };

/* The segments of a path, decoded. More than PARTS_MAX: count is one more. */
struct parts {
    const char *items[PARTS_MAX];
    size_t count;
};

static struct parts split(struct request *r, const char *path)
{
    struct parts parts = {0};
    while (*path) {
        path += *path == '/';
        size_t length = strcspn(path, "/");
        if (parts.count == PARTS_MAX) {
            parts.count++;
            break;
        }
        char *text = arena_strndup(r->arena, path, length);
        percent_decode(text);
        parts.items[parts.count++] = text;
        path += length;
    }
    return parts;
}

struct route {
    const char *method, *parts[PARTS_MAX], *operation;
    size_t count;
};

static const char *find_route(struct request *r, const struct route *routes, size_t count,
                              const char *method, const char *path)
{
    struct parts parts = split(r, path);
    for (size_t i = 0; i < count; i++) {
        bool same = strcmp(routes[i].method, method) == 0 && routes[i].count == parts.count;
        const char *of = NULL, *in = NULL;
        for (size_t n = 0; same && n < parts.count; n++) {
            const char *part = routes[i].parts[n];
            of = strcmp(part, "{of}") == 0 ? parts.items[n] : of;
            in = strcmp(part, "{in}") == 0 ? parts.items[n] : in;
            same = *part == '{' || strcmp(part, parts.items[n]) == 0;
        }
        if (same) {
            r->of = of;
            r->in = in;
            return routes[i].operation;
        }
    }
    return "";
}

static const char *route53_operation(struct request *r, const char *method, const char *path)
{
    static const struct route routes[] = {
        {"POST", {"2013-04-01", "hostedzone"}, "CreateHostedZone", 2},
        {"GET", {"2013-04-01", "hostedzone"}, "ListHostedZones", 2},
        {"GET", {"2013-04-01", "hostedzone", "{of}"}, "GetHostedZone", 3},
        {"GET", {"2013-04-01", "hostedzonesbyname"}, "ListHostedZonesByName", 2},
        {"GET", {"2013-04-01", "hostedzone", "{of}", "rrset"}, "ListResourceRecordSets", 4},
        {"POST", {"2013-04-01", "hostedzone", "{of}", "rrset"}, "ChangeResourceRecordSets", 4},
        {"GET", {"2013-04-01", "change", "{of}"}, "GetChange", 3},
    };
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] == '/') {
        length--;
    }
    return find_route(r, routes, sizeof routes / sizeof *routes, method,
                      arena_strndup(r->arena, path, length));
}

/* POST /snapshots, PUT /snapshots/{of}/blocks/{in} … (the service's model). */
static const char *ebs_operation(struct request *r, const char *method, const char *path)
{
    static const struct route routes[] = {
        {"POST", {"snapshots"}, "StartSnapshot", 1},
        {"POST", {"snapshots", "completion", "{of}"}, "CompleteSnapshot", 3},
        {"GET", {"snapshots", "{of}", "blocks"}, "ListSnapshotBlocks", 3},
        {"GET", {"snapshots", "{of}", "changedblocks"}, "ListChangedBlocks", 3},
        {"GET", {"snapshots", "{of}", "blocks", "{in}"}, "GetSnapshotBlock", 4},
        {"PUT", {"snapshots", "{of}", "blocks", "{in}"}, "PutSnapshotBlock", 4},
    };
    return find_route(r, routes, sizeof routes / sizeof *routes, method, path);
}

/* "bucket.s3.eu-west-1.amazonaws.com": the bucket; NULL: the path names it. */
static const char *bucket_of_host(struct request *r, const char *host)
{
    const char *at = strstr(host, ".s3.");
    return at ? arena_strndup(r->arena, host, (size_t)(at - host)) : NULL;
}

static bool read_key(struct request *r, const char *path)
{
    char *key = arena_strdup(r->arena, path);
    size_t escaped_zero = 0;
    for (const char *at = path; (at = strstr(at, "%00")) != NULL; at++) {
        escaped_zero++;
    }
    percent_decode(key);
    r->in = *key ? key : NULL;
    return (is_utf8(key, strlen(key)) && !escaped_zero) ||
           fail(r, 400, "InvalidURI", "Couldn't parse the specified URI.");
}

/* Whether the query has a parameter of that name. */
static bool asks(const char *query, const char *name)
{
    for (const char *at = query; *at;) {
        size_t length = strcspn(at, "=&");
        if (strlen(name) == length && strncmp(at, name, length) == 0) {
            return true;
        }
        at += length + strcspn(at + length, "&");
        at += *at == '&';
    }
    return false;
}

/* A query that names something of a bucket or object that the sandbox has not: ?acl, ?uploads … */
static const char *const foreign[] = {
    "acl",       "uploads",    "uploadId",   "versioning", "policy",       "tagging",
    "lifecycle", "versions",   "cors",       "website",    "encryption",   "publicAccessBlock",
    "logging",   "retention",  "legal-hold", "torrent",    "object-lock",  "replication",
    "restore",   "attributes", "select",     "inventory",  "notification", "ownershipControls",
};

static bool is_foreign(const char *query)
{
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (asks(query, foreign[i])) {
            return true;
        }
    }
    return false;
}

static const char *s3_operation(struct request *r, const char *method, const char *host,
                                const char *path)
{
    static const struct {
        const char *method, *of_service, *of_bucket, *of_object;
    } routes[] = {
        {"GET", "ListBuckets", "ListObjectsV2", "GetObject"},
        {"HEAD", "", "HeadBucket", "HeadObject"},
        {"PUT", "", "CreateBucket", "PutObject"},
        {"DELETE", "", "DeleteBucket", "DeleteObject"},
        {"POST", "", "DeleteObjects", ""},
    };
    path += *path == '/';
    r->of = bucket_of_host(r, host);
    if (!r->of) {
        size_t length = strcspn(path, "/");
        r->of = length ? arena_strndup(r->arena, path, length) : NULL;
        path += length;
        path += *path == '/';
    }
    if (!read_key(r, path)) {
        return NULL;
    }
    const char *query = strchr(r->arrival->http->url, '?');
    query = query ? query + 1 : "";
    if (r->of && !r->in && strcmp(method, "GET") == 0 && asks(query, "location")) {
        return "GetBucketLocation";
    }
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (strcmp(routes[i].method, method) == 0 && !is_foreign(query)) {
            return !r->of  ? routes[i].of_service
                   : r->in ? routes[i].of_object
                           : routes[i].of_bucket;
        }
    }
    return "";
}

const char *rest_operation(struct request *r, const char *method, const char *host,
                           const char *path)
{
    return r->protocol == PROTOCOL_REST_JSON ? ebs_operation(r, method, path)
           : r->protocol == PROTOCOL_ROUTE53 ? route53_operation(r, method, path)
                                             : s3_operation(r, method, host, path);
}
