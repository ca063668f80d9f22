/* drc: disaster-recovery plans, compiled and carried out. */
#include <locale.h>
#include <signal.h>

#include "compiler/base/arena.h"
#include "runtime/cli/command.h"

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* "ulimit -f" is a full disk like any other */
    struct invocation invocation = {.arena = arena_create()};
    enum exit_status status = EXIT_DONE;
    if (invocation_parse(&invocation, argc - 1, argv + 1, &status)) {
        status = invocation.command->run(&invocation);
    }
    arena_destroy(invocation.arena);
    return (int)status;
}
