/*
 * A loop without a thread, sockets and clock: the test winds its time and plays the peers
 * of its streams. For unit tests of core and the backplane, and for the simulator.
 *
 * Everything runs on the caller's thread; only wake() may come from others. What is asked
 * for inside a call of the code under test is told later, from one of the functions here,
 * as the port promises.
 */
#ifndef TESTS_SUPPORT_FAKE_LOOP_H
#define TESTS_SUPPORT_FAKE_LOOP_H

#include "base/buf.h"
#include "core/loop.h"

typedef struct fake_stream fake_stream;

/* Seconds since 1970 at which its clock on the wall begins. */
#define FAKE_LOOP_WALL_S UINT64_C(1700000000)

/* Its clock begins at 1000 s. NULL as events: nobody listens. */
fwi_loop *fake_loop_new(const fwi_loop_events *events, void *user);

/* Frees its streams too, also those that the code under test has closed. */
void fake_loop_free(fwi_loop *loop);

/* Winds the clock: each timer fires at its own time, and the turn ends after each.
 * wake()s are delivered before. */
void fake_loop_advance(fwi_loop *loop, uint64_t ms);

/* Turns without time passing, until nobody has called wake() any more (at most 1000). */
void fake_loop_turn(fwi_loop *loop);

/* Delivers on_wake if wake() was called since; true if it was. No turn end. */
bool fake_loop_deliver_wake(fwi_loop *loop);

/* Has wake() been called and not been delivered? */
bool fake_loop_is_woken(const fwi_loop *loop);

/* The next n stream_open calls are out of memory. */
void fake_loop_fail_opens(fwi_loop *loop, unsigned n);

/* --- streams, in the order in which they were opened --- */

size_t fake_loop_stream_count(const fwi_loop *loop);
/* NULL if there are fewer. */
fake_stream *fake_loop_stream(const fwi_loop *loop, size_t i);
/* The one opened last; NULL if none was. */
fake_stream *fake_loop_last_stream(const fwi_loop *loop);

/* Its strings are copies. */
const fwi_stream_target *fake_stream_target(const fake_stream *s);

/* What the peer does. Each is one call of the code under test; the turn ends when the
 * test says so. Not allowed once the stream is closed. */
void fake_stream_open(fake_stream *s);
void fake_stream_feed(fake_stream *s, const void *data, size_t len);
void fake_stream_feed_text(fake_stream *s, const char *text);
void fake_stream_fail(fake_stream *s, const char *why);

/* The kernel takes no more (false: takes again, all that waits too). */
void fake_stream_block(fake_stream *s, bool blocked);
/* From now on stream_write is out of memory. */
void fake_stream_fail_writes(fake_stream *s);

/* All that was written and taken. The test may consume it. */
fwi_buf *fake_stream_written(fake_stream *s);
/* How many times stream_write was called: what "put together" means can be tested. */
unsigned fake_stream_writes(const fake_stream *s);

bool fake_stream_is_open(const fake_stream *s);
/* By either side. */
bool fake_stream_is_closed(const fake_stream *s);

#endif
