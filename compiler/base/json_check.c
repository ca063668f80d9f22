/* The grammar of RFC 8259, over a whole document and without recursion. */
#include <string.h>

#include "compiler/base/json_reader.h"

struct checker {
    const unsigned char *text, *at, *end;
    bool object[JSON_READ_DEPTH_MAX]; /* the containers that are open */
    int depth;
    const char *problem;
};

static bool problem(struct checker *c, const char *text)
{
    c->problem = text;
    return false;
}

static void skip_space(struct checker *c)
{
    while (c->at < c->end &&
           (*c->at == ' ' || *c->at == '\n' || *c->at == '\t' || *c->at == '\r')) {
        c->at++;
    }
}

/* Bytes of the UTF-8 sequence at `at` (Unicode, table 3-7); 0 when it is none. */
static size_t utf8_length(const unsigned char *at, const unsigned char *end)
{
    size_t left = (size_t)(end - at);
    unsigned char a = at[0], low = 0x80, high = 0xbf;
    size_t length = a < 0x80 ? 1 : a >= 0xc2 && a <= 0xdf ? 2 : (a & 0xf0) == 0xe0 ? 3 : 4;
    if (a >= 0x80 && (a < 0xc2 || a > 0xf4)) {
        return 0;
    }
    if (left < length) {
        return 0;
    }
    if (a == 0xe0) {
        low = 0xa0;
    } else if (a == 0xed) {
        high = 0x9f;
    } else if (a == 0xf0) {
        low = 0x90;
    } else if (a == 0xf4) {
        high = 0x8f;
    }
    if (length > 1 && (at[1] < low || at[1] > high)) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

/* The four digits of \uXXXX at c->at; -1 when they are none. */
static int hex4(struct checker *c)
{
    int value = 0;
    if (c->end - c->at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        unsigned char d = c->at[i];
        int digit = d >= '0' && d <= '9'   ? d - '0'
                    : d >= 'a' && d <= 'f' ? d - 'a' + 10
                    : d >= 'A' && d <= 'F' ? d - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    c->at += 4;
    return value;
}

static bool check_unicode_escape(struct checker *c)
{
    int first = hex4(c);
    if (first < 0) {
        return problem(c, "\\u needs four hex digits");
    }
    if (first == 0) {
        return problem(c, "a NUL character is not allowed");
    }
    if (first >= 0xdc00 && first <= 0xdfff) {
        return problem(c, "half of a surrogate pair");
    }
    if (first >= 0xd800 && first <= 0xdbff) {
        if (c->end - c->at < 2 || c->at[0] != '\\' || c->at[1] != 'u') {
            return problem(c, "half of a surrogate pair");
        }
        c->at += 2;
        int second = hex4(c);
        if (second < 0xdc00 || second > 0xdfff) {
            return problem(c, "half of a surrogate pair");
        }
    }
    return true;
}

static bool check_string(struct checker *c)
{
    c->at++;
    while (c->at < c->end && *c->at != '"') {
        if (*c->at >= 0x20 && *c->at < 0x80 && *c->at != '\\') {
            c->at++;
        } else if (*c->at < 0x20) {
            return problem(c, "a control character in a string has to be escaped");
        } else if (*c->at == '\\') {
            c->at++;
            if (c->at == c->end || *c->at == '\0' || !strchr("\"\\/bfnrtu", *c->at)) {
                return problem(c, "there is no such escape");
            }
            if (*c->at++ == 'u' && !check_unicode_escape(c)) {
                return false;
            }
        } else {
            size_t length = utf8_length(c->at, c->end);
            if (length == 0) {
                return problem(c, "this is not valid UTF-8");
            }
            c->at += length;
        }
    }
    if (c->at == c->end) {
        return problem(c, "the text ends within a string");
    }
    c->at++;
    return true;
}

static size_t skip_digits(struct checker *c)
{
    const unsigned char *start = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        c->at++;
    }
    return (size_t)(c->at - start);
}

static bool check_number(struct checker *c)
{
    const unsigned char *start = c->at;
    if (*c->at == '-') {
        c->at++;
    }
    bool zero = c->at < c->end && *c->at == '0';
    size_t digits = skip_digits(c);
    if (digits == 0 || (zero && digits > 1)) {
        return problem(c, "this is not a number as JSON writes it");
    }
    if (c->at < c->end && *c->at == '.') {
        c->at++;
        if (skip_digits(c) == 0) {
            return problem(c, "this is not a number as JSON writes it");
        }
    }
    if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
        c->at++;
        if (c->at < c->end && (*c->at == '+' || *c->at == '-')) {
            c->at++;
        }
        if (skip_digits(c) == 0) {
            return problem(c, "this is not a number as JSON writes it");
        }
    }
    return c->at - start <= 32 || problem(c, "the number is too long");
}

