/*
 * The emitter's blocking connections to what answers at Redis' port: a thread beside it
 * accepts each of them, says what the input has for it, and waits for it to go. The first
 * byte says what the URL names; behind it a piece a connection, each behind a length of
 * two bytes.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fanwire/error.h>
#include <fanwire/message.h>

#include "backplane/backplanes.h"
#include "fuzz.h"

enum { TIMEOUT_MS = 50, PUBLISHES = 2, BACKLOG = 16 };

static const fwi_log silent;
static int listener = -1, port;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* For the connections to come, under the lock. */
static fuzz_input left = {(const uint8_t *)"", 0};

static fuzz_piece next_piece(void)
{
    pthread_mutex_lock(&lock);
    size_t len = fuzz_u8(&left);
    len = len << 8 | fuzz_u8(&left);
    fuzz_piece piece = fuzz_take(&left, len);
    pthread_mutex_unlock(&lock);
    return piece;
}

/* A map's 00000 is this very port, which nobody knows when inputs are made. */
static void put_port(const fuzz_piece *piece)
{
    static const char mark[] = ":00000@";
    char digits[8];
    char *at = memmem(piece->data, piece->len, mark, sizeof mark - 1);
    if (at != NULL) {
        snprintf(digits, sizeof digits, "%05d", port);
        memcpy(at + 1, digits, 5);
    }
}

static void *serve(void *unused)
{
    char heard[4096];
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        MUST(fd >= 0);
        fuzz_piece piece = next_piece();
        put_port(&piece);
        (void)!send(fd, piece.data, piece.len, MSG_NOSIGNAL);
        free(piece.data);
        shutdown(fd, SHUT_WR);
        while (recv(fd, heard, sizeof heard, 0) > 0) {
            /* nobody is interested */
        }
        close(fd);
    }
    return unused;
}

static void listen_somewhere(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    pthread_t thread;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(listener >= 0 && bind(listener, (const struct sockaddr *)&a, len) == 0);
    MUST(listen(listener, BACKLOG) == 0);
    MUST(getsockname(listener, (struct sockaddr *)&a, &len) == 0);
    port = ntohs(a.sin_port);
    MUST(pthread_create(&thread, NULL, serve, NULL) == 0);
    pthread_detach(thread);
}

static fwi_redis_config config_of(unsigned kind)
{
    static const char *const urls[] = {
        "redis://127.0.0.1:%d", "redis+sentinel://127.0.0.1:%d/m",
        "redis+cluster://127.0.0.1:%d", "redis://ann:secret@127.0.0.1:%d/2"};
    fwi_redis_config config = {.log = &silent, .prefix = "fanwire", .node = 7, .seed = 1};
    char url[128];
    snprintf(url, sizeof url, urls[kind % FWI_ARRAY_LEN(urls)], port);
    MUST(fwi_redis_url_parse(url, &config.url) == NULL);
    return config;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (listener < 0) {
        listen_somewhere();
    }
    fuzz_input in = {data, size};
    const fwi_redis_config config = config_of(fuzz_u8(&in));
    fw_message *m = fwi_message_new(FWI_MSG_DATA, "hello", 5, FW_TEXT);
    fwi_redis_emitter *e = fwi_redis_emitter_new(&config);
    MUST(m != NULL && e != NULL);
    pthread_mutex_lock(&lock);
    left = in;
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < PUBLISHES; i++) {
        int n = fwi_redis_emitter_publish(e, "r:a", m, TIMEOUT_MS);
        MUST(n >= 0 || n == FW_ERR_BACKPLANE || n == FW_ERR_TIMEOUT);
        MUST(n >= 0 || fw_error_detail()[0] != '\0');
    }
    fwi_redis_emitter_free(e);
    fw_message_unref(m);
    pthread_mutex_lock(&lock);
    left = (fuzz_input){(const uint8_t *)"", 0}; /* the input isn't ours any longer */
    pthread_mutex_unlock(&lock);
    return 0;
}
