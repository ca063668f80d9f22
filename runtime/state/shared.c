#include "runtime/state/shared.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/map.h"
#include "compiler/base/sha256.h"
#include "runtime/state/journal_state.h"
#include "runtime/state/lease.h"
#include "runtime/state/prefetch.h"
#include "runtime/state/records.h"
#include "runtime/state/run.h"
#include "runtime/world/files.h"
#include "runtime/world/store.h"
#include "runtime/world/world.h"

#define FILE_URL "file://"
#define S3_URL "s3://"

enum { ORIGIN_MAX = 4096, PRODUCTION_MAX = 16 << 20, KEY_PARTS = 6, LOCK_TRIES = 200, LOCK_WAIT_MS = 50 };

struct shared {
    struct store *store;
    struct world *world;
    struct arena *arena;   /* until the next refresh */
    struct arena *memory;
    char *directory;       /* the copy */
    struct map versions;   /* of production.json and tests.json, by key */
    const char **keys;     /* of the store, sorted, while it is refreshed */
    size_t key_count;
};

/* --- where it is --- */

static bool is_s3(const char *url)
{
    return strncmp(url, S3_URL, strlen(S3_URL)) == 0;
}

bool shared_is_url(const char *setting, struct error *error)
{
    if (is_s3(setting)) {
        return true; /* whoever opens it knows how such a URL is written */
    }
    bool is_url = strncmp(setting, FILE_URL, strlen(FILE_URL)) == 0;
    if (!is_url && strncmp(setting, "file:", strlen("file:")) != 0) {
        return false;
    }
    const char *path = is_url ? setting + strlen(FILE_URL) : "";
    if (*path != '/' || path[1] == '\0') {
        error_set(error, "state %s: a shared directory is written file:///DIR, with three slashes",
                  setting);
        return error_help(error, "without sharing: --state DIR");
    }
    return true;
}

static const char *cache_home(struct arena *arena, struct world *world, struct error *error)
{
    const char *cache = world_environment(world, "XDG_CACHE_HOME");
    if (cache && *cache == '/') {
        return arena_strdup(arena, cache);
    }
    const char *home = world_environment(world, "HOME");
    if (!home || !*home) {
        error_set(error, "state: neither XDG_CACHE_HOME nor HOME is set: there is no place for this "
                         "host's copy of it");
        error_help(error, "set XDG_CACHE_HOME to a local directory");
        return NULL;
    }
    return arena_printf(arena, "%s/.cache", home);
}

const char *shared_plan_cache(struct arena *arena, struct world *world, struct error *error)
{
    const char *cache = cache_home(arena, world, error);
    return cache ? arena_printf(arena, "%s/drc/plans", cache) : NULL;
}

/* The same URL is another place at another endpoint. */
static const char *at_endpoint(struct arena *arena, struct world *world, const char *url)
{
    const char *endpoint = world_environment(world, "AWS_ENDPOINT_URL_S3");
    endpoint = endpoint ? endpoint : world_environment(world, "AWS_ENDPOINT_URL");
    return arena_printf(arena, "%s %s", url, endpoint ? endpoint : "");
}

const char *shared_cache(struct arena *arena, struct world *world, const char *url,
                         struct error *error)
{
    char host[256] = "", digest[SHA256_HEX_SIZE];
    const char *cache = cache_home(arena, world, error);
    if (!cache) {
        return NULL;
    }
    /* The host's own: its file system's locks need not be those of another host's. */
    gethostname(host, sizeof host - 1);
    for (char *c = host; *c; c++) {
        *c = isalnum((unsigned char)*c) ? *c : '-';
    }
    const char *place = is_s3(url) ? at_endpoint(arena, world, url) : url;
    sha256_hex(place, strlen(place), digest);
    const char *path = arena_printf(arena, "%s/drc/state/%s-%.16s", cache, host, digest);
    const char *origin = arena_printf(arena, "%s/origin", path);
    size_t length = 0;
    const char *known = files_read(arena, origin, ORIGIN_MAX, &length, NULL);
    bool ok = (known && strcmp(known, url) == 0) ||
              (files_make_directory(path, error) &&
               files_write_atomically(origin, url, strlen(url), error));
    return ok ? path : NULL;
}

