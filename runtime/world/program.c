#include "runtime/world/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/world/child.h"

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const char *drain(int pipe, struct buffer *output)
{
    int64_t end = now_ms() + PROGRAM_TIMEOUT_MS;
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
        if (output->length > PROGRAM_OUTPUT_MAX) {
            return "its output is too long";
        }
    }
}

static int spawn(struct arena *arena, char **words, int output, pid_t *pid)
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
        posix_spawnp(pid, words[0], &actions, &attributes, words, child_environment(arena));
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return status;
}

/* 127: it was not found, where spawning cannot tell (valgrind, emulators), or a shell says so. */
static const char *describe_end(struct arena *arena, const char *program, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        return arena_printf(arena, "%s: not found (it ended with status 127)", program);
    }
    return arena_printf(arena, "it ended with status %d",
                        WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

const char *program_run(struct arena *arena, char **words, struct buffer *output)
{
    int ends[2], status = 0;
    pid_t pid = 0;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return "no pipe for its output";
    }
    const char *why = NULL;
    int failure = spawn(arena, words, ends[1], &pid);
    close(ends[1]);
    if (failure) {
        why = arena_printf(arena, "%s: %s", words[0], strerror(failure));
    } else {
        why = drain(ends[0], output);
        if (why) {
            kill(-pid, SIGKILL);
        }
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        if (!why && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
            why = describe_end(arena, words[0], status);
        }
    }
    close(ends[0]);
    return why;
}
