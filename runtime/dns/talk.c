#include "runtime/dns/talk.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/dns/message.h"
#include "runtime/dns/tsig.h"

enum { DNS_PORT = 53, DATAGRAM_MAX = 512, STREAM_MS = 4000 };

/* How long each try waits; -STREAM_MS: by TCP. */
static const int long_tries[] = {1000, 2000, -STREAM_MS, STREAM_MS};
static const int brief_tries[] = {1000, 2000};

struct talk {
    struct world *world;
    struct world_task *task;
    struct buffer host, name, unsigned_message, message;
    struct talk_request request;
    struct message_request sent;
    struct tsig_mac mac; /* of what was sent */
    int64_t sent_s;
    size_t tries;
    int requests;
    bool stream, cut; /* cut: an answer did not fit, the next try goes by TCP */
    bool forged;
    struct buffer failure;
    talk_callback callback;
    void *context;
};

static void talk_free(struct talk *talk)
{
    buffer_free(&talk->host);
    buffer_free(&talk->name);
    buffer_free(&talk->unsigned_message);
    buffer_free(&talk->message);
    buffer_free(&talk->failure);
    free(talk);
}

void talk_cancel(struct talk *talk)
{
    if (talk) {
        world_cancel(talk->world, talk->task);
        talk_free(talk);
    }
}

static void tell(struct talk *talk, struct talk_answer *answer)
{
    answer->requests = talk->requests;
    answer->sent_s = talk->sent_s;
    talk->callback(talk->context, answer);
    talk_free(talk);
}

static void tell_failure(void *context)
{
    struct talk *talk = context;
    struct talk_answer answer = {.failure = buffer_text(&talk->failure), .forged = talk->forged};
    talk->task = NULL;
    tell(talk, &answer);
}

static void note(struct talk *talk, const char *failure)
{
    buffer_clear(&talk->failure);
    buffer_puts(&talk->failure, failure);
}

/* --- answers --- */

static void try_again(struct talk *talk);

/* True: the signature is right, or there was to be none. Otherwise the failure is noted, unless the
 * server tells that it did not take ours, which it cannot sign (RFC 8945, 5.2). */
static bool is_genuine(struct talk *talk, const void *bytes, size_t length,
                       struct talk_answer *answer)
{
    struct tsig_record record;
    enum tsig_presence presence = tsig_find(bytes, length, &record);
    if (!talk->request.key) {
        return true;
    }
    answer->tsig_error = presence == TSIG_PRESENT ? record.error : 0;
    answer->server_s = presence == TSIG_PRESENT ? record.server_s : 0;
    bool unsigned_refusal = presence == TSIG_ABSENT || record.mac.length == 0;
    if (presence != TSIG_MALFORMED && unsigned_refusal && answer->rcode != LDNS_RCODE_NOERROR &&
        answer->rcode != RCODE_NXRRSET && answer->rcode != RCODE_YXRRSET &&
        answer->rcode != RCODE_YXDOMAIN && answer->rcode != LDNS_RCODE_NXDOMAIN) {
        return true;
    }
    talk->forged = true;
    if (presence != TSIG_PRESENT) {
        note(talk, "answers without a signature");
        return false;
    }
    int64_t now_s =
        answer->tsig_error == TSIG_BADTIME ? record.signed_s : world_utc_ms(talk->world) / 1000;
    switch (tsig_verify(talk->request.key, bytes, length, &record, &talk->mac, now_s)) {
    case TSIG_GOOD:
        talk->forged = false;
        return true;
    case TSIG_WRONG_TIME:
        note(talk, "signs its answers with a time that is more than five minutes from ours");
        return false;
    case TSIG_OTHER_KEY:
        note(talk, "signs its answers with another key than the plan's");
        return false;
    case TSIG_WRONG_SIGNATURE:
        break;
    }
    note(talk, "answers with a signature that is not right");
    return false;
}

static void on_answer(void *context, const char *failure, const void *bytes, size_t length)
{
    struct talk *talk = context;
    talk->task = NULL;
    if (failure) {
        if (!talk->forged) { /* that there was an answer says more */
            note(talk, strcmp(failure, "timed out") == 0 ? "does not answer" : failure);
        }
        try_again(talk);
        return;
    }
    ldns_pkt *packet = message_read(bytes, length, talk->request.name, talk->request.type);
    if (!packet) {
        note(talk, "sends no proper DNS answer");
        try_again(talk);
        return;
    }
    struct talk_answer answer = {
        .packet = packet,
        .rcode = (int)ldns_pkt_get_rcode(packet),
        .authoritative = ldns_pkt_aa(packet),
    };
    talk->cut = ldns_pkt_tc(packet) && !talk->stream;
    if (!talk->cut && is_genuine(talk, bytes, length, &answer)) {
        tell(talk, &answer);
    } else {
        try_again(talk);
    }
    ldns_pkt_free(packet);
}

