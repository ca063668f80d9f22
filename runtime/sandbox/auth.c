/* Who sends a request: SigV4's signature is made again with the secret that the sandbox knows and
 * compared. The clock is not: clients of `drc sandbox serve` sign by the real one. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "runtime/aws/sigv4.h"
#include "runtime/sandbox/arrival.h"
#include "runtime/sandbox/internal.h"

/* The value of "NAME=value" up to a comma or the end. */
static const char *part(struct arena *arena, const char *text, const char *name)
{
    const char *at = strstr(text, name);
    if (!at) {
        return NULL;
    }
    at += strlen(name);
    return arena_strndup(arena, at, strcspn(at, ", "));
}

bool signature_parse(struct arena *arena, const char *authorization, struct signature *signature)
{
    static const char scheme[] = "AWS4-HMAC-SHA256 ";
    if (!authorization || strncmp(authorization, scheme, sizeof scheme - 1) != 0) {
        return false;
    }
    char *credential = (char *)part(arena, authorization, "Credential=");
    signature->headers = part(arena, authorization, "SignedHeaders=");
    signature->hex = part(arena, authorization, "Signature=");
    if (!credential || !signature->headers || !signature->hex) {
        return false;
    }
    const char **parts[] = {&signature->access_key, &signature->day, &signature->region,
                            &signature->service};
    char *rest = credential;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        *parts[i] = strsep(&rest, "/");
        if (!rest) {
            return false;
        }
    }
    return strcmp(rest, "aws4_request") == 0;
}

static bool is_listed(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; *at;) {
        size_t item = strcspn(at, ";");
        if (item == length && strncasecmp(at, name, length) == 0) {
            return true;
        }
        at += item + (at[item] == ';');
    }
    return false;
}

/* 20261122T100000Z; -1 when malformed. */
static int64_t parse_date(const char *text)
{
    struct tm parts = {0};
    const char *end = text ? strptime(text, "%Y%m%dT%H%M%SZ", &parts) : NULL;
    return end && !*end ? (int64_t)timegm(&parts) * 1000 : -1;
}

static bool is_own_header(const char *name)
{
    return strcasecmp(name, "host") == 0 || strcasecmp(name, "x-amz-date") == 0 ||
           strcasecmp(name, "x-amz-security-token") == 0 ||
           strcasecmp(name, "x-amz-content-sha256") == 0;
}

static const char *body_hash(struct request *r)
{
    char *hex = arena_alloc(r->arena, SHA256_HEX_SIZE);
    sha256_to_hex(r->arrival->sha256, hex);
    return hex;
}

/* Whether the body is what X-Amz-Content-SHA256 says, if it says anything. */
static bool is_payload_right(struct request *r)
{
    const char *told = header_of(r, "X-Amz-Content-SHA256");
    return !told || strcmp(told, SIGV4_UNSIGNED_PAYLOAD) == 0 ||
           strncmp(told, "STREAMING-", 10) == 0 || strcmp(told, body_hash(r)) == 0;
}

static bool matches(struct request *r, const struct target *target,
                    const struct signature *signature, const struct sigv4_key *key)
{
    const struct http_request *request = r->arrival->http;
    int64_t date_ms = parse_date(request_header(request, "X-Amz-Date"));
    const char *told = header_of(r, "X-Amz-Content-SHA256");
    struct http_header *headers =
        ARENA_ARRAY(r->arena, struct http_header, request->header_count + 1);
    struct sigv4_request again = {.method = request->method,
                                  .host = target->host,
                                  .path = target->path,
                                  .query = target->query,
                                  .headers = headers,
                                  .payload_hash = told ? told : body_hash(r),
                                  .service = signature->service,
                                  .region = signature->region,
                                  .memory = r->signing,
                                  .hash_unsent = !told,
                                  .s3 = r->protocol == PROTOCOL_REST_XML};
    for (size_t i = 0; i < request->header_count; i++) {
        const char *name = request->headers[i].name;
        if (!is_own_header(name) && is_listed(signature->headers, name)) {
            headers[again.header_count++] = request->headers[i];
        }
    }
    if (date_ms < 0 || !is_listed(signature->headers, "host")) {
        return false;
    }
    struct sigv4_headers signed_headers;
    struct signature expected;
    sigv4_sign(r->arena, &again, key, date_ms, &signed_headers);
    const char *line = signed_headers.items[signed_headers.count - 1].value;
    return signature_parse(r->arena, line, &expected) &&
           strlen(expected.hex) == strlen(signature->hex) &&
           CRYPTO_memcmp(expected.hex, signature->hex, strlen(expected.hex)) == 0;
}

