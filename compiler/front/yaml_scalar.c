/* The meaning of plain scalars: the core schema (YAML 1.2.2, section 10.3.2), in which yes, no and
 * 0777 are no surprises. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/front/yaml_read.h"

static bool is_one_of(const char *text, size_t length, const char *const words[3])
{
    for (int i = 0; i < 3; i++) {
        if (strlen(words[i]) == length && memcmp(text, words[i], length) == 0) {
            return true;
        }
    }
    return false;
}

static size_t digits(const char *text)
{
    size_t count = 0;
    while (text[count] >= '0' && text[count] <= '9') {
        count++;
    }
    return count;
}

/* [-+]?[0-9]+, or 0o and 0x numbers; the base, 0 when it is no integer. */
static int integer_base(const char *text, size_t length)
{
    size_t sign = *text == '-' || *text == '+';
    size_t count = digits(text + sign);
    if (count > 0 && sign + count == length) {
        return 10;
    }
    if (length > 2 && text[0] == '0' && text[1] == 'o' &&
        strspn(text + 2, "01234567") == length - 2) {
        return 8;
    }
    if (length > 2 && text[0] == '0' && text[1] == 'x' &&
        strspn(text + 2, "0123456789abcdefABCDEF") == length - 2) {
        return 16;
    }
    return 0;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_float(const char *text, size_t length)
{
    const char *at = text + (*text == '-' || *text == '+');
    size_t whole = digits(at);
    at += whole;
    size_t fraction = 0;
    if (*at == '.') {
        fraction = digits(at + 1);
        at += 1 + fraction;
    }
    if (whole + fraction == 0) {
        return false;
    }
    if (*at == 'e' || *at == 'E') {
        at += 1 + (at[1] == '-' || at[1] == '+');
        size_t exponent = digits(at);
        if (exponent == 0) {
            return false;
        }
        at += exponent;
    }
    return at == text + length;
}

static bool is_special_float(struct tree *scalar, size_t length)
{
    static const char *const infinite[] = {".inf", ".Inf", ".INF"};
    static const char *const not_a_number[] = {".nan", ".NaN", ".NAN"};
    const char *text = scalar->text;
    size_t sign = *text == '-' || *text == '+';
    if (is_one_of(text + sign, length - sign, infinite)) {
        scalar->number = *text == '-' ? -INFINITY : INFINITY;
        return true;
    }
    scalar->number = NAN;
    return is_one_of(text, length, not_a_number);
}

static bool resolve_number(struct tree *scalar, size_t length)
{
    int base = integer_base(scalar->text, length);
    if (base) {
        errno = 0;
        scalar->kind = TREE_INT;
        scalar->integer = strtoll(scalar->text + (base == 10 ? 0 : 2), NULL, base);
        return errno == 0;
    }
    if (is_float(scalar->text, length)) {
        scalar->kind = TREE_FLOAT;
        scalar->number = strtod(scalar->text, NULL);
    } else if (is_special_float(scalar, length)) {
        scalar->kind = TREE_FLOAT;
    }
    return true;
}

bool yaml_resolve(struct tree *scalar, size_t length)
{
    static const char *const nulls[] = {"null", "Null", "NULL"};
    static const char *const trues[] = {"true", "True", "TRUE"};
    static const char *const falses[] = {"false", "False", "FALSE"};
    const char *text = scalar->text;
    scalar->kind = TREE_STRING;
    switch (*text) {
    case '\0':
        scalar->kind = length == 0 ? TREE_NULL : TREE_STRING;
        break;
    case '~':
        scalar->kind = length == 1 ? TREE_NULL : TREE_STRING;
        break;
    case 'n':
    case 'N':
        scalar->kind = is_one_of(text, length, nulls) ? TREE_NULL : TREE_STRING;
        break;
    case 't':
    case 'T':
    case 'f':
    case 'F':
        scalar->boolean = is_one_of(text, length, trues);
        if (scalar->boolean || is_one_of(text, length, falses)) {
            scalar->kind = TREE_BOOL;
        }
        break;
    default:
        if (strchr("+-.0123456789", *text)) {
            return resolve_number(scalar, length);
        }
    }
    return true;
}
