#include "runtime/mover/nbd_lanes.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "runtime/mover/image.h"
#include "runtime/world/child.h"

enum {
    LOOK_MS = 100,       /* how soon a stop is seen */
    SILENCE_MS = 60000,  /* then a server counts as dead */
    IN_FLIGHT_MAX = 16,  /* requests of a lane at once */
    END_MS = 60000,      /* a server that writes may take this long to end */
    STATUS_STRIDE = 1 << 30,
    SECTOR = 512,
};

struct lane {
    struct nbd_handle *handle;
    bool busy;
};

struct nbd_lanes {
    const char *name;
    const atomic_bool *stopped;
    struct child *server; /* NULL: somebody else's */
    struct lane items[NBD_LANES_MAX];
    int count;
    int64_t bytes;
    bool tells_zeros;
    atomic_bool in_one_piece; /* answers to reads */
    pthread_mutex_t lock;
    pthread_cond_t freed;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- waiting ---- */

/* libnbd's own words, which begin with the name of one of its functions. */
static const char *reason(void)
{
    const char *text = nbd_get_error();
    const char *colon = text ? strstr(text, ": ") : NULL;
    bool is_function = colon && strncmp(text, "nbd_", 4) == 0;
    return !text ? "the connection is lost" : is_function ? colon + 2 : text;
}

/* One turn. False: told why not. *quiet_since: when something was last heard. */
static bool turn(const struct nbd_lanes *lanes, struct nbd_handle *handle, int64_t *quiet_since,
                 struct error *error)
{
    if (atomic_load(lanes->stopped)) {
        return error_set(error, "%s: stopped", lanes->name);
    }
    int moved = nbd_poll(handle, LOOK_MS);
    if (moved < 0) {
        return error_set(error, "%s: %s", lanes->name, reason());
    }
    int64_t now = now_ms();
    if (moved > 0) {
        *quiet_since = now;
    } else if (now - *quiet_since > SILENCE_MS) {
        error_set(error, "%s: the NBD server has said nothing for %d s", lanes->name,
                  SILENCE_MS / 1000);
        return error_help(error, "look at the server, and at what it reads from");
    }
    return true;
}

enum landing { LANDED, FAILED_REQUEST, FAILED_CONNECTION };

/* Until each of them is done; *bad and *why: the first one that failed. */
static enum landing land(const struct nbd_lanes *lanes, struct nbd_handle *handle,
                         int64_t *cookies, size_t count, size_t *bad, int *why,
                         struct error *error)
{
    int64_t quiet_since = now_ms();
    enum landing landing = LANDED;
    size_t left = count;
    for (;;) {
        for (size_t i = 0; i < count; i++) {
            int done = cookies[i] < 0 ? 0 : nbd_aio_command_completed(handle, (uint64_t)cookies[i]);
            if (done < 0 && (landing == LANDED || i < *bad)) {
                landing = FAILED_REQUEST;
                *bad = i;
                *why = nbd_get_errno();
            }
            if (done != 0) {
                cookies[i] = -1;
                left--;
            }
        }
        if (nbd_aio_is_dead(handle) > 0 || nbd_aio_is_closed(handle) > 0) {
            error_set(error, "%s: the NBD server has hung up", lanes->name);
            error_help(error, "what it has written to its log tells why: it may not be able to read "
                              "the disk");
            return FAILED_CONNECTION;
        }
        if (left == 0) {
            return landing;
        }
        if (!turn(lanes, handle, &quiet_since, error)) {
            return FAILED_CONNECTION;
        }
    }
}

/* ---- lanes ---- */

static struct lane *take(struct nbd_lanes *lanes)
{
    struct lane *lane = NULL;
    pthread_mutex_lock(&lanes->lock);
    while (!lane) {
        for (int i = 0; i < lanes->count && !lane; i++) {
            lane = lanes->items[i].busy ? NULL : &lanes->items[i];
        }
        if (!lane) {
            pthread_cond_wait(&lanes->freed, &lanes->lock);
        }
    }
    lane->busy = true;
    pthread_mutex_unlock(&lanes->lock);
    return lane;
}

/* broken: requests may be under way, with buffers of the caller's: the handle goes, and they with it. */
static void give_back(struct nbd_lanes *lanes, struct lane *lane, bool broken)
{
    if (broken) {
        nbd_close(lane->handle);
        lane->handle = NULL;
    }
    pthread_mutex_lock(&lanes->lock);
    lane->busy = false;
    pthread_cond_signal(&lanes->freed);
    pthread_mutex_unlock(&lanes->lock);
}

/* ---- opening ---- */

static struct nbd_handle *new_handle(const struct nbd_lanes_options *options, struct error *error)
{
    struct nbd_handle *handle = nbd_create();
    if (!handle || nbd_add_meta_context(handle, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0 ||
        nbd_set_uri_allow_local_file(handle, true) < 0 || /* tls-psk-file, as the user wrote it */
        nbd_set_pread_initialize(handle, false) < 0) {
        error_set(error, "%s: %s", options->name, reason());
        nbd_close(handle);
        return NULL;
    }
    return handle;
}

static bool negotiate(struct nbd_lanes *lanes, struct nbd_handle *handle, struct error *error)
{
    int64_t quiet_since = now_ms();
    while (nbd_aio_is_connecting(handle) > 0 || nbd_aio_is_negotiating(handle) > 0) {
        if (!turn(lanes, handle, &quiet_since, error)) {
            return false;
        }
    }
    return nbd_aio_is_ready(handle) > 0 || error_set(error, "%s: %s", lanes->name, reason());
}

/* socket -1: by the URI. Otherwise the socket becomes libnbd's. */
static bool add_lane(struct nbd_lanes *lanes, const struct nbd_lanes_options *options, int socket,
                     struct error *error)
{
    struct nbd_handle *handle = new_handle(options, error);
    if (!handle) {
        if (socket >= 0) {
            close(socket);
        }
        return false;
    }
    int begun = socket >= 0 ? nbd_aio_connect_socket(handle, socket)
                            : nbd_aio_connect_uri(handle, options->uri);
    if (begun < 0) {
        error_set(error, "%s: %s", lanes->name, reason());
    }
    if (begun < 0 || !negotiate(lanes, handle, error)) {
        nbd_close(handle);
        return false;
    }
    lanes->items[lanes->count++].handle = handle;
    return true;
}

static bool look_at_export(struct nbd_lanes *lanes, const struct nbd_lanes_options *options,
                           struct error *error)
{
    struct nbd_handle *handle = lanes->items[0].handle;
    lanes->bytes = nbd_get_size(handle);
    lanes->tells_zeros = nbd_can_meta_context(handle, LIBNBD_CONTEXT_BASE_ALLOCATION) > 0;
    if (lanes->bytes < 0) {
        return error_set(error, "%s: %s", lanes->name, reason());
    }
    /* In parts, which it makes to skip zeros, qemu-nbd 7.2 hangs up at a sector that cannot be read; in
     * one piece it answers with the error. */
    atomic_store(&lanes->in_one_piece, nbd_can_df(handle) > 0);
    if (options->writable && nbd_is_read_only(handle) > 0) {
        return error_set(error, "%s: the NBD server lets nobody write", lanes->name);
    }
    return true;
}

static bool open_uri(struct nbd_lanes *lanes, const struct nbd_lanes_options *options,
                     struct error *error)
{
    bool ok = add_lane(lanes, options, -1, error);
    /* More than one only where the server says that it makes no difference. */
    int wanted = ok && nbd_can_multi_conn(lanes->items[0].handle) > 0 ? NBD_LANES_MAX : 1;
    while (ok && lanes->count < wanted && add_lane(lanes, options, -1, NULL)) {
    }
    return ok;
}

/* A listening socket with as many connections to it as there will be; its name is gone when this
 * returns, so that nobody else connects and nothing is left behind. */
static int listen_privately(int sockets[NBD_LANES_MAX], const char **failure)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *place = getenv("TMPDIR");
    char folder[80];
    place = place && *place && strlen(place) < 50 ? place : "/tmp";
    snprintf(folder, sizeof folder, "%s/drc-nbd-XXXXXX", place);
    *failure = place;
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", folder);
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = listening >= 0 &&
              bind(listening, (struct sockaddr *)&address, sizeof address) == 0 &&
              listen(listening, NBD_LANES_MAX) == 0;
    for (int i = 0; i < NBD_LANES_MAX; i++) {
        sockets[i] = ok ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
        ok = ok && sockets[i] >= 0 &&
             connect(sockets[i], (struct sockaddr *)&address, sizeof address) == 0;
    }
    int because = errno;
    unlink(address.sun_path);
    rmdir(folder);
    if (!ok && listening >= 0) {
        close(listening);
    }
    for (int i = 0; i < NBD_LANES_MAX && !ok; i++) {
        if (sockets[i] >= 0) {
            close(sockets[i]);
        }
    }
    errno = because;
    return ok ? listening : -1;
}

static bool open_server(struct nbd_lanes *lanes, const struct nbd_lanes_options *options,
                        struct error *error)
{
    int sockets[NBD_LANES_MAX];
    const char *place = NULL;
    int listening = listen_privately(sockets, &place);
    if (listening < 0) {
        return error_set(error, "%s: no socket for its server in %s: %s", options->name, place,
                         strerror(errno));
    }
    lanes->server = child_start(options->server, listening, error);
    close(listening);
    bool ok = lanes->server != NULL;
    for (int i = 0; i < NBD_LANES_MAX; i++) {
        if (ok) {
            ok = add_lane(lanes, options, sockets[i], error);
        } else {
            close(sockets[i]);
        }
    }
    if (!ok && lanes->server && !atomic_load(lanes->stopped)) {
        /* Why it went away is known to itself alone; a moment for it to say so. */
        struct error told = {0};
        if (!child_end(lanes->server, 2000, options->name, NULL, &told)) {
            error_move(error, &told);
        }
        error_clear(&told);
        lanes->server = NULL;
    }
    return ok;
}

struct nbd_lanes *nbd_lanes_open(const struct nbd_lanes_options *options, struct error *error)
{
    struct nbd_lanes *lanes = base_alloc(sizeof *lanes);
    lanes->name = options->name;
    lanes->stopped = options->stopped;
    pthread_mutex_init(&lanes->lock, NULL);
    pthread_cond_init(&lanes->freed, NULL);
    bool ok = options->uri ? open_uri(lanes, options, error) : open_server(lanes, options, error);
    if (!ok || !look_at_export(lanes, options, error)) {
        nbd_lanes_close(lanes);
        return NULL;
    }
    return lanes;
}

void nbd_lanes_close(struct nbd_lanes *lanes)
{
    if (!lanes) {
        return;
    }
    for (int i = 0; i < lanes->count; i++) {
        nbd_close(lanes->items[i].handle);
    }
    if (lanes->server) {
        child_end(lanes->server, 0, lanes->name, NULL, NULL);
    }
    pthread_cond_destroy(&lanes->freed);
    pthread_mutex_destroy(&lanes->lock);
    free(lanes);
}

int64_t nbd_lanes_bytes(const struct nbd_lanes *lanes)
{
    return lanes->bytes;
}

/* ---- reading and writing ---- */

struct transfer {
    int64_t offset;
    char *bytes;
    size_t length;
    size_t request; /* bytes of one */
    bool write;
};

/* The bytes are in their place already. */
static int on_chunk(void *user, const void *bytes, size_t length, uint64_t offset, unsigned status,
                    int *error)
{
    (void)user;
    (void)bytes;
    (void)length;
    (void)offset;
    (void)status;
    (void)error;
    return 0;
}

static int64_t send_one(const struct nbd_lanes *lanes, struct nbd_handle *handle, bool write,
                        void *bytes, size_t length, uint64_t offset)
{
    if (write) {
        return nbd_aio_pwrite(handle, bytes, length, offset, NBD_NULL_COMPLETION, 0);
    }
    if (!atomic_load(&lanes->in_one_piece)) {
        return nbd_aio_pread(handle, bytes, length, offset, NBD_NULL_COMPLETION, 0);
    }
    return nbd_aio_pread_structured(handle, bytes, length, offset,
                                    (nbd_chunk_callback){.callback = on_chunk},
                                    NBD_NULL_COMPLETION, LIBNBD_CMD_FLAG_DF);
}

/* As many requests as fit in flight, from t->offset on. */
static enum landing send_some(struct nbd_lanes *lanes, struct nbd_handle *handle,
                              const struct transfer *t, size_t *sent, size_t *bad, int *why,
                              struct error *error)
{
    int64_t cookies[IN_FLIGHT_MAX] = {0};
    size_t count = 0;
    *sent = 0;
    while (*sent < t->length && count < IN_FLIGHT_MAX) {
        size_t part = t->length - *sent < t->request ? t->length - *sent : t->request;
        uint64_t at = (uint64_t)t->offset + *sent;
        cookies[count] = send_one(lanes, handle, t->write, t->bytes + *sent, part, at);
        if (cookies[count] < 0) {
            error_set(error, "%s: %s", lanes->name, reason());
            return FAILED_CONNECTION;
        }
        count++;
        *sent += part;
    }
    return land(lanes, handle, cookies, count, bad, why, error);
}

/* LANDED; FAILED_REQUEST: *bad_offset and *why say which and how. */
static enum landing carry(struct nbd_lanes *lanes, struct transfer t, int64_t *bad_offset,
                          int *why, struct error *error)
{
    struct lane *lane = take(lanes);
    enum landing landing = LANDED;
    if (!lane->handle) {
        error_set(error, "%s: %s", lanes->name,
                  atomic_load(lanes->stopped) ? "stopped" : "the connection is lost");
        landing = FAILED_CONNECTION;
        give_back(lanes, lane, false);
        return landing;
    }
    while (t.length > 0 && landing == LANDED) {
        size_t sent = 0, bad = 0;
        landing = send_some(lanes, lane->handle, &t, &sent, &bad, why, error);
        *bad_offset = t.offset + (int64_t)(bad * t.request);
        t.offset += (int64_t)sent;
        t.bytes += sent;
        t.length -= sent;
    }
    give_back(lanes, lane, landing == FAILED_CONNECTION);
    return landing;
}

/* Which sector of a request it is: the smallest one that cannot be read for itself. */
static int64_t narrow(struct nbd_lanes *lanes, int64_t offset, size_t length)
{
    static const size_t STEPS[] = {16 << 10, SECTOR};
    char *scrap = base_alloc(STEPS[0]);
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++) {
        bool found = false;
        for (size_t at = 0; at < length && !found; at += STEPS[i]) {
            size_t part = length - at < STEPS[i] ? length - at : STEPS[i];
            struct transfer t = {.offset = offset + (int64_t)at, .bytes = scrap, .length = part,
                                 .request = part};
            int64_t bad = 0;
            int why = 0;
            found = carry(lanes, t, &bad, &why, NULL) == FAILED_REQUEST;
            if (found) {
                offset = t.offset;
                length = part;
            }
        }
        if (!found) {
            break;
        }
    }
    free(scrap);
    return offset;
}

