/*
 * What Redis does in one step for rooms with history, as Lua; and how a script is called:
 * whole the first time on a link, by its SHA-1 afterwards. Loop 0's thread.
 *
 * KEYS of all are of one slot: the channel's hash `meta` (e: epoch, o: offset of the
 * newest message, and by each node's eight bytes "SERIAL OFFSET SECOND EPOCH", the last
 * publish of that node which was carried out), its stream, and a user's key.
 */
#ifndef FWI_BACKPLANE_REDIS_SCRIPT_H
#define FWI_BACKPLANE_REDIS_SCRIPT_H

#include "backplane/redis_call.h"

typedef enum {
    /* KEYS: meta, stream, perhaps a user's key. ARGV: envelope, channel, how many are
     * kept, for how many ms, how many ms meta lives, node, serial, an epoch if there is
     * none, for how many seconds a node is remembered, 1 if the position is of interest,
     * the serial that must have been carried out before (0: none), the command that
     * publishes.
     * Keeps the message and publishes it, unless that has happened before. Epoch (""; not
     * known any more), offset, and whether it was there before (1 or 0). Or an error: the
     * one before it wasn't carried out. */
    FWI_REDIS_SCRIPT_KEEP,
    /* KEYS: meta, stream. ARGV: an epoch if there is none, how many ms meta lives then,
     * since (epoch or "", offset), limit, 1 if newest first, bytes that are enough.
     * Epoch and offset of the top, 16 bytes; then each envelope behind its length in four
     * bytes. */
    FWI_REDIS_SCRIPT_READ,
    /* KEYS: meta, stream. ARGV: the new epoch, how many ms meta lives. Epoch and offset,
     * 16 bytes. */
    FWI_REDIS_SCRIPT_FORGET,
    FWI_REDIS_SCRIPTS
} fwi_redis_script;

typedef struct fwi_redis_scripts {
    bool known[FWI_REDIS_SCRIPTS];   /* to the server, as far as we know */
    char sha[FWI_REDIS_SCRIPTS][41]; /* "": can't be had; then it is always sent whole */
} fwi_redis_scripts;

void fwi_redis_scripts_init(fwi_redis_scripts *s);

/* Another link, perhaps to another server. */
void fwi_redis_scripts_link_down(fwi_redis_scripts *s);

/* Instead of being called whole the first time, in a Cluster: there a call may be refused
 * for its key, and what was sent behind it wouldn't be known. SCRIPT LOAD of one that
 * isn't known; false: all are. It counts as known then. */
bool fwi_redis_script_load_words(fwi_redis_scripts *s, fwi_redis_words *words);
/* That isn't allowed: from now on all are called whole. */
void fwi_redis_scripts_cannot_load(fwi_redis_scripts *s);

/* The first two words of a command. */
void fwi_redis_script_words(fwi_redis_scripts *s, fwi_redis_script which,
                            fwi_redis_words *words);

/* Does the server say that it doesn't know the script? Then nothing was done, and the
 * next time it is sent whole. */
bool fwi_redis_script_is_unknown(fwi_redis_scripts *s, fwi_redis_script which,
                                 const fwi_redis_reply *reply);

/* Does it say that a publish must wait for the one before it? */
bool fwi_redis_script_is_out_of_turn(const fwi_redis_reply *reply);
/* Redis is told to write nothing while too few replicas follow it. */
bool fwi_redis_script_lacks_replicas(const fwi_redis_reply *reply);

#endif