/* The directory has to be there: one that is made where a file system is not mounted would be shared
 * with nobody. */
static struct store *open_url(struct world *world, const char *url, struct error *error)
{
    struct stat info;
    const char *path = url + strlen(FILE_URL);
    if (is_s3(url)) {
        struct store *store = store_open(world, url, false, error);
        if (!store) {
            error_prefix(error, "state");
        }
        return store;
    }
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        error_set(error, "state %s: there is no directory %s", url, path);
        error_help(error, "is its file system mounted here? A new one is made once, by hand: mkdir %s",
                   path);
        return NULL;
    }
    if (info.st_mode & S_IWOTH) { /* a group of runners may; not everybody */
        error_set(error, "state %s: every user can write %s", url, path);
        error_help(error, "what is in it decides what drc does: chmod o-w %s", path);
        return NULL;
    }
    return store_directory_create(world, path, error);
}

struct store *shared_open_url(struct world *world, const char *url, struct error *error)
{
    struct error failure = {0};
    if (shared_is_url(url, &failure)) {
        return open_url(world, url, error);
    }
    if (failure.message) {
        error_move(error, &failure);
    } else {
        error_set(error, "%s is no state that runners share", url);
        error_help(error, "give file:///DIR or s3://BUCKET/PREFIX");
    }
    return NULL;
}

static const char *origin_of(struct arena *arena, const char *state, struct error *error)
{
    size_t length = 0;
    return files_read(arena, arena_printf(arena, "%s/origin", state), ORIGIN_MAX, &length, error);
}

const char *shared_name(struct arena *arena, const char *state)
{
    const char *url = origin_of(arena, state, NULL);
    return url ? url : state;
}

struct store *shared_store_of(struct world *world, const char *state, struct error *error)
{
    struct arena *arena = arena_create();
    struct error failure = {0};
    const char *url = origin_of(arena, state, &failure);
    struct store *store = NULL;
    if (url) {
        store = open_url(world, url, error);
    } else if (failure.message) {
        error_move(error, &failure);
    } else {
        store = store_directory_create(world, state, error);
    }
    arena_destroy(arena);
    return store;
}

struct shared *shared_open(struct world *world, const char *state, struct error *error)
{
    struct arena *arena = arena_create();
    const char *url = origin_of(arena, state, error);
    struct store *store = url ? open_url(world, url, error) : NULL;
    if (!store) {
        arena_destroy(arena);
        return NULL;
    }
    struct shared *shared = base_alloc(sizeof *shared);
    shared->arena = arena;
    shared->memory = arena_create();
    shared->versions = (struct map){.arena = shared->memory};
    shared->store = store;
    shared->world = world;
    shared->directory = base_strdup(state);
    return shared;
}

void shared_close(struct shared *shared)
{
    if (shared) {
        store_destroy(shared->store);
        arena_destroy(shared->arena);
        arena_destroy(shared->memory);
        free(shared->directory);
        free(shared);
    }
}

/* --- the copy --- */

static const char *path_of(struct shared *shared, const char *key)
{
    return arena_printf(shared->arena, "%s/%s", shared->directory, key);
}

static void remove_copy(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct buffer name = {0};
        buffer_printf(&name, "%s%s", path, ends[i]);
        unlink(name.data);
        buffer_free(&name);
    }
}

static bool is_there(struct shared *shared, const char *prefix, int64_t number)
{
    void *bytes = NULL;
    size_t length = 0;
    const char *key = arena_printf(shared->arena, "%s/log/%08lld", prefix, (long long)number);
    bool there = store_get_now(shared->store, shared->world, key, &bytes, &length, NULL, NULL) ==
                 STORE_OK;
    free(bytes);
    return there;
}

