/*
 * What test_options.c and test_options_sources.c share: options at their defaults. Who
 * asks for them frees them.
 */
#ifndef TESTS_OPTIONS_RIG_H
#define TESTS_OPTIONS_RIG_H

#include <check.h>

#include "core/options.h"

static inline fw_options *fresh(void)
{
    fw_options *o = fw_options_new();
    ck_assert_ptr_nonnull(o);
    return o;
}

#endif
