/* XML text: what a text has to become to stand in XML (and in Graphviz' HTML-like labels). */
#ifndef DRC_BASE_XML_TEXT_H
#define DRC_BASE_XML_TEXT_H

#include "compiler/base/buffer.h"

/* Appends text as an element or an attribute in double quotes can hold it. What XML 1.0 has no place
 * for (control characters, bytes that are no UTF-8) becomes U+FFFD. */
void xml_escape(struct buffer *out, const char *text);

#endif