/* Whether the file is a copy of the log, which had got as far as `last` when it was listed; *behind:
 * not of all of it. */
static bool is_copy(struct shared *shared, const char *prefix, const char *path, int64_t last,
                    bool *behind)
{
    struct journal *journal = journal_open(path, true, NULL);
    bool copy = journal && journal_summary(journal, shared->arena, JOURNAL_CHAIN);
    int64_t number = journal ? journal_number(journal) : 0;
    journal_close(journal);
    *behind = copy && number < last;
    return copy && (number <= last || is_there(shared, prefix, number));
}

/* What a copy of that number lacks of the log, read all at once: its records, and of a new copy also the
 * blobs beside them. */
static struct store *read_ahead(struct shared *shared, const char *prefix, int64_t number)
{
    const char *first = arena_printf(shared->arena, "%s/log/%08lld", prefix, (long long)number);
    const char *folder = arena_printf(shared->arena, "%s/", prefix);
    const char *log = arena_printf(shared->arena, "%s/log/", prefix);
    const char *blobs = arena_printf(shared->arena, "%s/blob/", prefix);
    const char **keys = ARENA_ARRAY(shared->arena, const char *, shared->key_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < shared->key_count; i++) {
        const char *key = shared->keys[i];
        bool wanted = strncmp(key, folder, strlen(folder)) == 0 &&
                      ((strncmp(key, log, strlen(log)) == 0 && strcmp(key, first) > 0) ||
                       (number == 0 && strncmp(key, blobs, strlen(blobs)) == 0));
        if (wanted) {
            keys[count++] = key;
        }
    }
    return prefetch_open(shared->store, shared->world, keys, count);
}

static bool sync_file(struct shared *shared, const char *prefix, const char *path,
                      struct error *error)
{
    bool exists = access(path, F_OK) == 0;
    struct journal *journal =
        exists ? journal_open(path, false, error) : journal_create(path, error);
    if (!journal && !exists && access(path, F_OK) == 0) {
        error_clear(error); /* another process has just made it */
        journal = journal_open(path, false, error);
    }
    struct store *ahead = read_ahead(shared, prefix, journal ? journal_number(journal) : 0);
    struct records *records = records_open(ahead, shared->world, prefix);
    bool ok = journal && records_sync(records, journal, error);
    records_close(records);
    store_destroy(ahead);
    journal_close(journal);
    return ok;
}

/* A log of the store: the run's own, or one of its cleanups. */
struct log {
    const char *prefix;      /* PLAN/runs/RUN[/cleanup-N] */
    const char *plan, *run;
    const char *name;        /* journal, cleanup-N */
    int64_t last;
};

static void set_problem(struct shared *shared, const struct log *log, const char *problem)
{
    const char *path = path_of(shared, arena_printf(shared->arena, "%s/runs/%s/problem", log->plan,
                                                    log->run));
    if (problem) {
        files_write_atomically(path, problem, strlen(problem), NULL);
    } else {
        unlink(path);
    }
}

static void refresh_log(struct shared *shared, const struct log *log)
{
    struct error error = {0};
    bool behind = false;
    const char *path = path_of(shared, arena_printf(shared->arena, "%s/runs/%s/%s.db", log->plan,
                                                    log->run, log->name));
    bool ok = true;
    if (!is_copy(shared, log->prefix, path, log->last, &behind)) {
        remove_copy(path);
        ok = files_make_parents(path, &error) && sync_file(shared, log->prefix, path, &error);
    } else if (behind && !sync_file(shared, log->prefix, path, &error)) {
        /* Perhaps the copy is what is wrong. */
        error_clear(&error);
        remove_copy(path);
        ok = sync_file(shared, log->prefix, path, &error);
    }
    set_problem(shared, log, ok ? NULL : error.message);
    error_clear(&error);
}

/* --- what the store holds --- */

