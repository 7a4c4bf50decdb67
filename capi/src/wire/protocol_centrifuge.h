/*
 * The JSON of the Centrifuge client protocol, version 2: a message's bytes become
 * commands, whose values stay where they lie; replies and pushes become bytes. What is
 * data of the application passes through as it was written.
 *
 * It knows no session, no room and no rule of who may do what. Pure. @thread any
 */
#ifndef FWI_WIRE_PROTOCOL_CENTRIFUGE_H
#define FWI_WIRE_PROTOCOL_CENTRIFUGE_H

#include "wire/json.h"

/* If a command has several, the first of these counts. */
typedef enum {
    FWI_CF_CONNECT,
    FWI_CF_PING,
    FWI_CF_SUBSCRIBE,
    FWI_CF_UNSUBSCRIBE,
    FWI_CF_PUBLISH,
    FWI_CF_PRESENCE,
    FWI_CF_PRESENCE_STATS,
    FWI_CF_HISTORY,
    FWI_CF_RPC,
    FWI_CF_SEND,
    FWI_CF_REFRESH,
    FWI_CF_SUB_REFRESH,
    FWI_CF_METHODS,
    FWI_CF_PONG = FWI_CF_METHODS, /* the empty object */
    FWI_CF_UNKNOWN                /* has an id, and a method that we don't know */
} fwi_cf_method;

/* A command. What it doesn't say, or says to be null, is NONE, false and 0. */
typedef struct fwi_cf_command {
    fwi_cf_method method;
    uint32_t id;                                /* 0 with PONG and perhaps SEND only */
    fwi_json channel, token, epoch, delta, rpc; /* strings; rpc: the method's name */
    fwi_json data, filter;                      /* of any kind */
    fwi_json subs, since;                       /* objects */
    uint64_t offset, flag, type;
    int64_t limit;
    bool recover, positioned, recoverable, join_leave, reverse;
} fwi_cf_command;

/* In `flag` of a subscribe: rather an error than a subscription that isn't recovered. */
enum { FWI_CF_FLAG_OR_ERROR = 2 };

/* What is left of a message: commands one after another. */
typedef struct fwi_cf_batch {
    const char *at;
    size_t len;
} fwi_cf_batch;

typedef enum { FWI_CF_COMMAND, FWI_CF_END, FWI_CF_BAD } fwi_cf_result;

/* The next one. BAD: this can't be a command, *why says it in a few words, valid for
 * ever; the rest of the batch is worth nothing. */
fwi_cf_result fwi_cf_next(fwi_cf_batch *batch, fwi_cf_command *c, const char **why);

/* "offset" and "epoch" of an object; false: they are something else than that. */
bool fwi_cf_position(const fwi_json *object, uint64_t *offset, fwi_json *epoch);

/* The characters of a string, NUL-terminated; how many. -1: none of this length, or with
 * a NUL inside; or it is no string. */
long fwi_cf_text(const fwi_json *value, char *out, size_t cap);

/* An epoch is told in 16 hexadecimal digits. What isn't written so is some other server's
 * and becomes a number that no room has; "" is 0. */
uint64_t fwi_cf_epoch(const fwi_json *text);

/* --- what is told; all append, and are false when out of memory --- */

/* Bytes that the application gave: one JSON value, other text, or not even that. A client
 * gets the value as it is, text as a JSON string, anything else as one in base64. */
typedef enum { FWI_CF_VALUE, FWI_CF_TEXT, FWI_CF_BYTES } fwi_cf_kind;

typedef struct fwi_cf_data {
    fwi_cf_kind kind;
    const void *at;
    size_t len;
} fwi_cf_data;

fwi_cf_kind fwi_cf_kind_of(const void *data, size_t len, bool text);
bool fwi_cf_put_data(fwi_buf *out, const fwi_cf_data *data);

/* Who has said something, or is there. */
typedef struct fwi_cf_info {
    const char *user, *client; /* client NULL: nobody is known */
    fwi_cf_data info;          /* len 0: none */
    fwi_cf_data room_info;     /* likewise: in this channel */
} fwi_cf_info;

bool fwi_cf_put_info(fwi_buf *out, const fwi_cf_info *info);

typedef struct fwi_cf_publication {
    fwi_cf_data data;
    fwi_cf_info from;
    uint64_t offset; /* 0: of no history */
} fwi_cf_publication;

bool fwi_cf_put_publication(fwi_buf *out, const fwi_cf_publication *p);

/* Where a room stands, for a subscriber. */
typedef struct fwi_cf_subscribed {
    bool positioned, recoverable, was_recovering, recovered;
    uint64_t epoch, offset;      /* if positioned */
    uint32_t ttl_s;              /* 0: it doesn't expire */
    fwi_cf_data data;            /* len 0: none */
    const fwi_buf *publications; /* put together, without brackets; NULL: none */
} fwi_cf_subscribed;

/* {...} */
bool fwi_cf_put_subscribed(fwi_buf *out, const fwi_cf_subscribed *s);

typedef struct fwi_cf_connected {
    const char *client, *version;
    const char *method;  /* "connect" or "refresh" */
    uint32_t ttl_s;      /* 0: it doesn't expire */
    uint32_t ping_s;     /* 0: no pings */
    bool one_way;        /* it can't answer them */
    fwi_cf_data data;    /* len 0: none */
    const fwi_buf *subs; /* put together, without braces; NULL: none */
    /* What it is to name where it speaks by requests of its own; session NULL: nothing.
     * They need no escapes. */
    const char *session, *node;
} fwi_cf_connected;

/* The whole reply; id 0: without one, for who hasn't asked by a command. */
bool fwi_cf_put_connected(fwi_buf *out, uint32_t id, const fwi_cf_connected *c);

/* {"id":ID,"METHOD":{ and what ends that. */
bool fwi_cf_begin_reply(fwi_buf *out, uint32_t id, fwi_cf_method method);
bool fwi_cf_end_reply(fwi_buf *out);

/* {"push":{"channel":CHANNEL,"KIND": before a value, and what ends that; channel NULL:
 * none. */
bool fwi_cf_begin_push(fwi_buf *out, const char *channel, const char *kind);
bool fwi_cf_end_push(fwi_buf *out);

/* "epoch":E,"offset":O */
bool fwi_cf_put_position(fwi_buf *out, uint64_t epoch, uint64_t offset);

/* Errors of replies. */
enum {
    FWI_CF_ERR_INTERNAL = 100,
    FWI_CF_ERR_UNAUTHORIZED = 101,
    FWI_CF_ERR_UNKNOWN_CHANNEL = 102,
    FWI_CF_ERR_DENIED = 103,
    FWI_CF_ERR_METHOD = 104,
    FWI_CF_ERR_ALREADY = 105,
    FWI_CF_ERR_LIMIT = 106,
    FWI_CF_ERR_REQUEST = 107,
    FWI_CF_ERR_NOT_AVAILABLE = 108,
    FWI_CF_ERR_TOKEN_EXPIRED = 109,
    FWI_CF_ERR_EXPIRED = 110,
    FWI_CF_ERR_TOO_MANY = 111,
    FWI_CF_ERR_POSITION = 112
};

/* {"id":ID,"error":{...}}; message NULL: what this code means. Codes of the protocol are
 * temporary or not, as it says; others aren't. */
bool fwi_cf_put_error(fwi_buf *out, uint32_t id, unsigned code, const char *message);
/* With that said. */
bool fwi_cf_put_failure(fwi_buf *out, uint32_t id, unsigned code, const char *message,
                        bool temporary);

#endif
