/*
 * See context_lws.h: how libwebsockets comes to be on a loop, and goes from it again. It
 * loads its part for libuv when a context is made, and unloads it with the last one.
 *
 * What libwebsockets 4.1.6 makes necessary here, where descriptors are short:
 *  - It takes two for a context. If it can't have the first, it runs a loop that isn't
 *    there, and the process ends. So arriving on the loop looks whether they can be had.
 *  - Without the second, its event pipe, it makes the context all the same; but then such
 *    a context can't be taken down: see end().
 * And where they are plenty, see create().
 */
#include "transport/context_lws.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/error.h"
#include "transport/tls_lws.h"

struct fwi_context {
    fwi_loop *loop;
    const fwi_guest_ops *guests;
    fwi_guest *guest; /* libwebsockets on the loop */
    struct lws_context *lws;
    struct lws_vhost *plain, *tls;
    struct lws_protocols protocols[2];
    lws_retry_bo_t no_retry; /* all zero: no pings or hang-ups of libwebsockets' own */
#if LWS_LIBRARY_VERSION_NUMBER >= 4003000
    lws_log_cx_t log;
#endif
};

enum {
    /* What one read takes, so that a message of 64 KiB comes in one; a buffer for all
     * connections of a loop. */
    READ_BYTES = 128 * 1024,
    /* One write is one send() as far as the kernel takes it. */
    WRITE_BYTES = 1 << 30,
    /* Above any handshake.timeout: libwebsockets' own timer is never to strike first. */
    LWS_TIMEOUT_SECONDS = 2 * 3600,
    /* The most open files that libwebsockets believes in, and what it is told above. */
    FILES_CREDIBLE = 10000000,
    FILES_INSTEAD = 1 << 18
};

/* --- libwebsockets' log --- */

/* Where the lines of this thread go to: libwebsockets' function for them has no user
 * pointer. While a context is made the last error is also kept, as the reason. */
static _Thread_local const fwi_log *line_log;
static _Thread_local char *line_copy;
enum { LINE_COPY_BYTES = 200 };

static void on_line(int level, const char *line)
{
    int len = (int)strcspn(line, "\n");
    if (line_copy != NULL && line_copy[0] == '\0' && (level & LLL_ERR) != 0) {
        snprintf(line_copy, LINE_COPY_BYTES, "%.*s", len, line);
    }
    if (line_log != NULL) {
        FWI_LOG(line_log, FWI_LOG_WARN, "libwebsockets", "%.*s", len, line);
    }
}

static void set_log_level(void)
{
    lws_set_log_level(LLL_ERR | LLL_WARN, on_line);
}

/* From 4.3 on it counts, without a lock, what uses a log: each connection does. The usual
 * one is the process', and loops that count in it at a time end in an assertion of its
 * when the count has come to 0 too early. So each context has its own. */
static void set_own_log(fwi_context *x, struct lws_context_creation_info *info)
{
#if LWS_LIBRARY_VERSION_NUMBER >= 4003000
    x->log.lll_flags = LLL_ERR | LLL_WARN;
    x->log.u.emit = on_line;
    info->log_cx = &x->log;
#else
    (void)x;
    (void)info;
#endif
}

void fwi_context_set_log(const fwi_log *log)
{
    line_log = log;
}

/* --- making it --- */

/* Some containers permit a billion open files. libwebsockets takes that for a mistake and
 * serves those below 2560 alone. So the limit is lower while it looks; not by little, as
 * it keeps tables of that size for each context. */
static struct lws_context *create(const struct lws_context_creation_info *info)
{
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    struct rlimit files;
    pthread_mutex_lock(&one_at_a_time);
    bool lower = getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > FILES_CREDIBLE;
    if (lower) {
        const struct rlimit instead = {FILES_INSTEAD, files.rlim_max};
        setrlimit(RLIMIT_NOFILE, &instead);
    }
    struct lws_context *lws = lws_create_context(info);
    if (lower) {
        setrlimit(RLIMIT_NOFILE, &files);
    }
    pthread_mutex_unlock(&one_at_a_time);
    return lws;
}

static int make_lws(fwi_context *x, const fwi_transport_config *config, const char *line)
{
    x->guest = x->guests->arrive(x->loop);
    if (x->guest == NULL) {
        return fwi_error(errno == ENOMEM ? FW_ERR_MEMORY : FW_ERR_SYSTEM,
                         "libwebsockets could not start: %m");
    }
    void *loops[] = {x->loop->ops->native(x->loop)};
    struct lws_context_creation_info info;
    memset(&info, 0, sizeof info);
    info.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    if (config->tls_cert != NULL) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    }
    info.foreign_loops = loops;
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.pt_serv_buf_size = READ_BYTES;
    info.retry_and_idle_policy = &x->no_retry;
    info.timeout_secs = LWS_TIMEOUT_SECONDS;
    set_own_log(x, &info);
    x->lws = create(&info);
    x->guests->settle(x->guest);
    if (x->lws == NULL) {
        x->guests->leave(x->guest); /* up to its event pipe nothing of it is there */
        return fwi_error(FW_ERR_SYSTEM,
                         "libwebsockets could not start on libuv (is its package "
                         "libwebsockets-evlib-uv installed?)%s%s",
                         line[0] != '\0' ? ": " : "", line);
    }
    return FW_OK;
}