/* --- tries --- */

static void prepare(struct talk *talk)
{
    buffer_clear(&talk->message);
    buffer_append(&talk->message, talk->unsigned_message.data, talk->unsigned_message.length);
    world_random(talk->world, talk->message.data, 2);
    talk->sent_s = world_utc_ms(talk->world) / 1000;
    if (talk->request.key) {
        struct tsig_stamp stamp = {.signed_s = talk->sent_s};
        tsig_sign(talk->request.key, &stamp, &talk->message, &talk->mac);
    }
}

static void send_once(struct talk *talk, bool stream, int timeout_ms)
{
    prepare(talk);
    talk->stream = stream || talk->request.stream || talk->message.length > DATAGRAM_MAX;
    talk->sent = (struct message_request){
        .host = buffer_text(&talk->host),
        .port = talk->request.port,
        .stream = talk->stream,
        .bytes = talk->message.data,
        .length = talk->message.length,
        .timeout_ms = timeout_ms,
    };
    talk->requests++;
    talk->task = world_message(talk->world, &talk->sent, on_answer, talk);
}

/* What is left of a wait until the deadline. */
static int left_of(const struct talk *talk, int wait_ms)
{
    int64_t left_ms = talk->request.deadline_ms - world_monotonic_ms(talk->world);
    return talk->request.deadline_ms == 0 || left_ms > wait_ms ? wait_ms
                                                               : (int)(left_ms > 0 ? left_ms : 0);
}

static void try_again(struct talk *talk)
{
    bool brief = talk->request.patience == TALK_BRIEF;
    const int *waits = brief ? brief_tries : long_tries;
    size_t count =
        brief ? sizeof brief_tries / sizeof *brief_tries : sizeof long_tries / sizeof *long_tries;
    int wait_ms = talk->cut ? -STREAM_MS : talk->tries < count ? waits[talk->tries++] : 0;
    int left_ms = left_of(talk, abs(wait_ms));
    talk->cut = false;
    if (left_ms > 0) {
        send_once(talk, wait_ms < 0, left_ms);
        return;
    }
    if (talk->failure.length == 0) {
        note(talk, "does not answer");
    }
    talk->task = world_defer(talk->world, tell_failure, talk);
}

struct talk *talk_start(struct world *world, const struct talk_request *request,
                        talk_callback callback, void *context)
{
    struct talk *talk = base_alloc(sizeof *talk);
    talk->world = world;
    talk->request = *request;
    talk->callback = callback;
    talk->context = context;
    buffer_puts(&talk->host, request->host);
    buffer_append(&talk->unsigned_message, request->message->data, request->message->length);
    if (request->name) {
        buffer_puts(&talk->name, request->name);
        talk->request.name = buffer_text(&talk->name);
    }
    try_again(talk);
    return talk;
}

/* --- servers --- */

static bool take_port(const char *text, int *port)
{
    char *end;
    long value = strtol(text, &end, 10);
    *port = (int)value;
    return *text >= '0' && *text <= '9' && !*end && value >= 1 && value <= 65535;
}

bool server_parse(const char *server, struct buffer *host, int *port, struct error *error)
{
    const char *colon = strchr(server, ':'), *close = *server == '[' ? strchr(server, ']') : NULL;
    size_t length = strlen(server);
    const char *rest = "";
    *port = DNS_PORT;
    if (close) {
        length = (size_t)(close - server) - 1;
        rest = close + 1;
    } else if (colon && !strchr(colon + 1, ':')) { /* more than one: a bare address of IPv6 */
        length = (size_t)(colon - server);
        rest = colon;
    }
    buffer_clear(host);
    buffer_append(host, server + (close != NULL), length);
    if (length == 0 || (*rest && (*rest != ':' || !take_port(rest + 1, port)))) {
        error_set(error, "%s is no DNS server", server);
        return error_help(error, "a server is HOST or HOST:PORT, such as 10.0.0.53:53");
    }
    return true;
}
