/* Keys from a credential_process: run on a thread of the pool, its output bounded in size and
 * time. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/aws/fetch.h"
#include "runtime/world/child.h"

enum { OUTPUT_MAX = 1 << 16, PROCESS_TIMEOUT_MS = 60000, WORDS_MAX = 256 };

struct process { /* touched by the thread only between work's start and end */
    struct arena *arena;
    char **words;
    struct buffer output;
    const char *failure; /* static text, or in the arena */
};

void process_destroy(struct process *process)
{
    if (process) {
        buffer_wipe(&process->output);
        arena_destroy(process->arena);
        free(process);
    }
}

/* Words as a shell splits them: quotes and backslashes, nothing else. NULL: an open quote, or too
 * many. */
static char **split_words(struct arena *arena, const char *text)
{
    char **words = ARENA_ARRAY(arena, char *, WORDS_MAX + 1);
    size_t count = 0;
    while (*(text += strspn(text, " \t"))) {
        if (count == WORDS_MAX) {
            return NULL;
        }
        char *word = arena_alloc(arena, strlen(text) + 1), quote = '\0';
        size_t length = 0;
        for (; *text && (quote || (*text != ' ' && *text != '\t')); text++) {
            if (quote ? *text == quote : *text == '"' || *text == '\'') {
                quote = quote ? '\0' : *text;
            } else {
                text += *text == '\\' && quote != '\'' && text[1];
                word[length++] = *text;
            }
        }
        if (quote) {
            return NULL;
        }
        word[length] = '\0';
        words[count++] = word;
    }
    return count ? words : NULL;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const char *drain(int pipe, struct buffer *output)
{
    int64_t end = now_ms() + PROCESS_TIMEOUT_MS;
    char chunk[4096];
    for (;;) {
        struct pollfd poll_on = {.fd = pipe, .events = POLLIN};
        int64_t left = end - now_ms();
        int ready = left > 0 ? poll(&poll_on, 1, (int)left) : 0;
        if (ready == 0) {
            return "no end within a minute";
        }
        ssize_t got = ready > 0 ? read(pipe, chunk, sizeof chunk) : -1;
        if (got == 0) {
            return NULL;
        }
        if (got < 0 && errno != EINTR) {
            return "its output cannot be read";
        }
        if (got > 0) {
            buffer_append(output, chunk, (size_t)got);
        }
        if (output->length > OUTPUT_MAX) {
            return "its output is too long";
        }
    }
}

static int spawn(struct process *process, int output, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    int status =
        posix_spawnp(pid, process->words[0], &actions, &attributes, process->words,
                     child_environment(process->arena));
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return status;
}

/* 127: it was not found, where spawning cannot tell (valgrind, emulators), or a shell says so. */
static const char *describe_end(struct process *process, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        return arena_printf(process->arena, "%s: not found (it ended with status 127)",
                            process->words[0]);
    }
    return arena_printf(process->arena, "it ended with status %d",
                        WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void run_process(void *context)
{
    struct process *process = ((struct fetch *)context)->process;
    int ends[2], status = 0;
    pid_t pid = 0;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        process->failure = "no pipe for its output";
        return;
    }
    int failure = spawn(process, ends[1], &pid);
    close(ends[1]);
    if (failure) {
        process->failure =
            arena_printf(process->arena, "%s: %s", process->words[0], strerror(failure));
    } else {
        process->failure = drain(ends[0], &process->output);
        if (process->failure) {
            kill(-pid, SIGKILL);
        }
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        if (!process->failure && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
            process->failure = describe_end(process, status);
        }
    }
    close(ends[0]);
}

static void on_process_ended(void *context)
{
    struct fetch *fetch = context;
    struct process *process = fetch->process;
    fetch->task = NULL;
    if (process->failure) {
        fetch_failed(fetch, "run it by hand to see why", "%s: %s", fetch->recipe->description,
                     process->failure);
    } else {
        fetch_read_json(fetch, fetch->recipe->description, buffer_text(&process->output),
                        process->output.length, "SessionToken");
    }
}

void fetch_from_process(struct fetch *fetch)
{
    process_destroy(fetch->process);
    fetch->process = base_alloc(sizeof *fetch->process);
    fetch->process->arena = arena_create();
    arena_wipe_at_end(fetch->process->arena);
    fetch->process->words = split_words(fetch->process->arena, fetch->recipe->process);
    if (!fetch->process->words) {
        fetch_failed(fetch, "quotes have to be closed", "%s: not a command line",
                     fetch->recipe->description); /* there may be a password in it */
        return;
    }
    fetch->task = world_work(fetch->settings->world, run_process, on_process_ended, fetch);
}
