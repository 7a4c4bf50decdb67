/*
 * What Redis is to do in one step, for presence and leases. Each script gives one text:
 * lines of numbers and names, and bytes behind their length. They are sent whole (EVAL),
 * since they run once in seconds, or when somebody asks.
 */
#ifndef FWI_BACKPLANE_REDIS_PRESENCE_SCRIPTS_H
#define FWI_BACKPLANE_REDIS_PRESENCE_SCRIPTS_H

#include "backplane/redis_call.h"

/* KEYS: a channel's hash. ARGV: cursor, limit.
 * "TOTAL NEXT\n", then for each entry "LENGTH\n" and its value. */
extern const char fwi_redis_script_members[];

/* KEYS: leases, facts. "TOTAL 0\n", then as above for each node that is alive. */
extern const char fwi_redis_script_nodes[];

/* A node's beat. KEYS: leases, facts, prefixes of `over` and `claim`. ARGV: node, lease
 * in ms, life, how-manieth beat, what it says of itself, 1 if it may claim dead ones, the
 * beat that Redis must know of (0: none).
 * "OVER KNOWN BEAT\n": the newest life of this node that others have ended, whether it
 * was among the nodes (2: its lease had ended), its last beat that is known. If its life
 * is over, or Redis knows less than it must, nothing is done: or the next beat, should
 * the answer be lost, would find all in order. Nor if Redis knows of a later one: then
 * this is what is left of a lost link. Whose own lease had ended claims nobody.
 * Then for each other node "NODE LEFT CLAIM\n": ms left of its lease, and the life to be
 * swept if it is this node that is to do it, else 0. */
extern const char fwi_redis_script_beat[];

/* KEYS: channels of a node's life. Up to 100 of them, a line each. */
extern const char fwi_redis_script_channels[];

/* KEYS: a channel's hash, that of its sessions of this node whose end was told. ARGV: the
 * channel, node, life, cursor, 1 if it is to be told, the command that publishes. Removes
 * that node's entries up to that life, and publishes the end of those which are to be
 * told. "NEXT REMOVED". */
extern const char fwi_redis_script_sweep[];

/* Writes an entry of a node that has been swept. KEYS: as above. ARGV: session, value.
 * "LIFE": with which it was swept last, and its end told; 0: never. */
extern const char fwi_redis_script_return[];

/* KEYS: leases, facts, prefix of `claim`. ARGV: node, life. The node is forgotten, if it
 * hasn't come back in a later life. "1". */
extern const char fwi_redis_script_forget[];

/* The first words of a call: the script, and how many keys follow ("2"). */
void fwi_redis_eval_words(fwi_redis_words *w, const char *script, const char *n_keys);

#endif
