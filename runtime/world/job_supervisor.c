#include "runtime/world/job_supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/world/job.h"

enum {
    FORMERLY_OPEN_MAX = 65536, /* descriptors that are closed one by one where close_range is missing */
    BUSY_TRIES = 100,
    BUSY_APART_MS = 10,
    ROUND_MS = 20, /* between looks at what does not want to die */
    ROUNDS_MAX = 250,
    RESULT_MAX = 512,
    LAST_READS_MAX = 1024,
    CHILDREN_MAX = 4096, /* bytes of the kernel's list that are read at once */
};

enum phase {
    PHASE_RUNNING,
    PHASE_TERMINATED, /* told to end: SIGKILL follows */
    PHASE_LINGERING,  /* it has ended, and what it started has not */
    PHASE_OVER,
};

struct supervisor {
    const struct job_launch *launch;
    pid_t child;
    int said;    /* the reading end of what it writes; -1: all of it is closed */
    int refused; /* where the errno of execve comes from */
    int signals;
    int64_t began_ms, due_ms; /* due: the next phase, if nothing else comes */
    enum phase phase;
    bool reaped;
    int status;          /* of the child */
    enum job_end reason; /* LATE and STOPPED; EXIT: ended by itself */
    int refusal;         /* errno of execve; 0: it was executed */
    int64_t output, left;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void nap(int64_t ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&time, NULL);
}

/* --- leaving drc behind --- */

static void close_span(unsigned from, unsigned to)
{
    if (from > to) {
        return;
    }
#ifdef SYS_close_range
    if (syscall(SYS_close_range, from, to, 0U) == 0) {
        return;
    }
#endif
    for (unsigned file = from; file <= to && file < FORMERLY_OPEN_MAX; file++) {
        close((int)file);
    }
}

/* Sockets, journals and, above all, the locks that are to end with drc. */
static void close_others(const struct job_launch *launch)
{
    int kept[] = {launch->folder, launch->work, launch->nothing,  launch->lock,
                  launch->output, launch->tail, launch->lifeline, launch->result};
    unsigned from = 3;
    for (;;) {
        unsigned next = UINT_MAX;
        for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
            if (kept[i] >= (int)from && (unsigned)kept[i] < next) {
                next = (unsigned)kept[i];
            }
        }
        close_span(from, next - 1);
        if (next == UINT_MAX) {
            return;
        }
        from = next + 1;
    }
}

static void become_nobodys(const struct job_launch *launch)
{
    setsid();
    for (int file = 0; file <= 2; file++) {
        dup2(launch->nothing, file);
    }
    close_others(launch);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL);
    (void)prctl(PR_SET_NAME, (unsigned long)"drc-job", 0UL, 0UL, 0UL);
}

static void reset_signals(void)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) {
        sigaction(number, &standard, NULL);
    }
}

/* Those that are read from a descriptor; from now on they interrupt nothing. */
static int take_signals(void)
{
    sigset_t taken;
    sigemptyset(&taken);
    sigaddset(&taken, SIGCHLD);
    sigaddset(&taken, SIGTERM);
    sigaddset(&taken, SIGINT);
    sigaddset(&taken, SIGHUP);
    sigprocmask(SIG_SETMASK, &taken, NULL);
    reset_signals();
    return signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* --- the program --- */

static _Noreturn void become_program(const struct job_launch *launch, int said, int refused,
                                     pid_t parent)
{
    int reason = 0;
    sigset_t none;
    setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0UL, 0UL, 0UL);
    if (getppid() != parent) {
        _exit(127); /* it died meanwhile */
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(launch->nothing, 0) != 0 || dup2(said, 1) != 1 || dup2(said, 2) != 2 ||
        fchdir(launch->work) != 0) {
        reason = errno;
    }
    /* Another thread of drc may have forked while the script was being written: that child has it open
     * for writing until it executes something else. */
    for (int i = 0; reason == 0 && i < BUSY_TRIES; i++) {
        execve(launch->program, launch->words, launch->environment);
        if (errno != ETXTBSY || i + 1 == BUSY_TRIES) {
            reason = errno;
        } else {
            nap(BUSY_APART_MS);
        }
    }
    ssize_t written = write(refused, &reason, sizeof reason);
    _exit(written == sizeof reason ? 127 : 126);
}

