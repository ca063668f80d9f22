#include "runtime/sandbox/blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/hash.h"

enum { PATH_BYTES = 4096, FRESH_S = 600, OPEN_FILES_MAX = 16 };

struct blob {
    uint8_t digest[SHA256_SIZE];
    size_t length;
    UT_hash_handle hh;
    char bytes[];
};

struct blobs {
    char *directory; /* NULL: in memory */
    pthread_mutex_t lock;
    struct blob *in_memory;
    atomic_uint number; /* of the next file under way */
};

struct blobs *blobs_create(const char *directory)
{
    struct blobs *blobs = base_alloc(sizeof *blobs);
    pthread_mutex_init(&blobs->lock, NULL);
    blobs->directory = directory ? base_strdup(directory) : NULL;
    return blobs;
}

void blobs_destroy(struct blobs *blobs)
{
    if (!blobs) {
        return;
    }
    struct blob *blob = blobs->in_memory;
    HASH_CLEAR(hh, blobs->in_memory); /* frees the table alone */
    while (blob) {
        struct blob *next = blob->hh.next;
        free(blob);
        blob = next;
    }
    pthread_mutex_destroy(&blobs->lock);
    free(blobs->directory);
    free(blobs);
}

bool blobs_is_zero_block(const uint8_t digest[SHA256_SIZE])
{
    static const uint8_t zeros[SHA256_SIZE] = {0x07, 0x85, 0x4d, 0x2f, 0xef, 0x29, 0x7a, 0x06,
                                               0xba, 0x81, 0x68, 0x5e, 0x66, 0x0c, 0x33, 0x2d,
                                               0xe3, 0x6d, 0x5d, 0x18, 0xd5, 0x46, 0x92, 0x7d,
                                               0x30, 0xda, 0xad, 0x6d, 0x7f, 0xda, 0x15, 0x41};
    return memcmp(digest, zeros, sizeof zeros) == 0;
}

/* DIRECTORY/blocks/ab/HEX; false when that is too long. */
static bool path_of(const struct blobs *blobs, const uint8_t digest[SHA256_SIZE],
                    char path[PATH_BYTES])
{
    char hex[SHA256_HEX_SIZE];
    sha256_to_hex(digest, hex);
    return snprintf(path, PATH_BYTES, "%s/blocks/%.2s/%s", blobs->directory, hex, hex) < PATH_BYTES;
}

static bool cannot(struct error *error, const char *path)
{
    return error_set(error, "%s cannot be written: %s", path, strerror(errno));
}

