#include "runtime/state/published.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_reader.h"
#include "compiler/base/json_writer.h"
#include "compiler/base/sha256.h"
#include "compiler/compile.h"
#include "compiler/plan/files.h"
#include "runtime/state/shared.h"
#include "runtime/world/files.h"
#include "runtime/world/store.h"
#include "runtime/world/world.h"

#define FORMAT "drc-published/1"

enum { PATH_LENGTH_MAX = 1024, MANIFEST_MAX = JSON_TREE_BYTES_MAX, FACTS_MAX = 64 << 20 };

struct file {
    const char *path; /* relative to the plan's folder */
    const char *digest;
    int64_t bytes;
    bool executable;
};

/* --- URLs --- */

bool published_is_url(const char *argument)
{
    size_t scheme = strncmp(argument, "s3://", 5) == 0      ? strlen("s3://")
                    : strncmp(argument, "file:///", 8) == 0 ? strlen("file:///")
                                                            : 0;
    const char *slash = scheme ? strchr(argument + scheme, '/') : NULL;
    return slash && slash[1];
}

static size_t without_slashes(const char *url)
{
    size_t length = strlen(url);
    while (length > 0 && url[length - 1] == '/') {
        length--;
    }
    return length;
}

static const char *plan_of(struct arena *arena, const char *url)
{
    const char *copy = arena_strndup(arena, url, without_slashes(url));
    return strrchr(copy, '/') + 1;
}

const char *published_state(struct arena *arena, const char *url)
{
    char *copy = arena_strndup(arena, url, without_slashes(url));
    *strrchr(copy, '/') = '\0';
    return copy;
}

/* --- putting --- */

/* A cache is filled by these names: none may lead out of it. */
static bool is_inside(const char *path)
{
    size_t length = strlen(path);
    if (length == 0 || length > PATH_LENGTH_MAX) {
        return false;
    }
    for (const char *part = path;; part++) {
        size_t bytes = strcspn(part, "/");
        bool dots = (bytes == 1 && part[0] == '.') ||
                    (bytes == 2 && part[0] == '.' && part[1] == '.');
        if (bytes == 0 || dots) {
            return false;
        }
        for (size_t i = 0; i < bytes; i++) {
            if ((unsigned char)part[i] < ' ' || part[i] == 0x7f || part[i] == '\\') {
                return false;
            }
        }
        part += bytes;
        if (!*part) {
            return true;
        }
    }
}

/* "./scripts/a" and "scripts//a" are "scripts/a". */
static const char *plain_path(struct arena *arena, const char *path)
{
    struct buffer plain = {0};
    while (*path == '.' && path[1] == '/') {
        path += 2;
    }
    for (; *path; path++) {
        if (path[0] == '/' && (path[1] == '/' || (path[1] == '.' && path[2] == '/'))) {
            path += path[1] == '.';
            continue;
        }
        buffer_putc(&plain, *path);
    }
    const char *copy = arena_strdup(arena, buffer_text(&plain));
    buffer_free(&plain);
    return copy;
}

struct publication {
    struct arena *arena;
    struct store *store;
    struct world *world;
    const struct plan *plan;
    struct file *files;
    size_t count;
};

static const char *object_key(struct arena *arena, const char *plan, const char *digest)
{
    return arena_printf(arena, "%s/plan/objects/%.2s/%s", plan, digest, digest);
}

static bool put_bytes(struct publication *publication, const char *path, const void *bytes,
                      size_t length, bool executable, struct file *file, struct error *error)
{
    char digest[SHA256_HEX_SIZE];
    sha256_hex(bytes, length, digest);
    *file = (struct file){.path = path,
                          .digest = arena_strdup(publication->arena, digest),
                          .bytes = (int64_t)length,
                          .executable = executable};
    return store_put_now(publication->store, publication->world,
                         object_key(publication->arena, publication->plan->name, digest), bytes,
                         length, STORE_ALWAYS, NULL, error) == STORE_OK;
}

