/*
 * What is made once and kept for all executions, because it says the same each time and
 * isn't changed by any: options, and keys of tokens. Whatever an execution does change is
 * made anew for each.
 */
#ifndef TESTS_FUZZ_KEPT_H
#define TESTS_FUZZ_KEPT_H

#include <stdarg.h>

#include <fanwire/error.h>
#include <fanwire/options.h>

#include "fuzz.h"
#include "unit/token_vectors.h"
#include "wire/token_keys.h"

enum { FUZZ_OPTIONS_MAX = 256 };

/* The options that the number `which` stands for: name, value, ..., NULL. They are made
 * of these when it is seen for the first time. */
static inline fw_options *fuzz_options(unsigned which, ...)
{
    static fw_options *made[FUZZ_OPTIONS_MAX];
    MUST(which < FUZZ_OPTIONS_MAX);
    if (made[which] == NULL) {
        fw_options *o = fw_options_new();
        MUST(o != NULL);
        va_list ap;
        va_start(ap, which);
        for (const char *name; (name = va_arg(ap, const char *)) != NULL;) {
            MUST(fw_options_set(o, name, va_arg(ap, const char *)) == FW_OK);
        }
        va_end(ap);
        made[which] = o;
    }
    return made[which];
}

/* The caller's reference to keys that verify what `secret` has signed. */
static inline fwi_keys *fuzz_keys(void)
{
    static fwi_keys *keys;
    if (keys == NULL) {
        char problem[FWI_KEYS_PROBLEM_MAX];
        keys = fwi_keys_new(NULL, NULL);
        MUST(keys != NULL && fwi_keys_add_secret(keys, secret, strlen(secret), problem));
    }
    return fwi_keys_ref(keys);
}

#endif
