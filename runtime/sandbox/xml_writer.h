/* XML: writes the answers of EC2 and STS into a buffer. Elements balance by the caller's care,
 * which is asserted; text is escaped (compiler/base/xml_text.h). */
#ifndef DRC_SANDBOX_XML_WRITER_H
#define DRC_SANDBOX_XML_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler/base/buffer.h"

enum { XML_OPEN_MAX = 32 };

/* Zero-initialise; release with buffer_free(&xml.out). */
struct xml_writer {
    struct buffer out;
    const char *open[XML_OPEN_MAX]; /* names are borrowed until they are closed */
    int depth;
};

void xml_open(struct xml_writer *xml, const char *name);
void xml_close(struct xml_writer *xml, const char *name);
/* <name>text</name>; NULL writes nothing. */
void xml_put(struct xml_writer *xml, const char *name, const char *text);
void xml_int(struct xml_writer *xml, const char *name, int64_t value);
void xml_bool(struct xml_writer *xml, const char *name, bool value);
/* 2026-11-22T10:00:00.000Z */
void xml_time(struct xml_writer *xml, const char *name, int64_t utc_ms);
/* The form that xml_time writes. */
const char *iso_time(char out[32], int64_t utc_ms);

#endif
