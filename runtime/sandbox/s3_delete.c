/* DeleteObjects: up to a thousand keys in one request. */
#include <string.h>

#include "runtime/aws/xml.h"
#include "runtime/sandbox/arrival.h"
#include "runtime/sandbox/s3.h"

enum { KEYS_MAX = 1000 };

static bool has_digest(struct request *r)
{
    const struct http_request *request = r->arrival->http;
    for (size_t i = 0; i < request->header_count; i++) {
        if (strncasecmp(request->headers[i].name, "x-amz-checksum-", 15) == 0) {
            return true;
        }
    }
    return header_of(r, "Content-MD5") || r->arrival->trailer;
}

static bool check_request(struct request *r)
{
    const struct arrival *arrival = r->arrival;
    if (!query_get(&r->query, "delete")) {
        return fail(r, 501, "NotImplemented",
                    "A header or query you provided implies functionality that is not implemented");
    }
    if (arrival->code) {
        return fail(r, arrival->status, arrival->code, "%s", arrival->message);
    }
    return has_digest(r) ||
           fail(r, 400, "InvalidRequest",
                "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
}

/* NULL: refused. */
static const struct xml *read_keys(struct request *r)
{
    struct error error = {0};
    const struct xml *root =
        xml_parse(r->arena, r->arrival->payload, r->arrival->payload_length, &error);
    error_clear(&error);
    size_t count = 0;
    for (const struct xml *item = root ? root->first : NULL; item; item = item->next) {
        count += strcmp(item->name, "Object") == 0;
    }
    if (!root || count == 0 || count > KEYS_MAX) {
        fail(r, 400, "MalformedXML",
             "The XML you provided was not well-formed or did not validate against our published "
             "schema");
        return NULL;
    }
    return root;
}

bool s3_delete_objects(struct request *r)
{
    const struct xml *root = s3_bucket(r) && check_request(r) ? read_keys(r) : NULL;
    if (!root) {
        return false;
    }
    const char *told = xml_text(root, "Quiet");
    bool quiet = told && strcmp(told, "true") == 0;
    s3_open(r, "DeleteResult");
    for (const struct xml *item = root->first; item; item = item->next) {
        const char *key = strcmp(item->name, "Object") == 0 ? xml_text(item, "Key") : NULL;
        if (!key) {
            continue;
        }
        s3_remove(r, key);
        if (!quiet) {
            xml_open(&r->xml, "Deleted");
            xml_put(&r->xml, "Key", key);
            xml_close(&r->xml, "Deleted");
        }
    }
    buffer_puts(&r->xml.out, "</DeleteResult>");
    return true;
}
