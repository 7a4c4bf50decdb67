/*
 * What must hold of claims, whether a token made them or the answer of a back end.
 */
#ifndef TESTS_FUZZ_CLAIMS_H
#define TESTS_FUZZ_CLAIMS_H

#include "fuzz.h"
#include "wire/name.h"
#include "wire/token.h"

static inline void fuzz_is_name(const char *name)
{
    MUST(fwi_name_problem(name, strlen(name)) == NULL);
}

static inline void fuzz_is_value(const fwi_json *value)
{
    fwi_json again;
    MUST(value->kind == FWI_JSON_NONE ||
         (fwi_json_read(value->at, value->len, &again, NULL) &&
          again.kind == value->kind));
}

static inline void fuzz_check_subs(const fwi_claims *c)
{
    MUST(c->n_subs <= FWI_TOKEN_SUBS_MAX);
    for (size_t i = 0; i < c->n_subs; i++) {
        fuzz_is_name(c->subs[i].channel);
        fuzz_is_value(&c->subs[i].info);
        fuzz_is_value(&c->subs[i].data);
        MUST((c->subs[i].override.on & ~c->subs[i].override.given) == 0);
        for (size_t k = 0; k < i; k++) {
            MUST(strcmp(c->subs[i].channel, c->subs[k].channel) != 0);
        }
    }
}

static inline void fuzz_check_claims(const fwi_claims *c)
{
    if (c->user[0] != '\0') {
        fuzz_is_name(c->user);
    }
    if (c->channel != NULL) {
        fuzz_is_name(c->channel);
    }
    MUST(c->expires_s >= 0);
    fuzz_is_value(&c->info);
    fuzz_is_value(&c->meta);
    fuzz_is_value(&c->data);
    fuzz_check_subs(c);
}

#endif
