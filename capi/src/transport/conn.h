/*
 * A connection, and what the files of this folder want of each other. socket_lws.c owns
 * what lies below (the wsi, the lists, closing), door.c what lies above (the phase, the
 * session), door_request.c what comes before there is a session (the request, the
 * answer), door_route.c and door_stream.c which it is and how it is answered. Nobody
 * outside of src/transport includes it.
 *
 * A connection is freed in one place only, when libwebsockets says that the socket is
 * closed, and that never happens inside a callback of its own. So whatever a session does
 * while it is being told something, the connection is still there afterwards.
 *
 * @thread loop, all of it
 */
#ifndef FWI_TRANSPORT_CONN_H
#define FWI_TRANSPORT_CONN_H

#include "transport/transport_lws.h"
#include "wire/ws_codec.h"

struct lws;

typedef enum fwi_phase {
    FWI_PHASE_HEAD,      /* the request is being read */
    FWI_PHASE_ASKED,     /* verdict or answer is pending; one read at most */
    FWI_PHASE_OPEN,      /* the 101 is written, frames come and go; or a stream goes */
    FWI_PHASE_FINISHING, /* the last bytes drain; then no more writing, what comes is lost
                          */
    FWI_PHASE_DEAD       /* to be closed, or closed */
} fwi_phase;

/* What a request asks for, by its path. */
typedef enum fwi_wish {
    FWI_WISH_NOTHING, /* that is here */
    FWI_WISH_SESSION,
    FWI_WISH_CALL /* of the door's service */
} fwi_wish;

/* Until the verdict, or as long as requests come. */
typedef struct fwi_head {
    fwi_conn *conn;
    fwi_http_request *request;
    fwi_http_call call;
    bool called;  /* the service has the call, and hasn't answered */
    bool whole;   /* all of the request has been read */
    bool begun;   /* something of the request has been read */
    bool another; /* it is not the connection's first */
    const fwi_door *door;
    fwi_wish wish;            /* NOTHING until its head is there */
    fwi_protocol_id protocol; /* of a session */
    char peer[];
} fwi_head;

/* Bytes that were read but may not be served yet. */
typedef struct fwi_kept {
    size_t at, len;
    uint8_t bytes[];
} fwi_kept;

struct fwi_conn {
    fwi_transport *transport;
    struct lws *wsi;      /* NULL until libwebsockets has taken the socket */
    fwi_list link;        /* in one of the transport's lists, by phase */
    fwi_session *session; /* the tie */
    fwi_head *head;
    fwi_kept *kept;
    fwi_ws_decoder decoder;
    uint32_t deadline_ms; /* where that list has deadlines: the clock's low bits */
    unsigned phase : 3;
    unsigned patience : 4; /* how often the end of FINISHING may still be put off */
    bool secure : 1;
    bool heard : 1;    /* a byte came: a TLS handshake is done */
    bool admitted : 1; /* to be given back to the shard */
    bool paused : 1;   /* by the session */
    bool deaf : 1;     /* a Close frame or a failure came, or it only listens: what
                        * follows is thrown away */
    bool inside : 1;   /* one of its callbacks is running */
    bool decoding : 1;
    bool reading : 1;  /* as libwebsockets was told last */
    bool shut : 1;     /* no more writing: FIN is sent */
    bool deflates : 1; /* compressed messages may come */
    bool guest : 1;    /* counted among those of doors without a path */
};

_Static_assert(sizeof(struct fwi_conn) <= 120, "with malloc's own 8 bytes 128 are taken");

/* --- socket_lws.c, for the door --- */

fwi_shard *fwi_transport_shard(const fwi_transport *t);
const fwi_transport_config *fwi_transport_config_of(const fwi_transport *t);
/* The loop's, for all its connections; NULL without compression. */
fwi_inflater *fwi_transport_inflater(const fwi_transport *t);

/* Takes all of it; what the kernel doesn't take is copied. false: it failed. */
bool fwi_socket_write(fwi_conn *c, const void *data, size_t len);

/* Does something wait in front of the kernel? fwi_door_on_writable comes when it doesn't
 * any more. */
bool fwi_socket_is_buffered(const fwi_conn *c);

/* Asks for one fwi_door_on_writable, soon. */
void fwi_socket_ask_writable(fwi_conn *c);

/* Read or don't. While something is buffered nothing is read in any case. */
void fwi_socket_update_reading(fwi_conn *c);

/* Is there anything that the peer hasn't got yet, in the kernel or in front of it? */
bool fwi_socket_is_draining(const fwi_conn *c);

/* Changes when the peer has taken something. */
uint32_t fwi_socket_taken(const fwi_conn *c);

/* Sends FIN behind what was written. */
void fwi_socket_shut(fwi_conn *c);

/* The close to come is a reset. */
void fwi_socket_reset(fwi_conn *c);

