#include "runtime/mover/export_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/buffer.h"

#define PREFIX ".drc-export-"

enum { TRIES = 10, DIRECTORY = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

/* Removes the files in it, then itself; anything but files stays, and so does it. `open` is closed. */
static void empty(int parent, const char *name, int open_folder)
{
    DIR *listed = fdopendir(open_folder);
    if (!listed) {
        close(open_folder);
        return;
    }
    for (struct dirent *entry; (entry = readdir(listed));) {
        unlinkat(dirfd(listed), entry->d_name, 0); /* of a folder it fails */
    }
    unlinkat(parent, name, AT_REMOVEDIR);
    closedir(listed); /* gives the lock back */
}

/* Of a process that was killed: ours, and nobody holds it. */
static void remove_leftover(int parent, const char *name)
{
    struct stat info;
    int folder = openat(parent, name, DIRECTORY);
    if (folder < 0) {
        return;
    }
    if (fstat(folder, &info) == 0 && info.st_uid == geteuid() &&
        flock(folder, LOCK_EX | LOCK_NB) == 0) {
        empty(parent, name, folder);
    } else {
        close(folder);
    }
}

static void remove_leftovers(const char *place)
{
    int parent = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listed = parent < 0 ? NULL : fdopendir(parent);
    if (!listed) {
        if (parent >= 0) {
            close(parent);
        }
        return; /* what is wrong with it is told when the file is made */
    }
    for (struct dirent *entry; (entry = readdir(listed));) {
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0) {
            remove_leftover(dirfd(listed), entry->d_name);
        }
    }
    closedir(listed);
}

/* Another export may have found it before it was locked, and taken it for a leftover. */
static bool lock(struct export_folder *folder)
{
    struct stat info;
    folder->lock = open(folder->path, DIRECTORY);
    if (folder->lock < 0) {
        return errno != ENOENT;
    }
    if (flock(folder->lock, LOCK_EX | LOCK_NB) != 0) {
        return errno != EWOULDBLOCK; /* no locks here: nor has anybody else */
    }
    return fstat(folder->lock, &info) != 0 || info.st_nlink > 0;
}

static void forget(struct export_folder *folder)
{
    if (folder->lock >= 0) {
        close(folder->lock);
    }
    free(folder->path);
    *folder = (struct export_folder){.lock = -1};
}

static int make(struct export_folder *folder, const char *place)
{
    for (int i = 0; i < TRIES; i++) {
        struct buffer text = {0};
        buffer_printf(&text, "%s" PREFIX "XXXXXX", place);
        *folder = (struct export_folder){.path = buffer_steal(&text), .lock = -1};
        int why = mkdtemp(folder->path) ? 0 : errno;
        if (why == 0 && lock(folder)) {
            return 0;
        }
        forget(folder);
        if (why != 0) {
            return why;
        }
    }
    return EAGAIN;
}

int export_folder_make(struct export_folder *folder, const char *path)
{
    struct buffer text = {0};
    const char *slash = strrchr(path, '/');
    buffer_append(&text, path, slash ? (size_t)(slash - path + 1) : 0);
    char *place = buffer_steal(&text); /* "" or "FOLDER/" */
    remove_leftovers(*place ? place : ".");
    int why = make(folder, place);
    free(place);
    return why;
}

void export_folder_remove(struct export_folder *folder)
{
    if (folder->path) {
        int open_folder = open(folder->path, DIRECTORY);
        if (open_folder >= 0) {
            empty(AT_FDCWD, folder->path, open_folder);
        }
    }
    forget(folder);
}