/* From here on it may have done something: that has to be known even if the machine goes down now. */
static bool mark_started(const struct job_launch *launch)
{
    int mark = openat(launch->folder, "started", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = mark >= 0 && fsync(mark) == 0 && fsync(launch->folder) == 0;
    if (mark >= 0) {
        close(mark);
    }
    return ok;
}

static void start_program(struct supervisor *super)
{
    int said[2], refused[2];
    if (pipe2(said, O_CLOEXEC) != 0 || pipe2(refused, O_CLOEXEC) != 0) {
        super->refusal = errno;
        super->phase = PHASE_OVER;
        return;
    }
    pid_t parent = getpid();
    super->child = _Fork(); /* see job.c */
    if (super->child == 0) {
        become_program(super->launch, said[1], refused[1], parent);
    }
    super->refusal = super->child < 0 ? errno : 0;
    super->phase = super->child < 0 ? PHASE_OVER : PHASE_RUNNING;
    if (super->child > 0) {
        setpgid(super->child, super->child); /* whichever of the two comes first */
    }
    close(said[1]);
    close(refused[1]);
    fcntl(said[0], F_SETFL, O_NONBLOCK);
    super->said = said[0];
    super->refused = refused[0];
}

static void hear_refusal(struct supervisor *super)
{
    int reason = 0;
    if (super->refused >= 0 && read(super->refused, &reason, sizeof reason) == sizeof reason) {
        super->refusal = reason;
    }
}

/* --- what it writes --- */

static void put_at(int file, const char *bytes, size_t length, int64_t at)
{
    while (length > 0) {
        ssize_t written = pwrite(file, bytes, length, (off_t)at);
        if (written <= 0 && !(written < 0 && errno == EINTR)) {
            return; /* the disk is full: the rest is lost, and the program goes on */
        }
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
            at += written;
        }
    }
}

/* Its beginning as it is; what comes later turns round in the tail. */
static void keep_output(struct supervisor *super, const char *bytes, size_t length)
{
    const struct job_launch *launch = super->launch;
    while (length > 0) {
        bool head = super->output < (int64_t)launch->head_max;
        int64_t at = head ? super->output
                          : (super->output - (int64_t)launch->head_max) % (int64_t)launch->tail_max;
        size_t room = (head ? launch->head_max : launch->tail_max) - (size_t)at;
        size_t part = length < room ? length : room;
        put_at(head ? launch->output : launch->tail, bytes, part, at);
        super->output += (int64_t)part;
        bytes += part;
        length -= part;
    }
}

/* A bufferful; at its end all that is still in the pipe. */
static void hear_output(struct supervisor *super)
{
    int most = super->phase == PHASE_OVER ? LAST_READS_MAX : 1;
    for (int i = 0; super->said >= 0 && i < most; i++) {
        ssize_t got = read(super->said, super->launch->buffer, super->launch->buffer_size);
        if (got < 0) {
            break;
        }
        keep_output(super, super->launch->buffer, (size_t)got);
        if (got == 0) {
            close(super->said);
            super->said = -1;
        }
    }
}

static char *put_text(char *at, const char *text)
{
    while (*text) {
        *at++ = *text++;
    }
    return at;
}

static char *put_number(char *at, int64_t number)
{
    char digits[24];
    int count = 0;
    if (number < 0) {
        *at++ = '-';
        number = -number;
    }
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0) {
        *at++ = digits[--count];
    }
    return at;
}

/* The tail's end and its beginning, in their order, behind the head. */
static void append_tail(const struct supervisor *super)
{
    const struct job_launch *launch = super->launch;
    int64_t tail_max = (int64_t)launch->tail_max, at = (int64_t)launch->head_max;
    int64_t behind = super->output - at;
    int64_t kept = behind < tail_max ? behind : tail_max;
    if (behind > tail_max) {
        char line[64], *end = put_text(line, JOB_CUT_BEFORE);
        end = put_text(put_number(end, behind - tail_max), JOB_CUT_BEHIND);
        put_at(launch->output, line, (size_t)(end - line), at);
        at += end - line;
    }
    for (int64_t done = 0; done < kept;) {
        int64_t from = (behind - kept + done) % tail_max;
        int64_t part = kept - done < tail_max - from ? kept - done : tail_max - from;
        part = part < (int64_t)launch->buffer_size ? part : (int64_t)launch->buffer_size;
        ssize_t got = pread(launch->tail, launch->buffer, (size_t)part, (off_t)from);
        if (got <= 0) {
            return;
        }
        put_at(launch->output, launch->buffer, (size_t)got, at + done);
        done += got;
    }
}

/* --- its end --- */

static void set_phase(struct supervisor *super, enum phase phase, int64_t due_ms)
{
    super->phase = phase;
    super->due_ms = due_ms;
}

/* Reaps what has ended; true: something has not. */
static bool reap(struct supervisor *super)
{
    for (;;) {
        int status = 0;
        pid_t ended = waitpid(-1, &status, WNOHANG);
        if (ended < 0 && errno == EINTR) {
            continue;
        }
        if (ended <= 0) {
            return ended == 0;
        }
        if (ended == super->child) {
            super->reaped = true;
            super->status = status;
        }
    }
}

/* All that has come down to the supervisor, its parents having ended: also what left the group and the
 * session. How many there were. */
static int64_t kill_children(void)
{
    char list[CHILDREN_MAX];
    int file = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    ssize_t got = file >= 0 ? read(file, list, sizeof list) : 0;
    int64_t count = 0;
    long number = 0;
    for (ssize_t i = 0; i < got; i++) {
        if (list[i] >= '0' && list[i] <= '9') {
            number = number * 10 + (list[i] - '0');
        } else if (number > 0) {
            kill((pid_t)number, SIGKILL);
            number = 0;
            count++;
        }
    }
    if (file >= 0) {
        close(file);
    }
    return count;
}