static bool put_file(struct publication *publication, const char *named, struct error *error)
{
    const struct plan *plan = publication->plan;
    const char *path = plain_path(publication->arena, named);
    const char *place = plan_file_path(plan, named);
    size_t length = 0;
    struct stat status;
    if (*named == '/' || !is_inside(path)) {
        error_set(error, "%s lies outside of the plan's folder: it cannot be published with it", named);
        return error_help(error, "put it beside the plan, and name it relative to it");
    }
    char *bytes = files_read(publication->arena, place, PLAN_FILE_SIZE_MAX, &length, error);
    if (!bytes) {
        return error->message ? false : error_set(error, "there is no %s", place);
    }
    bool executable = stat(place, &status) == 0 && (status.st_mode & S_IXUSR);
    return put_bytes(publication, path, bytes, length, executable,
                     &publication->files[publication->count++], error);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void write_file(struct json_writer *json, const struct file *file)
{
    json_begin_object(json);
    json_key_string(json, "path", file->path);
    json_key_string(json, "sha256", file->digest);
    json_key_int(json, "bytes", file->bytes);
    json_key_bool(json, "executable", file->executable);
    json_end_object(json);
}

static void write_manifest(const struct publication *publication, const struct file *facts,
                           struct buffer *out)
{
    char now[32];
    struct json_writer json = json_writer(out, 2);
    json_begin_object(&json);
    json_key_string(&json, "format", FORMAT);
    json_key_string(&json, "plan", publication->plan->name);
    json_key_string(&json, "digest", publication->plan->digest);
    json_key_string(&json, "published", format_time(now, world_utc_ms(publication->world)));
    json_key_string(&json, "by", drc_version());
    json_key(&json, "files"); /* the plan itself first */
    json_begin_array(&json);
    for (size_t i = 0; i < publication->count; i++) {
        write_file(&json, &publication->files[i]);
    }
    json_end_array(&json);
    if (facts) {
        json_key(&json, "facts");
        write_file(&json, facts);
    }
    json_end_object(&json);
    buffer_putc(out, '\n');
}

static bool put_manifest(struct publication *publication, const struct file *facts,
                         struct published *published, struct error *error)
{
    struct buffer text = {0};
    char digest[SHA256_HEX_SIZE];
    write_manifest(publication, facts, &text);
    sha256_hex(text.data, text.length, digest);
    published->manifest = arena_strdup(publication->arena, digest);
    bool small = text.length <= MANIFEST_MAX;
    if (!small) {
        error_set(error, "the plan names too many files to be published");
    }
    bool ok = small &&
              store_sync_now(publication->store, publication->world, error) == STORE_OK &&
              store_put_now(publication->store, publication->world,
                            arena_printf(publication->arena, "%s/plan/manifest",
                                         publication->plan->name),
                            text.data, text.length, STORE_ALWAYS, NULL, error) == STORE_OK;
    buffer_free(&text);
    return ok;
}

bool published_put(struct arena *arena, struct store *store, struct world *world,
                   const struct plan *plan, const char *facts, size_t facts_length,
                   struct published *published, struct error *error)
{
    struct publication publication = {.arena = arena, .store = store, .world = world, .plan = plan};
    struct file of_facts;
    if (plan->file_count >= PUBLISHED_FILES_MAX) {
        return error_set(error, "the plan names %zu files, and %d are published at most",
                         plan->file_count, PUBLISHED_FILES_MAX);
    }
    publication.files = ARENA_ARRAY(arena, struct file, plan->file_count + 1);
    if (!put_bytes(&publication, base_name(plan->source->path), plan->source->text,
                   plan->source->length, false, &publication.files[publication.count++], error)) {
        return false;
    }
    for (size_t i = 0; i < plan->file_count; i++) {
        if (!put_file(&publication, plan->files[i], error)) {
            return false;
        }
    }
    if (facts && !put_bytes(&publication, "facts.json", facts, facts_length, false, &of_facts, error)) {
        return false;
    }
    *published = (struct published){.plan = plan->name,
                                    .digest = plan->digest,
                                    .file_count = publication.count,
                                    .facts = facts != NULL};
    for (size_t i = 0; i < publication.count; i++) {
        published->bytes += publication.files[i].bytes;
    }
    return put_manifest(&publication, facts ? &of_facts : NULL, published, error);
}

/* --- fetching --- */

struct retrieval {
    struct arena *arena;
    struct store *store;
    struct world *world;
    const char *url, *plan;
    const char *directory; /* of the cache */
};

static bool damaged(const struct retrieval *retrieval, struct error *error, const char *key,
                    const char *why)
{
    error_set(error, "published plan %s: %s %s", retrieval->url, key, why);
    return error_help(error, "publish it again: drc plan publish PLAN --state %s",
                      published_state(retrieval->arena, retrieval->url));
}

static bool is_digest(const char *text)
{
    return text && strlen(text) == SHA256_HEX_SIZE - 1 &&
           strspn(text, "0123456789abcdef") == SHA256_HEX_SIZE - 1;
}

static bool read_entry(const cJSON *item, struct file *file)
{
    const cJSON *bytes = cJSON_GetObjectItemCaseSensitive(item, "bytes");
    file->path = json_text_of(item, "path");
    file->digest = json_text_of(item, "sha256");
    file->bytes = cJSON_IsNumber(bytes) ? (int64_t)bytes->valuedouble : -1;
    file->executable = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "executable"));
    return file->path && is_inside(file->path) && is_digest(file->digest) && file->bytes >= 0 &&
           file->bytes <= SOURCE_SIZE_MAX;
}

