/* drc: disaster-recovery plans, compiled and carried out. */
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
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

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* "ulimit -f" is a full disk like any other */
    forbid_core();
    memory_end_process_without();
    struct invocation invocation = {.arena = arena_create()};
    enum exit_status status = EXIT_DONE;
    if (invocation_parse(&invocation, argc - 1, argv + 1, &status)) {
        status = invocation.command->run(&invocation);
    }
    arena_destroy(invocation.arena);
    return (int)status;
}
