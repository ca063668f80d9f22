/* XML: answers of the EC2 Query protocol as a small tree in an arena, read by libxml2's SAX
 * interface: no network, no entities, no DTD; depth and size bounded. */
#ifndef DRC_AWS_XML_H
#define DRC_AWS_XML_H

#include <stddef.h>

#include "compiler/base/error.h"

struct arena;

enum { XML_DEPTH_MAX = 64, XML_ELEMENTS_MAX = 2 << 20 };

struct xml {
    const char *name; /* without its namespace */
    const char *text; /* of the element itself, "" when none */
    struct xml *first, *next;
};

/* NULL when it is not well-formed, has a DTD, is nested too deeply, or has too many elements. */
struct xml *xml_parse(struct arena *arena, const char *text, size_t length, struct error *error);

/* The first child of that name; NULL-safe. */
const struct xml *xml_child(const struct xml *parent, const char *name);
/* Along "a/b/c". */
const struct xml *xml_at(const struct xml *parent, const char *path);
/* Text along a path; NULL when it is absent or empty. */
const char *xml_text(const struct xml *parent, const char *path);
/* The value of the tag `key` in parent's tagSet; NULL when absent. */
const char *xml_tag(const struct xml *parent, const char *key);

/* for (item = xml_first(set); item; item = item->next): the members of a set along a path. */
const struct xml *xml_first(const struct xml *parent, const char *path);

#endif
