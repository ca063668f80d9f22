#include "runtime/world/child.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"

enum {
    LISTENING_FILE = 3, /* SD_LISTEN_FDS_START */
    WORDS_MAX = 4096,   /* of what it says last */
    STEP_MS = 5,
};

struct child {
    pid_t pid;
    int errors; /* what it writes to standard error, read when it has ended */
    pthread_mutex_t lock;
    bool reaped; /* its number may be another's */
};

const char *child_find(struct arena *arena, const char *program)
{
    const char *path = getenv("PATH");
    path = path && *path ? path : "/usr/local/bin:/usr/bin:/bin";
    for (;;) {
        size_t length = strcspn(path, ":");
        const char *found = length ? arena_printf(arena, "%.*s/%s", (int)length, path, program)
                                   : arena_printf(arena, "./%s", program);
        if (access(found, X_OK) == 0) {
            return found;
        }
        if (!path[length]) {
            return NULL;
        }
        path += length + 1;
    }
}

char **child_environment(struct arena *arena)
{
    static const char *const kept_back[] = {
        "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=", "AWS_SECURITY_TOKEN=",
        "AWS_ACCESS_KEY_ID=", "AWS_CONTAINER_AUTHORIZATION_TOKEN=", "OTEL_EXPORTER_OTLP_HEADERS=",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS="};
    size_t count = 0, used = 0;
    while (environ && environ[count]) {
        count++;
    }
    char **kept = ARENA_ARRAY(arena, char *, count + 1);
    for (size_t i = 0; i < count; i++) {
        bool secret = false;
        for (size_t k = 0; k < sizeof kept_back / sizeof *kept_back; k++) {
            secret = secret || strncmp(environ[i], kept_back[k], strlen(kept_back[k])) == 0;
        }
        if (!secret) {
            kept[used++] = environ[i];
        }
    }
    return kept;
}

/* ---- between fork and exec: nothing that takes a lock, because another thread may have held it ---- */

struct launch {
    const char *const *words;
    char **environment;
    char *listen_pid; /* where its number goes in the environment; NULL: no socket */
    int listening, nothing, errors;
    pid_t parent;
};

static void write_number(char *out, long number)
{
    char digits[24];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0) {
        *out++ = digits[--count];
    }
    *out = '\0';
}

static _Noreturn void become(const struct launch *launch)
{
    setpgid(0, 0);
#ifdef __linux__
    (void)prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0UL, 0UL, 0UL);
#endif
    if (getppid() != launch->parent) {
        _exit(127); /* it died meanwhile */
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    bool ok = dup2(launch->nothing, 0) == 0 && dup2(launch->nothing, 1) == 1 &&
              dup2(launch->errors, 2) == 2;
    if (ok && launch->listen_pid) {
        ok = launch->listening == LISTENING_FILE ? fcntl(LISTENING_FILE, F_SETFD, 0) == 0
                                                 : dup2(launch->listening, LISTENING_FILE) >= 0;
        write_number(launch->listen_pid, (long)getpid());
    }
    if (ok) {
        execve(launch->words[0], (char *const *)launch->words, launch->environment);
    }
    _exit(127);
}

/* ---- */

/* Two more variables for a socket. */
static void add_listening(struct arena *arena, struct launch *launch)
{
    size_t count = 0;
    while (launch->environment[count]) {
        count++;
    }
    char **grown = ARENA_ARRAY(arena, char *, count + 3);
    memcpy(grown, launch->environment, count * sizeof *grown);
    char *pid = arena_zalloc(arena, 40);
    memcpy(pid, "LISTEN_PID=", 11);
    grown[count] = pid;
    grown[count + 1] = arena_strdup(arena, "LISTEN_FDS=1");
    launch->environment = grown;
    launch->listen_pid = pid + 11;
}

static struct child *launch_child(struct launch *launch, int errors)
{
    pid_t pid = fork();
    if (pid == 0) {
        become(launch);
    }
    if (pid < 0) {
        return NULL;
    }
    setpgid(pid, pid); /* whichever of the two comes first */
    struct child *child = base_alloc(sizeof *child);
    child->pid = pid;
    child->errors = errors;
    pthread_mutex_init(&child->lock, NULL);
    return child;
}

struct child *child_start(const char *const *words, int listening, struct error *error)
{
    int ends[2] = {-1, -1};
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct child *child = NULL;
    struct arena *arena = arena_create();
    /* Nobody reads while it runs: of very many words the last are lost, and nobody waits. */
    if (nothing >= 0 && pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
        struct launch launch = {.words = words,
                                .environment = child_environment(arena),
                                .listening = listening,
                                .nothing = nothing,
                                .errors = ends[1],
                                .parent = getpid()};
        if (listening >= 0) {
            add_listening(arena, &launch);
        }
        child = launch_child(&launch, ends[0]);
    }
    if (!child) {
        error_set(error, "starting %s: %s", words[0], strerror(errno));
        if (ends[0] >= 0) {
            close(ends[0]);
        }
    }
    if (ends[1] >= 0) {
        close(ends[1]);
    }
    if (nothing >= 0) {
        close(nothing);
    }
    arena_destroy(arena);
    return child;
}

void child_kill(struct child *child)
{
    pthread_mutex_lock(&child->lock);
    if (!child->reaped) {
        kill(-child->pid, SIGKILL);
        kill(child->pid, SIGKILL); /* before it has a group */
    }
    pthread_mutex_unlock(&child->lock);
}

static bool has_ended(const struct child *child)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == child->pid;
}

static int reap(struct child *child)
{
    int status = 0;
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR) {
    }
    pthread_mutex_lock(&child->lock);
    child->reaped = true;
    pthread_mutex_unlock(&child->lock);
    return status;
}

/* The last line that it wrote, without the name that programs put before it. */
static void last_words(const struct child *child, struct buffer *out)
{
    char text[WORDS_MAX + 1];
    ssize_t got = read(child->errors, text, WORDS_MAX);
    size_t length = got > 0 ? (size_t)got : 0;
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == ' ')) {
        length--;
    }
    text[length] = '\0';
    const char *line = strrchr(text, '\n');
    line = line ? line + 1 : text;
    const char *name = strstr(line, ": ");
    if (name && memchr(line, ' ', (size_t)(name - line)) == NULL) {
        line = name + 2;
    }
    buffer_puts(out, line);
}

static void pause_a_step(void)
{
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
    nanosleep(&step, NULL);
}

void child_wait(const struct child *child, const atomic_bool *stopped)
{
    while (!has_ended(child) && !atomic_load(stopped)) {
        pause_a_step();
    }
}

bool child_end(struct child *child, int patience_ms, const char *doing, int *end,
               struct error *error)
{
    for (int waited = 0; waited < patience_ms && !has_ended(child); waited += STEP_MS) {
        pause_a_step();
    }
    bool alive = !has_ended(child);
    child_kill(child); /* also what it has started and left */
    int status = reap(child);
    bool ok = !alive && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (end) {
        *end = !alive && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    if (!ok) {
        struct buffer words = {0};
        last_words(child, &words);
        if (words.length == 0 && alive) {
            buffer_puts(&words, "it did not end");
        } else if (words.length == 0) {
            buffer_printf(&words, "it ended with status %d",
                          WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        }
        error_set(error, "%s: %s", doing, buffer_text(&words));
        buffer_free(&words);
    }
    close(child->errors);
    pthread_mutex_destroy(&child->lock);
    free(child);
    return ok;
}