/* What a connection waits for: nothing that ends by itself, its head, on a door without a
 * path a request as a whole or the next one, the end of its FINISHING, or to be closed.
 * fwi_door_on_deadline tells that it took too long. */
void fwi_socket_rest(fwi_conn *c);
void fwi_socket_await_head(fwi_conn *c);
void fwi_socket_await_request(fwi_conn *c);
void fwi_socket_await_next(fwi_conn *c);
void fwi_socket_await_end(fwi_conn *c);
void fwi_socket_doom(fwi_conn *c);

/* --- door_route.c, for door_request.c: what a request asks for --- */

/* Finds out wish and protocol. */
void fwi_door_find(fwi_head *head);

/* May the handshake be taken? 0, or the status to refuse it with, and *why, valid for
 * ever. */
int fwi_door_check(const fwi_transport_config *config, const fwi_head *head,
                   const char **why);

/* Which of the sub-protocols that the client offers is spoken; NULL: none. */
const char *fwi_door_subprotocol(const fwi_head *head);

/* NULL: out of memory. */
fwi_facts *fwi_door_facts(const fwi_conn *c);

/* The client's address, which a proxy may have told. */
enum { FWI_ADDRESS_CAP = 64 };
void fwi_door_address(const fwi_conn *c, char address[FWI_ADDRESS_CAP]);

/* --- door_stream.c, for door_request.c: who comes for a stream, or has one --- */

bool fwi_stream_is_wanted(const fwi_head *head);
/* Or is it what somebody says who has one (fwi_door.service_path)? What follows is for
 * both. */
bool fwi_stream_is_meant(const fwi_head *head);

/* As fwi_door_check. */
int fwi_stream_check(const fwi_transport_config *config, const fwi_head *head,
                     const char **why);

/* What asks for no stream, but about one: HEAD and OPTIONS. */
bool fwi_stream_is_question(const fwi_head *head);

/* How large the body may be of who wants one; 0: there may be none. */
size_t fwi_stream_body_max(const fwi_transport_config *config, const fwi_head *head);

/* What the client says with its request for a stream whose session it also speaks to; a
 * copy, by free(). NULL: *status says what to refuse it with, and *why. */
char *fwi_stream_first_words(const fwi_head *head, size_t *len, int *status,
                             const char **why);

/* Appends the answer to that, the head of a stream, the whole of one that only says when
 * to come again (status 503, for those who would come no more), or the header lines of a
 * refusal. false: out of memory. */
bool fwi_stream_put_reply(fwi_buf *out, const fwi_transport_config *config,
                          const fwi_head *head);
bool fwi_stream_put_head(fwi_buf *out, const fwi_transport_config *config,
                         const fwi_head *head);
bool fwi_stream_comes_again(const fwi_head *head, int status);
bool fwi_stream_put_retry(fwi_buf *out, const fwi_transport_config *config,
                          const fwi_head *head, uint32_t retry_ms, const char *reason);
bool fwi_stream_put_lines(fwi_buf *out, const fwi_transport_config *config,
                          const fwi_head *head);
/* Those that let pages of other origins read an answer. */
bool fwi_stream_put_cors(fwi_buf *out, const fwi_transport_config *config,
                         const fwi_head *head);

/* --- door_request.c, for the socket --- */

/* It is there: waits for a request, or with a status refuses it with that. */
void fwi_request_begin(fwi_conn *c, const fwi_door *door, const char *peer, int status);

/* --- door.c, for the socket --- */

void fwi_door_on_data(fwi_conn *c, uint8_t *data, size_t len);
void fwi_door_on_writable(fwi_conn *c); /* and nothing is buffered */
void fwi_door_on_deadline(fwi_conn *c);

/* The socket is closed. Frees what the door has of it. */
void fwi_door_on_closed(fwi_conn *c);

/* Should the socket be read? */
bool fwi_door_wants_data(const fwi_conn *c);

/* Cuts the tie without a word: the session is gone already. */
void fwi_door_forget_session(fwi_conn *c);

/* --- door.c, for door_request.c --- */

extern const fwi_transport_ops fwi_door_port;

/* The only writer of the phase. */
void fwi_door_enter(fwi_conn *c, fwi_phase next);

/* --- door_request.c, for door.c --- */

/* In phase HEAD. How much was taken: one request at most. */
size_t fwi_request_on_data(fwi_conn *c, uint8_t *data, size_t len);
void fwi_request_on_deadline(fwi_conn *c);

/* A session is let in: the 101, or the head of its stream. false: it can't be written. */
bool fwi_request_accept(fwi_conn *c);

/* Answers with a status and its reason as text, and ends. */
void fwi_request_refuse(fwi_conn *c, int status, const char *reason);

/* Nothing more is read or answered. */
void fwi_request_drop(fwi_conn *c);

#endif