bool nbd_lanes_read(struct nbd_lanes *lanes, int64_t offset, void *bytes, size_t length,
                    struct error *error)
{
    struct transfer t = {.offset = offset, .bytes = bytes, .length = length,
                         .request = NBD_REQUEST_BYTES};
    int64_t bad = offset;
    int why = 0;
    enum landing landing = carry(lanes, t, &bad, &why, error);
    if (landing == FAILED_REQUEST && why == EOVERFLOW) { /* a server that has to send it in parts */
        atomic_store(&lanes->in_one_piece, false);
        landing = carry(lanes, t, &bad, &why, error);
    }
    if (landing == FAILED_REQUEST) {
        size_t left = length - (size_t)(bad - offset);
        bad = narrow(lanes, bad, left < NBD_REQUEST_BYTES ? left : NBD_REQUEST_BYTES);
        error_set(error, "%s: reading at offset %" PRId64 " (sector %" PRId64 "): %s", lanes->name,
                  bad, bad / SECTOR, strerror(why ? why : EIO));
    }
    return landing == LANDED;
}

bool nbd_lanes_write(struct nbd_lanes *lanes, int64_t offset, const void *bytes, size_t length,
                     struct error *error)
{
    struct transfer t = {.offset = offset, .bytes = (char *)(uintptr_t)bytes, .length = length,
                         .request = NBD_REQUEST_BYTES, .write = true};
    int64_t bad = offset;
    int why = 0;
    enum landing landing = carry(lanes, t, &bad, &why, error);
    if (landing == FAILED_REQUEST) {
        error_set(error, "%s: writing at offset %" PRId64 ": %s", lanes->name, bad,
                  strerror(why ? why : EIO));
    }
    return landing == LANDED;
}