/* Each service has its own words for the same refusals. */
enum refusal { REFUSAL_UNSIGNED, REFUSAL_EXPIRED, REFUSAL_KEY, REFUSAL_SIGNATURE };
enum dialect { DIALECT_EC2, DIALECT_STS, DIALECT_JSON, DIALECT_EBS, DIALECT_S3 };

static const struct {
    int status;
    const char *code;
} refusals[][DIALECT_S3 + 1] = {
    [REFUSAL_UNSIGNED] = {{403, "MissingAuthenticationToken"},
                          {403, "MissingAuthenticationToken"},
                          {400, "MissingAuthenticationTokenException"},
                          {403, "MissingAuthenticationTokenException"},
                          {403, "AccessDenied"}},
    [REFUSAL_EXPIRED] = {{400, "RequestExpired"},
                         {403, "ExpiredToken"},
                         {400, "ExpiredTokenException"},
                         {403, "ExpiredTokenException"},
                         {400, "ExpiredToken"}},
    [REFUSAL_KEY] = {{401, "AuthFailure"},
                     {403, "InvalidClientTokenId"},
                     {400, "UnrecognizedClientException"},
                     {403, "UnrecognizedClientException"},
                     {403, "InvalidAccessKeyId"}},
    [REFUSAL_SIGNATURE] = {{401, "AuthFailure"},
                           {403, "SignatureDoesNotMatch"},
                           {400, "InvalidSignatureException"},
                           {403, "InvalidSignatureException"},
                           {403, "SignatureDoesNotMatch"}},
};

static enum dialect dialect_of(const struct request *r)
{
    switch (r->protocol) {
    case PROTOCOL_JSON:
        return DIALECT_JSON;
    case PROTOCOL_REST_JSON:
        return DIALECT_EBS;
    case PROTOCOL_REST_XML:
        return DIALECT_S3;
    case PROTOCOL_ROUTE53:
        return DIALECT_STS;
    case PROTOCOL_QUERY:
        break;
    }
    return strcmp(r->service, "ec2") == 0 ? DIALECT_EC2 : DIALECT_STS;
}

static bool refuse(struct request *r, enum refusal refusal)
{
    static const char signature_wrong[] =
        "The request signature we calculated does not match the signature you provided. Check your "
        "AWS Secret Access Key and signing method.";
    static const char *const messages[] = {
        [REFUSAL_UNSIGNED] = "Request is missing Authentication Token",
        [REFUSAL_EXPIRED] = "The security token included in the request is expired",
        [REFUSAL_KEY] = "The security token included in the request is invalid.",
        [REFUSAL_SIGNATURE] = signature_wrong,
    };
    enum dialect dialect = dialect_of(r);
    const char *message = messages[refusal];
    if (dialect == DIALECT_EC2 && (refusal == REFUSAL_KEY || refusal == REFUSAL_SIGNATURE)) {
        message = "AWS was not able to validate the provided access credentials";
    }
    return fail(r, refusals[refusal][dialect].status, refusals[refusal][dialect].code, "%s",
                message);
}

bool authenticate(struct request *r, const struct target *target, const struct signature *signature)
{
    if (!signature->access_key) {
        return refuse(r, REFUSAL_UNSIGNED);
    }
    struct sqlite3_stmt *row = state_query(
        r->state,
        "SELECT secret, session_token, account, arn, user_id, expires_ms FROM credentials WHERE "
        "access_key = ?",
        "s", signature->access_key);
    if (!state_next(r->state, row)) {
        return refuse(r, REFUSAL_KEY);
    }
    struct sigv4_key key = {.id = signature->access_key,
                            .secret = state_text(r->arena, row, 0),
                            .token = state_text(r->arena, row, 1)};
    r->caller = (struct caller){.access_key = signature->access_key,
                                .account = state_text(r->arena, row, 2),
                                .arn = state_text(r->arena, row, 3),
                                .user_id = state_text(r->arena, row, 4)};
    bool expired = !state_is_null(row, 5) && r->now_ms >= state_int(row, 5);
    state_done(row);
    const char *token = header_of(r, "X-Amz-Security-Token");
    if (key.token ? !token || strcmp(token, key.token) != 0 : token != NULL) {
        return refuse(r, REFUSAL_KEY);
    }
    if (expired) {
        return refuse(r, REFUSAL_EXPIRED);
    }
    if (r->protocol == PROTOCOL_REST_XML && !header_of(r, "X-Amz-Content-SHA256")) {
        return fail(r, 400, "InvalidRequest",
                    "Missing required header for this request: x-amz-content-sha256");
    }
    bool right = is_payload_right(r);
    if (!right && r->protocol == PROTOCOL_REST_XML) {
        return fail(r, 400, "XAmzContentSHA256Mismatch",
                    "The provided 'x-amz-content-sha256' header does not match what was computed.");
    }
    return (right && matches(r, target, signature, &key)) || refuse(r, REFUSAL_SIGNATURE);
}
