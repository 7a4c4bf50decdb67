/*
 * What tests/support and the rigs of tests/unit use of check, where there is no suite: a
 * target is one function, called a thousand times a second, and check's own would write
 * to a file each time.
 */
#ifndef TESTS_FUZZ_CHECK_H
#define TESTS_FUZZ_CHECK_H

#include <string.h>

#include "base/base.h"

#define ck_assert(x)             FWI_ASSERT(x)
#define ck_assert_msg(x, ...)    FWI_ASSERT(x)
#define ck_assert_int_eq(a, b)   FWI_ASSERT((a) == (b))
#define ck_assert_uint_eq(a, b)  FWI_ASSERT((a) == (b))
#define ck_assert_uint_ge(a, b)  FWI_ASSERT((a) >= (b))
#define ck_assert_ptr_nonnull(p) FWI_ASSERT((p) != NULL)

#endif
