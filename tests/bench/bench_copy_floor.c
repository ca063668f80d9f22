/* What SHA-256 and loopback allow, for bench_copy.py: a thread for each core that hashes a block and
 * sends it to the sink over a connection of its own, without reading, unpacking or checking anything.
 * Arguments: port, blocks. Prints seconds and CPU seconds. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 512 << 10, BUFFERS = 64, THREADS_MAX = 64 };

static char *buffers;
static atomic_long left;
static int port;

static int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((unsigned short)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("connect");
        exit(1);
    }
    return fd;
}

static void send_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0) {
            perror("send");
            exit(1);
        }
        bytes += sent;
        length -= (size_t)sent;
    }
}

static void *work(void *unused)
{
    (void)unused;
    int fd = dial();
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    for (long n; (n = atomic_fetch_sub(&left, 1)) > 0;) {
        unsigned char hash[EVP_MAX_MD_SIZE];
        char head[256], answer[1024];
        const char *block = buffers + (size_t)(n % BUFFERS) * BLOCK;
        EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
        EVP_DigestUpdate(digest, block, BLOCK);
        EVP_DigestFinal_ex(digest, hash, NULL);
        int length = snprintf(head, sizeof head,
                              "PUT /snapshots/s/blocks/%ld HTTP/1.1\r\nHost: x\r\nx-sum: %02x%02x\r\n"
                              "Content-Length: %d\r\n\r\n", n, hash[0], hash[1], BLOCK);
        send_all(fd, head, (size_t)length);
        send_all(fd, block, BLOCK);
        if (recv(fd, answer, sizeof answer, 0) <= 0) {
            perror("recv");
            exit(1);
        }
    }
    EVP_MD_CTX_free(digest);
    close(fd);
    return NULL;
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS_MAX];
    if (argc < 3) {
        return 0; /* run by itself it has nothing to measure */
    }
    port = atoi(argv[1]);
    atomic_store(&left, atol(argv[2]));
    buffers = malloc((size_t)BUFFERS * BLOCK);
    for (size_t i = 0; i < (size_t)BUFFERS * BLOCK; i++) {
        buffers[i] = (char)(i * 2654435761u >> 13);
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    cores = cores < THREADS_MAX ? cores : THREADS_MAX;
    double from = now_s();
    for (long i = 0; i < cores; i++) {
        pthread_create(&threads[i], NULL, work, NULL);
    }
    for (long i = 0; i < cores; i++) {
        pthread_join(threads[i], NULL);
    }
    double took = now_s() - from;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%.4f %.4f\n", took,
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    return 0;
}
