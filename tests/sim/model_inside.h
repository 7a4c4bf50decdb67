/*
 * What model_redis.c, model_rooms.c and model_presence.c share.
 */
#ifndef TESTS_SIM_MODEL_INSIDE_H
#define TESTS_SIM_MODEL_INSIDE_H

#include "base/list.h"
#include "model_redis.h"

enum { MODEL_WORDS = 600 };

typedef enum {
    MODEL_KEEP,
    MODEL_READ,
    MODEL_FORGET,
    MODEL_OTHER,
    MODEL_SCRIPTS
} model_script;

/* A command; each word has a zero behind it. */
typedef struct model_words {
    size_t n;
    char *at[MODEL_WORDS];
    size_t len[MODEL_WORDS];
} model_words;

typedef struct model_room model_room;
typedef struct model_table model_table;
typedef struct model_node model_node;

struct model_redis {
    model_on_said on_said;
    model_on_swept on_swept;
    void *user;
    uint64_t now_ms;
    fwi_list links;
    model_room *rooms;
    model_table *tables; /* hashes and sets of presence */
    model_node *nodes;
    model_redis *replica; /* rooms, tables and nodes as they were some time ago */
    unsigned scripts;     /* a bit for each that was given */
    char sha[MODEL_SCRIPTS][41];
};

struct model_link {
    fwi_list link;
    model_redis *r;
    fwi_buf out;
    char **channels;
    size_t n_channels;
    bool deaf;
};

void model_put_bulk(fwi_buf *out, const void *data, size_t len);
size_t model_publish(model_redis *r, const char *channel, const void *data, size_t len);
bool model_room_name(const char *redis_name, char *out, size_t cap);
void model_tell_said(model_redis *r, const char *redis_name, fwi_position at,
                     const void *envelope, size_t len);

model_script model_script_of(const char *text, size_t len);
void model_run(model_link *l, model_script which, const model_words *w);
void model_rooms_clear(model_redis *r);
/* Into an empty one. */
void model_rooms_copy(model_redis *to, const model_redis *from);

/* false: it is no command, or script, of presence. */
bool model_presence_command(model_link *l, const model_words *w);
bool model_presence_script(model_link *l, const model_words *w);
void model_presence_clear(model_redis *r);
void model_presence_copy(model_redis *to, const model_redis *from);
char *model_copied(const char *bytes, size_t len); /* a zero behind it */

#endif
