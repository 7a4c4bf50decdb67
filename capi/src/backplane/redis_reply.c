/*
 * hiredis' reader with object functions of our own. See the header.
 *
 * Bytes are copied out of hiredis' buffer at once: it moves them when it is fed, and
 * drops those it has read before it says that the reply is whole. While parts still come,
 * the copy may move too, so each one's place is kept as an offset until then.
 */
#include "backplane/redis_reply.h"

#include <hiredis/hiredis.h>
#include <string.h>

#include "base/buf.h"

enum {
    /* What either buffer keeps when it is empty: a large message's memory is given back.
     */
    KEEP_BYTES = 64 * 1024
};

#define NOWHERE SIZE_MAX

struct fwi_redis_reader {
    redisReader *reader; /* NULL between end and begin */
    fwi_redis_reply reply;
    fwi_redis_part ignored; /* of an array in the array */
    size_t ignored_at;
    fwi_buf text;
    size_t whole_at, part_at[FWI_REDIS_REPLY_PARTS]; /* in text; NOWHERE: no bytes */
    const char *problem; /* why an object function has refused; NULL: memory */
};

#if HIREDIS_MAJOR >= 1
typedef size_t array_size;
#else
typedef int array_size;
#endif

/* The place of what is being read: the reply itself, one of its parts, or `ignored`. */
static fwi_redis_part *place_of(const redisReadTask *task, size_t **at)
{
    fwi_redis_reader *r = task->privdata;
    if (task->parent != NULL && task->parent->parent != NULL) {
        *at = &r->ignored_at;
        return &r->ignored;
    }
    if (task->parent != NULL) {
        /* Not beyond the last part: create_array has refused more. */
        *at = &r->part_at[task->idx];
        return &r->reply.part[task->idx];
    }
    r->text.len = 0;
    if (r->text.cap > KEEP_BYTES) {
        fwi_buf_fini(&r->text);
    }
    r->reply.parts = 0;
    *at = &r->whole_at;
    return &r->reply.whole;
}

static fwi_redis_part *put_bare(const redisReadTask *task, fwi_redis_type type)
{
    size_t *at;
    fwi_redis_part *p = place_of(task, &at);
    *p = (fwi_redis_part){.type = type, .str = ""};
    *at = NOWHERE;
    return p;
}

static void *put(const redisReadTask *task, fwi_redis_type type, const char *data,
                 size_t len)
{
    fwi_redis_reader *r = task->privdata;
    size_t *at;
    fwi_redis_part *p = place_of(task, &at);
    if (p == &r->ignored) {
        return p;
    }
    if (!fwi_buf_reserve(&r->text, len + 1)) {
        return NULL;
    }
    *p = (fwi_redis_part){.type = type, .len = len};
    *at = r->text.len;
    char *copy = r->text.data + r->text.len;
    memcpy(copy, data, len);
    copy[len] = '\0';
    r->text.len += len + 1;
    return p;
}

static void *create_string(const redisReadTask *task, char *data, size_t len)
{
    switch (task->type) {
    case REDIS_REPLY_STATUS:
        return put(task, FWI_REDIS_STATUS, data, len);
    case REDIS_REPLY_ERROR:
        return put(task, FWI_REDIS_ERROR, data, len);
    case REDIS_REPLY_STRING:
        return put(task, FWI_REDIS_STRING, data, len);
    default:
        return put_bare(task, FWI_REDIS_OTHER);
    }
}

static void *create_array(const redisReadTask *task, array_size count)
{
    fwi_redis_reader *r = task->privdata;
    if (task->parent != NULL && task->parent->parent != NULL) {
        r->problem = "arrays too deep for anything that was asked for";
        return NULL;
    }
    if ((size_t)count > FWI_REDIS_REPLY_PARTS) {
        r->problem = "an array with more parts than anything that was asked for";
        return NULL;
    }
    bool plain = task->type == REDIS_REPLY_ARRAY;
    void *p = put_bare(task, plain ? FWI_REDIS_ARRAY : FWI_REDIS_OTHER);
    if (task->parent == NULL) {
        r->reply.parts = (size_t)count;
    }
    return p;
}

static void *create_integer(const redisReadTask *task, long long value)
{
    fwi_redis_part *p = put_bare(task, FWI_REDIS_INTEGER);
    p->integer = value;
    return p;
}

static void *create_nil(const redisReadTask *task)
{
    return put_bare(task, FWI_REDIS_NIL);
}

#if HIREDIS_MAJOR >= 1
static void *create_double(const redisReadTask *task, double value, char *data,
                           size_t len)
{
    (void)value;
    (void)data;
    (void)len;
    return put_bare(task, FWI_REDIS_OTHER);
}

static void *create_bool(const redisReadTask *task, int value)
{
    (void)value;
    return put_bare(task, FWI_REDIS_OTHER);
}
#endif

static void free_object(void *object)
{
    (void)object; /* It is part of the reader. */
}

/* hiredis takes it as not const, and doesn't write to it. */
static redisReplyObjectFunctions functions = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
#if HIREDIS_MAJOR >= 1
    .createDouble = create_double,
    .createBool = create_bool,
#endif
    .freeObject = free_object,
};

fwi_redis_reader *fwi_redis_reader_new(void)
{
    fwi_redis_reader *r = calloc(1, sizeof *r);
    if (r != NULL) {
        fwi_buf_init(&r->text);
    }
    return r;
}

void fwi_redis_reader_end(fwi_redis_reader *r)
{
    if (r->reader != NULL) {
        redisReaderFree(r->reader);
        r->reader = NULL;
    }
}

void fwi_redis_reader_free(fwi_redis_reader *r)
{
    if (r == NULL) {
        return;
    }
    fwi_redis_reader_end(r);
    fwi_buf_fini(&r->text);
    free(r);
}

bool fwi_redis_reader_begin(fwi_redis_reader *r)
{
    fwi_redis_reader_end(r);
    r->reader = redisReaderCreateWithFunctions(&functions);
    if (r->reader == NULL) {
        return false;
    }
    r->reader->privdata = r;
    r->reader->maxbuf = KEEP_BYTES;
    r->problem = NULL;
    return true;
}

bool fwi_redis_reader_feed(fwi_redis_reader *r, const void *data, size_t len)
{
    return redisReaderFeed(r->reader, data, len) == REDIS_OK;
}

/* The text doesn't move any more. */
static void settle(const fwi_redis_reader *r, fwi_redis_part *p, size_t at)
{
    if (at != NOWHERE) {
        p->str = r->text.data + at;
    }
}

const fwi_redis_reply *fwi_redis_reader_next(fwi_redis_reader *r, const char **why)
{
    void *any = NULL;
    *why = NULL;
    if (redisReaderGetReply(r->reader, &any) != REDIS_OK) {
        *why = r->problem != NULL ? r->problem : r->reader->errstr;
        return NULL;
    }
    if (any == NULL) {
        return NULL;
    }
    fwi_redis_reply *reply = &r->reply;
    settle(r, &reply->whole, r->whole_at);
    for (size_t i = 0; i < reply->parts; i++) {
        settle(r, &reply->part[i], r->part_at[i]);
    }
    return reply;
}
