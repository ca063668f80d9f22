#include "runtime/aws/answer.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"

enum { MESSAGE_MAX = 600, ID_MAX = 128, BODY_SHOWN_MAX = 120 };

/* Bytes of the well-formed UTF-8 sequence at `text`; 0 when it is none. */
static size_t utf8_length(const unsigned char *text, size_t left)
{
    static const unsigned minimum[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = text[0] < 0x80       ? 1
                    : text[0] >> 5 == 6  ? 2
                    : text[0] >> 4 == 14 ? 3
                    : text[0] >> 3 == 30 ? 4
                                         : 0;
    if (length <= 1) {
        return length;
    }
    if (length > left) {
        return 0;
    }
    unsigned code = text[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if (text[i] >> 6 != 2) {
            return 0;
        }
        code = code << 6 | (text[i] & 0x3f);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code < minimum[length] || code > 0x10ffff || surrogate ? 0 : length;
}

const char *one_line(struct arena *arena, const char *text, size_t length, size_t max)
{
    length = text ? length : 0;
    char *out = arena_alloc(arena, length + 4);
    size_t used = 0;
    for (size_t at = 0; at < length && used < max;) {
        const unsigned char *c = (const unsigned char *)text + at;
        size_t step = utf8_length(c, length - at);
        if (step == 1 && (*c <= ' ' || *c == 0x7f)) {
            if (used > 0 && out[used - 1] != ' ') {
                out[used++] = ' ';
            }
        } else if (step == 0) {
            out[used++] = '?';
            step = 1;
        } else {
            memcpy(out + used, c, step);
            used += step;
        }
        at += step;
        if (used >= max && at < length) {
            memcpy(out + used, "…", 3);
            used += 3;
        }
    }
    while (used > 0 && out[used - 1] == ' ') {
        used--;
    }
    out[used] = '\0';
    return out;
}

const char *json_text(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text && *text ? text : NULL;
}

static void overwrite(cJSON *json)
{
    if (cJSON_IsString(json)) {
        explicit_bzero(json->valuestring, strlen(json->valuestring));
    }
    for (cJSON *child = json->child; child; child = child->next) {
        overwrite(child); /* as deep as cJSON reads */
    }
}

void json_wipe(cJSON *json)
{
    if (json) {
        overwrite(json);
    }
    cJSON_Delete(json);
}

struct code {
    const char *code;
    enum outcome outcome;
    const char *help;
};

static const struct code *code_of(const char *code)
{
    static const struct code table[] = {
#define CODE(code, OUTCOME, help) {code, OUTCOME_##OUTCOME, help},
#include "runtime/aws/error_code.def"
#undef CODE
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        size_t length = strlen(table[i].code);
        bool prefix = table[i].code[length - 1] == '*';
        if (prefix ? strncmp(code, table[i].code, length - 1) == 0
                   : strcmp(code, table[i].code) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

struct reader {
    struct arena *arena;
    const struct aws_service_info *service;
    const char *operation;
    bool changes, raw;
    const struct http_response *response;
    struct aws_answer *answer;
};

/* Lost on the way: perhaps carried out. */
static enum outcome lost(const struct reader *reader)
{
    return reader->changes ? OUTCOME_UNKNOWN : OUTCOME_RETRY;
}

static void fail(struct reader *reader, enum outcome outcome, const char *message, const char *help)
{
    struct call_error *error = &reader->answer->error;
    reader->answer->outcome = outcome;
    error->message =
        arena_printf(reader->arena, "%s %s: %s", reader->service->name, reader->operation, message);
    error->help = help;
}

/* By the words of OpenSSL and libcurl. */
static const char *tls_help(const char *text)
{
    static const struct {
        const char *words, *help;
    } cases[] = {
        {"has expired", "renew the endpoint's certificate; if it is good, set this machine's clock"},
        {"not yet valid", "set this machine's clock"},
        {"subject name", "the endpoint's certificate is for another host: check AWS_ENDPOINT_URL"},
        {"version", "the endpoint speaks no TLS of today: it needs 1.2 or newer"},
        {"unsupported protocol", "the endpoint speaks no TLS of today: it needs 1.2 or newer"},
        {"wrong version number", "the endpoint speaks no TLS: should its URL begin with http://?"},
    };
    const char *help = "where a proxy re-signs TLS, name its certificates with AWS_CA_BUNDLE";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        help = strstr(text, cases[i].words) ? cases[i].help : help; /* the last that fits */
    }
    return help;
}

static void read_failure(struct reader *reader)
{
    const struct http_response *response = reader->response;
    const char *text = response->failure_text ? response->failure_text : "the request failed";
    switch (response->failure) {
    case HTTP_UNREACHABLE:
        fail(reader, OUTCOME_RETRY, arena_printf(reader->arena, "cannot be reached: %s", text),
             "check the network, the proxy variables and AWS_ENDPOINT_URL");
        break;
    case HTTP_TLS:
        fail(reader, OUTCOME_FATAL, arena_printf(reader->arena, "TLS failed: %s", text),
             tls_help(text));
        break;
    case HTTP_TIMED_OUT:
        fail(reader, lost(reader), text, "check the network and the service's health");
        break;
    case HTTP_TOO_LARGE:
        fail(reader, reader->changes ? OUTCOME_UNKNOWN : OUTCOME_FATAL,
             arena_printf(reader->arena, "the answer is too large: %s", text),
             "something between here and AWS answers in its place: check AWS_ENDPOINT_URL and "
             "the proxy");
        break;
    case HTTP_BROKEN:
    case HTTP_ANSWERED:
    default:
        fail(reader, lost(reader), arena_printf(reader->arena, "the answer broke off: %s", text),
             "check the network, the proxy if there is one, and AWS_ENDPOINT_URL");
    }
}

/* Followed, it would take the credentials to wherever it says. */
static void read_redirect(struct reader *reader)
{
    const struct http_response *response = reader->response;
    const char *where = http_response_header(response, "location");
    fail(reader, OUTCOME_FATAL,
         arena_printf(reader->arena, "HTTP %d redirects to %s, where drc takes no credentials",
                      response->status,
                      where ? one_line(reader->arena, where, strlen(where), BODY_SHOWN_MAX)
                            : "nowhere"),
         "no service of AWS's that drc asks does that: something between here and AWS answers in its "
         "place; if it is right, name it with AWS_ENDPOINT_URL");
}

/* HTML of a proxy, a truncated body: the status and the body's beginning say more than a parser. */
static void read_garbage(struct reader *reader, const char *why)
{
    const struct http_response *response = reader->response;
    int status = response->status;
    const char *type = http_response_header(response, "content-type");
    bool empty = response->body_length == 0;
    why = empty ? NULL : why; /* a parser's words about nothing */
    const char *shown =
        empty ? "(empty)"
              : one_line(reader->arena, response->body, response->body_length, BODY_SHOWN_MAX);
    const char *kind = type ? one_line(reader->arena, type, strlen(type), 60) : "no content type";
    const char *message =
        arena_printf(reader->arena, "HTTP %d with an answer that is not AWS's (%s%s%s): %s", status,
                     kind, why ? "; " : "", why ? why : "", shown);
    bool refused = status >= 300 && status < 500 && status != 408 && status != 429;
    const char *help =
        status == 407 ? "the proxy wants a user name and password: set them in HTTPS_PROXY"
        : status >= 500
            ? "the service, or a proxy before it, is in trouble"
            : "something between here and AWS answers in its place: check AWS_ENDPOINT_URL and "
              "the proxy";
    enum outcome outcome = status == 429 ? OUTCOME_THROTTLED
                           : refused     ? OUTCOME_FATAL
                                         : lost(reader);
    fail(reader, outcome, message, help);
}

static enum outcome outcome_of_status(const struct reader *reader, int status)
{
    if (status == 429) {
        return OUTCOME_THROTTLED;
    }
    return status >= 500 ? lost(reader) : OUTCOME_FATAL;
}

static void read_refusal(struct reader *reader, const char *code, const char *message)
{
    struct call_error *error = &reader->answer->error;
    const struct code *known = code_of(code);
    enum outcome outcome =
        known ? known->outcome : outcome_of_status(reader, reader->response->status);
    if (known && outcome == OUTCOME_UNKNOWN) {
        outcome = lost(reader);
    }
    const char *text = message ? message : "no message";
    const char *encoded = strstr(text, " Encoded authorization failure message:");
    size_t length = encoded ? (size_t)(encoded - text) : strlen(text);
    error->code = one_line(reader->arena, code, strlen(code), ID_MAX);
    fail(reader, outcome,
         arena_printf(reader->arena, "%s: %s", error->code,
                      one_line(reader->arena, text, length, MESSAGE_MAX)),
         known ? known->help : NULL);
}

static void set_request_id(struct reader *reader, const char *id)
{
    if (id) {
        reader->answer->error.request_id = one_line(reader->arena, id, strlen(id), ID_MAX);
    }
}

static bool has_element_named(const struct xml *root, const char *operation)
{
    size_t length = strlen(operation);
    return strncmp(root->name, operation, length) == 0 &&
           strcmp(root->name + length, "Response") == 0;
}

static void read_xml(struct reader *reader)
{
    const struct http_response *response = reader->response;
    struct error error = {0};
    const struct xml *root = xml_parse(reader->arena, response->body ? response->body : "",
                                       response->body_length, &error);
    const struct xml *refusal = xml_at(root, "Errors/Error");
    refusal = refusal ? refusal : xml_child(root, "Error");
    const char *code = xml_text(refusal, "Code");
    bool answered = response->status / 100 == 2;
    if (root && answered && has_element_named(root, reader->operation)) {
        reader->answer->xml = root;
    } else if (code && !answered) {
        const char *id = xml_text(root, "RequestID");
        set_request_id(reader, id ? id : xml_text(root, "RequestId"));
        read_refusal(reader, code, xml_text(refusal, "Message"));
    } else {
        read_garbage(reader, error.message
                                 ? one_line(reader->arena, error.message, strlen(error.message), 80)
                                 : NULL);
    }
    error_clear(&error);
}

static const char *json_error_code(struct reader *reader, const cJSON *json)
{
    const char *code = json_text(json, "__type");
    code = code ? code : json_text(json, "code");
    code = code ? code : http_response_header(reader->response, "x-amzn-errortype");
    const char *hash = code ? strchr(code, '#') : NULL;
    code = hash ? hash + 1 : code;
    return code ? arena_strndup(reader->arena, code, strcspn(code, ":")) : NULL;
}

/* EBS direct's errors say in a word what is wrong: "INVALID_BLOCK". */
static const char *with_reason(struct reader *reader, const cJSON *json, const char *message)
{
    const char *reason = json_text(json, "Reason");
    if (!reason) {
        return message;
    }
    reader->answer->reason = one_line(reader->arena, reason, strlen(reason), ID_MAX);
    return arena_printf(reader->arena, "%s: %s", reason, message ? message : "no message");
}

static void read_json(struct reader *reader)
{
    const struct http_response *response = reader->response;
    bool rest = reader->service->protocol == AWS_PROTOCOL_REST_JSON;
    set_request_id(reader, http_response_header(response, "x-amzn-requestid"));
    if (response->status / 100 == 2 && (reader->raw || (rest && response->body_length == 0))) {
        return;
    }
    cJSON *json = cJSON_ParseWithLengthOpts(response->body ? response->body : "",
                                            response->body_length + 1, NULL, true);
    bool answered = response->status / 100 == 2;
    if (cJSON_IsObject(json) && answered) {
        reader->answer->json = json;
        return;
    }
    bool refusal = !answered && (cJSON_IsObject(json) || (rest && response->body_length == 0));
    const char *code = refusal ? json_error_code(reader, json) : NULL;
    if (code) {
        const char *message = json_text(json, "message");
        read_refusal(reader, code, with_reason(reader, json, message ? message
                                                                     : json_text(json, "Message")));
    } else {
        read_garbage(reader, json ? NULL : "not JSON");
    }
    cJSON_Delete(json);
}

/* S3 tells where a bucket is when it is asked elsewhere; a HEAD gets no body. */
static void read_misdirected(struct reader *reader, const char *region)
{
    reader->answer->bucket_region = arena_strdup(reader->arena, region);
    fail(reader, OUTCOME_FATAL,
         arena_printf(reader->arena, "the bucket is in %s, and was looked for elsewhere",
                      one_line(reader->arena, region, strlen(region), ID_MAX)),
         arena_printf(reader->arena, "name that region: AWS_REGION=%s, or --region %s",
                      one_line(reader->arena, region, strlen(region), ID_MAX),
                      one_line(reader->arena, region, strlen(region), ID_MAX)));
}

/* The region of a bucket that is not in the one that was asked; NULL: that is not the matter. */
static const char *true_region(const struct reader *reader, const char *code,
                               const struct xml *refusal)
{
    const struct http_response *response = reader->response;
    bool redirect = response->status / 100 == 3;
    bool malformed = response->status == 400 &&
                     (!code || strcmp(code, "AuthorizationHeaderMalformed") == 0 ||
                      strcmp(code, "IllegalLocationConstraintException") == 0);
    const char *region = http_response_header(response, "x-amz-bucket-region");
    region = region ? region : refusal ? xml_text(refusal, "Region") : NULL;
    return redirect || malformed ? region : NULL;
}

/* Without a body (HEAD) the status has to say it all: the codes are those of S3's own SDKs. */
static const char *code_of_status(int status)
{
    switch (status) {
    case 304: return "NotModified";
    case 400: return "BadRequest";
    case 403: return "Forbidden";
    case 404: return "NotFound";
    case 409: return "ConditionalRequestConflict";
    case 412: return "PreconditionFailed";
    case 416: return "InvalidRange";
    case 500: return "InternalError";
    case 503: return "ServiceUnavailable";
    default: return NULL;
    }
}

/* Route 53's word for a batch that it does not take has a message for each change that is wrong. */
static const char *batch_messages(struct reader *reader, const struct xml *root)
{
    struct buffer all = {0};
    const struct xml *messages = xml_child(root, "Messages");
    for (const struct xml *one = xml_first(root, "Messages"); one && all.length < MESSAGE_MAX;
         one = one->next) {
        buffer_printf(&all, "%s%s", all.length ? "; " : "", one->text);
    }
    const char *text = messages ? arena_strdup(reader->arena, buffer_text(&all)) : NULL;
    buffer_free(&all);
    return text;
}

/* The element with Code and Message: S3's is the root, Route 53's below it. */
static const struct xml *rest_refusal(const struct xml *root)
{
    return !root                               ? NULL
           : strcmp(root->name, "Error") == 0 ? root
                                               : xml_child(root, "Error");
}

static void read_rest_refusal(struct reader *reader)
{
    const struct http_response *response = reader->response;
    struct error error = {0};
    const struct xml *root = NULL;
    if (response->body_length > 0) {
        root = xml_parse(reader->arena, response->body, response->body_length, &error);
    }
    const struct xml *refusal = rest_refusal(root);
    const char *code = refusal ? xml_text(refusal, "Code") : NULL;
    const char *batch = root && !refusal ? batch_messages(reader, root) : NULL;
    code = batch ? root->name : code;
    const char *region = true_region(reader, code, refusal);
    code = code || response->body_length > 0 ? code : code_of_status(response->status);
    if (refusal && !reader->answer->error.request_id) {
        const char *id = xml_text(refusal, "RequestId");
        set_request_id(reader, id ? id : xml_text(root, "RequestId"));
    }
    if (region) {
        read_misdirected(reader, region);
        reader->answer->error.code = "PermanentRedirect";
    } else if (code) {
        const char *message = refusal ? xml_text(refusal, "Message") : batch;
        read_refusal(reader, code, message ? message : "the answer has no body");
    } else if (response->status / 100 == 3) {
        read_redirect(reader);
    } else {
        read_garbage(reader, error.message
                                 ? one_line(reader->arena, error.message, strlen(error.message), 80)
                                 : NULL);
    }
    error_clear(&error);
}

/* S3's answers to PUT, DELETE and HEAD have no body, to GET any: only errors and lists are XML. A 2xx
 * whose body is an Error is none either (CompleteMultipartUpload and CopyObject have that). */
static void read_rest_xml(struct reader *reader)
{
    const struct http_response *response = reader->response;
    const char *id = http_response_header(response, "x-amz-request-id");
    set_request_id(reader, id ? id : http_response_header(response, "x-amzn-requestid"));
    if (response->status / 100 != 2) {
        read_rest_refusal(reader);
        return;
    }
    if (reader->raw || response->body_length == 0) {
        return;
    }
    struct error error = {0};
    reader->answer->xml = xml_parse(reader->arena, response->body, response->body_length, &error);
    if (!reader->answer->xml || strcmp(reader->answer->xml->name, "html") == 0) {
        read_garbage(reader, error.message ? "not XML" : NULL);
    } else if (strcmp(reader->answer->xml->name, "Error") == 0) {
        read_rest_refusal(reader);
    }
    error_clear(&error);
}

static void read_headers(struct reader *reader)
{
    const char *date = http_response_header(reader->response, "date");
    time_t seconds = date ? curl_getdate(date, NULL) : -1;
    reader->answer->server_utc_ms = seconds > 0 ? (int64_t)seconds * 1000 : 0;
    const char *after = http_response_header(reader->response, "retry-after");
    long wait = after ? strtol(after, NULL, 10) : 0;
    reader->answer->retry_after_ms = wait > 0 && wait <= 300 ? wait * 1000 : 0;
}

void aws_answer_read(struct arena *arena, const struct aws_question *question,
                     const struct http_response *response, struct aws_answer *answer)
{
    struct reader reader = {arena,
                            aws_service_info(question->service),
                            question->operation,
                            question->changes,
                            question->raw,
                            response,
                            answer};
    *answer =
        (struct aws_answer){.outcome = OUTCOME_OK, .failure = response->failure, .requests = 1};
    answer->error.service = reader.service->name;
    if (response->failure != HTTP_ANSWERED) {
        read_failure(&reader);
        return;
    }
    answer->response = response;
    answer->body = response->body;
    answer->body_length = response->body_length;
    answer->error.http_status = response->status;
    read_headers(&reader);
    if (reader.service->protocol == AWS_PROTOCOL_REST_XML) {
        read_rest_xml(&reader);
    } else if (response->status / 100 == 3) {
        read_redirect(&reader);
    } else if (reader.service->protocol == AWS_PROTOCOL_QUERY) {
        read_xml(&reader);
    } else {
        read_json(&reader);
    }
}

void aws_answer_clear(struct aws_answer *answer)
{
    json_wipe(answer->json); /* SSO's has keys in it */
    answer->json = NULL;
}

bool aws_answer_error(const struct aws_answer *answer, struct error *error)
{
    const struct call_error *from = &answer->error;
    const char *message = from->message ? from->message : outcome_name(answer->outcome);
    if (from->request_id && from->http_status) {
        error_set(error, "%s (HTTP %d, request %s)", message, from->http_status, from->request_id);
    } else {
        error_set(error, "%s", message);
    }
    if (from->help) {
        error_help(error, "%s", from->help);
    }
    return false;
}
