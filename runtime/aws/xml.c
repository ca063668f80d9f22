#include "runtime/aws/xml.h"

#include <libxml/parser.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"

enum { NAMES_MAX = 64 };

struct name { /* libxml2 gives equal names as one pointer: so is each copied once */
    const xmlChar *theirs;
    const char *ours;
};

struct builder {
    struct arena *arena;
    struct name names[NAMES_MAX];
    struct xml *root;
    struct xml *open[XML_DEPTH_MAX];
    struct xml *last[XML_DEPTH_MAX]; /* children of those */
    struct buffer texts[XML_DEPTH_MAX];
    int depth;
    size_t elements;
    const char *refusal; /* why it was stopped */
    xmlParserCtxtPtr parser;
};

static void refuse(struct builder *builder, const char *why)
{
    builder->refusal = builder->refusal ? builder->refusal : why;
    xmlStopParser(builder->parser);
}

static const char *name_of(struct builder *builder, const xmlChar *theirs)
{
    struct name *name = &builder->names[((uintptr_t)theirs >> 3) % NAMES_MAX];
    if (name->theirs != theirs) {
        *name = (struct name){theirs, arena_strdup(builder->arena, (const char *)theirs)};
    }
    return name->ours;
}

static void on_start(void *context, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int namespace_count, const xmlChar **namespaces, int attribute_count,
                     int defaulted_count, const xmlChar **attributes)
{
    (void)prefix, (void)uri, (void)namespace_count, (void)namespaces;
    (void)attribute_count, (void)defaulted_count, (void)attributes;
    struct builder *builder = context;
    if (builder->refusal) {
        return;
    }
    if (builder->depth == XML_DEPTH_MAX) {
        refuse(builder, "elements nested too deeply");
        return;
    }
    if (++builder->elements > XML_ELEMENTS_MAX) {
        refuse(builder, "too many elements");
        return;
    }
    struct xml *element = ARENA_NEW(builder->arena, struct xml);
    element->name = name_of(builder, name);
    element->text = "";
    if (builder->depth > 0) {
        struct xml *parent = builder->open[builder->depth - 1];
        struct xml **last = &builder->last[builder->depth - 1];
        *(*last ? &(*last)->next : &parent->first) = element;
        *last = element;
    } else {
        builder->root = element;
    }
    buffer_clear(&builder->texts[builder->depth]);
    builder->last[builder->depth] = NULL;
    builder->open[builder->depth++] = element;
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

static void on_end(void *context, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    (void)name, (void)prefix, (void)uri;
    struct builder *builder = context;
    if (builder->refusal) {
        return;
    }
    struct xml *element = builder->open[--builder->depth];
    struct buffer *text = &builder->texts[builder->depth];
    if (text->length > 0 && !(element->first && is_blank(buffer_text(text)))) {
        element->text = arena_strndup(builder->arena, text->data, text->length);
    }
}

static void on_text(void *context, const xmlChar *text, int length)
{
    struct builder *builder = context;
    if (!builder->refusal && builder->depth > 0) {
        buffer_append(&builder->texts[builder->depth - 1], text, (size_t)length);
    }
}

static void on_dtd(void *context, const xmlChar *name, const xmlChar *external,
                   const xmlChar *system)
{
    (void)name, (void)external, (void)system;
    refuse(context, "a document type definition, which no service of AWS sends");
}

static void on_error(void *context, const char *message, ...)
{
    (void)context, (void)message; /* told from the parser's last error */
}

static bool parse_failed(struct builder *builder, int status, struct error *error)
{
    if (builder->refusal) {
        return !error_set(error, "not usable XML: %s", builder->refusal);
    }
    if (status == 0 && builder->parser->wellFormed && builder->root && builder->depth == 0) {
        return false;
    }
    const xmlError *last = xmlCtxtGetLastError(builder->parser);
    const char *message = last && last->message ? last->message : "cut off";
    return !error_set(error, "not well-formed XML: %.*s", (int)strcspn(message, "\n"), message);
}

struct xml *xml_parse(struct arena *arena, const char *text, size_t length, struct error *error)
{
    xmlSAXHandler handler = {.initialized = XML_SAX2_MAGIC,
                             .startElementNs = on_start,
                             .endElementNs = on_end,
                             .characters = on_text,
                             .cdataBlock = on_text,
                             .internalSubset = on_dtd,
                             .error = on_error,
                             .warning = on_error};
    struct builder builder = {.arena = arena};
    builder.parser = xmlCreatePushParserCtxt(&handler, &builder, NULL, 0, NULL);
    if (!builder.parser) {
        base_out_of_memory();
    }
    xmlCtxtUseOptions(builder.parser, XML_PARSE_NONET | XML_PARSE_HUGE);
    int status = 0;
    size_t at = 0;
    do { /* the parser counts in int */
        size_t chunk = length - at < (1 << 20) ? length - at : 1 << 20;
        status = xmlParseChunk(builder.parser, text + at, (int)chunk, at + chunk == length);
        at += chunk;
    } while (status == 0 && at < length);
    bool failed = parse_failed(&builder, status, error);
    for (int i = 0; i < XML_DEPTH_MAX; i++) {
        buffer_free(&builder.texts[i]);
    }
    if (builder.parser->myDoc) {
        xmlFreeDoc(builder.parser->myDoc);
    }
    xmlFreeParserCtxt(builder.parser);
    return failed ? NULL : builder.root;
}

static const struct xml *child_n(const struct xml *parent, const char *name, size_t length)
{
    for (const struct xml *child = parent ? parent->first : NULL; child; child = child->next) {
        if (strncmp(child->name, name, length) == 0 && child->name[length] == '\0') {
            return child;
        }
    }
    return NULL;
}

const struct xml *xml_child(const struct xml *parent, const char *name)
{
    return child_n(parent, name, strlen(name));
}

const struct xml *xml_at(const struct xml *parent, const char *path)
{
    while (parent && *path) {
        size_t length = strcspn(path, "/");
        parent = child_n(parent, path, length);
        path += length + (path[length] == '/');
    }
    return parent;
}

const char *xml_text(const struct xml *parent, const char *path)
{
    const struct xml *element = xml_at(parent, path);
    return element && *element->text ? element->text : NULL;
}

const char *xml_tag(const struct xml *parent, const char *key)
{
    for (const struct xml *tag = xml_first(parent, "tagSet"); tag; tag = tag->next) {
        const char *name = xml_text(tag, "key");
        if (name && strcmp(name, key) == 0) {
            const struct xml *value = xml_child(tag, "value");
            return value ? value->text : "";
        }
    }
    return NULL;
}

const struct xml *xml_first(const struct xml *parent, const char *path)
{
    const struct xml *set = xml_at(parent, path);
    return set ? set->first : NULL;
}
