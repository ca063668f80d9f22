#include "runtime/state/records.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_reader.h"
#include "compiler/base/json_writer.h"
#include "runtime/state/record_form.h"
#include "runtime/world/store.h"
#include "runtime/world/world.h"

enum {
    RETRY_FIRST_MS = 200,
    RETRY_LONGEST_MS = 10000,
    CLAIM_TRIES = 100, /* each lost to a record that was on its way */
    PARTS_MAX = 4096,
};

/* A record on its way. */
struct put {
    struct records *records;
    char *key;
    struct buffer object;
    struct record_chain chain; /* if it is accepted */
    int attempts;
    struct world_task *timer, *patience;
    struct error last; /* why the store did not take it */
    records_done done;
    records_waiting waiting;
    void *context;
};

struct records {
    struct store *store;
    struct world *world;
    char *prefix;
    char writer[33];
    struct record_chain chain; /* of the last record that is known */
    int64_t epoch;             /* ours; 0: we have none yet */
    struct buffer blobs;       /* members of the next record's "blobs" */
    struct put *put;
    char *chain_text;
    bool lost;
};

struct records *records_open(struct store *store, struct world *world, const char *prefix)
{
    struct records *records = base_alloc(sizeof *records);
    uint8_t random[16];
    records->store = store;
    records->world = world;
    records->prefix = base_strdup(prefix);
    world_random(world, random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        snprintf(records->writer + 2 * i, 3, "%02x", random[i]);
    }
    return records;
}

/* Nothing of it comes any more. */
static void put_end(struct put *put)
{
    struct records *records = put->records;
    world_cancel(records->world, put->timer);
    world_cancel(records->world, put->patience);
    records->store->forget(records->store, put);
    records->put = NULL;
    free(put->key);
    buffer_free(&put->object);
    error_clear(&put->last);
    free(put);
}

void records_abandon(struct records *records)
{
    if (records->put) {
        put_end(records->put);
    }
}

void records_close(struct records *records)
{
    if (records) {
        records_abandon(records);
        buffer_free(&records->blobs);
        free(records->chain_text);
        free(records->prefix);
        free(records);
    }
}

bool records_are_lost(const struct records *records)
{
    return records->lost;
}

const char *records_chain(struct records *records)
{
    struct buffer text = {0};
    buffer_printf(&text, "%" PRId64 " %" PRId64 " %s %s", records->chain.number,
                  records->chain.epoch, records->chain.writer, records->chain.digest);
    free(records->chain_text);
    return records->chain_text = buffer_steal(&text);
}

static bool read_number(const char **text, int64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoll(*text, &end, 10);
    bool read = end != *text && *end == ' ' && errno == 0;
    *text = read ? end + 1 : end;
    return read;
}

/* The word that ends with `close`; it and its NUL fit in size. */
static bool read_word(const char **text, char close, char *word, size_t size)
{
    size_t length = strcspn(*text, " ");
    if (length == 0 || length >= size || (*text)[length] != close) {
        return false;
    }
    memcpy(word, *text, length);
    word[length] = '\0';
    *text += length + (close != '\0');
    return true;
}

/* What records_chain wrote. */
static bool read_chain(const char *text, struct record_chain *chain)
{
    return read_number(&text, &chain->number) && read_number(&text, &chain->epoch) &&
           read_word(&text, ' ', chain->writer, sizeof chain->writer) &&
           read_word(&text, '\0', chain->digest, sizeof chain->digest);
}

/* Where the file is, all of it in one line, as another process may be writing to it. False: it is no
 * copy of records. */
static bool chain_of_file(struct records *records, struct journal *journal)
{
    struct arena *arena = arena_create();
    const char *text = journal_summary(journal, arena, JOURNAL_CHAIN);
    struct record_chain chain = {0};
    bool known = text && read_chain(text, &chain);
    if (known) {
        records->chain = chain;
    }
    arena_destroy(arena);
    return known;
}

static char *log_key(const struct records *records, int64_t number)
{
    struct buffer key = {0};
    buffer_printf(&key, "%s/log/%08" PRId64, records->prefix, number);
    return buffer_steal(&key);
}

/* --- putting --- */

static void settle(struct put *put, const struct error *error)
{
    struct records *records = put->records;
    records_done done = put->done;
    void *context = put->context;
    if (!error) {
        records->chain = put->chain;
        buffer_clear(&records->blobs);
    }
    put_end(put);
    done(context, error);
}

static void send(void *context);

static void compared(void *context, const struct store_result *result);

static void try_later(struct put *put)
{
    struct records *records = put->records;
    int64_t longest = RETRY_FIRST_MS;
    for (int i = 1; i < put->attempts && longest < RETRY_LONGEST_MS; i++) {
        longest *= 2;
    }
    uint32_t random;
    world_random(records->world, &random, sizeof random);
    longest = longest < RETRY_LONGEST_MS ? longest : RETRY_LONGEST_MS;
    put->timer = world_timer(records->world, longest / 2 + random % (longest / 2), send, put);
    if (put->waiting) {
        put->waiting(put->context, put->last.message);
    }
}