/* Cuts the key at its slashes; how many parts there are (more than KEY_PARTS: KEY_PARTS). */
static size_t split(char *key, const char *parts[KEY_PARTS])
{
    parts[0] = key;
    size_t count = 1;
    for (char *slash = strchr(key, '/'); slash && count < KEY_PARTS; slash = strchr(slash, '/')) {
        *slash++ = '\0';
        parts[count++] = slash;
    }
    return count;
}

static bool is_number(const char *text)
{
    return strlen(text) == 8 && strspn(text, "0123456789") == 8;
}

/* Is it a record's key, and whose? */
static bool log_of(struct shared *shared, const char *key, struct log *log)
{
    const char *parts[KEY_PARTS];
    size_t count = split(arena_strdup(shared->arena, key), parts);
    bool own = count == 5 && strcmp(parts[3], "log") == 0;
    bool cleanup = count == 6 && strcmp(parts[4], "log") == 0 &&
                   strncmp(parts[3], "cleanup-", strlen("cleanup-")) == 0;
    if ((!own && !cleanup) || strcmp(parts[1], "runs") != 0 || !is_number(parts[count - 1])) {
        return false;
    }
    *log = (struct log){
        .prefix = arena_printf(shared->arena, "%s/runs/%s%s%s", parts[0], parts[2],
                               cleanup ? "/" : "", cleanup ? parts[3] : ""),
        .plan = parts[0],
        .run = parts[2],
        .name = cleanup ? parts[3] : "journal",
        .last = strtoll(parts[count - 1], NULL, 10),
    };
    return true;
}

static void refresh_logs(struct shared *shared, const char **keys, size_t count)
{
    struct map logs = {.arena = shared->arena};
    struct log **order = ARENA_ARRAY(shared->arena, struct log *, count + 1);
    size_t log_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct log found, *log;
        if (log_of(shared, keys[i], &found)) {
            log = map_get(&logs, found.prefix);
            if (!log) {
                log = order[log_count++] = ARENA_NEW(shared->arena, struct log);
                *log = found;
                map_put(&logs, log->prefix, log);
            }
            log->last = found.last > log->last ? found.last : log->last;
        }
    }
    for (size_t i = 0; i < log_count; i++) {
        refresh_log(shared, order[i]);
    }
}

static bool refresh_file(struct shared *shared, const char *key, struct error *error)
{
    void *bytes = NULL;
    size_t length = 0;
    char version[STORE_VERSION_MAX];
    enum store_outcome outcome =
        store_get_now(shared->store, shared->world, key, &bytes, &length, version, error);
    bool ok = outcome == STORE_ABSENT;
    if (outcome == STORE_OK) {
        const char *path = path_of(shared, key);
        map_put(&shared->versions, arena_strdup(shared->memory, key),
                arena_strdup(shared->memory, version));
        ok = files_make_parents(path, error) && files_write_atomically(path, bytes, length, error);
    }
    free(bytes);
    return ok;
}

/* As lease_holder reads it: a file while somebody holds it, none otherwise. */
static bool refresh_lease(struct shared *shared, const char *key, struct error *error)
{
    struct lease_holder holder;
    struct error failure = {0};
    const char *plan = arena_strndup(shared->arena, key, strcspn(key, "/"));
    const char *name = strrchr(key, '/') + 1;
    const char *path = path_of(shared, key);
    bool held = lease_holder_shared(shared->arena, shared->store, shared->world, plan, name,
                                    &holder, &failure);
    if (failure.message) {
        return error_move(error, &failure);
    }
    if (!held) {
        unlink(path);
        return true;
    }
    return files_make_parents(path, error) && lease_copy(path, &holder, error);
}

static bool is_lease(const char *key)
{
    const char *slash = strchr(key, '/');
    return slash && strncmp(slash, "/leases/", strlen("/leases/")) == 0;
}

/* Beside a plan's runs and leases. */
static const char *const plan_files[] = {"production.json", "tests.json"};

