#include "runtime/dns/tsig.h"

#include <assert.h>
#include <ctype.h>
#include <ldns/ldns.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "compiler/base/buffer.h"

enum { HEADER = 12, TYPE_TSIG = 250, CLASS_ANY = 255, LABEL_MAX = 63, OTHER_BYTES = 6 };

/* --- keys --- */

/* A name as on the wire, lower case; 0: there is no such name. */
static size_t put_name(unsigned char out[TSIG_NAME_MAX], const char *text)
{
    ldns_rdf *name = ldns_dname_new_frm_str(text);
    size_t length = name ? ldns_rdf_size(name) : 0;
    if (length > 0 && length < TSIG_NAME_MAX) {
        ldns_dname2canonical(name);
        memcpy(out, ldns_rdf_data(name), length);
    } else {
        length = 0;
    }
    ldns_rdf_deep_free(name);
    return length;
}

static const char *digest_of(const char *algorithm)
{
    static const char *const known[][2] = {
        {"hmac-sha1", "SHA1"},     {"hmac-sha224", "SHA224"}, {"hmac-sha256", "SHA256"},
        {"hmac-sha384", "SHA384"}, {"hmac-sha512", "SHA512"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(algorithm, known[i][0]) == 0) {
            return known[i][1];
        }
    }
    return NULL;
}

/* How many bytes; 0: it is no base64, or too long. */
static size_t decode_base64(const char *text, unsigned char out[TSIG_SECRET_MAX])
{
    size_t length = strlen(text), padding = 0;
    while (padding < length && text[length - padding - 1] == '=') {
        padding++;
    }
    bool fits = length % 4 == 0 && length / 4 * 3 <= TSIG_SECRET_MAX;
    if (!fits || padding > 2 || strcspn(text, "=") != length - padding) {
        return 0;
    }
    int decoded = EVP_DecodeBlock(out, (const unsigned char *)text, (int)length);
    return decoded > (int)padding ? (size_t)decoded - padding : 0;
}

bool tsig_key_set(struct tsig_key *key, const char *name, const char *algorithm, const char *secret,
                  struct error *error)
{
    *key = (struct tsig_key){.digest = digest_of(algorithm)};
    key->name_length = put_name(key->name, name);
    if (key->name_length == 0) {
        return error_set(error, "%s is no name for a TSIG key", name);
    }
    if (!key->digest) {
        error_set(error, "%s is no algorithm for a TSIG key", algorithm);
        return error_help(
            error, "hmac-sha256 is usual; hmac-sha1, -sha224, -sha384 and -sha512 are known");
    }
    key->algorithm_length = put_name(key->algorithm, algorithm);
    key->secret_length = decode_base64(secret, key->secret);
    if (key->secret_length == 0) {
        error_set(error, "the secret of the TSIG key %s is not base64", name);
        return error_help(error,
                          "it is what stands behind \"secret\" in the server's key (tsig-keygen)");
    }
    return true;
}

void tsig_key_wipe(struct tsig_key *key)
{
    OPENSSL_cleanse(key, sizeof *key);
}

/* --- reading --- */