static void keep_failure(struct put *put, const struct store_result *result)
{
    const struct error *error = result->error;
    error_set(&put->last, "%s", error && error->message ? error->message : "the store failed");
    if (error && error->help) {
        error_help(&put->last, "%s", error->help);
    }
}

static void landed(void *context, const struct store_result *result)
{
    struct put *put = context;
    switch (result->outcome) {
    case STORE_OK:
        settle(put, NULL);
        break;
    case STORE_CONFLICT: /* it may be our own, put by an attempt whose answer was lost */
        put->records->store->get(put->records->store, put->key, compared, put);
        break;
    case STORE_ABSENT:
    case STORE_FAILED:
        keep_failure(put, result);
        try_later(put);
        break;
    }
}

static void tell_loss(struct put *put, const struct store_result *found, struct error *error)
{
    struct records *records = put->records;
    const char *newline = memchr(found->bytes, '\n', found->length);
    cJSON *header = newline ? cJSON_ParseWithLength(found->bytes,
                                                    (size_t)(newline - (const char *)found->bytes))
                            : NULL;
    const char *host = json_text_of(header, "host");
    const cJSON *pid = cJSON_GetObjectItemCaseSensitive(header, "pid");
    records->lost = true;
    error_set(error, "another process has taken the run over (process %.0f on %s): record %s is its",
              cJSON_IsNumber(pid) ? pid->valuedouble : 0.0, host ? host : "an unknown host",
              put->key);
    error_help(error, "nothing was sent since; leave it to that process: drc run show tells what it "
                      "does");
    cJSON_Delete(header);
}

static void compared(void *context, const struct store_result *result)
{
    struct put *put = context;
    if (result->outcome == STORE_OK && result->length == put->object.length &&
        memcmp(result->bytes, put->object.data, result->length) == 0) {
        settle(put, NULL);
    } else if (result->outcome == STORE_OK) {
        struct error error = {0};
        tell_loss(put, result, &error);
        settle(put, &error);
        error_clear(&error);
    } else if (result->outcome == STORE_ABSENT) {
        error_set(&put->last, "record %s is refused as one that is there already, and it is not",
                  put->key);
        error_help(&put->last, "what answers does not keep to If-None-Match as S3 does: see what is between "
                               "here and the bucket; then drc run resume");
        try_later(put);
    } else {
        keep_failure(put, result);
        try_later(put);
    }
}

static void send(void *context)
{
    struct put *put = context;
    struct records *records = put->records;
    put->timer = NULL;
    put->attempts++;
    records->store->put(records->store, put->key, put->object.data, put->object.length,
                        STORE_IF_ABSENT, NULL, landed, put);
}

static void patience_is_over(void *context)
{
    struct put *put = context;
    struct error error = {0};
    put->patience = NULL;
    error_set(&error, "the state does not take record %s%s%s", put->key,
              put->last.message ? ": " : ": no answer", put->last.message ? put->last.message : "");
    error_help(&error, "%s", put->last.help ? put->last.help
                                            : "look at where the state is; then drc run resume");
    settle(put, &error);
    error_clear(&error);
}

static void put_begin(struct records *records, const struct journal_write *write,
                      int64_t patience_ms, records_done done, records_waiting waiting,
                      void *context)
{
    struct put *put = base_alloc(sizeof *put);
    struct buffer blobs = {0};
    struct record_chain head = records->chain;
    head.number = write->number;
    head.epoch = records->epoch;
    memcpy(head.writer, records->writer, sizeof head.writer);
    if (records->blobs.length) {
        buffer_printf(&blobs, "{%s}", buffer_text(&records->blobs));
    }
    struct record_source source = {records->prefix, buffer_text(&blobs)};
    record_form_write(&source, &head, write, &put->object);
    buffer_free(&blobs);
    put->chain = head;
    sha256_hex(put->object.data, put->object.length, put->chain.digest);
    put->records = records;
    put->key = log_key(records, write->number);
    put->done = done;
    put->waiting = waiting;
    put->context = context;
    records->put = put;
    put->patience = world_timer(records->world, patience_ms, patience_is_over, put);
    send(put);
}

void records_put(struct records *records, const struct journal_write *write, records_done done,
                 records_waiting waiting, void *context)
{
    put_begin(records, write, RECORDS_PATIENCE_MS, done, waiting, context);
}

struct awaited {
    bool over, ok;
    struct error *error;
};

