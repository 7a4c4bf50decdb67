/*
 * A WebSocket client for tests: blocking, on raw sockets, with nothing of the library in
 * it, so that a fault of ours isn't hidden by the same fault on both ends. TCP, Unix
 * sockets and TLS. Every wait has a deadline; what must not fail fails the test.
 *
 * Used by the integration tests; a client belongs to one thread at a time.
 */
#ifndef TEST_WS_CLIENT_H
#define TEST_WS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ws_client ws_client;

/* How long anything that must happen may take. Generous, because sanitizers are slow and
 * the machine is shared; a test that passes never waits for it. */
#define WS_DEADLINE_MS 20000

/* What receiving gives: an opcode, or one of the negative numbers. */
enum {
    WS_TEXT = 1,
    WS_BINARY = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10,
    WS_NOTHING = -1, /* nothing came in time */
    WS_EOF = -2,     /* the server has ended the stream */
    WS_RESET = -3    /* the connection was reset */
};

typedef struct ws_client_options {
    const char *path;    /* with its query; NULL: the URL's */
    const char *query;   /* put behind the path and '?'; NULL: none */
    const char *headers; /* whole lines, each with its CR LF; NULL: none */
    const char *host;    /* Host header; NULL: the URL's */
    int receive_buffer;  /* SO_RCVBUF; 0: the system's. Small ones make a slow reader */
} ws_client_options;

typedef struct ws_message {
    int opcode;          /* as above */
    const uint8_t *data; /* a NUL follows; valid until the next receive */
    size_t len;
    unsigned code;   /* of a Close frame, 1005 if it had none; data is then the reason */
    bool compressed; /* it had RSV1, and permessage-deflate was agreed on: data is as came
                      */
} ws_message;

/* Connects to ws://, wss:// (any certificate is good) or unix:/FILE:/PATH and sends the
 * handshake, without waiting for the answer. */
ws_client *ws_client_start(const char *url, const ws_client_options *options);

/* Connects and sends nothing. */
ws_client *ws_client_connect(const char *url, const ws_client_options *options);

/* As ws_client_connect, but NULL where the address refuses. */
ws_client *ws_client_try_connect(const char *url, const ws_client_options *options);

/* The HTTP status of the answer, 101 if the session is open; WS_EOF or WS_RESET. */
int ws_client_answer(ws_client *c);

/* The same with a time limit; WS_NOTHING when it is over. */
int ws_client_answer_within(ws_client *c, int timeout_ms);

/* The head and, if it was refused, what came of the body until EOF. */
const char *ws_client_answer_text(ws_client *c);

/* Start and answer; anything but 101 fails the test. query may be NULL. */
ws_client *ws_client_open(const char *url, const char *query);
ws_client *ws_client_open_with(const char *url, const ws_client_options *options);

/* Closes the socket without a Close frame, and frees. NULL is allowed. */
void ws_client_free(ws_client *c);

/* Closes by a reset (SO_LINGER 0), and frees. */
void ws_client_reset(ws_client *c);

/* A whole masked frame. false: the connection is gone. */
bool ws_client_send(ws_client *c, int opcode, const void *data, size_t len);
bool ws_client_text(ws_client *c, const char *text);
bool ws_client_close(ws_client *c, unsigned code, const char *reason);
/* Bytes as they are. */
bool ws_client_raw(ws_client *c, const void *data, size_t len);

/* The next message or control frame. Pings are answered and not shown, unless
 * ws_client_show_pings was called. */
int ws_client_receive(ws_client *c, ws_message *m, int timeout_ms);
void ws_client_show_pings(ws_client *c, bool show);

/* The next must be this, within the deadline. */
void ws_client_expect_text(ws_client *c, const char *want);
void ws_client_expect(ws_client *c, int opcode, const void *data, size_t len);
void ws_client_expect_close(ws_client *c, unsigned code, const char *reason);
/* A Close frame, then the end of the stream; answers the Close frame. */
void ws_client_expect_closed(ws_client *c, unsigned code, const char *reason);
/* The stream ends, whatever comes before. */
void ws_client_expect_end(ws_client *c);

/* Nothing has come so far: whatever was sent to it before this call can't have been for
 * it if the caller has seen that a later message arrived elsewhere. */
void ws_client_expect_silence(ws_client *c, int timeout_ms);

/* For poll(); only of use where ws_client_receive(c, m, 0) has said WS_NOTHING. */
int ws_client_fd(const ws_client *c);

/* Milliseconds of a clock that only goes forward. */
uint64_t ws_now_ms(void);
uint64_t ws_now_us(void);

#endif