static bool write_all(int file, const char *bytes, size_t length)
{
    while (length) {
        ssize_t written = write(file, bytes, length);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

/* The folder is made when the first file comes into it. */
static int create(const struct blobs *blobs, const char *path)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int file = open(path, flags, 0600);
    if (file >= 0 || errno != ENOENT) {
        return file;
    }
    char folder[PATH_BYTES];
    snprintf(folder, sizeof folder, "%s/blocks", blobs->directory);
    mkdir(folder, 0700);
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    mkdir(folder, 0700);
    return open(path, flags, 0600);
}

struct blob_draft {
    int file;   /* -1: the bytes are there already */
    int failed; /* errno of the first write that failed; 0: none */
    char path[PATH_BYTES], draft[PATH_BYTES];
};

struct blob_draft *blobs_begin(struct blobs *blobs, const uint8_t digest[SHA256_SIZE])
{
    struct blob_draft *draft = NULL;
    char path[PATH_BYTES];
    if (!blobs->directory || !path_of(blobs, digest, path)) {
        return NULL;
    }
    draft = base_alloc(sizeof *draft);
    draft->file = -1;
    memcpy(draft->path, path, sizeof path);
    /* One that is there counts as put now, so that blobs_drop leaves it. */
    if (blobs_is_zero_block(digest) || utimensat(AT_FDCWD, path, NULL, 0) == 0) {
        return draft;
    }
    int length =
        snprintf(draft->draft, PATH_BYTES, "%s.%ld-%u", path, (long)getpid(), blobs->number++);
    draft->file = length < PATH_BYTES ? create(blobs, draft->draft) : -1;
    if (draft->file < 0) {
        free(draft);
        return NULL;
    }
    return draft;
}

void blobs_add(struct blob_draft *draft, const void *bytes, size_t length)
{
    if (draft->file >= 0 && !draft->failed && !write_all(draft->file, bytes, length)) {
        draft->failed = errno ? errno : EIO;
    }
}

bool blobs_end(struct blob_draft *draft, bool keep, struct error *error)
{
    bool kept = keep;
    if (draft->file >= 0) {
        int failed = close(draft->file) != 0 && !draft->failed ? errno : draft->failed;
        if (keep && !failed && rename(draft->draft, draft->path) != 0) {
            failed = errno;
        }
        if (!keep || failed) {
            unlink(draft->draft);
        }
        if (keep && failed) {
            errno = failed;
            kept = cannot(error, draft->path);
        }
    }
    free(draft);
    return kept;
}

static struct blob *find(struct blobs *blobs, const uint8_t digest[SHA256_SIZE])
{
    struct blob *blob = NULL;
    HASH_FIND(hh, blobs->in_memory, digest, SHA256_SIZE, blob);
    return blob;
}

static void put_memory(struct blobs *blobs, const uint8_t digest[SHA256_SIZE], const void *bytes,
                       size_t length)
{
    pthread_mutex_lock(&blobs->lock);
    if (!find(blobs, digest)) {
        struct blob *blob = base_alloc(sizeof *blob + length);
        memcpy(blob->digest, digest, SHA256_SIZE);
        blob->length = length;
        if (length) {
            memcpy(blob->bytes, bytes, length);
        }
        HASH_ADD(hh, blobs->in_memory, digest, SHA256_SIZE, blob);
    }
    pthread_mutex_unlock(&blobs->lock);
}

bool blobs_put(struct blobs *blobs, const uint8_t digest[SHA256_SIZE], const void *bytes,
               size_t length, struct error *error)
{
    if (!blobs->directory) {
        if (!blobs_is_zero_block(digest)) {
            put_memory(blobs, digest, bytes, length);
        }
        return true;
    }
    struct blob_draft *draft = blobs_begin(blobs, digest);
    if (!draft) {
        struct buffer folder = {0};
        buffer_printf(&folder, "%s/blocks", blobs->directory);
        cannot(error, buffer_text(&folder));
        buffer_free(&folder);
        return false;
    }
    blobs_add(draft, bytes, length);
    return blobs_end(draft, true, error);
}

static bool get_memory(struct blobs *blobs, const uint8_t digest[SHA256_SIZE], int64_t offset,
                       size_t length, struct buffer *out)
{
    pthread_mutex_lock(&blobs->lock);
    struct blob *blob = find(blobs, digest);
    bool there = blob && offset >= 0 && (size_t)offset <= blob->length &&
                 length <= blob->length - (size_t)offset;
    if (there) {
        buffer_append(out, blob->bytes + offset, length);
    }
    pthread_mutex_unlock(&blobs->lock);
    return there;
}

int blobs_open(struct blobs *blobs, const uint8_t digest[SHA256_SIZE])
{
    char path[PATH_BYTES];
    if (!blobs->directory || blobs_is_zero_block(digest) || !path_of(blobs, digest, path)) {
        return -1;
    }
    return open(path, O_RDONLY | O_CLOEXEC);
}

bool blobs_get(struct blobs *blobs, const uint8_t digest[SHA256_SIZE], int64_t offset,
               size_t length, struct buffer *out)
{
    if (blobs_is_zero_block(digest)) {
        bool inside =
            offset >= 0 && offset <= BLOCK_BYTES && length <= (size_t)(BLOCK_BYTES - offset);
        if (inside) {
            memset(buffer_extend(out, length), 0, length);
        }
        return inside;
    }
    if (!blobs->directory) {
        return get_memory(blobs, digest, offset, length, out);
    }
    int file = blobs_open(blobs, digest);
    if (file < 0) {
        return false;
    }
    size_t before = out->length, used = 0;
    char *to = buffer_extend(out, length);
    while (used < length) {
        ssize_t got = pread(file, to + used, length - used, (off_t)offset + (off_t)used);
        if (got <= 0) {
            break;
        }
        used += (size_t)got;
    }
    close(file);
    out->length = used == length ? out->length : before;
    return used == length;
}

void blobs_drop(struct blobs *blobs, const uint8_t digest[SHA256_SIZE])
{
    char path[PATH_BYTES];
    struct stat found;
    /* Memory goes as a whole with the sandbox. */
    if (blobs->directory && path_of(blobs, digest, path) && stat(path, &found) == 0 &&
        found.st_mtime + FRESH_S < time(NULL)) {
        unlink(path);
    }
}

static int remove_entry(const char *path, const struct stat *found, int kind, struct FTW *walk)
{
    (void)found;
    (void)kind;
    (void)walk;
    return remove(path);
}

void blobs_remove(const char *directory)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/blocks", directory);
    nftw(buffer_text(&path), remove_entry, OPEN_FILES_MAX, FTW_DEPTH | FTW_PHYS);
    buffer_free(&path);
}
