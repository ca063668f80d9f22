#include "runtime/state/record_form.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_writer.h"

#define FORMAT "drc-record/1"

enum { SUMMARY_MAX = 256, WRITER_LENGTH = 32 };

void record_form_write(const struct record_source *source, const struct record_chain *chain,
                       const struct journal_write *write, struct buffer *out)
{
    char host[256] = "", digest[SHA256_HEX_SIZE];
    gethostname(host, sizeof host - 1);
    sha256_hex(write->length ? write->text : "", write->length, digest);
    struct json_writer json = json_writer(out, 0);
    json_begin_object(&json);
    json_key_string(&json, "format", FORMAT);
    json_key_string(&json, "of", source->of);
    json_key_int(&json, "number", chain->number);
    json_key_int(&json, "epoch", chain->epoch);
    json_key_string(&json, "writer", chain->writer);
    json_key_string(&json, "host", host);
    json_key_int(&json, "pid", getpid());
    json_key_int(&json, "at", write->at_utc_ms);
    json_key_string(&json, "previous", chain->digest);
    if (write->line_count) {
        json_key(&json, "summary");
        json_begin_object(&json);
        for (size_t i = 0; i < write->line_count; i++) {
            json_key_string(&json, write->lines[i].name, write->lines[i].value);
        }
        json_end_object(&json);
    }
    if (*source->blobs) {
        json_key(&json, "blobs");
        json_raw(&json, source->blobs);
    }
    json_key_string(&json, "sha256", digest);
    json_key_int(&json, "bytes", (int64_t)write->length);
    json_end_object(&json);
    buffer_putc(out, '\n');
    buffer_append(out, write->length ? write->text : "", write->length);
}

static const char *text_of(const cJSON *header, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(header, name));
    return text ? text : "";
}

/* -1: there is none, or it is no whole number. */
static int64_t number_of(const cJSON *header, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(header, name);
    bool whole = cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble < 9e15 &&
                 item->valuedouble == (double)(int64_t)item->valuedouble;
    return whole ? (int64_t)item->valuedouble : -1;
}

static bool read_lines(struct record_form *form, struct error *error)
{
    const cJSON *summary = cJSON_GetObjectItemCaseSensitive(form->header, "summary"), *item;
    size_t count = 0;
    if (summary && (!cJSON_IsObject(summary) || cJSON_GetArraySize(summary) > SUMMARY_MAX)) {
        return error_set(error, "its summary is no object of a few lines");
    }
    form->lines = base_alloc(SUMMARY_MAX * sizeof *form->lines);
    cJSON_ArrayForEach (item, summary) {
        if (!cJSON_IsString(item) || strcmp(item->string, JOURNAL_CHAIN) == 0) {
            return error_set(error, "its summary holds what is no text");
        }
        form->lines[count++] = (struct journal_line){item->string, item->valuestring};
    }
    form->write.lines = form->lines;
    form->write.line_count = count;
    return true;
}

static bool check_body(struct record_form *form, const char *body, size_t length,
                       struct error *error)
{
    char digest[SHA256_HEX_SIZE];
    sha256_hex(body, length, digest);
    if (number_of(form->header, "bytes") != (int64_t)length ||
        strcmp(text_of(form->header, "sha256"), digest) != 0) {
        return error_set(error, "its lines are not those that were written");
    }
    form->write.text = body;
    form->write.length = length;
    return true;
}

/* Does it continue the log, written by who may? */
static bool check_chain(const struct record_form *form, const char *of,
                        const struct record_chain *after, struct error *error)
{
    const struct record_chain *chain = &form->chain;
    bool same_writer = strcmp(chain->writer, after->writer) == 0;
    if (strcmp(text_of(form->header, "of"), of) != 0) {
        return error_set(error, "it belongs to \"%.100s\"", text_of(form->header, "of"));
    }
    if (chain->number != after->number + 1) {
        return error_set(error, "it says that it is number %lld", (long long)chain->number);
    }
    if (strcmp(text_of(form->header, "previous"), after->digest) != 0) {
        return error_set(error, "it does not follow the record before it");
    }
    if (after->number == 0 ? chain->epoch != 1
                           : chain->epoch != after->epoch + (same_writer ? 0 : 1)) {
        return error_set(error, "its writer did not hold the run then");
    }
    return true;
}

static bool read_header(struct record_form *form, const char *bytes, size_t length,
                        struct error *error)
{
    form->header = cJSON_ParseWithLength(bytes, length);
    const char *format = text_of(form->header, "format");
    const char *writer = text_of(form->header, "writer");
    if (strncmp(format, "drc-record/", strlen("drc-record/")) != 0) {
        return error_set(error, "it is no record of drc");
    }
    if (strcmp(format, FORMAT) != 0) {
        error_set(error, "it is \"%.40s\", this drc knows " FORMAT, format);
        return error_help(error, "use the drc that made it");
    }
    if (strlen(writer) != WRITER_LENGTH) {
        return error_set(error, "it does not say who wrote it");
    }
    memcpy(form->chain.writer, writer, WRITER_LENGTH + 1);
    form->chain.number = number_of(form->header, "number");
    form->chain.epoch = number_of(form->header, "epoch");
    form->host = text_of(form->header, "host");
    form->pid = number_of(form->header, "pid");
    form->write.number = form->chain.number;
    form->write.at_utc_ms = number_of(form->header, "at");
    form->blobs = cJSON_GetObjectItemCaseSensitive(form->header, "blobs");
    return true;
}

bool record_form_read(const char *bytes, size_t length, const char *of,
                      const struct record_chain *after, struct record_form *form,
                      struct error *error)
{
    *form = (struct record_form){0};
    const char *newline = memchr(bytes, '\n', length);
    if (!newline || memchr(bytes, '\0', length)) {
        return error_set(error, "it is no record of drc");
    }
    size_t header = (size_t)(newline - bytes);
    sha256_hex(bytes, length, form->chain.digest);
    return read_header(form, bytes, header, error) && check_chain(form, of, after, error) &&
           check_body(form, newline + 1, length - header - 1, error) && read_lines(form, error);
}

void record_form_clear(struct record_form *form)
{
    cJSON_Delete(form->header);
    free(form->lines);
    *form = (struct record_form){0};
}