static void arrived(void *context, const struct error *error)
{
    struct awaited *awaited = context;
    awaited->over = true;
    awaited->ok = !error;
    if (error) {
        error_set(awaited->error, "%s", error->message);
        if (error->help) {
            error_help(awaited->error, "%s", error->help);
        }
    }
}

bool records_put_now(struct records *records, const struct journal_write *write,
                     struct error *error)
{
    struct awaited awaited = {.error = error};
    put_begin(records, write, RECORDS_SETUP_PATIENCE_MS, arrived, NULL, &awaited);
    world_run(records->world, &awaited.over);
    return awaited.ok;
}

/* --- blobs --- */

static char *blob_key(const struct records *records, const char *digest)
{
    struct buffer key = {0};
    buffer_printf(&key, "%s/blob/%s", records->prefix, digest);
    return buffer_steal(&key);
}

/* The name is the digest of the bytes: putting it twice is putting it once. */
static bool put_part(struct records *records, const void *bytes, size_t length,
                     char digest[SHA256_HEX_SIZE], struct error *error)
{
    sha256_hex(bytes, length, digest);
    char *key = blob_key(records, digest);
    bool ok = store_put_now(records->store, records->world, key, bytes, length, STORE_ALWAYS, NULL,
                            error) == STORE_OK;
    free(key);
    return ok;
}

bool records_put_blob(struct records *records, const char *name, const void *bytes, size_t length,
                      struct error *error)
{
    struct buffer member = {0};
    struct json_writer json = json_writer(&member, 0);
    json_string(&json, name);
    buffer_puts(&member, ":[");
    bool ok = true;
    for (size_t at = 0; ok && (at == 0 || at < length); at += RECORDS_BLOB_PART) {
        size_t part = length - at < RECORDS_BLOB_PART ? length - at : RECORDS_BLOB_PART;
        char digest[SHA256_HEX_SIZE];
        ok = put_part(records, length ? (const char *)bytes + at : "", part, digest, error);
        buffer_printf(&member, "%s\"%s\"", at ? "," : "", digest);
    }
    buffer_putc(&member, ']');
    if (ok) {
        buffer_printf(&records->blobs, "%s%s", records->blobs.length ? "," : "",
                      buffer_text(&member));
    }
    buffer_free(&member);
    return ok;
}

/* --- reading --- */

static bool get_part(struct records *records, const char *digest, struct buffer *out,
                     struct error *error)
{
    void *bytes = NULL;
    size_t length = 0;
    char found[SHA256_HEX_SIZE];
    char *key = blob_key(records, digest);
    enum store_outcome outcome =
        store_get_now(records->store, records->world, key, &bytes, &length, NULL, error);
    bool ok = outcome == STORE_OK;
    if (ok) {
        sha256_hex(bytes, length, found);
        ok = strcmp(found, digest) == 0 || error_set(error, "%s is damaged", key);
        ok = ok && (length <= RECORDS_BLOB_MAX - out->length ||
                    error_set(error, "its blob has more than %d bytes", RECORDS_BLOB_MAX));
    } else if (outcome == STORE_ABSENT) {
        error_set(error, "%s is missing", key);
    }
    if (ok) {
        buffer_append(out, bytes, length);
    }
    free(bytes);
    free(key);
    return ok;
}

static bool copy_blob(struct records *records, struct journal *journal, const cJSON *blob,
                      struct error *error)
{
    struct buffer bytes = {0};
    const cJSON *part;
    bool ok = (cJSON_IsArray(blob) && cJSON_GetArraySize(blob) <= PARTS_MAX) ||
              error_set(error, "its blob \"%.60s\" has no parts", blob->string);
    cJSON_ArrayForEach (part, blob) {
        bool sound = cJSON_IsString(part) && strlen(part->valuestring) == SHA256_HEX_SIZE - 1 &&
                     !strchr(part->valuestring, '/');
        ok = ok && (sound || error_set(error, "its blob \"%.60s\" has no sound name", blob->string)) &&
             get_part(records, part->valuestring, &bytes, error);
    }
    ok = ok && journal_write_blob(journal, blob->string, buffer_text(&bytes), bytes.length, error);
    buffer_free(&bytes);
    return ok;
}

/* Blobs first: a process that dies between them and the group reads the record again. */
static bool apply(struct records *records, struct journal *journal, struct record_form *form,
                  struct error *error)
{
    const cJSON *blob;
    cJSON_ArrayForEach (blob, form->blobs) {
        if (!copy_blob(records, journal, blob, error)) {
            return false;
        }
    }
    records->chain = form->chain;
    form->write.chain = records_chain(records);
    return journal_write(journal, &form->write, error);
}

