/* Hostile DNS: any bytes as the answer to a question and to a signed update, through the provider's own
 * reading of them; and the same bytes as a question to the sandbox's server. */
#include <ldns/ldns.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/dns/message.h"
#include "runtime/dns/tsig.h"
#include "runtime/sandbox/sandbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* What was read can be written, compared, and read again as the same. */
static void read_records(struct arena *arena, const ldns_pkt *packet, ldns_rr_type type)
{
    struct record_set set, again;
    const char *alias;
    message_records(arena, packet, "shop.corp.example", type, true, &set, &alias);
    const char *old = record_set_write(arena, &set);
    expect(record_set_read(arena, old, &again, NULL));
    expect(record_set_same(arena, type, &set, &again));
    expect(again.count == set.count);
    record_set_text(arena, type, &set);
    struct record_change change = {
        .zone = "corp.example", .record = "shop.corp.example", .type = type, .from = &again, .to = &again};
    struct buffer message = {0};
    message_update(&change, &message, NULL);
    buffer_free(&message);
}

static void as_answer(const uint8_t *data, size_t size)
{
    static const ldns_rr_type types[] = {LDNS_RR_TYPE_A, LDNS_RR_TYPE_AAAA, LDNS_RR_TYPE_CNAME,
                                         LDNS_RR_TYPE_TXT};
    struct arena *arena = arena_create();
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        ldns_pkt *packet = message_read(data, size, "shop.corp.example", types[i]);
        if (packet) {
            read_records(arena, packet, types[i]);
        }
        ldns_pkt_free(packet);
    }
    ldns_pkt_free(message_read(data, size, NULL, 0));
    arena_destroy(arena);
}

static void as_signed(const uint8_t *data, size_t size)
{
    struct tsig_key key;
    struct tsig_record record;
    struct tsig_mac mac = {.length = 32};
    expect(tsig_key_set(&key, "drc-key", "hmac-sha256", sandbox_tsig_secret(), NULL));
    if (tsig_find(data, size, &record) == TSIG_PRESENT) {
        expect(record.at < size);
        /* nobody can guess a signature over a request's that was never made */
        expect(tsig_verify(&key, data, size, &record, &mac, record.signed_s) != TSIG_GOOD);
    }
}

static void as_question(const uint8_t *data, size_t size)
{
    struct sandbox_options options = {.seed = 1, .speed = 1};
    static struct sandbox *sandbox; /* what lives from one input to the next */
    if (!sandbox) {
        sandbox = sandbox_init(":memory:", &options, NULL);
        expect(sandbox != NULL);
    }
    struct world_responder responder = sandbox_responder(sandbox);
    struct message_request request = {.host = "10.0.0.53", .port = 53, .bytes = data, .length = size};
    const char *failure = NULL;
    const void *bytes = NULL;
    size_t length = 0;
    int64_t latency_ms = 0;
    responder.message(responder.context, 1767225600000, &request, &failure, &bytes, &length, &latency_ms);
    expect(length <= 65535);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= 65535) {
        as_answer(data, size);
        as_signed(data, size);
        as_question(data, size);
    }
    return 0;
}