static bool is_plan_file(const char *key)
{
    const char *slash = strchr(key, '/');
    bool is = false;
    for (size_t i = 0; slash && i < sizeof plan_files / sizeof *plan_files; i++) {
        is = is || strcmp(slash + 1, plan_files[i]) == 0;
    }
    return is;
}

/* --- what it holds no more --- */

/* Calls `each` for the names in a folder of the copy; "." and the like are left out. */
static void each_name(struct shared *shared, const char *folder,
                      void (*each)(struct shared *shared, const char *key, const struct map *there),
                      const struct map *there)
{
    DIR *directory = opendir(path_of(shared, folder));
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (store_key_is_valid(entry->d_name)) {
            each(shared, arena_printf(shared->arena, "%s%s%s", folder, *folder ? "/" : "",
                                      entry->d_name), there);
        }
    }
    if (directory) {
        closedir(directory);
    }
}

static void prune_file(struct shared *shared, const char *key, const struct map *there)
{
    if (!map_get(there, key)) {
        unlink(path_of(shared, key));
    }
}

/* One that is no copy yet may be being made by another process. */
static void prune_run(struct shared *shared, const char *key, const struct map *there)
{
    bool behind;
    const char *path = path_of(shared, arena_printf(shared->arena, "%s/journal.db", key));
    if (!map_get(there, key) && access(path, F_OK) == 0 &&
        is_copy(shared, key, path, INT64_MAX, &behind)) {
        remove_copy(path);
    }
}

static void prune_plan(struct shared *shared, const char *plan, const struct map *there)
{
    for (size_t i = 0; i < sizeof plan_files / sizeof *plan_files; i++) {
        prune_file(shared, arena_printf(shared->arena, "%s/%s", plan, plan_files[i]), there);
    }
    each_name(shared, arena_printf(shared->arena, "%s/leases", plan), prune_file, there);
    each_name(shared, arena_printf(shared->arena, "%s/runs", plan), prune_run, there);
}

static void prune(struct shared *shared, const char **keys, size_t count)
{
    struct map there = {.arena = shared->arena};
    for (size_t i = 0; i < count; i++) {
        struct log log;
        bool record = log_of(shared, keys[i], &log);
        map_put(&there, record ? arena_printf(shared->arena, "%s/runs/%s", log.plan, log.run)
                               : keys[i], shared);
    }
    each_name(shared, "", prune_plan, &there);
}

/* --- one process at a time on a host --- */

/* Waits for others that work on the copy; not for ever, as one may have been stopped. -1: not locked. */
static int lock_copy(struct shared *shared)
{
    int file = open(path_of(shared, ".lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    for (int i = 0; file >= 0 && i < LOCK_TRIES; i++) {
        if (fcntl(file, F_OFD_SETLK, &lock) == 0) {
            return file;
        }
        world_pause(shared->world, LOCK_WAIT_MS);
    }
    if (file >= 0) {
        close(file);
    }
    return -1;
}

static void unlock_copy(int lock)
{
    if (lock >= 0) {
        close(lock);
    }
}

/* Of all plans, read all at once. */
static bool refresh_small(struct shared *shared, const char **keys, size_t count,
                          struct error *error)
{
    struct store *store = shared->store;
    const char **small = ARENA_ARRAY(shared->arena, const char *, count + 1);
    size_t small_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_plan_file(keys[i]) || is_lease(keys[i])) {
            small[small_count++] = keys[i];
        }
    }
    bool ok = true;
    shared->store = prefetch_open(store, shared->world, small, small_count);
    for (size_t i = 0; ok && i < small_count; i++) {
        ok = is_lease(small[i]) ? refresh_lease(shared, small[i], error)
                                : refresh_file(shared, small[i], error);
    }
    store_destroy(shared->store);
    shared->store = store;
    return ok;
}