static bool read_one(struct records *records, struct journal *journal, const char *key, bool *none,
                     struct error *error)
{
    void *bytes = NULL;
    size_t length = 0;
    enum store_outcome outcome =
        store_get_now(records->store, records->world, key, &bytes, &length, NULL, error);
    *none = outcome == STORE_ABSENT;
    bool ok = *none;
    if (outcome == STORE_OK) {
        struct record_form form;
        struct error why = {0};
        ok = record_form_read(bytes, length, records->prefix, &records->chain, &form, &why) &&
             apply(records, journal, &form, &why);
        record_form_clear(&form);
        if (!ok) {
            error_prefix(&why, "record %s cannot be read", key);
            (void)(why.help || journal_help_damaged(&why));
            error_move(error, &why);
        }
    }
    free(bytes);
    return ok;
}

/* None but the last number that is there may be missing after it. */
static bool check_gap(struct records *records, struct error *error)
{
    struct arena *arena = arena_create();
    char *last = log_key(records, records->chain.number);
    char *prefix = base_strdup(last);
    *(strrchr(prefix, '/') + 1) = '\0';
    const char **keys;
    size_t count = 0;
    bool ok = store_list_now(records->store, records->world, prefix, last, arena, &keys, &count,
                             error) == STORE_OK;
    for (size_t i = 0; ok && i < count; i++) {
        const char *name = keys[i] + strlen(prefix);
        if (strspn(name, "0123456789") == 8 && name[8] == '\0' &&
            strtoll(name, NULL, 10) > records->chain.number + 1) {
            ok = error_set(error, "record %s%08" PRId64 " is missing, and %s is there", prefix,
                           records->chain.number + 1, name) || journal_help_damaged(error);
        }
    }
    free(prefix);
    free(last);
    arena_destroy(arena);
    return ok;
}

bool records_sync(struct records *records, struct journal *journal, struct error *error)
{
    if (!chain_of_file(records, journal)) {
        records->chain = (struct record_chain){.number = journal_number(journal)};
    }
    for (bool none = false; !none;) {
        char *key = log_key(records, records->chain.number + 1);
        bool ok = read_one(records, journal, key, &none, error);
        free(key);
        if (!ok) {
            return false;
        }
    }
    return check_gap(records, error);
}

/* --- beginning and taking over --- */

struct publishing {
    struct records *records;
    struct journal_line *lines;
    size_t line_count;
    struct error *error;
};

static bool publish_blob(void *context, const char *name, const void *bytes, size_t length)
{
    struct publishing *publishing = context;
    return records_put_blob(publishing->records, name, bytes, length, publishing->error);
}

/* The summary goes with the first: that makes the run. */
static bool publish_group(void *context, const struct journal_write *write)
{
    struct publishing *publishing = context;
    struct journal_write whole = *write;
    if (write->number == 1) {
        whole.lines = publishing->lines;
        whole.line_count = publishing->line_count;
    }
    return records_put_now(publishing->records, &whole, publishing->error);
}

bool records_publish(struct records *records, struct journal *journal, struct error *error)
{
    struct arena *arena = arena_create();
    struct publishing publishing = {.records = records, .error = error};
    publishing.line_count = journal_lines(journal, arena, &publishing.lines);
    records->epoch = 1;
    bool ok = journal_each_blob(journal, publish_blob, &publishing, error) &&
              journal_each_group(journal, publish_group, &publishing, error) &&
              (journal_number(journal) == 0 ||
               journal_set_chain(journal, records_chain(records), error));
    arena_destroy(arena);
    if (ok) {
        journal_attach(journal, records);
    }
    return ok;
}

static bool claim_once(struct records *records, struct journal *journal, struct error *error)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    struct buffer text = {0};
    struct json_writer json = json_writer(&text, 0);
    int64_t now = world_utc_ms(records->world);
    json_begin_object(&json);
    json_key_string(&json, "r", "holder");
    json_key_string(&json, "host", host);
    json_key_int(&json, "pid", getpid());
    json_key_int(&json, "at", now);
    json_end_object(&json);
    buffer_putc(&text, '\n');
    struct journal_write write = {.number = records->chain.number + 1,
                                  .at_utc_ms = now,
                                  .text = buffer_text(&text),
                                  .length = text.length};
    records->epoch = records->chain.epoch + 1;
    bool ok = records_put_now(records, &write, error);
    if (ok) {
        write.chain = records_chain(records);
        ok = journal_write(journal, &write, error);
    }
    buffer_free(&text);
    return ok;
}

bool records_claim(struct records *records, struct journal *journal, struct error *error)
{
    for (int i = 0; i < CLAIM_TRIES; i++) {
        records->lost = false;
        if (!records_sync(records, journal, error)) {
            return false;
        }
        if (claim_once(records, journal, error)) {
            journal_attach(journal, records);
            return true;
        }
        if (!records->lost) {
            return false;
        }
        error_clear(error); /* one of the former holder's was on its way: read it, and try behind it */
    }
    return error_set(error, "taking over %s: others write to it all the time", records->prefix);
}