/* ---- what is zero ---- */

struct status_answer {
    struct image_extent *extents;
    size_t max, count;
    int64_t covered;
    int64_t bytes;
};

/* Called by libnbd from within nbd_poll. More than there is room for is asked again later. */
static int on_status(void *user, const char *context, uint64_t offset, uint32_t *entries,
                     size_t entry_count, int *error)
{
    struct status_answer *answer = user;
    assert(answer->extents);
    (void)error;
    if (strcmp(context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0 ||
        (int64_t)offset != answer->covered) {
        return 0;
    }
    for (size_t i = 0; i + 1 < entry_count; i += 2) {
        int64_t end = answer->covered + entries[i];
        end = end < answer->bytes ? end : answer->bytes;
        if (!(entries[i + 1] & LIBNBD_STATE_ZERO)) {
            struct image_extent *last = answer->count ? &answer->extents[answer->count - 1] : NULL;
            if (last && last->end == answer->covered) {
                last->end = end;
            } else if (answer->count < answer->max) {
                answer->extents[answer->count++] =
                    (struct image_extent){answer->covered, end};
            } else {
                break;
            }
        }
        answer->covered = end;
    }
    return 0;
}

/* One question. A server that cannot answer it: all of it may be data. */
static bool ask_status(struct nbd_lanes *lanes, struct nbd_handle *handle,
                       struct status_answer *answer, bool *broken, struct error *error)
{
    int64_t before = answer->covered;
    int64_t count = answer->bytes - before < STATUS_STRIDE ? answer->bytes - before : STATUS_STRIDE;
    int64_t cookie = nbd_aio_block_status(
        handle, (uint64_t)count, (uint64_t)before,
        (nbd_extent_callback){.callback = on_status, .user_data = answer}, NBD_NULL_COMPLETION, 0);
    size_t bad = 0;
    int why = 0;
    enum landing landing = cookie < 0 ? FAILED_REQUEST
                                      : land(lanes, handle, &cookie, 1, &bad, &why, error);
    *broken = landing == FAILED_CONNECTION;
    if (landing != FAILED_CONNECTION && answer->covered == before && answer->count < answer->max) {
        answer->extents[answer->count++] = (struct image_extent){before, before + count};
        answer->covered = before + count;
    }
    return !*broken;
}

bool nbd_lanes_extents(struct nbd_lanes *lanes, int64_t offset, struct image_extent *extents,
                       size_t max, size_t *count, int64_t *covered, struct error *error)
{
    if (!lanes->tells_zeros) {
        extents[0] = (struct image_extent){offset, lanes->bytes};
        *count = 1;
        *covered = lanes->bytes;
        return true;
    }
    struct status_answer answer = {
        .extents = extents, .max = max, .covered = offset, .bytes = lanes->bytes};
    struct lane *lane = take(lanes);
    bool ok = lane->handle || error_set(error, "%s: the connection is lost", lanes->name);
    bool broken = false;
    int64_t before = -1;
    while (ok && answer.covered < lanes->bytes && answer.count < max && before != answer.covered) {
        before = answer.covered;
        ok = ask_status(lanes, lane->handle, &answer, &broken, error);
    }
    give_back(lanes, lane, broken);
    *count = answer.count;
    *covered = answer.covered;
    return ok;
}

/* ---- the end of writing ---- */

static bool flush(struct nbd_lanes *lanes, struct error *error)
{
    struct nbd_handle *handle = lanes->items[0].handle;
    if (!handle) {
        return error_set(error, "%s: the connection is lost", lanes->name);
    }
    if (nbd_can_flush(handle) <= 0) {
        return true;
    }
    int64_t cookie = nbd_aio_flush(handle, NBD_NULL_COMPLETION, 0);
    size_t bad = 0;
    int why = 0;
    enum landing landing = cookie < 0 ? FAILED_REQUEST
                                      : land(lanes, handle, &cookie, 1, &bad, &why, error);
    if (landing == FAILED_REQUEST) {
        error_set(error, "%s: making it durable: %s", lanes->name, strerror(why ? why : EIO));
    }
    return landing == LANDED;
}

bool nbd_lanes_finish(struct nbd_lanes *lanes, struct error *error)
{
    bool ok = flush(lanes, error);
    for (int i = 0; i < lanes->count; i++) {
        int64_t quiet_since = now_ms();
        struct nbd_handle *handle = lanes->items[i].handle;
        if (handle && nbd_aio_disconnect(handle, 0) == 0) {
            while (nbd_aio_is_closed(handle) <= 0 && nbd_aio_is_dead(handle) <= 0 &&
                   turn(lanes, handle, &quiet_since, NULL)) {
            }
        }
        nbd_close(handle);
        lanes->items[i].handle = NULL;
    }
    if (lanes->server) {
        ok = child_end(lanes->server, ok ? END_MS : 0, lanes->name, NULL, ok ? error : NULL) && ok;
        lanes->server = NULL;
    }
    return ok;
}
