#include "runtime/state/lease.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_reader.h"
#include "compiler/base/json_writer.h"
#include "runtime/state/shared_lease.h"
#include "runtime/world/files.h"
#include "runtime/world/world.h"

enum { LEASE_FILE_MAX = 4096 };

struct lease {
    int file;                    /* -1: none */
    struct shared_lease *shared; /* NULL: an OS lock */
};

const char *lease_of(enum workflow workflow)
{
    switch (workflow) {
    case WORKFLOW_REPLICATE:
        return "copies";
    case WORKFLOW_BACKUP:
        return "backup";
    case WORKFLOW_TEST:
        return "test";
    default:
        return "site";
    }
}

#define TEST_LEASE "test-"

const char *lease_of_test(struct arena *arena, const char *vpc)
{
    return arena_printf(arena, TEST_LEASE "%s", vpc);
}

const char *lease_folder(const char *plan, const char *name)
{
    return strncmp(name, TEST_LEASE, strlen(TEST_LEASE)) == 0 ? "networks" : plan;
}

void lease_put_name(const char *plan, const char *name, struct buffer *out)
{
    if (strcmp(lease_folder(plan, name), plan) == 0) {
        buffer_printf(out, "the lease \"%s\" of plan %s", name, plan);
    } else {
        buffer_printf(out, "the lease \"%s\" of all tests in that network", name);
    }
}

static struct flock whole_file(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET};
}

static void put_holder(const struct lease_holder *holder, struct buffer *text)
{
    struct json_writer json = json_writer(text, 0);
    json_begin_object(&json);
    json_key_string(&json, "run", holder->run);
    json_key_int(&json, "pid", holder->pid);
    json_key_string(&json, "host", holder->host);
    json_key_int(&json, "since", holder->since_utc_ms);
    if (holder->expires_utc_ms > 0) {
        json_key_int(&json, "expires", holder->expires_utc_ms);
    }
    json_end_object(&json);
}

static void write_holder(int file, const char *run, struct world *world)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    struct lease_holder holder = {
        .run = run, .host = host, .pid = getpid(), .since_utc_ms = world_utc_ms(world)};
    struct buffer text = {0};
    put_holder(&holder, &text);
    /* For people only: the lock itself is what counts, so a failure here changes nothing. */
    if (ftruncate(file, 0) == 0 && pwrite(file, text.data, text.length, 0) < 0) {
        errno = 0;
    }
    buffer_free(&text);
}

bool lease_copy(const char *path, const struct lease_holder *holder, struct error *error)
{
    struct buffer text = {0};
    put_holder(holder, &text);
    bool ok = files_write_atomically(path, text.data, text.length, error);
    buffer_free(&text);
    return ok;
}

bool lease_read_holder(struct arena *arena, const char *text, size_t length,
                       struct lease_holder *holder)
{
    *holder = (struct lease_holder){.run = "", .host = ""};
    cJSON *json = cJSON_ParseWithLength(text, length);
    const char *run = json_text_of(json, "run");
    const char *host = json_text_of(json, "host");
    const cJSON *pid = cJSON_GetObjectItemCaseSensitive(json, "pid");
    const cJSON *since = cJSON_GetObjectItemCaseSensitive(json, "since");
    const cJSON *expires = cJSON_GetObjectItemCaseSensitive(json, "expires");
    bool sound = run && host && (!expires || (json_is_int(expires, &holder->expires_utc_ms) &&
                                              holder->expires_utc_ms >= 0));
    if (run) {
        holder->run = arena_strdup(arena, run);
    }
    if (host) {
        holder->host = arena_strdup(arena, host);
    }
    holder->pid = json_int_or(pid, 0);
    holder->since_utc_ms = json_int_or(since, 0);
    cJSON_Delete(json);
    return sound;
}

static void read_holder(struct arena *arena, int file, struct lease_holder *holder)
{
    char text[LEASE_FILE_MAX + 1];
    ssize_t length = pread(file, text, LEASE_FILE_MAX, 0);
    lease_read_holder(arena, text, length > 0 ? (size_t)length : 0, holder);
}

/* Says who has it. `file` is open; the lock was refused. */
static void explain_refusal(int file, const char *plan, const char *name, struct error *error)
{
    struct arena *arena = arena_create();
    struct lease_holder holder;
    read_holder(arena, file, &holder);
    char since[32];
    struct buffer lease = {0};
    lease_put_name(plan, name, &lease);
    error_set(error, "taking %s: run %s has it (process %" PRId64 " on %s, since %s)",
              buffer_text(&lease), *holder.run ? holder.run : "(unknown)", holder.pid,
              *holder.host ? holder.host : "this host", format_time(since, holder.since_utc_ms));
    buffer_free(&lease);
    error_help(error, "wait until that run has ended (drc run list shows it), or interrupt it");
    arena_destroy(arena);
}

struct lease *lease_take(const char *state, const char *plan, const char *name, const char *run,
                         struct world *world, struct error *error)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/%s/leases/%s", state, lease_folder(plan, name), name);
    int file = -1;
    if (files_make_parents(path.data, error)) {
        file = open(path.data, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (file < 0) {
            files_error(error, errno, "taking the lease", path.data);
        }
    }
    struct lease *lease = NULL;
    struct flock lock = whole_file(F_WRLCK);
    if (file >= 0 && fcntl(file, F_OFD_SETLK, &lock) == 0) {
        write_holder(file, run, world);
        lease = base_alloc(sizeof *lease);
        lease->file = file;
    } else if (file >= 0) {
        if (errno == EAGAIN || errno == EACCES) {
            explain_refusal(file, plan, name, error);
        } else {
            files_error(error, errno, "taking the lease", path.data);
        }
        close(file);
    }
    buffer_free(&path);
    return lease;
}

struct lease *lease_take_shared(struct store *store, struct world *world, const char *plan,
                                const char *name, const char *run, bool take_over,
                                struct error *error)
{
    struct shared_lease *shared =
        shared_lease_take(store, world, plan, name, run, take_over, error);
    if (!shared) {
        return NULL;
    }
    struct lease *lease = base_alloc(sizeof *lease);
    lease->file = -1;
    lease->shared = shared;
    return lease;
}

bool lease_is_sure(const struct lease *lease)
{
    return !lease->shared || shared_lease_is_sure(lease->shared);
}

void lease_assure(struct lease *lease, void (*sure)(void *context), void *context)
{
    assert(lease->shared);
    shared_lease_assure(lease->shared, sure, context);
}

void lease_watch(struct lease *lease, lease_lost lost, void *context)
{
    if (lease->shared) {
        shared_lease_watch(lease->shared, lost, context);
    }
}

void lease_release(struct lease *lease)
{
    if (lease) {
        if (lease->file >= 0) {
            close(lease->file);
        }
        shared_lease_release(lease->shared);
        free(lease);
    }
}

bool lease_holder(struct arena *arena, const char *state, const char *plan, const char *name,
                  struct lease_holder *holder)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/%s/leases/%s", state, lease_folder(plan, name), name);
    int file = open(path.data, O_RDONLY | O_CLOEXEC);
    buffer_free(&path);
    if (file < 0) {
        return false;
    }
    struct flock lock = whole_file(F_RDLCK);
    bool locked = fcntl(file, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    read_holder(arena, file, holder);
    close(file);
    return locked || holder->expires_utc_ms > 0; /* a shared one is copied here while it is held */
}
