/* Store on a directory. An object is a file of its key's name. What is not one (a put under way, the
 * lock) has a '~' in its name, which no key has.
 *
 * A put writes and syncs its bytes beside the object, and then: STORE_IF_ABSENT links them to the
 * name (link(2) fails where there is one already, on NFS too); the others rename, holding the lock
 * of the store, because a rename has no condition. STORE_LAZILY and removing in a lazy store do not
 * sync: syncfs(2) does so for all of them at once, on a descriptor that was open before they were
 * written, because it tells only of what failed since. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "runtime/world/files.h"
#include "runtime/world/store_call.h"

enum { LEFT_BEHIND_S = 24 * 3600 }; /* a put under way that is older than that died */

struct directory_store {
    struct local_store local;
    char *path;
    char *lock_path;
    dev_t device;      /* of the directory when it was opened: an empty mount point is another one */
    ino_t inode;
    int folder;        /* lazy: the directory, for syncfs; -1 */
    uint64_t identity; /* of this store: names what it has under way apart from others' */
};

static void fail(struct store_call *call, int reason, const char *doing, const char *path)
{
    call->outcome = STORE_FAILED;
    files_error(&call->error, reason, doing, path);
}

static char *object_path(const struct directory_store *store, const char *key)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/%s", store->path, key);
    return buffer_steal(&path);
}

/* Where an object is read into: a buffer that grows, or a room. */
struct reading {
    struct buffer *out;
    const struct store_room *room;
    size_t length;
};

static char *room_for(struct reading *reading, size_t size)
{
    reading->length = size;
    if (!reading->room) {
        return buffer_extend(reading->out, size);
    }
    return size <= reading->room->size ? reading->room->bytes : NULL;
}

/* Reads all of the file: 0, or an errno. */
static int read_all(const char *path, struct reading *reading)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (file < 0) {
        return errno;
    }
    struct stat info;
    int reason = fstat(file, &info) != 0 ? errno : 0;
    if (reason == 0 && !S_ISREG(info.st_mode)) {
        reason = S_ISDIR(info.st_mode) ? ENOENT : EINVAL; /* a folder of keys is no object */
    } else if (reason == 0 && info.st_size > STORE_OBJECT_MAX) {
        reason = EFBIG;
    }
    if (reason == 0) {
        size_t size = (size_t)info.st_size, got = 0;
        char *bytes = room_for(reading, size);
        ssize_t n;
        while (got < size && bytes &&
               ((n = read(file, bytes + got, size - got)) > 0 || (n < 0 && errno == EINTR))) {
            got += n > 0 ? (size_t)n : 0;
        }
        reason = !bytes ? EFBIG : got == size ? 0 : EIO;
    }
    close(file);
    return reason;
}

static int read_object(const char *path, struct buffer *out)
{
    return read_all(path, &(struct reading){.out = out});
}

static bool is_absent(int reason)
{
    return reason == ENOENT || reason == ENOTDIR;
}

/* Put there by somebody else: the system's words for it ("Invalid argument") would not say so. */
static void fail_reading(struct store_call *call, int reason, const char *path)
{
    fail(call, reason, "reading", path);
    if (reason == EINVAL || reason == ELOOP) {
        error_set(&call->error, "reading %s: it is no plain file", path);
        error_help(&call->error, "nothing of drc's is made like that: look who put it there, and move it "
                                 "away");
    }
}

static void directory_get(struct directory_store *store, struct store_call *call)
{
    char *path = object_path(store, call->key);
    struct reading reading = {.out = &call->answer, .room = call->room};
    int reason = read_all(path, &reading);
    if (reason == 0) {
        call->room_length = reading.length;
        if (!call->unversioned) {
            store_version_of(buffer_text(&call->answer), call->answer.length, call->version);
        }
        call->outcome = STORE_OK;
    } else if (is_absent(reason)) {
        call->outcome = STORE_ABSENT;
    } else {
        fail_reading(call, reason, path);
    }
    free(path);
}

/* Held by a descriptor, so that it keeps threads of one process apart too, and dies with it. -1:
 * errno. */
