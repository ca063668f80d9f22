#include "compiler/plan/address.h"

#include <stdio.h>

/* The digits at *text as a number of at most `max`; -1 when there is none. */
static int parse_number(const char **text, int max)
{
    const char *at = *text;
    int number = 0;
    if (*at == '0' && at[1] >= '0' && at[1] <= '9') {
        return -1; /* Some read 010 as eight. */
    }
    for (; *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (*at - '0');
        if (number > max) {
            return -1;
        }
    }
    if (at == *text) {
        return -1;
    }
    *text = at;
    return number;
}

static bool parse_dotted(const char **text, uint32_t *address)
{
    uint32_t value = 0;
    for (int part = 0; part < 4; part++) {
        if (part && *(*text)++ != '.') {
            return false;
        }
        int number = parse_number(text, 255);
        if (number < 0) {
            return false;
        }
        value = value << 8 | (uint32_t)number;
    }
    *address = value;
    return true;
}

bool address_parse(const char *text, uint32_t *address)
{
    return parse_dotted(&text, address) && *text == '\0';
}

const char *address_format(uint32_t address, char out[ADDRESS_TEXT_SIZE])
{
    snprintf(out, ADDRESS_TEXT_SIZE, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
             address >> 8 & 255, address & 255);
    return out;
}

bool cidr_read(const char *text, uint32_t *address, uint32_t *mask)
{
    if (!parse_dotted(&text, address) || *text++ != '/') {
        return false;
    }
    int bits = parse_number(&text, 32);
    *mask = bits > 0 ? UINT32_MAX << (32 - bits) : 0;
    return bits >= 0 && *text == '\0';
}

bool cidr_parse(const char *text, uint32_t *network, uint32_t *mask)
{
    return cidr_read(text, network, mask) && (*network & ~*mask) == 0;
}

int cidr_prefix(uint32_t mask)
{
    int bits = 0;
    for (; mask; mask <<= 1) {
        bits++;
    }
    return bits;
}

bool subnet_is_known(const struct subnet *subnet)
{
    return subnet->mask != 0;
}

bool subnet_holds(const struct subnet *subnet, uint32_t address)
{
    return subnet_is_known(subnet) && (address & subnet->mask) == subnet->network;
}

bool subnet_reserves(const struct subnet *subnet, uint32_t address)
{
    if (!subnet_holds(subnet, address)) {
        return false;
    }
    uint32_t host = address & ~subnet->mask;
    return host < 4 || host == ~subnet->mask;
}

bool subnets_overlap(const struct subnet *a, const struct subnet *b)
{
    if (!subnet_is_known(a) || !subnet_is_known(b)) {
        return false;
    }
    uint32_t wider = a->mask & b->mask;
    return (a->network & wider) == (b->network & wider);
}

uint32_t subnet_room(const struct subnet *subnet)
{
    uint32_t size = subnet_is_known(subnet) ? ~subnet->mask + 1 : 0;
    return size > 5 ? size - 5 : 0;
}
