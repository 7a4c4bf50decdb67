/*
 * Messages compressed for those sessions that agreed on permessage-deflate: once, when
 * the first of them is to get it, and for all of them. What that means in frames and
 * sessions is said here; how it is done is wire/deflate's. @thread loop
 */
#ifndef FWI_CORE_COMPRESS_H
#define FWI_CORE_COMPRESS_H

#include "core/shard.h"

/* What a session gets instead of the plain frame f whose peer inflates with a window of
 * window_bits (8 to 15): the compressed one, or f itself if it is short, or gets no
 * smaller, or doesn't fit into that window. Borrowed from f, and valid as long as f.
 *
 * Several loops may ask at the same time: one's work is then thrown away. */
fwi_frame *fwi_frame_for_deflate(fwi_shard *shard, fwi_frame *f, unsigned window_bits);

#endif
