/*
 * The URLs of the options listen, http.listen and redis.url. Pure; whole texts in, fields
 * out; an error is a sentence that says what is allowed.
 */
#ifndef FWI_WIRE_URL_H
#define FWI_WIRE_URL_H

#include "base/base.h"

typedef struct fwi_listen_url {
    bool tls; /* wss */
    bool is_unix;
    char host[256]; /* address or name; "0.0.0.0", "::", "localhost" */
    int port;       /* 0: any free one */
    char file[108]; /* Unix socket */
    char path[512]; /* "/ws"; "/" if none was given */
} fwi_listen_url;

/* ws://HOST:PORT/PATH, wss://..., unix:/FILE.sock:/PATH. NULL if fine, else the problem.
 * A port is needed. No query, no user. [::1] for IPv6. */
const char *fwi_listen_url_parse(const char *text, fwi_listen_url *out);

/* Writes it back as text, with this port. */
void fwi_listen_url_text(const fwi_listen_url *u, int port, char *out, size_t cap);

/* HOST:PORT, for http.listen; path and tls are left alone. */
const char *fwi_address_parse(const char *text, fwi_listen_url *out);

typedef enum {
    FWI_REDIS_ONE,      /* host and port, or file, are the server */
    FWI_REDIS_SENTINEL, /* hosts are Sentinels, who know where it is */
    FWI_REDIS_CLUSTER   /* hosts are some nodes of a Cluster, which know the others */
} fwi_redis_kind;

enum { FWI_REDIS_HOSTS_MAX = 16 };

typedef struct fwi_redis_host {
    char host[256];
    int port;
} fwi_redis_host;

typedef struct fwi_redis_url {
    fwi_redis_kind kind;
    bool tls, is_unix;
    char host[256]; /* if others know it: "" until one of them has been asked */
    int port;       /* 6379 if not given */
    char file[108];
    char user[256], password[512]; /* percent-decoded; "" if none */
    int database;
    /* With Sentinels (port 26379 if not given) or a Cluster. */
    size_t n_hosts;
    fwi_redis_host hosts[FWI_REDIS_HOSTS_MAX];
    /* With Sentinels alone. */
    char master[128]; /* its name among them */
    char sentinel_user[256], sentinel_password[512];
} fwi_redis_url;

/* redis://[USER[:PASSWORD]@]HOST[:PORT][/DB], rediss://...,
 * redis+unix:///FILE.sock[?db=N] (also with USER:PASSWORD@),
 * redis+sentinel://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT],.../MASTER
 * [?db=N&sentinel_user=U&sentinel_password=P] (rediss+sentinel://: TLS to all of them),
 * redis+cluster://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT],... (rediss+cluster:// too).
 * Lists of servers are refused with a sentence that says so.
 * redis://:PASSWORD@HOST has no user.
 *
 * A comma divides the hosts of one URL. It can divide URLs as well, one day, if a scheme
 * follows: so nothing behind the hosts may contain a comma. */
const char *fwi_redis_url_parse(const char *text, fwi_redis_url *out);

/* How the hosts of such a URL are reached: a URL of one server, but for host and port,
 * which are to be set. */
fwi_redis_url fwi_redis_url_of_host(const fwi_redis_url *u);

/* The same without the password, for logs. */
void fwi_redis_url_text(const fwi_redis_url *u, char *out, size_t cap);

#endif
