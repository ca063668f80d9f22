#include "runtime/state/script_outputs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/world/call_file.h"
#include "runtime/world/files.h"
#include "runtime/world/redactor.h"

enum {
    HELD_MAX = 64 << 10,   /* bytes of a line that does not end */
    OVERLAP_BYTES = 4096, /* of it are held on: a secret is looked for in one piece */
};

struct writer {
    char *path;
    int file; /* -1: it cannot be written */
    struct buffer held;
    struct writer *prev, *next;
};

struct script_outputs {
    char *directory;
    const struct redactor *redactor;
    struct writer *writers;
    char *failed;
};

static void put_path(struct buffer *out, const char *run_directory, const char *node_id, int generation)
{
    buffer_printf(out, "%s/output/", run_directory);
    call_file_name(node_id, generation, out);
    buffer_puts(out, ".log");
}

struct script_outputs *script_outputs_open(const char *run_directory, const struct redactor *redactor)
{
    struct script_outputs *outputs = base_alloc(sizeof *outputs);
    outputs->directory = base_strdup(run_directory);
    outputs->redactor = redactor;
    return outputs;
}

static void note_failure(struct script_outputs *outputs, const char *path)
{
    if (!outputs->failed) {
        outputs->failed = base_strdup(path);
    }
}

static struct writer *writer_open(struct script_outputs *outputs, const char *path)
{
    struct writer *writer = base_alloc(sizeof *writer);
    writer->path = base_strdup(path);
    writer->file = -1;
    if (files_make_parents(path, NULL)) {
        writer->file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    }
    if (writer->file < 0) {
        note_failure(outputs, path);
    }
    DL_APPEND(outputs->writers, writer);
    return writer;
}

/* The first `length` held bytes. */
static void write_held(struct script_outputs *outputs, struct writer *writer, size_t length)
{
    struct buffer clean = {0};
    redactor_write(outputs->redactor, buffer_text(&writer->held), length, &clean);
    for (size_t done = 0; writer->file >= 0 && done < clean.length;) {
        ssize_t written = write(writer->file, clean.data + done, clean.length - done);
        if (written <= 0) {
            note_failure(outputs, writer->path);
            close(writer->file);
            writer->file = -1;
        } else {
            done += (size_t)written;
        }
    }
    buffer_free(&clean);
    memmove(writer->held.data, writer->held.data + length, writer->held.length - length);
    writer->held.length -= length;
}

static void writer_close(struct script_outputs *outputs, struct writer *writer)
{
    if (writer->held.length > 0) {
        write_held(outputs, writer, writer->held.length);
    }
    if (writer->file >= 0) {
        (void)fsync(writer->file);
        close(writer->file);
        (void)files_sync_parent(writer->path);
    }
    DL_DELETE(outputs->writers, writer);
    buffer_free(&writer->held);
    free(writer->path);
    free(writer);
}

static void take(struct script_outputs *outputs, struct writer *writer, const void *bytes,
                 size_t length)
{
    buffer_append(&writer->held, bytes, length);
    const char *end = memrchr(writer->held.data, '\n', writer->held.length);
    size_t whole = end ? (size_t)(end - writer->held.data) + 1 : 0;
    if (whole == 0 && writer->held.length > HELD_MAX) {
        whole = writer->held.length - OVERLAP_BYTES;
    }
    if (whole > 0) {
        write_held(outputs, writer, whole);
    }
}

void script_outputs_take(struct script_outputs *outputs, const char *node_id, int generation, bool first,
                         const void *bytes, size_t length)
{
    struct buffer path = {0};
    struct writer *writer;
    put_path(&path, outputs->directory, node_id, generation);
    DL_FOREACH(outputs->writers, writer)
    {
        if (strcmp(writer->path, buffer_text(&path)) == 0) {
            break;
        }
    }
    if (writer && first) {
        writer->held.length = 0; /* another attempt's, that nobody awaited to its end */
        writer_close(outputs, writer);
        writer = NULL;
    }
    if (!writer && length > 0) {
        writer = writer_open(outputs, buffer_text(&path));
    }
    if (writer && length > 0) {
        take(outputs, writer, bytes, length);
    } else if (writer) {
        writer_close(outputs, writer);
    }
    buffer_free(&path);
}

const char *script_outputs_failed(const struct script_outputs *outputs)
{
    return outputs->failed;
}

void script_outputs_close(struct script_outputs *outputs)
{
    if (!outputs) {
        return;
    }
    while (outputs->writers) {
        writer_close(outputs, outputs->writers);
    }
    free(outputs->failed);
    free(outputs->directory);
    free(outputs);
}

const char *script_outputs_find(struct arena *arena, const char *run_directory, const char *node_id,
                                int generation)
{
    struct buffer path = {0};
    struct stat info;
    const char *found = NULL;
    if (!run_directory) {
        return NULL;
    }
    put_path(&path, run_directory, node_id, generation);
    if (stat(buffer_text(&path), &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
        found = arena_strdup(arena, buffer_text(&path));
    }
    buffer_free(&path);
    return found;
}
