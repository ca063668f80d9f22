/* drc: disaster-recovery plans, compiled and carried out. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/resource.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "compiler/base/arena.h"
#include "runtime/cli/command.h"
#include "runtime/cli/memory.h"

/* Keys and tokens are in memory while they are needed: a crash must not leave them in a file, and
 * no other process of the user may look. (A limit alone does not stop a kernel that pipes cores to a
 * collector.) DRC_ALLOW_CORE=1 is for whoever looks for a fault in drc itself. */
static void forbid_core(void)
{
    const char *allowed = getenv("DRC_ALLOW_CORE");
    if (allowed && strcmp(allowed, "1") == 0) {
        return;
    }
    const struct rlimit none = {0};
    (void)setrlimit(RLIMIT_CORE, &none);
#ifdef __linux__
    (void)prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L);
#endif
}

/* A journal that became file 1 would have the report written into it. */
static void open_standard_files(void)
{
    int file = 0;
    do {
        file = open("/dev/null", O_RDWR);
    } while (file >= 0 && file <= STDERR_FILENO);
    if (file >= 0) {
        close(file);
    }
}

/* Who reads (head, a pager that was left) has had enough. */
static bool reader_left(void)
{
    struct pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return errno == EPIPE || (poll(&output, 1, 0) > 0 && output.revents & (POLLERR | POLLHUP));
}

/* Results that did not get out were not given; of a run its status still tells what came of it. */
static enum exit_status end_output(const struct invocation *invocation, enum exit_status status)
{
    errno = 0;
    bool lost = fflush(stdout) != 0 || ferror(stdout);
    int reason = errno ? errno : EIO;
    if (!lost || status != EXIT_DONE || reader_left()) {
        return status;
    }
    fprintf(stderr, "error: cannot write to standard output: %s\n", strerror(reason));
    bool is_run = invocation->command && invocation->command->flags >> FLAG_EVENTS & 1;
    return is_run ? status : EXIT_ERROR;
}

/* Threads for work, of which libuv makes four: most of them wait for disks, so there may be more of them
 * than cores. */
static void widen_pool(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    char count[16];
    snprintf(count, sizeof count, "%ld", cores < 4 ? 8 : cores > 32 ? 64 : 2 * cores);
    setenv("UV_THREADPOOL_SIZE", count, 0);
}

int main(int argc, char **argv)
{
    open_standard_files();
    setlocale(LC_CTYPE, "C.UTF-8");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* "ulimit -f" is a full disk like any other */
    forbid_core();
    memory_end_process_without();
    widen_pool();
    memory_keep_freed();
    struct invocation invocation = {.arena = arena_create()};
    enum exit_status status = EXIT_DONE;
    if (invocation_parse(&invocation, argc - 1, argv + 1, &status)) {
        status = invocation.command->run(&invocation);
    }
    status = end_output(&invocation, status);
    arena_destroy(invocation.arena);
    return (int)status;
}
