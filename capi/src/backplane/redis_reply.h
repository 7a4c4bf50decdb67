/*
 * Replies of Redis, without an allocation each: hiredis' reader finds them in the bytes
 * of a connection, and what it finds goes into one flat value and one buffer, which serve
 * for the next reply again. Used by redis_link.c.
 *
 * Flat: an array of at most FWI_REDIS_REPLY_PARTS parts. That is all that the commands we
 * send are answered with. Of a part that is an array itself nothing but that is kept;
 * what is deeper still or has more parts is an error, so that no server makes us keep
 * account of it. How long a part may be is up to Redis.
 */
#ifndef FWI_BACKPLANE_REDIS_REPLY_H
#define FWI_BACKPLANE_REDIS_REPLY_H

#include "base/base.h"

/* One more than a message has (kind, channel, payload): what a pattern's message has. */
enum { FWI_REDIS_REPLY_PARTS = 4 };

typedef enum {
    FWI_REDIS_NIL,
    FWI_REDIS_INTEGER,
    FWI_REDIS_STATUS,
    FWI_REDIS_ERROR,
    FWI_REDIS_STRING,
    FWI_REDIS_ARRAY,
    FWI_REDIS_OTHER /* of a later protocol; nothing but that it came is known */
} fwi_redis_type;

typedef struct fwi_redis_part {
    fwi_redis_type type;
    const char *str; /* of a status, error, string; else ""; never NULL, a NUL behind */
    size_t len;
    long long integer;
} fwi_redis_part;

typedef struct fwi_redis_reply {
    fwi_redis_part whole;
    size_t parts; /* of an array */
    fwi_redis_part part[FWI_REDIS_REPLY_PARTS];
} fwi_redis_reply;

typedef struct fwi_redis_reader fwi_redis_reader;

/* NULL: out of memory. */
fwi_redis_reader *fwi_redis_reader_new(void);
void fwi_redis_reader_free(fwi_redis_reader *r);

/* For another connection: forgets what it was fed. The reply given last stays valid.
 * false: out of memory. */
bool fwi_redis_reader_begin(fwi_redis_reader *r);
/* Gives back what a connection needed; nothing may be fed until the next begin. */
void fwi_redis_reader_end(fwi_redis_reader *r);

/* false: out of memory. */
bool fwi_redis_reader_feed(fwi_redis_reader *r, const void *data, size_t len);

/* The next whole reply, valid until the next call of this. NULL: there is none yet, or,
 * with *why set, never will be: the bytes aren't what Redis says. */
const fwi_redis_reply *fwi_redis_reader_next(fwi_redis_reader *r, const char **why);

#endif
