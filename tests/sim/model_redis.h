/*
 * A model of Redis for the simulator: what a node's links can see of it, by the meaning
 * of the commands and scripts that fanwire sends, and not by their text. It has no
 * sockets and no clock: bytes go in and come out, and the time is given to it.
 */
#ifndef TESTS_SIM_MODEL_REDIS_H
#define TESTS_SIM_MODEL_REDIS_H

#include "base/buf.h"
#include "core/message.h"

typedef struct model_redis model_redis;
typedef struct model_link model_link;

/* A message has got its place in a room's history, or was published without one (epoch
 * 0). channel is the hub's, "r:a". */
typedef void (*model_on_said)(void *user, const char *channel, fwi_position at,
                              const char *text, size_t len);

/* A session's entry was removed for its node, and its end is told. */
typedef void (*model_on_swept)(void *user, const char *session);

model_redis *model_redis_new(model_on_said on_said, model_on_swept on_swept, void *user);
void model_redis_free(model_redis *r);

void model_redis_set_time(model_redis *r, uint64_t now_ms);
/* It has lost all that it knew; links are cut by whoever calls. */
void model_redis_forget(model_redis *r);
/* Its replica has all that was written so far. */
void model_redis_replicate(model_redis *r);
/* The replica takes its place: what was written since isn't there. */
void model_redis_fail_over(model_redis *r);

model_link *model_link_new(model_redis *r);
void model_link_free(model_link *l);
/* It still answers, but nothing that is published comes through it any more. */
void model_link_deafen(model_link *l);
bool model_link_is_deaf(const model_link *l);

/* Carries out the next command in `in`, and takes it out of there. false: there is no
 * whole one. */
bool model_link_step(model_link *l, fwi_buf *in);
/* What it has answered and pushed; the caller takes out what he has delivered. */
fwi_buf *model_link_out(model_link *l);

/* Where a room's history stands (epoch 0: it has none) and the oldest offset that is
 * kept: one more than the newest if none is. */
fwi_position model_redis_top(const model_redis *r, const char *channel, uint64_t *oldest);

/* Who is in a channel, by its keys: how many, and is that session? */
size_t model_redis_present(const model_redis *r, const char *channel);
bool model_redis_is_present(const model_redis *r, const char *channel,
                            const char *session);
/* How many nodes have a lease, or had one and are not forgotten. */
size_t model_redis_nodes(const model_redis *r);

#endif
