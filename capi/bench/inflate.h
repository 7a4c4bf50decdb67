/*
 * Inflating what comes compressed (RFC 7692, without context takeover). Of each message
 * the length and the first bytes are told: more than the mark nobody reads.
 *
 * A room's message comes to each of its members in the same bytes. It is inflated once
 * and then known again, or the load generator would cost more than the server.
 */
#ifndef BENCH_INFLATE_H
#define BENCH_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct inflater inflater;

/* For messages of at most so many bytes. NULL: no memory. */
inflater *inflater_new(size_t most);
void inflater_free(inflater *i);

/* The message's length, and *start with its first FORM_MARK_END bytes (fewer if it is
 * shorter), valid until the next call; SIZE_MAX if it can't be inflated. */
size_t inflater_take(inflater *i, const uint8_t *data, size_t len, const uint8_t **start);

#endif
