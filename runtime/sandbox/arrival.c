#include "runtime/sandbox/arrival.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/sandbox/base64.h"
#include "runtime/sandbox/blobs.h"
#include "runtime/sandbox/checksum.h"
#include "runtime/sandbox/chunked.h"
#include "runtime/sandbox/internal.h"

const char *request_header(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, name) == 0) {
            return request->headers[i].value;
        }
    }
    return NULL;
}

static bool refuse(struct arrival *arrival, int status, const char *code, const char *message)
{
    arrival->status = status;
    arrival->code = code;
    arrival->message = message;
    return false;
}

/* "Content-Encoding: aws-chunked", or the payload's hash says so. */
static bool is_chunked(const struct http_request *request)
{
    const char *hash = request_header(request, "X-Amz-Content-SHA256");
    return hash && strncmp(hash, "STREAMING-", 10) == 0;
}

static bool read_chunks(struct arrival *arrival)
{
    const struct http_request *request = arrival->http;
    const char *hash = request_header(request, "X-Amz-Content-SHA256");
    if (strcmp(hash, "STREAMING-UNSIGNED-PAYLOAD-TRAILER") != 0) {
        return refuse(arrival, 501, "NotImplemented",
                      "A header you provided implies functionality that is not implemented: the "
                      "sandbox takes chunks without signatures alone");
    }
    struct chunked chunked;
    if (!chunked_read(arrival->arena, request->body, request->body_length, &chunked)) {
        return refuse(arrival, 400, "IncompleteBody", "The chunks of the body are malformed");
    }
    const char *length = request_header(request, "X-Amz-Decoded-Content-Length");
    if (!length || strtoull(length, NULL, 10) != chunked.length) {
        return refuse(arrival, length ? 400 : 411,
                      length ? "IncompleteBody" : "MissingContentLength",
                      "x-amz-decoded-content-length is not the length of the chunks");
    }
    arrival->payload = chunked.bytes;
    arrival->payload_length = chunked.length;
    arrival->trailer = chunked.trailer;
    return true;
}

static bool check_md5(struct arrival *arrival)
{
    const char *given = request_header(arrival->http, "Content-MD5");
    unsigned char digest[EVP_MAX_MD_SIZE], wanted[16];
    unsigned length = 0;
    EVP_Digest(arrival->payload, arrival->payload_length, digest, &length, EVP_md5(), NULL);
    char *etag = arena_alloc(arrival->arena, 2 * 16 + 3), *at = etag;
    *at++ = '"';
    for (size_t i = 0; i < 16; i++) {
        static const char digits[] = "0123456789abcdef";
        *at++ = digits[digest[i] >> 4];
        *at++ = digits[digest[i] & 15];
    }
    memcpy(at, "\"", 2);
    arrival->etag = etag;
    if (given && !base64_decode(given, wanted, sizeof wanted)) {
        return refuse(arrival, 400, "InvalidDigest", "The Content-MD5 you specified is not valid.");
    }
    if (given && memcmp(wanted, digest, sizeof wanted) != 0) {
        return refuse(arrival, 400, "BadDigest",
                      "The Content-MD5 you specified did not match what we received.");
    }
    return true;
}

/* Of the headers x-amz-checksum-…, and of the trailer. */
static bool check_sums(struct arrival *arrival)
{
    const struct http_request *request = arrival->http;
    for (size_t i = 0; i <= request->header_count; i++) {
        struct http_header header = {0};
        if (i < request->header_count) {
            header = request->headers[i];
        } else if (arrival->trailer && strchr(arrival->trailer, ':')) {
            const char *colon = strchr(arrival->trailer, ':');
            header.name =
                arena_strndup(arrival->arena, arrival->trailer, (size_t)(colon - arrival->trailer));
            header.value = colon + 1;
        }
        const char *sum = header.name ? checksum_of(arrival->arena, header.name, arrival->payload,
                                                    arrival->payload_length)
                                      : NULL;
        if (sum && strcmp(sum, header.value) != 0) {
            const char *algorithm =
                arena_strdup(arrival->arena, header.name + CHECKSUM_PREFIX_LENGTH);
            return refuse(
                arrival, 400, "BadDigest",
                arena_printf(arrival->arena,
                             "The %s you specified did not match the calculated checksum.",
                             algorithm));
        }
    }
    return true;
}

static bool take_object(struct arrival *arrival)
{
    if (is_chunked(arrival->http) && !read_chunks(arrival)) {
        return false;
    }
    if (arrival->payload != arrival->http->body) {
        sha256(arrival->payload, arrival->payload_length, arrival->payload_sha256);
    }
    return check_md5(arrival) && check_sums(arrival);
}

/* A block whose digest or length is wrong is refused later, by the operation. */
static bool is_sound_block(const struct arrival *arrival)
{
    uint8_t told[SHA256_SIZE];
    return arrival->length == BLOCK_BYTES &&
           base64_decode(request_header(arrival->http, "x-amz-Checksum"), told, sizeof told) &&
           memcmp(told, arrival->payload_sha256, sizeof told) == 0;
}

static void store(struct arrival *arrival, struct blobs *blobs)
{
    struct error error = {0};
    if (!blobs_put(blobs, arrival->payload_sha256, arrival->payload, arrival->payload_length,
                   &error)) {
        refuse(arrival, 500, "InternalError", arena_strdup(arrival->arena, error.message));
        error_clear(&error);
    }
}

const char *arrival_service(struct arena *arena, const struct http_request *request)
{
    struct signature signature;
    return signature_parse(arena, request_header(request, "Authorization"), &signature)
               ? signature.service
               : NULL;
}

static void take_known(struct arrival *arrival, const struct arrival_body *known)
{
    memcpy(arrival->sha256, known->sha256, SHA256_SIZE);
    arrival->length = known->length;
    if (known->error.message) {
        refuse(arrival, 500, "InternalError", arena_strdup(arrival->arena, known->error.message));
    }
}

void arrival_take(struct arrival *arrival, struct arena *arena, const struct http_request *request,
                  const struct arrival_body *known, struct blobs *blobs)
{
    *arrival = (struct arrival){.http = request,
                                .arena = arena,
                                .payload = request->body ? request->body : "",
                                .payload_length = request->body ? request->body_length : 0};
    arrival->length = arrival->payload_length;
    if (known) {
        take_known(arrival, known);
    } else {
        sha256(arrival->payload, arrival->payload_length, arrival->sha256);
    }
    memcpy(arrival->payload_sha256, arrival->sha256, SHA256_SIZE);
    bool put = strcmp(request->method, "PUT") == 0, post = strcmp(request->method, "POST") == 0;
    const char *service = put || post ? arrival_service(arena, request) : NULL;
    if (!service || arrival->code || (known && known->stored)) {
        return;
    }
    bool s3 = strcmp(service, "s3") == 0, ebs = strcmp(service, "ebs") == 0;
    bool sound = s3 ? take_object(arrival) : ebs && put && is_sound_block(arrival);
    if (sound && put) {
        store(arrival, blobs);
    }
}
