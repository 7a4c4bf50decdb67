/*
 * Names of rooms and users, and how a channel's name is written for Redis. Pure.
 */
#ifndef FWI_WIRE_NAME_H
#define FWI_WIRE_NAME_H

#include "base/buf.h"

enum { FWI_NAME_MAX = 255, FWI_CHANNEL_CAP = 2 + FWI_NAME_MAX + 1 };

/* 1..255 bytes of UTF-8 without control characters (U+0000-1F, 7F-9F). NULL if fine, else
 * what is wrong, valid for ever. */
const char *fwi_name_problem(const char *name, size_t len);

/* Whom a room is for, as far as its name says so: "name#ann,bob" (what stands behind the
 * last #) for these users, "$name" for nobody, since that takes more than a name. user:
 * "" is nobody's. */
bool fwi_name_is_for(const char *room, const char *user);

/* The channel of a room ('r') or user ('u') whose name has been checked. Returns out. */
const char *fwi_channel_name(char kind, const char *name, char out[FWI_CHANNEL_CAP]);

/* Appends prefix, ":" and the channel with { } % percent-encoded in what follows its kind
 * ("r:a{b" -> "fanwire:r:a%7Bb"). false: out of memory. */
bool fwi_name_to_redis(fwi_buf *out, const char *prefix, const char *channel);

/* The way back, into out (NUL-terminated); -1: not one of ours, or it doesn't fit. A
 * stray % that isn't an escape stands for itself. */
long fwi_name_from_redis(const char *prefix, const char *data, size_t len, char *out,
                         size_t cap);

#endif