static int take_lock(const struct directory_store *store)
{
    int file = open(store->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    while (file >= 0 && fcntl(file, F_OFD_SETLKW, &lock) != 0) {
        if (errno != EINTR) {
            int reason = errno;
            close(file);
            errno = reason;
            return -1;
        }
    }
    return file;
}

/* 0: it is linked; EEXIST: there was one. An NFS server may have linked and its answer been lost: the
 * number of links tells (open(2), O_EXCL). */
static int link_new(const char *from, const char *to)
{
    struct stat info;
    int reason = link(from, to) == 0 ? 0 : errno;
    if (reason != 0 && stat(from, &info) == 0 && info.st_nlink == 2) {
        reason = 0;
    } else if (reason == EEXIST && lstat(to, &info) == 0 && S_ISDIR(info.st_mode)) {
        reason = EISDIR; /* which no reader takes for an object */
    }
    unlink(from);
    return reason;
}

/* EEXIST: it is another one. */
static int check_version(const char *path, const char *expected)
{
    struct buffer old = {0};
    char version[STORE_VERSION_MAX];
    int reason = read_object(path, &old);
    if (reason == 0) {
        store_version_of(buffer_text(&old), old.length, version);
        reason = strcmp(version, expected) == 0 ? 0 : EEXIST;
    }
    buffer_free(&old);
    return is_absent(reason) ? EEXIST : reason;
}

static int rename_over(struct directory_store *store, const struct store_call *call,
                       const char *from, const char *to)
{
    int lock = take_lock(store);
    int reason = lock < 0 ? errno : 0;
    if (reason == 0 && call->condition == STORE_IF_VERSION) {
        reason = check_version(to, call->expected);
    }
    if (reason == 0 && rename(from, to) != 0) {
        reason = errno;
    }
    if (lock >= 0) {
        close(lock);
    }
    if (reason != 0) {
        unlink(from);
    }
    return reason;
}

/* The folder may be new, or be gone because somebody tidied up. */
static bool is_lazy(const struct directory_store *store, const struct store_call *call)
{
    return call->condition == STORE_LAZILY && store->folder >= 0;
}

static int put_object(struct directory_store *store, struct store_call *call, const char *path)
{
    bool lazily = call->condition == STORE_LAZILY, lazy = is_lazy(store, call);
    if (lazily && access(path, F_OK) == 0) {
        return EEXIST;
    }
    struct buffer beside = {0};
    const char *slash = strrchr(path, '/');
    buffer_append(&beside, path, (size_t)(slash - path));
    /* The process too: a child of fork has its parent's identity, and the same addresses. */
    buffer_printf(&beside, "/~%" PRIx64 "-%ld-%" PRIxPTR, store->identity, (long)getpid(),
                  (uintptr_t)call);
    int reason = (lazy ? files_write_unsynced : files_write_synced)(beside.data, call->bytes,
                                                                    call->length);
    if (reason == 0) {
        reason = lazily || call->condition == STORE_IF_ABSENT
                     ? link_new(beside.data, path)
                     : rename_over(store, call, beside.data, path);
    }
    if (reason == 0 && !lazy && !files_sync_parent(path)) {
        reason = errno;
    }
    buffer_free(&beside);
    return reason;
}

static void directory_put(struct directory_store *store, struct store_call *call)
{
    char *path = object_path(store, call->key);
    call->outcome = STORE_FAILED;
    if ((is_lazy(store, call) ? files_make_parents_unsynced : files_make_parents)(path, &call->error)) {
        int reason = put_object(store, call, path);
        if (reason == 0) {
            if (call->condition != STORE_LAZILY) {
                store_version_of(call->bytes, call->length, call->version);
            }
            call->outcome = STORE_OK;
        } else if (reason == EEXIST && call->condition != STORE_ALWAYS) {
            call->outcome = STORE_CONFLICT;
        } else {
            fail(call, reason, "writing", path);
        }
    }
    free(path);
}

static void directory_remove(struct directory_store *store, struct store_call *call)
{
    char *path = object_path(store, call->key);
    int lock = take_lock(store);
    if (lock < 0) {
        fail(call, errno, "locking", store->lock_path);
    } else if (unlink(path) != 0) {
        int reason = errno;
        call->outcome = STORE_ABSENT;
        if (!is_absent(reason) && reason != EISDIR) {
            fail(call, reason, "removing", path);
        }
    } else if (store->folder < 0 && !files_sync_parent(path)) {
        fail(call, errno, "removing", path);
    } else {
        call->outcome = STORE_OK;
    }
    if (lock >= 0) {
        close(lock);
    }
    free(path);
}

static void tidy_up(int folder, const char *name)
{
    struct stat info;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (name[0] == '~' && name[1] != 'l' && fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(info.st_mode) && now.tv_sec - info.st_mtim.tv_sec > LEFT_BEHIND_S) {
        unlinkat(folder, name, 0);
    }
}

static bool is_folder(int folder, const struct dirent *entry)
{
    struct stat info;
    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type == DT_DIR;
    }
    return fstatat(folder, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
}

/* Nothing below `key` (a folder, ends with '/') can begin with the prefix. */
static bool is_beside(const struct store_call *call, const struct buffer *key)
{
    size_t prefix = strlen(call->key);
    return strncmp(buffer_text(key), call->key, key->length < prefix ? key->length : prefix) != 0;
}

/* Adds what is in the folder `key` ("" or ends with '/') and below it. 0, or an errno. */
static int list_folder(struct directory_store *store, struct store_call *call, struct buffer *key)
{
    char *path = object_path(store, buffer_text(key));
    DIR *folder = opendir(path);
    int reason = folder ? 0 : errno;
    free(path);
    if (!folder) {
        return is_absent(reason) ? 0 : reason;
    }
    size_t length = key->length;
    const struct dirent *entry;
    while (reason == 0 && (errno = 0, entry = readdir(folder))) {
        key->length = length;
        buffer_puts(key, entry->d_name);
        if (!store_key_is_valid(buffer_text(key))) {
            tidy_up(dirfd(folder), entry->d_name);
        } else if (!is_folder(dirfd(folder), entry)) {
            store_call_add_key(call, buffer_text(key));
        } else {
            buffer_putc(key, '/');
            reason = is_beside(call, key) ? 0 : list_folder(store, call, key);
        }
    }
    reason = reason == 0 ? errno : reason;
    key->length = length;
    closedir(folder);
    return reason;
}

static void directory_list(struct directory_store *store, struct store_call *call)
{
    struct buffer key = {0};
    const char *slash = strrchr(call->key, '/');
    if (slash) {
        buffer_append(&key, call->key, (size_t)(slash - call->key));
    }
    bool sound = !slash || store_key_is_valid(buffer_text(&key)); /* else no key begins with it */
    if (slash) {
        buffer_putc(&key, '/');
    }
    int reason = sound ? list_folder(store, call, &key) : 0;
    call->outcome = STORE_OK;
    if (reason != 0) {
        fail(call, reason, "listing", store->path);
    }
    buffer_free(&key);
}

/* Unmounted, moved or removed meanwhile? What is put where nobody else looks, or is not found there,
 * would be believed: two runners could go on. */
static bool is_still_there(struct directory_store *store, struct store_call *call)
{
    struct stat info;
    if (stat(store->path, &info) != 0) {
        fail(call, errno, "looking for the state", store->path);
    } else if (info.st_dev != store->device || info.st_ino != store->inode) {
        call->outcome = STORE_FAILED;
        error_set(&call->error, "%s is another directory than at first", store->path);
    } else {
        return true;
    }
    return error_help(&call->error, "is its file system mounted? When it is there again: drc run resume");
}

static void directory_sync(struct directory_store *store, struct store_call *call)
{
    call->outcome = STORE_OK;
    if (store->folder >= 0 && syncfs(store->folder) != 0) {
        fail(call, errno, "bringing to the disk what was written in", store->path);
    }
}

static void directory_perform(struct local_store *local, struct store_call *call)
{
    struct directory_store *store = (struct directory_store *)local;
    if (!is_still_there(store, call)) {
        return;
    }
    switch (call->verb) {
    case STORE_GET:
        directory_get(store, call);
        break;
    case STORE_PUT:
        directory_put(store, call);
        break;
    case STORE_LIST:
        directory_list(store, call);
        break;
    case STORE_REMOVE:
        directory_remove(store, call);
        break;
    case STORE_SYNC:
        directory_sync(store, call);
        break;
    }
}

static void directory_release(struct local_store *local)
{
    struct directory_store *store = (struct directory_store *)local;
    if (store->folder >= 0) {
        close(store->folder);
    }
    free(store->path);
    free(store->lock_path);
    free(store);
}

static struct directory_store *create(struct world *world, const char *path, struct error *error)
{
    struct stat info;
    if (!files_make_directory(path, error)) {
        return NULL;
    }
    if (stat(path, &info) != 0) {
        files_error(error, errno, "opening the state", path);
        return NULL;
    }
    struct directory_store *store = base_alloc(sizeof *store);
    local_store_init(&store->local, world);
    store->local.store.name = "directory";
    store->local.perform = directory_perform;
    store->local.release = directory_release;
    store->local.on_thread = true;
    store->device = info.st_dev;
    store->inode = info.st_ino;
    store->path = base_strdup(path);
    store->lock_path = object_path(store, "~lock");
    store->folder = -1;
    world_random(world, &store->identity, sizeof store->identity);
    return store;
}

struct store *store_directory_create(struct world *world, const char *path, struct error *error)
{
    struct directory_store *store = create(world, path, error);
    return store ? &store->local.store : NULL;
}

struct store *store_directory_create_lazy(struct world *world, const char *path,
                                          struct error *error)
{
    struct directory_store *store = create(world, path, error);
    if (store && (store->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        files_error(error, errno, "opening", path);
        store_destroy(&store->local.store);
        return NULL;
    }
    return store ? &store->local.store : NULL;
}
