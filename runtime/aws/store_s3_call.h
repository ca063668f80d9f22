/* One operation of the store on S3 (store_s3.c) and what it gathers: its request's parts, the keys of a
 * list's pages. */
#ifndef DRC_AWS_STORE_S3_CALL_H
#define DRC_AWS_STORE_S3_CALL_H

#include "runtime/aws/xml.h"
#include "runtime/world/store.h"
#include "runtime/world/world.h"

enum s3_verb { S3_GET, S3_PUT, S3_LIST, S3_REMOVE, S3_SYNC };
enum { S3_HEADERS_MAX = 4, S3_CHECKSUM_SIZE = 9 };

struct aws_client_call;
struct store_s3;

struct s3_call {
    struct store_s3 *store;
    enum s3_verb verb;
    char *key;   /* list: the prefix */
    char *bytes; /* put */
    size_t length;
    enum store_condition condition;
    char *version, *after, *token;
    char checksum[S3_CHECKSUM_SIZE];
    struct http_header headers[S3_HEADERS_MAX];
    char **keys; /* list: so far */
    size_t key_count, key_capacity;
    int attempts, paid;
    bool lost;     /* an answer: it may have happened */
    bool looking;  /* put: reads what is there */
    bool followed; /* to the bucket's region */
    bool waiting;  /* for a place */
    bool has_place;
    struct aws_client_call *sent;
    struct world_task *timer;
    store_callback done; /* NULL: forgotten */
    void *context;
    struct s3_call *prev, *next;
};

struct s3_call *s3_call_create(enum s3_verb verb, const char *key);
void s3_call_free(struct s3_call *call);

/* Takes the keys below `prefix` ("": all) of a ListObjectsV2 page. Others' objects, whose names no store
 * has, are left out. ODD: it is none, or names the page before as the next one. */
enum s3_page { S3_PAGE_LAST, S3_PAGE_MORE, S3_PAGE_ODD };
enum s3_page s3_call_take_page(struct s3_call *call, const struct xml *page, const char *prefix);
/* By their bytes; directory buckets list in no order. */
void s3_call_sort(struct s3_call *call);

#endif
