/*
 * Messages and frames that a test has made. Where there is no memory for one the test
 * ends by an assertion of its own: what is looked at is the library's memory.
 */
#ifndef FW_TESTS_TEST_MADE_H
#define FW_TESTS_TEST_MADE_H

#include "core/frame.h"
#include "core/message.h"

static inline fw_message *test_message(fwi_msg_kind kind, const void *data, size_t len,
                                       unsigned flags)
{
    fw_message *m = fwi_message_new(kind, data, len, flags);
    FWI_ASSERT(m != NULL);
    return m;
}

static inline fwi_frame *test_frame(unsigned opcode, const void *data, size_t len)
{
    fwi_frame *f = fwi_frame_new_ws(opcode, data, len);
    FWI_ASSERT(f != NULL);
    return f;
}

#endif