static bool check_word(struct checker *c)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(c->end - c->at) >= length && memcmp(c->at, words[i], length) == 0) {
            c->at += length;
            return true;
        }
    }
    return problem(c, "a value is expected");
}

static bool check_key(struct checker *c)
{
    skip_space(c);
    if (c->at == c->end || *c->at != '"') {
        return problem(c, "a key in quotes is expected");
    }
    if (!check_string(c)) {
        return false;
    }
    skip_space(c);
    if (c->at == c->end || *c->at != ':') {
        return problem(c, "a colon is expected");
    }
    c->at++;
    return true;
}

/* Opens a container. *done: it was empty, so it is closed again. */
static bool open_container(struct checker *c, bool *done)
{
    bool object = *c->at++ == '{';
    skip_space(c);
    if (c->at < c->end && *c->at == (object ? '}' : ']')) {
        c->at++;
        *done = true;
        return true;
    }
    if (c->depth == JSON_READ_DEPTH_MAX) {
        return problem(c, "the nesting is too deep");
    }
    c->object[c->depth++] = object;
    *done = false;
    return !object || check_key(c);
}

/* After a value: a comma and what follows it, or the ends of containers. *done: the document is
 * complete. */
static bool after_value(struct checker *c, bool *done)
{
    for (;;) {
        if (c->depth == 0) {
            *done = true;
            return true;
        }
        skip_space(c);
        bool object = c->object[c->depth - 1];
        if (c->at < c->end && *c->at == ',') {
            c->at++;
            return !object || check_key(c);
        }
        if (c->at == c->end || *c->at != (object ? '}' : ']')) {
            return problem(c, object ? "a comma or } is expected" : "a comma or ] is expected");
        }
        c->at++;
        c->depth--;
    }
}

static bool check_scalar(struct checker *c)
{
    if (*c->at == '"') {
        return check_string(c);
    }
    if (*c->at == '-' || (*c->at >= '0' && *c->at <= '9')) {
        return check_number(c);
    }
    return check_word(c);
}

static bool check_document(struct checker *c)
{
    for (bool done = false; !done;) {
        skip_space(c);
        if (c->at == c->end) {
            return problem(c, "the text ends where a value is expected");
        }
        bool value_ended = true;
        if (*c->at == '{' || *c->at == '[') {
            if (!open_container(c, &value_ended)) {
                return false;
            }
        } else if (!check_scalar(c)) {
            return false;
        }
        if (value_ended && !after_value(c, &done)) {
            return false;
        }
    }
    skip_space(c);
    return c->at == c->end || problem(c, "there is something behind the end");
}

bool json_check(const char *text, size_t length, struct error *error)
{
    struct checker c = {.text = (const unsigned char *)text};
    c.at = c.text;
    c.end = c.text + length;
    if (check_document(&c)) {
        return true;
    }
    size_t line = 1, column = 1;
    for (const unsigned char *p = c.text; p < c.at; p++) {
        line += *p == '\n';
        column = *p == '\n' ? 1 : column + ((*p & 0xc0) != 0x80);
    }
    return error_set(error, "not valid JSON, line %zu, column %zu: %s", line, column, c.problem);
}
