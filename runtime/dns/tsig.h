/* TSIG: DNS messages signed with a shared key (RFC 8945), over their bytes. Our own, because ldns
 * (1.8) signs by the machine's clock, looks at no time when it verifies, and knows no SHA-384. */
#ifndef DRC_DNS_TSIG_H
#define DRC_DNS_TSIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"

struct buffer;

enum { TSIG_MAC_MAX = 64, TSIG_NAME_MAX = 256, TSIG_SECRET_MAX = 512, TSIG_FUDGE_S = 300 };

/* The error field. */
enum { TSIG_BADSIG = 16, TSIG_BADKEY = 17, TSIG_BADTIME = 18, TSIG_BADTRUNC = 22 };

struct tsig_key {
    unsigned char name[TSIG_NAME_MAX], algorithm[TSIG_NAME_MAX]; /* lower case, as on the wire */
    size_t name_length, algorithm_length;
    const char *digest; /* OpenSSL's name for it */
    unsigned char secret[TSIG_SECRET_MAX];
    size_t secret_length;
};
/* algorithm: hmac-sha256 and its like; secret: base64. The message of a failure does not hold the
 * secret. */
bool tsig_key_set(struct tsig_key *key, const char *name, const char *algorithm, const char *secret,
                  struct error *error);
void tsig_key_wipe(struct tsig_key *key);

struct tsig_mac {
    unsigned char bytes[TSIG_MAC_MAX];
    size_t length;
};

/* The TSIG record of a message, as it was found. */
struct tsig_record {
    size_t at; /* where it begins */
    unsigned char name[TSIG_NAME_MAX], algorithm[TSIG_NAME_MAX];
    size_t name_length, algorithm_length;
    int64_t signed_s; /* since 1970 */
    int fudge_s, error;
    unsigned original_id;
    struct tsig_mac mac;
    int64_t server_s; /* of BADTIME: the server's clock; 0: not told */
};

enum tsig_presence { TSIG_ABSENT, TSIG_PRESENT, TSIG_MALFORMED };
/* Any bytes. MALFORMED: they are no message, or the record is not as it has to be. */
enum tsig_presence tsig_find(const void *message, size_t length, struct tsig_record *record);

/* Adds the record to a message without one. request: that of the request, of an answer; NULL. error
 * and server_s: of an answer, else 0. signature: what it was signed with; may be NULL. */
struct tsig_stamp {
    int64_t signed_s;
    int error;
    int64_t server_s;
    const struct tsig_mac *request;
};
void tsig_sign(const struct tsig_key *key, const struct tsig_stamp *stamp, struct buffer *message,
               struct tsig_mac *signature);
/* The same without a signature: BADKEY and BADSIG are told so, under the names that the request
 * had. */
void tsig_refuse(const struct tsig_record *of, int error, int64_t now_s, struct buffer *message);

enum tsig_verdict {
    TSIG_GOOD,
    TSIG_OTHER_KEY, /* name or algorithm is another */
    TSIG_WRONG_SIGNATURE,
    TSIG_WRONG_TIME, /* the signature is right, the clocks are too far apart */
};
/* `record` as it was found in the message. */
enum tsig_verdict tsig_verify(const struct tsig_key *key, const void *message, size_t length,
                              const struct tsig_record *record, const struct tsig_mac *request,
                              int64_t now_s);

#endif
