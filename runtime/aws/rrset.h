/* Rrset: a DNS record set of Route 53, as a plan has it, as Route 53 has it (on the wire: quoted,
 * escaped, with a dot behind names), and as `old` of action.def keeps it.
 * Source: Amazon Route 53 Developer Guide, "Supported DNS record types", "DNS domain name format".
 */
#ifndef DRC_AWS_RRSET_H
#define DRC_AWS_RRSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/buffer.h"
#include "compiler/base/error.h"
#include "compiler/graph/graph.h"

struct arena;
struct xml;

/* Lies in an arena. */
struct rrset {
    bool there;              /* false: no such record */
    const char *name, *type; /* name in its usual form: rrset_name */
    int64_t ttl_s;
    const char **values; /* as Route 53 has them */
    size_t count;
    struct { /* zone_id NULL: it is no alias */
        const char *zone_id, *name;
        bool evaluate_target_health;
    } alias;
    const char
        *special; /* "a routing policy (SetIdentifier blue)": why drc does not touch it; NULL */
};

/* The usual form of a name: small letters, no dot at its end, printable octal escapes resolved
 * (\052 is *), except of dots and backslashes. */
const char *rrset_name(struct arena *arena, const char *name);
/* As Route 53 takes it: with a dot at its end, octal escapes for all but letters, digits, - _ . *
 */
const char *rrset_name_to_wire(struct arena *arena, const char *name);
/* Route 53's order of names: by labels, the last one first. Both in their usual form. */
int rrset_name_compare(const char *a, const char *b);

/* A value of a plan as Route 53 has it, and back. Of TXT: quoted strings of at most 255 bytes. */
const char *rrset_value_to_wire(struct arena *arena, const char *type, const char *value);
const char *rrset_value_from_wire(struct arena *arena, const char *type, const char *wire);

/* What a plan wants; `values` is a LIST of texts. */
struct rrset rrset_wanted(struct arena *arena, const char *name, const char *type, int64_t ttl_s,
                          const struct value *values);
/* A ResourceRecordSet element of Route 53's. */
struct rrset rrset_of_xml(struct arena *arena, const struct xml *element);
/* As action.def's `old`: text in the arena. Where the plan's form of a value does not say exactly
 * what Route 53 has, "wire" keeps that. */
const char *rrset_to_json(struct arena *arena, const struct rrset *set);
bool rrset_of_json(struct arena *arena, const char *name, const char *type, const char *json,
                   struct rrset *set, struct error *error);

/* Whether they say the same: TTL and values in any order, written in any way. */
bool rrset_equal(struct arena *arena, const struct rrset *a, const struct rrset *b);
bool rrset_same_values(struct arena *arena, const struct rrset *a, const struct rrset *b);

/* <Change> of a batch. */
void rrset_write_change(struct buffer *out, struct arena *arena, const char *action,
                        const struct rrset *set);
/* "192.0.2.10, 192.0.2.11 (TTL 60)", "an alias of lb-1.example", "not there". */
const char *rrset_text(struct arena *arena, const struct rrset *set);

#endif
