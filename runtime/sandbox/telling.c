/* In which form a service tells what came of a request: XML between an operation's elements, JSON,
 * or headers and a body as they are. */
#include <string.h>
#include <strings.h>

#include "runtime/sandbox/internal.h"

static const char ec2_namespace[] = "http://ec2.amazonaws.com/doc/2016-11-15/";

/* Of a service that is not EC2. */
static const char *namespace_of(const struct request *r)
{
    return strcmp(r->service, "route53") == 0 ? "https://route53.amazonaws.com/doc/2013-04-01/"
           : strcmp(r->service, "elasticloadbalancing") == 0
               ? "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"
               : "https://sts.amazonaws.com/doc/2011-06-15/";
}

static const char xml_head[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

static void write_s3_failure(struct request *r, struct xml_writer *xml)
{
    xml_open(xml, "Error");
    xml_put(xml, "Code", r->failure.code);
    xml_put(xml, "Message", r->failure.message);
    xml_put(xml, "Region", r->failure.region);
    xml_put(xml, "Key", is_utf8(r->in ? r->in : "", strlen(r->in ? r->in : "")) ? r->in : NULL);
    xml_put(xml, "BucketName", r->of);
    xml_put(xml, "RequestId", r->id);
    xml_put(xml, "HostId", r->id);
    xml_close(xml, "Error");
}

static void write_query_failure(struct request *r, struct xml_writer *xml)
{
    bool ec2 = strcmp(r->service, "ec2") == 0;
    if (ec2) {
        buffer_puts(&xml->out, "<Response><Errors><Error>");
    } else {
        buffer_printf(&xml->out, "<ErrorResponse xmlns=\"%s\"><Error><Type>Sender</Type>",
                      namespace_of(r));
    }
    xml_put(xml, "Code", r->failure.code);
    xml_put(xml, "Message", r->failure.message);
    buffer_puts(&xml->out, ec2 ? "</Error></Errors>" : "</Error>");
    xml_put(xml, ec2 ? "RequestID" : "RequestId", r->id);
    buffer_puts(&xml->out, ec2 ? "</Response>" : "</ErrorResponse>");
}

static void write_xml_failure(struct request *r, struct buffer *out)
{
    struct xml_writer xml = {0};
    buffer_puts(&xml.out, xml_head);
    if (r->protocol == PROTOCOL_REST_XML) {
        write_s3_failure(r, &xml);
    } else {
        write_query_failure(r, &xml);
    }
    buffer_append(out, xml.out.data, xml.out.length);
    buffer_free(&xml.out);
}

static void write_query_answer(struct request *r, struct buffer *out)
{
    bool ec2 = strcmp(r->service, "ec2") == 0;
    buffer_printf(out, "%s<%sResponse xmlns=\"%s\">", xml_head, r->operation,
                  ec2 ? ec2_namespace : namespace_of(r));
    if (ec2) {
        buffer_printf(out, "<requestId>%s</requestId>", r->id);
    } else {
        buffer_printf(out, "<%sResult>", r->operation);
    }
    buffer_append(out, buffer_text(&r->xml.out), r->xml.out.length);
    if (!ec2) {
        buffer_printf(out,
                      "</%sResult><ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata>",
                      r->operation, r->id);
    }
    buffer_printf(out, "</%sResponse>", r->operation);
}

static void write_json_failure(struct request *r, struct buffer *out)
{
    struct json_writer json = json_writer(out, 0);
    bool valid = is_utf8(r->failure.message, strlen(r->failure.message));
    bool rest = r->protocol == PROTOCOL_REST_JSON;
    json_begin_object(&json);
    if (!rest) {
        json_key_string(&json, "__type", r->failure.code);
    }
    json_key_string(&json, rest ? "Message" : "message",
                    valid ? r->failure.message : "The request is malformed");
    json_key_string(&json, "Reason", r->failure.reason);
    json_end_object(&json);
}

static void write_failure(struct request *r, struct buffer *out)
{
    bool head = strcmp(r->arrival->http->method, "HEAD") == 0 || r->failure.status == 304;
    if (r->protocol == PROTOCOL_REST_XML && head) {
        return;
    }
    if (r->protocol == PROTOCOL_JSON || r->protocol == PROTOCOL_REST_JSON) {
        write_json_failure(r, out);
    } else {
        write_xml_failure(r, out);
    }
}

static void write_route53_answer(struct request *r, struct buffer *out)
{
    buffer_printf(out, "%s<%sResponse xmlns=\"%s\">", xml_head, r->operation, namespace_of(r));
    buffer_append(out, buffer_text(&r->xml.out), r->xml.out.length);
    buffer_printf(out, "</%sResponse>", r->operation);
}

static void write_body(struct request *r, struct buffer *out)
{
    switch (r->protocol) {
    case PROTOCOL_QUERY:
        write_query_answer(r, out);
        break;
    case PROTOCOL_JSON:
    case PROTOCOL_REST_JSON:
        buffer_append(out, buffer_text(&r->body), r->body.length);
        break;
    case PROTOCOL_ROUTE53:
        write_route53_answer(r, out);
        break;
    case PROTOCOL_REST_XML:
        if (r->xml.out.length) {
            buffer_puts(out, xml_head);
            buffer_append(out, r->xml.out.data, r->xml.out.length);
        }
        break;
    }
}

static void add_headers(struct request *r)
{
    static const char *const types[] = {
        [PROTOCOL_QUERY] = "text/xml;charset=UTF-8",
        [PROTOCOL_JSON] = "application/x-amz-json-1.1",
        [PROTOCOL_REST_JSON] = "application/json",
        [PROTOCOL_REST_XML] = "application/xml",
        [PROTOCOL_ROUTE53] = "text/xml",
    };
    bool s3 = r->protocol == PROTOCOL_REST_XML, has_type = false;
    for (size_t i = 0; i < r->answer.header_count; i++) {
        has_type = has_type || strcasecmp(r->answer.headers[i].name, "Content-Type") == 0;
    }
    if (!has_type) {
        answer_header(r, "Content-Type", types[r->protocol]);
    }
    answer_header(r, s3 ? "x-amz-request-id" : "x-amzn-RequestId", r->id);
    if (s3) {
        answer_header(r, "x-amz-id-2", r->id);
    }
    if (r->protocol == PROTOCOL_REST_JSON) {
        answer_header(r, "x-amzn-ErrorType", r->failure.code);
    }
}

void write_answer(struct sandbox *sandbox, struct request *r, struct http_response *response)
{
    bool failed = r->failure.code != NULL;
    buffer_clear(&sandbox->body);
    if (failed) {
        r->answer = (struct answer){.status = r->failure.status, .told_length = -1};
        write_failure(r, &sandbox->body);
    } else {
        write_body(r, &sandbox->body);
    }
    add_headers(r);
    sandbox->answer = r->answer;
    response->failure = HTTP_ANSWERED;
    response->status = r->answer.status ? r->answer.status : 200;
    response->headers = sandbox->answer.headers;
    response->header_count = sandbox->answer.header_count;
    response->body = buffer_text(&sandbox->body);
    response->body_length = sandbox->body.length;
}
