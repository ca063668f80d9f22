/* Address: IPv4 addresses and CIDR blocks as the numbers that the checks compare. */
#ifndef DRC_PLAN_ADDRESS_H
#define DRC_PLAN_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler/plan/plan.h"

enum { ADDRESS_TEXT_SIZE = 16 };

/* Dotted decimal, four parts, no leading zeros; host byte order. */
bool address_parse(const char *text, uint32_t *address);
/* Returns `out`. */
const char *address_format(uint32_t address, char out[ADDRESS_TEXT_SIZE]);

/* a.b.c.d/n; cidr_parse wants no bits set behind the first n. */
bool cidr_read(const char *text, uint32_t *address, uint32_t *mask);
bool cidr_parse(const char *text, uint32_t *network, uint32_t *mask);
/* The number of bits in a mask. */
int cidr_prefix(uint32_t mask);

/* Whether the subnet's block could be read; the others are false for one that could not. */
bool subnet_is_known(const struct subnet *subnet);
bool subnet_holds(const struct subnet *subnet, uint32_t address);
/* AWS keeps the first four and the last address of each subnet for itself. */
bool subnet_reserves(const struct subnet *subnet, uint32_t address);
bool subnets_overlap(const struct subnet *a, const struct subnet *b);
/* Addresses that instances can have. */
uint32_t subnet_room(const struct subnet *subnet);

#endif
