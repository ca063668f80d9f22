#include "runtime/world/redactor.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/percent.h"

enum {
    FORMS_MAX = 1024,
    SECRET_MAX = 64 << 10,
    PREFIX_MIN = 12, /* so much of a secret's beginning counts as the secret */
    PAIRS = 1 << 16,
};

struct form {
    char *bytes;
    size_t length;
};

/* `pairs` are the first two bytes of all forms, so that most of a text is passed over quickly. */
struct redactor {
    struct form forms[FORMS_MAX];
    size_t count, next; /* next: the oldest, once all are taken */
    uint64_t pairs[PAIRS / 64];
};

/* What is secret by its form: a marker, and what may follow it. */
struct marker {
    const char *text;
    const char *letters; /* besides letters and digits */
    size_t min;
};
static const struct marker markers[] = {
    {"Signature=", "", 16},
    {"Bearer ", "-._~+/=", 16},
    {"Basic ", "+/=", 16},
};

struct redactor *redactor_create(void)
{
    return base_alloc(sizeof(struct redactor));
}

static void wipe(struct form *form)
{
    if (form->bytes) {
        explicit_bzero(form->bytes, form->length);
        free(form->bytes);
    }
    *form = (struct form){0};
}

void redactor_destroy(struct redactor *redactor)
{
    for (size_t i = 0; redactor && i < redactor->count; i++) {
        wipe(&redactor->forms[i]);
    }
    free(redactor);
}

static size_t pair_of(const char *at)
{
    return (size_t)(unsigned char)at[0] << 8 | (unsigned char)at[1];
}

static void note_pair(struct redactor *redactor, const struct form *form)
{
    size_t pair = pair_of(form->bytes);
    redactor->pairs[pair / 64] |= (uint64_t)1 << pair % 64;
}

static bool knows(const struct redactor *redactor, const char *bytes, size_t length)
{
    for (size_t i = 0; i < redactor->count; i++) {
        const struct form *form = &redactor->forms[i];
        if (form->length == length && memcmp(form->bytes, bytes, length) == 0) {
            return true;
        }
    }
    return false;
}

static void add_form(struct redactor *redactor, const char *bytes, size_t length)
{
    if (length < REDACTOR_SECRET_MIN || knows(redactor, bytes, length)) {
        return;
    }
    struct form *form = &redactor->forms[redactor->next];
    wipe(form);
    form->bytes = base_alloc(length);
    memcpy(form->bytes, bytes, length);
    form->length = length;
    redactor->next = (redactor->next + 1) % FORMS_MAX;
    redactor->count += redactor->count < FORMS_MAX;
    note_pair(redactor, form); /* the pair of one that was forgotten costs a look, no more */
}

static void add_percent_encoded(struct redactor *redactor, const char *secret, size_t length,
                                const char *digits, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)secret[i];
        if (isalnum(c) || strchr("-._~", c)) {
            out[used++] = (char)c;
        } else {
            out[used++] = '%';
            out[used++] = digits[c >> 4];
            out[used++] = digits[c & 15];
        }
    }
    add_form(redactor, out, used);
}

static void add_hex(struct redactor *redactor, const char *secret, size_t length,
                    const char *digits, char *out)
{
    for (size_t i = 0; i < length; i++) {
        out[2 * i] = digits[(unsigned char)secret[i] >> 4];
        out[2 * i + 1] = digits[(unsigned char)secret[i] & 15];
    }
    add_form(redactor, out, 2 * length);
}

static void add_escaped_slashes(struct redactor *redactor, const char *secret, size_t length,
                                char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        if (strchr("/\"\\", secret[i])) {
            out[used++] = '\\';
        }
        out[used++] = secret[i];
    }
    add_form(redactor, out, used);
}

/* The characters that depend on the secret alone when `before` bytes stand before it. */
static void add_base64(struct redactor *redactor, const char *secret, size_t length, size_t before,
                       const char *last, char *out)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t used = 0;
    size_t first = (before * 8 + 5) / 6, end = (before + length) * 8 / 6;
    for (size_t i = first; i < end; i++) {
        size_t bit = i * 6 - before * 8, byte = bit / 8, shift = bit % 8;
        unsigned two = (unsigned)(unsigned char)secret[byte] << 8;
        two |= byte + 1 < length ? (unsigned char)secret[byte + 1] : 0;
        unsigned six = two >> (10 - shift) & 63;
        out[used++] = six < 62 ? letters[six] : last[six - 62];
    }
    add_form(redactor, out, used);
}

void redactor_add(struct redactor *redactor, const char *secret)
{
    size_t length = secret ? strlen(secret) : 0;
    if (length < REDACTOR_SECRET_MIN || length > SECRET_MAX || knows(redactor, secret, length)) {
        return;
    }
    char *room = base_alloc(3 * length);
    add_form(redactor, secret, length);
    for (size_t before = 0; before < 3; before++) {
        add_base64(redactor, secret, length, before, "+/", room);
        add_base64(redactor, secret, length, before, "-_", room);
    }
    add_percent_encoded(redactor, secret, length, "0123456789ABCDEF", room);
    add_percent_encoded(redactor, secret, length, "0123456789abcdef", room);
    add_hex(redactor, secret, length, "0123456789ABCDEF", room);
    add_hex(redactor, secret, length, "0123456789abcdef", room);
    add_escaped_slashes(redactor, secret, length, room);
    explicit_bzero(room, 3 * length);
    free(room);
}