static struct lws_vhost *make_vhost(fwi_context *x, const fwi_transport_config *config,
                                    bool tls)
{
    struct lws_context_creation_info info;
    memset(&info, 0, sizeof info);
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.protocols = x->protocols;
    info.vhost_name = tls ? "fanwire-tls" : "fanwire";
    set_own_log(x, &info);
    info.retry_and_idle_policy = &x->no_retry;
    if (tls) {
        fwi_tls_fill(&info, config);
        /* It makes a TLS context for clients too, with all authorities of the system
         * (700 kB), and 4.1.6 never frees that of a second context. We have no clients:
         * told that the application has brought one, it makes none. It passes the pointer
         * on to a callback, and does nothing else with it. */
        info.provided_client_ssl_ctx = (void *)x;
    }
    return lws_create_vhost(x->lws, &info);
}

static int make_vhosts(fwi_context *x, const fwi_transport_config *config, char *line)
{
    x->plain = make_vhost(x, config, false);
    if (x->plain == NULL) {
        return fwi_error(FW_ERR_SYSTEM, "libwebsockets: no virtual host: %s", line);
    }
    const char *cert = config->tls_cert, *key = config->tls_key;
    if (cert == NULL) {
        return FW_OK;
    }
    line[0] = '\0';
    x->tls = make_vhost(x, config, true);
    if (x->tls == NULL) {
        /* The line says which of the two it is, and OpenSSL's reason. */
        return fwi_error(FW_ERR_TLS, "tls.cert %s with tls.key %s: %s", cert, key,
                         line[0] != '\0' ? line : "they can't be used");
    }
    return FW_OK;
}

static int make_all(fwi_context *x, const fwi_transport_config *config)
{
    if (config->tls_cert != NULL) {
        int err = fwi_tls_check_files(config);
        if (err != FW_OK) {
            return err;
        }
    }
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_log_level);
    char line[LINE_COPY_BYTES] = "";
    line_copy = line;
    int err = make_lws(x, config, line);
    if (err == FW_OK) {
        err = make_vhosts(x, config, line);
    }
    line_copy = NULL;
    return err;
}

int fwi_context_new(fwi_context **out, fwi_loop *loop, lws_callback_function *on_event,
                    const fwi_transport_config *config)
{
    fwi_context *x = calloc(1, sizeof *x);
    if (x == NULL) {
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    x->loop = loop;
    x->guests = config->guests;
    x->protocols[0] = (struct lws_protocols){
        .name = "fanwire",
        .callback = on_event,
        .rx_buffer_size = READ_BYTES,
        .tx_packet_size = WRITE_BYTES,
    };
    int err = make_all(x, config);
    if (err != FW_OK) {
        fwi_context_free(x);
        return err;
    }
    *out = x;
    return FW_OK;
}

/* --- its life --- */

bool fwi_context_has_tls(const fwi_context *x)
{
    return x->tls != NULL;
}

struct lws *fwi_context_adopt(fwi_context *x, int fd, bool secure, void *opaque)
{
    lws_adoption_type type = LWS_ADOPT_SOCKET;
    if (secure) {
        type |= LWS_ADOPT_ALLOW_SSL;
    }
    const lws_adopt_desc_t what = {
        .vh = secure ? x->tls : x->plain,
        .type = type,
        .fd = {.sockfd = fd},
        .vh_prot_name = x->protocols[0].name,
        .opaque = opaque,
    };
    return lws_adopt_descriptor_vhost_via_info(&what); /* NULL: it has closed fd */
}

bool fwi_context_reload(fwi_context *x, const fwi_transport_config *config)
{
    /* It loads them into the context that all later handshakes are made by; those that
     * are made already have their own reference to what they began with. */
    return x->tls == NULL || lws_tls_cert_updated(x->lws, config->tls_cert,
                                                  config->tls_key, NULL, 0, NULL, 0) == 0;
}

/* --- the end --- */

/* The first call begins to close what it has on the loop, the loop lets that come to its
 * end, the second call frees. false: it can't be freed. The first call leaves the closing
 * of its timers to the end of its event pipe, and where there is no pipe nobody does it.
 * The second would begin to close them, free the memory they are in, and unload the code
 * that the loop calls when they are closed. The pipe's descriptor is closed twice: once
 * in the first call, and once with its handle; see guest_uv.h. */
static bool end(fwi_context *x)
{
    x->guests->pack(x->guest);
    lws_context_destroy(x->lws);
    if (!x->guests->leave(x->guest)) {
        return false;
    }
    lws_context_destroy(x->lws);
    return true;
}

void fwi_context_free(fwi_context *x)
{
    /* What can't be freed needs what it knows of us, too. */
    if (x != NULL && (x->lws == NULL || end(x))) {
        free(x);
    }
}
