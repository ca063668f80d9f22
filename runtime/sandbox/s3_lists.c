/* ListObjectsV2: keys in the order of their bytes, with common prefixes, in pages. */
#include <stdlib.h>
#include <string.h>

#include "runtime/aws/sigv4.h"
#include "runtime/sandbox/s3.h"

enum { KEYS_MAX = 1000 };

struct listing {
    const char *prefix, *delimiter, *after, *token;
    int64_t limit, count;
    bool as_url;      /* encoding-type */
    const char *last; /* of what was listed last: a key, or a common prefix */
    bool last_is_prefix;
    bool more;
    struct buffer prefixes; /* the XML of the common ones, which come behind the keys */
};

static void put_key(const struct listing *listing, struct buffer *out, const char *name,
                    const char *key)
{
    struct xml_writer xml = {0};
    struct buffer encoded = {0};
    if (listing->as_url) {
        uri_encode(&encoded, key, true);
    }
    xml_put(&xml, name, listing->as_url ? buffer_text(&encoded) : key);
    buffer_append(out, buffer_text(&xml.out), xml.out.length);
    buffer_free(&xml.out);
    buffer_free(&encoded);
}

static const char *text_of(struct request *r, const char *name)
{
    const char *text = query_get(&r->query, "%s", name);
    return text && *text ? text : NULL;
}

static char *hex_text(struct arena *arena, const char *text)
{
    char *hex = arena_alloc(arena, 2 * strlen(text) + 1), *at = hex;
    for (; *text; text++, at += 2) {
        static const char digits[] = "0123456789abcdef";
        at[0] = digits[(unsigned char)*text >> 4];
        at[1] = digits[(unsigned char)*text & 15];
    }
    *at = '\0';
    return hex;
}

/* "1k" and a key: what is behind it; "1p" and a prefix: what is behind all that has it. */
static const char *make_token(struct request *r, const struct listing *listing)
{
    return arena_printf(r->arena, "1%c%s", listing->last_is_prefix ? 'p' : 'k',
                        hex_text(r->arena, listing->last));
}

/* The first key that the page may begin behind; *prefix: all that begins so is behind it. */
static bool read_token(struct request *r, struct listing *listing, const char **prefix)
{
    const char *token = listing->token;
    size_t length = strlen(token);
    bool sound = length > 2 && length % 2 == 0 && token[0] == '1' &&
                 (token[1] == 'k' || token[1] == 'p') &&
                 strspn(token + 2, "0123456789abcdef") == length - 2;
    char *text = arena_alloc(r->arena, length);
    size_t used = 0;
    for (size_t i = 2; sound && i < length; i += 2) {
        char pair[3] = {token[i], token[i + 1], '\0'};
        text[used++] = (char)strtol(pair, NULL, 16);
        sound = text[used - 1] != '\0';
    }
    text[used] = '\0';
    if (!sound) {
        return fail(r, 400, "InvalidArgument", "The continuation token provided is incorrect");
    }
    *prefix = token[1] == 'p' ? text : NULL;
    listing->after = text;
    return true;
}

static bool read_listing(struct request *r, struct listing *listing)
{
    const char *type = query_get(&r->query, "list-type"), *limit = text_of(r, "max-keys");
    const char *encoding = text_of(r, "encoding-type");
    if (!type || strcmp(type, "2") != 0) {
        return fail(r, 501, "NotImplemented",
                    "A header or query you provided implies functionality that is not implemented: "
                    "the sandbox lists with list-type=2");
    }
    *listing = (struct listing){.prefix = text_of(r, "prefix"),
                                .delimiter = text_of(r, "delimiter"),
                                .after = text_of(r, "start-after"),
                                .token = query_get(&r->query, "continuation-token"),
                                .limit = KEYS_MAX,
                                .as_url = encoding != NULL};
    if (encoding && strcmp(encoding, "url") != 0) {
        return fail(r, 400, "InvalidArgument", "Invalid Encoding Method specified in Request");
    }
    if (limit && (!parse_int(limit, &listing->limit) || listing->limit < 0)) {
        return fail(r, 400, "InvalidArgument",
                    "Argument maxKeys must be an integer between 0 and "
                    "2147483647");
    }
    listing->limit = listing->limit < KEYS_MAX ? listing->limit : KEYS_MAX;
    return true;
}

