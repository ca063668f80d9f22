/* Who sends a request: SigV4's signature is made again with the secret that the sandbox knows and
 * compared. The clock is not: clients of `drc sandbox serve` sign by the real one. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "runtime/aws/sigv4.h"
#include "runtime/sandbox/internal.h"

static const char *request_header(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, name) == 0) {
            return request->headers[i].value;
        }
    }
    return NULL;
}

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

static bool matches(struct request *r, const struct http_request *request,
                    const struct target *target, const struct signature *signature,
                    const struct sigv4_key *key)
{
    int64_t date_ms = parse_date(request_header(request, "X-Amz-Date"));
    struct http_header *headers =
        ARENA_ARRAY(r->arena, struct http_header, request->header_count + 1);
    struct sigv4_request again = {.method = request->method,
                                  .host = target->host,
                                  .path = target->path,
                                  .query = target->query,
                                  .headers = headers,
                                  .body = request->body,
                                  .body_length = request->body_length,
                                  .service = signature->service,
                                  .region = signature->region};
    for (size_t i = 0; i < request->header_count; i++) {
        const char *name = request->headers[i].name;
        bool own = strcasecmp(name, "host") == 0 || strcasecmp(name, "x-amz-date") == 0 ||
                   strcasecmp(name, "x-amz-security-token") == 0;
        if (!own && is_listed(signature->headers, name)) {
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

/* Each protocol has its own words for the same refusals. */
enum refusal { REFUSAL_NONE, REFUSAL_KEY, REFUSAL_SIGNATURE, REFUSAL_EXPIRED, REFUSAL_UNSIGNED };

static bool refuse(struct request *r, enum refusal refusal)
{
    bool json = strcmp(r->service, "ssm") == 0, ec2 = strcmp(r->service, "ec2") == 0;
    switch (refusal) {
    case REFUSAL_UNSIGNED:
        return json ? fail(r, 400, "MissingAuthenticationTokenException",
                           "Request is missing Authentication Token")
                    : fail(r, 403, "MissingAuthenticationToken",
                           "Request is missing Authentication Token");
    case REFUSAL_EXPIRED:
        return ec2    ? fail(r, 400, "RequestExpired", "Request has expired.")
               : json ? fail(r, 400, "ExpiredTokenException",
                             "The security token included in the request is expired")
                      : fail(r, 403, "ExpiredToken",
                             "The security token included in the request is expired");
    case REFUSAL_KEY:
        return ec2    ? fail(r, 401, "AuthFailure",
                             "AWS was not able to validate the provided access credentials")
               : json ? fail(r, 400, "UnrecognizedClientException",
                             "The security token included in the request is invalid.")
                      : fail(r, 403, "InvalidClientTokenId",
                             "The security token included in the request is invalid.");
    case REFUSAL_SIGNATURE:
        return ec2    ? fail(r, 401, "AuthFailure",
                             "AWS was not able to validate the provided access credentials")
               : json ? fail(r, 400, "InvalidSignatureException",
                             "The request signature we calculated does not match the signature you "
                             "provided.")
                      : fail(r, 403, "SignatureDoesNotMatch",
                             "The request signature we calculated does not match the signature you "
                             "provided. Check your AWS Secret Access Key and signing method.");
    case REFUSAL_NONE:
        break;
    }
    return true;
}

bool authenticate(struct request *r, const struct http_request *request,
                  const struct target *target, const struct signature *signature)
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
    const char *token = request_header(request, "X-Amz-Security-Token");
    if (key.token ? !token || strcmp(token, key.token) != 0 : token != NULL) {
        return refuse(r, REFUSAL_KEY);
    }
    if (expired) {
        return refuse(r, REFUSAL_EXPIRED);
    }
    return matches(r, request, target, signature, &key) || refuse(r, REFUSAL_SIGNATURE);
}