static bool refresh(struct shared *shared, struct error *error)
{
    const char **keys;
    size_t count;
    if (store_list_now(shared->store, shared->world, "", "", shared->arena, &keys, &count,
                       error) != STORE_OK) {
        return false;
    }
    shared->keys = keys;
    shared->key_count = count;
    prune(shared, keys, count);
    if (!refresh_small(shared, keys, count, error)) {
        return false;
    }
    refresh_logs(shared, keys, count);
    shared->keys = NULL;
    shared->key_count = 0;
    return true;
}

bool shared_refresh(struct shared *shared, struct error *error)
{
    arena_destroy(shared->arena);
    shared->arena = arena_create();
    int lock = lock_copy(shared);
    bool ok = refresh(shared, error);
    unlock_copy(lock);
    return ok;
}

bool shared_refresh_state(struct world *world, const char *state, struct error *error)
{
    struct error failure = {0};
    struct shared *shared = shared_open(world, state, &failure);
    bool ok = shared ? shared_refresh(shared, &failure) : !failure.message;
    shared_close(shared);
    if (!ok) {
        error_move(error, &failure);
    }
    return ok;
}

/* --- writing --- */

/* Opened for a journal: PLAN/runs/RUN, or PLAN/runs/RUN/cleanup-N. */
static struct records *records_for(struct shared *shared, const struct run_info *run,
                                   const struct journal *journal)
{
    const char *file = strrchr(journal->path, '/');
    file = file ? file + 1 : journal->path;
    bool own = strcmp(file, "journal.db") == 0;
    const char *prefix =
        arena_printf(shared->arena, "%s/runs/%s%s%.*s", run->plan, run->id, own ? "" : "/",
                     own ? 0 : (int)strcspn(file, "."), file);
    return records_open(shared->store, shared->world, prefix);
}

bool shared_publish(struct shared *shared, const struct run_info *run, struct journal *journal,
                    struct error *error)
{
    struct records *records = records_for(shared, run, journal);
    int lock = lock_copy(shared); /* until it is a copy it looks like rubbish */
    bool ok = records_publish(records, journal, error);
    unlock_copy(lock);
    if (!ok) {
        records_close(records);
    }
    return ok;
}

bool shared_claim(struct shared *shared, const struct run_info *run, struct journal *journal,
                  struct error *error)
{
    struct records *records = records_for(shared, run, journal);
    bool ok = records_claim(records, journal, error);
    if (!ok) {
        records_close(records);
    }
    return ok;
}

static bool put_file(struct shared *shared, const char *key, bool *conflict, struct error *error)
{
    const char *version = map_get(&shared->versions, key);
    struct arena *arena = arena_create();
    size_t length = 0;
    char *text = files_read(arena, path_of(shared, key), PRODUCTION_MAX, &length, error);
    enum store_outcome outcome =
        !text ? STORE_FAILED
              : store_put_now(shared->store, shared->world, key, text, length,
                              version ? STORE_IF_VERSION : STORE_IF_ABSENT, version, error);
    arena_destroy(arena);
    *conflict = outcome == STORE_CONFLICT;
    return outcome == STORE_OK && refresh_file(shared, key, error);
}

static bool changed_meanwhile(const char *key, struct error *error)
{
    error_set(error, "writing %s: another process has changed it meanwhile", key);
    return error_help(error, "drc run list shows who works on this plan; then drc run resume");
}

bool shared_put_production(struct shared *shared, const char *plan, struct error *error)
{
    bool conflict;
    const char *key = arena_printf(shared->arena, "%s/production.json", plan);
    return put_file(shared, key, &conflict, error) || (conflict && changed_meanwhile(key, error));
}

bool shared_put_tests(struct shared *shared, const char *plan, bool *again, struct error *error)
{
    const char *key = arena_printf(shared->arena, "%s/tests.json", plan);
    return put_file(shared, key, again, error) || (*again && changed_meanwhile(key, error));
}

struct lease *shared_lease(struct shared *shared, const char *plan, const char *name,
                           const char *run, bool take_over, struct error *error)
{
    return lease_take_shared(shared->store, shared->world, plan, name, run, take_over, error);
}
