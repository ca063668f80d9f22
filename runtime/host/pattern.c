#include "runtime/host/pattern.h"

#include <stdint.h>
#include <stdio.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "compiler/base/arena.h"

enum { STEPS_MAX = 1000000, HEAP_MAX_KIB = 16 << 10, PATTERN_MAX = 4096 };

static pcre2_code *compile(const char *pattern, char *why, size_t why_size)
{
    int number;
    PCRE2_SIZE place;
    pcre2_compile_context *limits = pcre2_compile_context_create(NULL);
    if (!limits) {
        base_out_of_memory();
    }
    pcre2_set_max_pattern_length(limits, PATTERN_MAX);
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                     PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &number, &place, limits);
    pcre2_compile_context_free(limits);
    if (!code) {
        unsigned char text[200];
        pcre2_get_error_message(number, text, sizeof text);
        snprintf(why, why_size, "%s at character %zu", (const char *)text, (size_t)place + 1);
    }
    return code;
}

enum pattern_result pattern_match(const char *pattern, const char *subject, size_t length,
                                  char *why, size_t why_size)
{
    pcre2_code *code = compile(pattern, why, why_size);
    if (!code) {
        return PATTERN_INVALID;
    }
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    if (!data || !limits) {
        base_out_of_memory();
    }
    pcre2_set_match_limit(limits, STEPS_MAX);
    pcre2_set_depth_limit(limits, STEPS_MAX);
    pcre2_set_heap_limit(limits, HEAP_MAX_KIB);
    int found = pcre2_match(code, (PCRE2_SPTR)subject, length, 0, 0, data, limits);
    pcre2_match_context_free(limits);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    return found >= 0                     ? PATTERN_MATCHES
           : found == PCRE2_ERROR_NOMATCH ? PATTERN_DIFFERS
                                          : PATTERN_TOO_COSTLY;
}