/* Where a URL's "user:password" ends; NULL: it has none. `authority` is behind "://". */
static const char *userinfo_end(const char *authority, const char *end)
{
    const char *last = NULL;
    for (const char *at = authority; at < end && *at && !strchr("/?# \t\r\n\"'<>", *at); at++) {
        last = *at == '@' ? at : last;
    }
    return last;
}

void redactor_add_url(struct redactor *redactor, const char *url)
{
    const char *authority = url ? strstr(url, "://") : NULL;
    authority = authority ? authority + 3 : url; /* libcurl takes a proxy without a scheme, too */
    const char *end = authority ? userinfo_end(authority, authority + strlen(authority)) : NULL;
    const char *colon = end ? memchr(authority, ':', (size_t)(end - authority)) : NULL;
    if (!colon) {
        return;
    }
    size_t length = (size_t)(end - colon) - 1;
    char *password = base_alloc(length + 1);
    memcpy(password, colon + 1, length);
    redactor_add(redactor, password);
    percent_decode(password);
    redactor_add(redactor, password);
    explicit_bzero(password, length);
    free(password);
}

static size_t common(const struct form *form, const char *text, size_t left)
{
    size_t most = form->length < left ? form->length : left, same = 0;
    while (same < most && form->bytes[same] == text[same]) {
        same++;
    }
    if (same < form->length) {
        same = same >= PREFIX_MIN ? same : 0;
        while (same && form->bytes[same - 1] == '\\') {
            same--; /* an escape of the text's own may begin there */
        }
    }
    return same;
}

static size_t secret_at(const struct redactor *redactor, const char *text, size_t left)
{
    size_t pair = left >= 2 ? pair_of(text) : 0, longest = 0;
    if (!redactor || left < 2 || !(redactor->pairs[pair / 64] >> pair % 64 & 1)) {
        return 0;
    }
    for (size_t i = 0; i < redactor->count; i++) {
        size_t same = common(&redactor->forms[i], text, left);
        longest = same > longest ? same : longest;
    }
    return longest;
}

/* How much of what follows a marker is secret. */
static size_t behind_marker(const struct marker *marker, const char *text, size_t left)
{
    size_t length = 0;
    while (length < left && text[length] &&
           (isalnum((unsigned char)text[length]) || strchr(marker->letters, text[length]))) {
        length++;
    }
    return length >= marker->min ? length : 0;
}

/* A secret known by its form: its length, and at *skip how much of the text before it stays. */
static size_t form_at(const char *text, size_t left, size_t *skip)
{
    if (*text == ':' && left > 3 && memcmp(text, "://", 3) == 0) {
        const char *end = userinfo_end(text + 3, text + left);
        *skip = 3;
        size_t length = end ? (size_t)(end - text) - 3 : 0;
        bool done = length == sizeof REDACTED - 1 && memcmp(text + 3, REDACTED, length) == 0;
        return done ? 0 : length;
    }
    for (size_t i = 0; (*text == 'S' || *text == 'B') && i < sizeof markers / sizeof *markers; i++) {
        size_t length = strlen(markers[i].text);
        if (left > length && memcmp(text, markers[i].text, length) == 0) {
            *skip = length;
            return behind_marker(&markers[i], text + length, left - length);
        }
    }
    return 0;
}

/* The next secret from *at on: its length, and its place at *at; 0: none. */
static size_t find(const struct redactor *redactor, const char *text, size_t length, size_t *at)
{
    for (; *at < length; (*at)++) {
        size_t skip = 0, found = secret_at(redactor, text + *at, length - *at);
        if (!found) {
            found = form_at(text + *at, length - *at, &skip);
        }
        if (found) {
            *at += skip;
            return found;
        }
    }
    return 0;
}

bool redactor_finds(const struct redactor *redactor, const char *text, size_t length)
{
    size_t at = 0;
    return text && find(redactor, text, length, &at) > 0;
}

/* Whether the byte at `at` is the second one of an escape, as in JSON's "\\/": they go together. */
static bool is_escaped(const char *text, size_t done, size_t at)
{
    size_t before = at;
    while (before > done && text[before - 1] == '\\') {
        before--;
    }
    return (at - before) % 2 == 1;
}

void redactor_write(const struct redactor *redactor, const char *text, size_t length,
                    struct buffer *out)
{
    size_t done = 0, at = 0, found;
    while ((found = find(redactor, text, length, &at)) > 0) {
        buffer_append(out, text + done, at - is_escaped(text, done, at) - done);
        buffer_puts(out, REDACTED);
        done = at += found;
    }
    buffer_append(out, text + done, length - done);
}

const char *redactor_text(const struct redactor *redactor, struct arena *arena, const char *text,
                          size_t *length)
{
    size_t bytes = length ? *length : text ? strlen(text) : 0;
    if (!redactor_finds(redactor, text, bytes)) {
        return text;
    }
    struct buffer out = {0};
    redactor_write(redactor, text, bytes, &out);
    char *copy = arena_alloc(arena, out.length + 1);
    memcpy(copy, buffer_text(&out), out.length + 1);
    if (length) {
        *length = out.length;
    }
    buffer_free(&out);
    return copy;
}
