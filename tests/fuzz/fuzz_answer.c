/*
 * What a back end answers to a hook: a result has good claims, an error or a disconnect a
 * number that clients may see and one line of UTF-8, and anything else is refused with a
 * printable line that says why.
 */
#include "base/utf8.h"
#include "claims.h"
#include "wire/answer.h"

static void is_line(const char *text, size_t max)
{
    size_t len = strlen(text);
    MUST(len <= max && fwi_utf8_is_valid(text, len));
    for (size_t i = 0; i < len; i++) {
        MUST((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
    }
}

static void check_answer(const fwi_answer *a)
{
    MUST((a->claims != NULL) == (a->kind == FWI_ANSWER_RESULT));
    MUST(a->kind == FWI_ANSWER_ERROR || !a->temporary);
    MUST(a->kind == FWI_ANSWER_RESULT || !a->expired);
    switch (a->kind) {
    case FWI_ANSWER_RESULT:
        fuzz_check_claims(a->claims);
        MUST(a->reason[0] == '\0');
        break;
    case FWI_ANSWER_ERROR:
        MUST(a->code >= 100 && a->code <= 1999);
        is_line(a->reason, FWI_ANSWER_REASON_MAX);
        break;
    default:
        MUST(a->kind == FWI_ANSWER_DISCONNECT && a->code >= 3000 && a->code <= 4999);
        is_line(a->reason, FWI_ANSWER_CLOSE_REASON_MAX);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = (char *)fuzz_bytes(data, size);
    fwi_answer *a = NULL;
    char why[FWI_ANSWER_WHY] = "";
    fwi_token_result result = fwi_answer_read(text, size, &a, why);
    free(text); /* the answer has all it needs */
    MUST((result == FWI_TOKEN_GOOD) == (a != NULL));
    if (a != NULL) {
        check_answer(a);
    } else {
        MUST(result == FWI_TOKEN_BAD && why[0] != '\0');
        is_line(why, sizeof why - 1);
    }
    fwi_answer_free(a);
    return 0;
}