static unsigned get16(const unsigned char *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static int64_t get48(const unsigned char *at)
{
    int64_t value = 0;
    for (int i = 0; i < 6; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

/* Where the name ends; 0: it does not. */
static size_t skip_name(const unsigned char *bytes, size_t length, size_t at)
{
    while (at < length) {
        unsigned char label = bytes[at];
        if (label >= 0xc0) {
            return at + 2 <= length ? at + 2 : 0;
        }
        if (label > LABEL_MAX) {
            return 0;
        }
        at += (size_t)label + 1;
        if (label == 0) {
            return at <= length ? at : 0;
        }
    }
    return 0;
}

/* Where the record ends; 0: it does not. *data: where its data begin. */
static size_t skip_record(const unsigned char *bytes, size_t length, size_t at, size_t *data)
{
    at = skip_name(bytes, length, at);
    if (at == 0 || at + 10 > length) {
        return 0;
    }
    *data = at + 10;
    at = *data + get16(bytes + at + 8);
    return at <= length ? at : 0;
}

/* The beginning of the last additional record, with which the message has to end. 0: none; -1:
 * malformed. */
static int64_t last_record(const unsigned char *bytes, size_t length)
{
    size_t at = HEADER, data, begin = 0;
    for (unsigned i = get16(bytes + 4); i > 0; i--) {
        at = skip_name(bytes, length, at);
        if (at == 0 || at + 4 > length) {
            return -1;
        }
        at += 4;
    }
    unsigned before = get16(bytes + 6) + get16(bytes + 8), added = get16(bytes + 10);
    for (unsigned i = 0; i < before + added; i++) {
        begin = i >= before ? at : 0;
        at = skip_record(bytes, length, at, &data);
        if (at == 0) {
            return -1;
        }
    }
    return at == length ? (int64_t)begin : -1;
}

/* A name that is written out, in lower case. Where it ends; 0: it is compressed, or does not end.
 */
static size_t take_name(const unsigned char *bytes, size_t length, size_t at,
                        unsigned char out[TSIG_NAME_MAX], size_t *out_length)
{
    size_t end = skip_name(bytes, length, at);
    if (end == 0 || end - at >= TSIG_NAME_MAX || bytes[end - 1] != 0) {
        return 0;
    }
    for (size_t i = at; i < end; i++) {
        out[i - at] = (unsigned char)tolower(bytes[i]); /* a label's length is no letter */
    }
    *out_length = end - at;
    return end;
}

static bool take_data(const unsigned char *data, size_t length, struct tsig_record *record)
{
    size_t at = take_name(data, length, 0, record->algorithm, &record->algorithm_length);
    if (at == 0 || at + 10 > length) {
        return false;
    }
    record->signed_s = get48(data + at);
    record->fudge_s = (int)get16(data + at + 6);
    size_t mac = get16(data + at + 8);
    at += 10;
    if (mac > TSIG_MAC_MAX || at + mac + 6 > length) {
        return false;
    }
    memcpy(record->mac.bytes, data + at, mac);
    record->mac.length = mac;
    at += mac;
    record->original_id = get16(data + at);
    record->error = (int)get16(data + at + 2);
    size_t other = get16(data + at + 4);
    at += 6;
    record->server_s = other == OTHER_BYTES && at + other == length ? get48(data + at) : 0;
    return at + other == length;
}

enum tsig_presence tsig_find(const void *message, size_t length, struct tsig_record *record)
{
    const unsigned char *bytes = message;
    *record = (struct tsig_record){0};
    int64_t at = length >= HEADER ? last_record(bytes, length) : -1;
    if (at < 0) {
        return TSIG_MALFORMED;
    }
    size_t end = at > 0 ? skip_name(bytes, length, (size_t)at) : 0;
    if (at == 0 || get16(bytes + end) != TYPE_TSIG) {
        return TSIG_ABSENT;
    }
    record->at = (size_t)at;
    bool good = get16(bytes + end + 2) == CLASS_ANY &&
                take_name(bytes, length, record->at, record->name, &record->name_length) == end &&
                take_data(bytes + end + 10, get16(bytes + end + 8), record);
    return good ? TSIG_PRESENT : TSIG_MALFORMED;
}

/* --- writing --- */

static void put16(struct buffer *out, unsigned value)
{
    buffer_putc(out, (char)(value >> 8));
    buffer_putc(out, (char)value);
}

static void put48(struct buffer *out, int64_t value)
{
    for (int shift = 40; shift >= 0; shift -= 8) {
        buffer_putc(out, (char)(value >> shift));
    }
}

static void put_variables(struct buffer *out, const struct tsig_record *record)
{
    buffer_append(out, record->name, record->name_length);
    put16(out, CLASS_ANY);
    put16(out, 0); /* its time to live, */
    put16(out, 0); /* of 32 bits */
    buffer_append(out, record->algorithm, record->algorithm_length);
    put48(out, record->signed_s);
    put16(out, (unsigned)record->fudge_s);
    put16(out, (unsigned)record->error);
    put16(out, record->server_s ? OTHER_BYTES : 0);
    if (record->server_s) {
        put48(out, record->server_s);
    }
}

/* What the signature is made over (RFC 8945, 4.3). `message` is without the record. */
static void compute(const struct tsig_key *key, const void *message, size_t length,
                    const struct tsig_record *record, const struct tsig_mac *request,
                    struct tsig_mac *out)
{
    struct buffer covered = {0};
    unsigned made = 0;
    if (request) {
        put16(&covered, (unsigned)request->length);
        buffer_append(&covered, request->bytes, request->length);
    }
    buffer_append(&covered, message, length);
    put_variables(&covered, record);
    const void *done = HMAC(EVP_get_digestbyname(key->digest), key->secret, (int)key->secret_length,
                            (const unsigned char *)covered.data, covered.length, out->bytes, &made);
    assert(done);
    (void)done;
    out->length = made;
    buffer_free(&covered);
}

static void append(struct buffer *message, const struct tsig_record *record)
{
    struct buffer data = {0};
    buffer_append(&data, record->algorithm, record->algorithm_length);
    put48(&data, record->signed_s);
    put16(&data, (unsigned)record->fudge_s);
    put16(&data, (unsigned)record->mac.length);
    buffer_append(&data, record->mac.bytes, record->mac.length);
    put16(&data, record->original_id);
    put16(&data, (unsigned)record->error);
    put16(&data, record->server_s ? OTHER_BYTES : 0);
    if (record->server_s) {
        put48(&data, record->server_s);
    }
    buffer_append(message, record->name, record->name_length);
    put16(message, TYPE_TSIG);
    put16(message, CLASS_ANY);
    put16(message, 0);
    put16(message, 0);
    put16(message, (unsigned)data.length);
    buffer_append(message, data.data, data.length);
    buffer_free(&data);
    unsigned count = get16((const unsigned char *)message->data + 10) + 1;
    message->data[10] = (char)(count >> 8);
    message->data[11] = (char)count;
}

void tsig_sign(const struct tsig_key *key, const struct tsig_stamp *stamp, struct buffer *message,
               struct tsig_mac *signature)
{
    struct tsig_record record = {
        .name_length = key->name_length,
        .algorithm_length = key->algorithm_length,
        .signed_s = stamp->signed_s,
        .fudge_s = TSIG_FUDGE_S,
        .error = stamp->error,
        .original_id = get16((const unsigned char *)message->data),
        .server_s = stamp->server_s,
    };
    memcpy(record.name, key->name, key->name_length);
    memcpy(record.algorithm, key->algorithm, key->algorithm_length);
    compute(key, message->data, message->length, &record, stamp->request, &record.mac);
    if (signature) {
        *signature = record.mac;
    }
    append(message, &record);
}

void tsig_refuse(const struct tsig_record *of, int error, int64_t now_s, struct buffer *message)
{
    struct tsig_record record = *of;
    record.mac.length = 0;
    record.error = error;
    record.signed_s = now_s;
    record.server_s = 0;
    append(message, &record);
}

/* --- verifying --- */

static bool is_key(const struct tsig_key *key, const struct tsig_record *record)
{
    return key->name_length == record->name_length &&
           memcmp(key->name, record->name, key->name_length) == 0 &&
           key->algorithm_length == record->algorithm_length &&
           memcmp(key->algorithm, record->algorithm, key->algorithm_length) == 0;
}

enum tsig_verdict tsig_verify(const struct tsig_key *key, const void *message, size_t length,
                              const struct tsig_record *record, const struct tsig_mac *request,
                              int64_t now_s)
{
    if (!is_key(key, record)) {
        return TSIG_OTHER_KEY;
    }
    assert(record->at >= HEADER && record->at <= length);
    (void)length;
    struct buffer without = {0};
    struct tsig_mac made;
    buffer_append(&without, message, record->at);
    unsigned count = get16((const unsigned char *)without.data + 10) - 1;
    without.data[0] = (char)(record->original_id >> 8);
    without.data[1] = (char)record->original_id;
    without.data[10] = (char)(count >> 8);
    without.data[11] = (char)count;
    compute(key, without.data, without.length, record, request, &made);
    buffer_free(&without);
    if (made.length != record->mac.length ||
        CRYPTO_memcmp(made.bytes, record->mac.bytes, made.length) != 0) {
        return TSIG_WRONG_SIGNATURE;
    }
    int64_t apart = now_s > record->signed_s ? now_s - record->signed_s : record->signed_s - now_s;
    return apart <= record->fudge_s ? TSIG_GOOD : TSIG_WRONG_TIME;
}
