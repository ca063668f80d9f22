/* How much the world costs beside bare libcurl: CPU of a client that posts small requests to a
 * server on loopback over kept connections, against a loop of curl_easy_perform. And the simulated
 * world's events a second, which decide how many seeds a test can afford. */
#include <curl/curl.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/world/world.h"
#include "tests/bench/budget.h"

enum { REQUESTS = 20000, AT_ONCE = 16, TIMERS = 1000000 };
static const double OVER_BARE_MAX = 2; /* times bare libcurl's CPU */

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The server, in a process of its own, so that its CPU is not the client's. */

static enum MHD_Result serve(void *context, struct MHD_Connection *connection, const char *url,
                             const char *method, const char *version, const char *upload,
                             size_t *upload_size, void **seen)
{
    (void)context, (void)url, (void)method, (void)version, (void)upload;
    if (!*seen || *upload_size > 0) { /* first the head, then the body, then the answer */
        *seen = connection;
        *upload_size = 0;
        return MHD_YES;
    }
    static char body[] = "<Response><requestId>r</requestId></Response>";
    struct MHD_Response *response =
        MHD_create_response_from_buffer(sizeof body - 1, body, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

static pid_t start_server(int *port)
{
    int ready[2], stop[2];
    if (pipe(ready) != 0 || pipe(stop) != 0) {
        exit(1);
    }
    pid_t pid = fork();
    if (pid == 0) {
        struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL,
                                                     serve, NULL, MHD_OPTION_END);
        int bound = daemon ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port : 0;
        char byte;
        close(stop[1]);
        if (write(ready[1], &bound, sizeof bound) < 0 || read(stop[0], &byte, 1) < 0) {
            _exit(1);
        }
        _exit(0); /* the parent is gone, or has closed its end */
    }
    if (read(ready[0], port, sizeof *port) != sizeof *port || *port == 0) {
        exit(1);
    }
    return pid; /* stop[1] stays open until this process ends */
}

/* Bare libcurl. */

static size_t swallow(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes;
    *(size_t *)context += size * count;
    return size * count;
}

static void post_bare(const char *url)
{
    CURL *easy = curl_easy_init();
    size_t bytes = 0;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "Action=DescribeVolumes&Version=2016-11-15");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &bytes);
    for (int i = 0; i < REQUESTS; i++) {
        if (curl_easy_perform(easy) != CURLE_OK) {
            exit(1);
        }
    }
    curl_easy_cleanup(easy);
}

/* The world. */

struct load {
    struct world *world;
    struct http_request request;
    int left, under_way;
    bool done;
};

static void post(struct load *load);

static void answered(void *context, const struct http_response *response)
{
    struct load *load = context;
    if (response->failure != HTTP_ANSWERED || response->status != 200) {
        fprintf(stderr, "bench_world: %s\n", response->failure_text);
        exit(1);
    }
    load->under_way--;
    post(load);
    load->done = load->under_way == 0;
}

static void post(struct load *load)
{
    if (load->left > 0) {
        load->left--;
        load->under_way++;
        world_http(load->world, &load->request, answered, load);
    }
}

static void post_by_world(const char *url)
{
    struct load load = {.world = world_real_create(NULL), .left = REQUESTS};
    load.request = (struct http_request){.method = "POST",
                                         .url = url,
                                         .proxy = "",
                                         .body = "Action=DescribeVolumes&Version=2016-11-15",
                                         .body_length = 41};
    for (int i = 0; i < AT_ONCE; i++) {
        post(&load);
    }
    world_run(load.world, &load.done);
    world_destroy(load.world);
}

static void time_one(const char *name, void (*run)(const char *url), const char *url, double *cpu)
{
    double wall = seconds(CLOCK_MONOTONIC);
    *cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    run(url);
    *cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - *cpu;
    wall = seconds(CLOCK_MONOTONIC) - wall;
    printf("  %-22s %7.0f requests/s %8.1f us CPU each\n", name, REQUESTS / wall,
           *cpu / REQUESTS * 1e6);
}

static void tick(void *context)
{
    struct load *load = context;
    if (load->left-- > 0) {
        world_timer(load->world, 1, tick, load);
    }
}

static void time_simulation(void)
{
    struct load load = {.left = TIMERS};
    load.world = world_simulated_create(1, 0, (struct world_responder){0});
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < 1000; i++) {
        tick(&load);
    }
    world_run(load.world, NULL);
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("  %-22s %7.0f events/s\n", "simulated world", TIMERS / cpu);
    world_destroy(load.world);
}

int main(void)
{
    int port;
    char url[64];
    pid_t server = start_server(&port);
    double bare, world;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    printf("world: %d small requests over loopback\n", REQUESTS);
    time_one("bare libcurl, in a row", post_bare, url, &bare);
    time_one("real world, 16 at once", post_by_world, url, &world);
    time_simulation();
    bool held = budget_at_most("CPU for a small request against bare libcurl", world / bare, OVER_BARE_MAX);
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
    return held ? 0 : 1;
}