static bool has_bytes(const char *path, const struct file *file)
{
    struct arena *scratch = arena_create();
    char digest[SHA256_HEX_SIZE] = "";
    size_t length = 0;
    char *bytes = files_read(scratch, path, (size_t)file->bytes, &length, NULL);
    if (bytes) {
        sha256_hex(bytes, length, digest);
    }
    arena_destroy(scratch);
    return strcmp(digest, file->digest) == 0;
}

static bool fetch_object(struct retrieval *retrieval, const struct file *file, const char *path,
                         struct error *error)
{
    const char *key = object_key(retrieval->arena, retrieval->plan, file->digest);
    void *bytes = NULL;
    size_t length = 0;
    char digest[SHA256_HEX_SIZE];
    enum store_outcome outcome = store_get_now(retrieval->store, retrieval->world, key, &bytes,
                                               &length, NULL, error);
    if (outcome != STORE_OK) {
        return outcome == STORE_ABSENT ? damaged(retrieval, error, key, "is missing") : false;
    }
    sha256_hex(bytes, length, digest);
    bool ok = strcmp(digest, file->digest) == 0 ||
              damaged(retrieval, error, key, "is not what its name says: it has been changed");
    ok = ok && files_make_parents(path, error) &&
         files_write_atomically(path, bytes, length, error);
    free(bytes);
    return ok;
}

/* In the cache already, and as it should be: nothing is fetched. */
static bool fetch_file(struct retrieval *retrieval, const struct file *file, const char *path,
                       struct error *error)
{
    if (!has_bytes(path, file) && !fetch_object(retrieval, file, path, error)) {
        return false;
    }
    chmod(path, file->executable ? 0700 : 0600);
    return true;
}

/* The path of the first file, the plan itself. */
static const char *fetch_files(struct retrieval *retrieval, const cJSON *manifest,
                               struct error *error)
{
    const cJSON *files = cJSON_GetObjectItemCaseSensitive(manifest, "files"), *item;
    const char *first = NULL;
    int count = 0;
    cJSON_ArrayForEach(item, files)
    {
        struct file file;
        if (++count > PUBLISHED_FILES_MAX || !read_entry(item, &file)) {
            damaged(retrieval, error, "plan/manifest", "names a file that cannot be");
            return NULL;
        }
        const char *path =
            arena_printf(retrieval->arena, "%s/files/%s", retrieval->directory, file.path);
        if (!fetch_file(retrieval, &file, path, error)) {
            return NULL;
        }
        first = first ? first : path;
    }
    if (!first) {
        damaged(retrieval, error, "plan/manifest", "names no files");
    }
    return first;
}