/* The part of the key up to the delimiter behind the prefix; NULL: it is listed itself. */
static const char *common_prefix(struct request *r, const struct listing *listing, const char *key)
{
    size_t skipped = listing->prefix ? strlen(listing->prefix) : 0;
    const char *at = listing->delimiter ? strstr(key + skipped, listing->delimiter) : NULL;
    return at ? arena_strndup(r->arena, key, (size_t)(at - key) + strlen(listing->delimiter))
              : NULL;
}

static void write_object(struct request *r, const struct listing *listing,
                         const struct s3_object *object)
{
    xml_open(&r->xml, "Contents");
    put_key(listing, &r->xml.out, "Key", object->key);
    xml_time(&r->xml, "LastModified", object->modified_ms);
    xml_put(&r->xml, "ETag", object->etag);
    xml_int(&r->xml, "Size", object->size);
    xml_put(&r->xml, "StorageClass", "STANDARD");
    xml_close(&r->xml, "Contents");
}

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* One key of the bucket; false: the page is full. */
static bool list_key(struct request *r, struct listing *listing, const struct s3_object *object)
{
    const char *common = common_prefix(r, listing, object->key);
    if (common && listing->last_is_prefix && strcmp(common, listing->last) == 0) {
        return true;
    }
    if (listing->count == listing->limit) {
        listing->more = true;
        return false;
    }
    if (common) {
        buffer_puts(&listing->prefixes, "<CommonPrefixes>");
        put_key(listing, &listing->prefixes, "Prefix", common);
        buffer_puts(&listing->prefixes, "</CommonPrefixes>");
    } else {
        write_object(r, listing, object);
    }
    listing->last = common ? common : object->key;
    listing->last_is_prefix = common != NULL;
    listing->count++;
    return true;
}

/* Keys in the order of their bytes, from the prefix on, as long as they have it. */
static void list_keys(struct request *r, struct listing *listing, const char *skip)
{
    const char *prefix = listing->prefix ? listing->prefix : "";
    const char *after = listing->after ? listing->after : "";
    bool from_prefix = strcmp(prefix, after) > 0;
    struct sqlite3_stmt *rows = state_query(
        r->state,
        "SELECT key, modified_ms, size, etag FROM s3_objects WHERE bucket = ?1 AND key >= ?2 "
        "AND (?3 OR key > ?2) ORDER BY key",
        "ssd", r->of, from_prefix ? prefix : after, (int)from_prefix);
    while (state_next(r->state, rows)) {
        struct s3_object object = {.key = state_text(r->arena, rows, 0),
                                   .modified_ms = state_int(rows, 1),
                                   .size = state_int(rows, 2),
                                   .etag = state_text(r->arena, rows, 3)};
        bool skipped = skip && begins(object.key, skip);
        if (!begins(object.key, prefix) || (!skipped && !list_key(r, listing, &object))) {
            state_done(rows);
            return;
        }
    }
}

bool s3_list_objects(struct request *r)
{
    struct listing listing = {0};
    const char *skip = NULL;
    if (!s3_bucket(r) || !read_listing(r, &listing) ||
        (listing.token && !read_token(r, &listing, &skip))) {
        return false;
    }
    s3_open(r, "ListBucketResult");
    xml_put(&r->xml, "Name", r->of);
    put_key(&listing, &r->xml.out, "Prefix", listing.prefix ? listing.prefix : "");
    if (listing.delimiter) {
        put_key(&listing, &r->xml.out, "Delimiter", listing.delimiter);
    }
    if (!listing.token && listing.after) {
        put_key(&listing, &r->xml.out, "StartAfter", listing.after);
    }
    xml_put(&r->xml, "ContinuationToken", listing.token);
    xml_put(&r->xml, "EncodingType", listing.as_url ? "url" : NULL);
    xml_int(&r->xml, "MaxKeys", listing.limit);
    if (listing.limit) {
        list_keys(r, &listing, skip);
    }
    buffer_append(&r->xml.out, buffer_text(&listing.prefixes), listing.prefixes.length);
    buffer_free(&listing.prefixes);
    xml_int(&r->xml, "KeyCount", listing.count);
    xml_bool(&r->xml, "IsTruncated", listing.more);
    xml_put(&r->xml, "NextContinuationToken", listing.more ? make_token(r, &listing) : NULL);
    buffer_puts(&r->xml.out, "</ListBucketResult>");
    return true;
}