/* Until nothing is left. Each that dies may leave others to the supervisor. */
static void kill_all(struct supervisor *super)
{
    bool counted = !super->reaped;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        if (!super->reaped && super->child > 0) {
            kill(-super->child, SIGKILL); /* once it is reaped the number may be another group's */
        }
        int64_t alive = kill_children();
        if (!counted) {
            super->left = alive;
            counted = true;
        }
        if (!reap(super)) {
            return;
        }
        nap(ROUND_MS / 10);
        if (reap(super)) {
            nap(ROUND_MS);
        }
    }
}

static void terminate(struct supervisor *super, enum job_end reason)
{
    if (super->phase == PHASE_RUNNING) {
        super->reason = reason;
        kill(-super->child, SIGTERM);
        set_phase(super, PHASE_TERMINATED, now_ms() + JOB_PATIENCE_MS);
    }
}

static void hear_signals(struct supervisor *super)
{
    struct signalfd_siginfo info;
    while (read(super->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
            terminate(super, JOB_END_STOPPED);
        }
    }
}

static void go_on(struct supervisor *super)
{
    bool any = reap(super);
    int64_t now = now_ms();
    if (super->reaped && super->phase < PHASE_LINGERING) {
        set_phase(super, PHASE_LINGERING, now + JOB_LINGER_MS);
    }
    if (super->phase == PHASE_LINGERING && !any && super->said < 0) {
        super->phase = PHASE_OVER;
    } else if (super->phase == PHASE_LINGERING && !any) {
        super->due_ms = super->due_ms < now + ROUND_MS ? super->due_ms : now + ROUND_MS;
    }
    if (now < super->due_ms || super->phase == PHASE_OVER) {
        return;
    }
    if (super->phase == PHASE_RUNNING) {
        terminate(super, JOB_END_LATE);
    } else {
        kill_all(super);
        super->phase = PHASE_OVER;
    }
}

static int wait_ms(const struct supervisor *super)
{
    int64_t wait = super->due_ms - now_ms();
    return wait < 0 ? 0 : wait > INT_MAX ? INT_MAX : (int)wait;
}

static void watch(struct supervisor *super)
{
    while (super->phase != PHASE_OVER) {
        struct pollfd files[] = {{.fd = super->said, .events = POLLIN},
                                 {.fd = super->signals, .events = POLLIN},
                                 {.fd = super->phase == PHASE_RUNNING ? super->launch->lifeline : -1,
                                  .events = POLLIN}};
        poll(files, sizeof files / sizeof *files, wait_ms(super));
        if (files[0].revents) {
            hear_output(super);
        }
        if (files[1].revents) {
            hear_signals(super);
        }
        if (files[2].revents) {
            terminate(super, JOB_END_STOPPED);
            super->due_ms = now_ms(); /* nobody is there to be patient for */
        }
        go_on(super);
    }
    hear_output(super);
    hear_refusal(super);
}

/* --- the result --- */

static char *put_line(char *at, const char *name, int64_t number)
{
    at = put_text(at, name);
    *at++ = ' ';
    at = put_number(at, number);
    *at++ = '\n';
    return at;
}

static char *put_end(char *at, const struct supervisor *super)
{
    if (super->refusal) {
        return put_line(at, "exec", super->refusal);
    }
    if (super->reason == JOB_END_LATE) {
        return put_line(at, "late", 0);
    }
    if (super->reason == JOB_END_STOPPED) {
        return put_line(at, "stopped", 0);
    }
    return WIFSIGNALED(super->status) ? put_line(at, "signal", WTERMSIG(super->status))
                                      : put_line(at, "exit", WEXITSTATUS(super->status));
}

static void write_result(const struct supervisor *super)
{
    const struct job_launch *launch = super->launch;
    char text[RESULT_MAX], *end = put_end(text, super);
    end = put_line(end, "took_ms", now_ms() - super->began_ms);
    end = put_line(end, "output_bytes", super->output);
    end = put_line(end, "left", super->left);
    end = put_text(end, "end\n");
    put_at(launch->result, text, (size_t)(end - text), 0);
    (void)fsync(launch->output);
    if (ftruncate(launch->result, end - text) == 0 && fsync(launch->result) == 0 &&
        renameat(launch->folder, "result.new", launch->folder, "result") == 0) {
        (void)fsync(launch->folder);
    }
}

_Noreturn void job_supervise(const struct job_launch *launch)
{
    struct supervisor super = {.launch = launch, .said = -1, .refused = -1};
    become_nobodys(launch);
    super.signals = take_signals();
    if (!mark_started(launch)) {
        _exit(1); /* nothing has run */
    }
    super.began_ms = now_ms();
    set_phase(&super, PHASE_RUNNING, super.began_ms + launch->timeout_ms);
    start_program(&super);
    watch(&super);
    append_tail(&super);
    write_result(&super);
    _exit(0);
}