static bool fetch_facts(struct retrieval *retrieval, const cJSON *manifest, struct error *error)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(manifest, "facts");
    struct file file;
    if (!item) {
        return true;
    }
    if (!read_entry(item, &file)) {
        return damaged(retrieval, error, "plan/manifest", "names facts that cannot be");
    }
    return fetch_file(retrieval, &file,
                      arena_printf(retrieval->arena, "%s/facts.json", retrieval->directory), error);
}

const char *published_facts(struct arena *arena, const char *plan_path)
{
    const char *slash = strrchr(plan_path, '/');
    size_t folder = slash ? (size_t)(slash - plan_path) : 0;
    size_t files = strlen("/files");
    if (folder <= files || strncmp(slash - files, "/files", files) != 0) {
        return NULL;
    }
    const char *path =
        arena_printf(arena, "%.*s/facts.json", (int)(folder - files), plan_path);
    return access(path, R_OK) == 0 ? path : NULL;
}

static cJSON *read_manifest(struct retrieval *retrieval, const char *text, size_t length,
                            struct error *error)
{
    struct error why = {0};
    cJSON *manifest = NULL;
    if (length <= MANIFEST_MAX && json_check(text, length, &why)) {
        manifest = json_tree((struct json_text){text, length}, NULL, &why);
    }
    error_clear(&why);
    const char *format = manifest ? json_text_of(manifest, "format") : NULL;
    const char *plan = manifest ? json_text_of(manifest, "plan") : NULL;
    if (format && strcmp(format, FORMAT) != 0 && strncmp(format, "drc-published/", 14) == 0) {
        error_set(error, "published plan %s is written as %s, which this version does not know",
                  retrieval->url, format);
        error_help(error, "use the version of drc that published it, or publish it again by this one");
    } else if (!format || strcmp(format, FORMAT) != 0 || !plan ||
               strcmp(plan, retrieval->plan) != 0) {
        damaged(retrieval, error, "plan/manifest", "is no manifest of that plan");
    } else {
        return manifest;
    }
    cJSON_Delete(manifest);
    return NULL;
}

static const char *fetch_all(struct retrieval *retrieval, const char *cache, const char *text,
                             size_t length, struct error *error)
{
    char digest[SHA256_HEX_SIZE];
    cJSON *manifest = read_manifest(retrieval, text, length, error);
    if (!manifest) {
        return NULL;
    }
    sha256_hex(text, length, digest);
    retrieval->directory =
        arena_printf(retrieval->arena, "%s/%s-%.16s", cache, retrieval->plan, digest);
    const char *first = NULL;
    if (files_make_directory(retrieval->directory, error) &&
        files_check_private(retrieval->directory, true, error)) {
        first = fetch_files(retrieval, manifest, error);
        first = first && fetch_facts(retrieval, manifest, error) ? first : NULL;
    }
    cJSON_Delete(manifest);
    return first;
}

const char *published_fetch(struct arena *arena, struct world *world, const char *url,
                            struct error *error)
{
    struct retrieval retrieval = {
        .arena = arena, .world = world, .url = url, .plan = plan_of(arena, url)};
    const char *key = arena_printf(arena, "%s/plan/manifest", retrieval.plan);
    const char *cache = shared_plan_cache(arena, world, error);
    const char *first = NULL;
    void *text = NULL;
    size_t length = 0;
    retrieval.store = cache ? shared_open_url(world, published_state(arena, url), error) : NULL;
    if (!retrieval.store) {
        return NULL;
    }
    enum store_outcome outcome =
        store_get_now(retrieval.store, world, key, &text, &length, NULL, error);
    if (outcome == STORE_OK) {
        first = fetch_all(&retrieval, cache, text, length, error);
    } else if (outcome == STORE_ABSENT) {
        error_set(error, "no plan is published at %s: there is no %s in %s", url, key,
                  published_state(arena, url));
        error_help(error, "publish it where it is: drc plan publish PLAN --state %s",
                   published_state(arena, url));
    }
    free(text);
    store_destroy(retrieval.store);
    return first;
}
