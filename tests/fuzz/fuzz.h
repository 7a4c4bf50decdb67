/*
 * What every target has: its entry, which libFuzzer calls with bytes that nobody has
 * checked, or replay.c with those of a file; and how it cuts them into pieces.
 *
 * A target ends the process when the code under test breaks its promise. What it can't
 * see itself, the sanitizers do: each piece that is handed on lies in memory of its own,
 * so that a byte too many is noticed.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <string.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold, whatever the input. */
#define MUST(x) FWI_ASSERT(x)

/* What is left of the input. */
typedef struct fuzz_input {
    const uint8_t *at;
    size_t left;
} fuzz_input;

/* A piece of it; data is the caller's, a NUL follows. */
typedef struct fuzz_piece {
    char *data;
    size_t len;
} fuzz_piece;

/* 0 behind the end. */
static inline uint8_t fuzz_u8(fuzz_input *in)
{
    if (in->left == 0) {
        return 0;
    }
    in->left--;
    return *in->at++;
}

static inline fuzz_piece fuzz_take(fuzz_input *in, size_t len)
{
    fuzz_piece piece = {.len = FWI_MIN(len, in->left)};
    piece.data = malloc(piece.len + 1);
    MUST(piece.data != NULL);
    if (piece.len > 0) {
        memcpy(piece.data, in->at, piece.len);
    }
    piece.data[piece.len] = '\0';
    in->at += piece.len;
    in->left -= piece.len;
    return piece;
}

/* Up to the next such byte, which is skipped; or all. */
static inline fuzz_piece fuzz_until(fuzz_input *in, uint8_t mark)
{
    const uint8_t *end = in->left > 0 ? memchr(in->at, mark, in->left) : NULL;
    fuzz_piece piece = fuzz_take(in, end != NULL ? (size_t)(end - in->at) : in->left);
    fuzz_u8(in);
    return piece;
}

static inline fuzz_piece fuzz_rest(fuzz_input *in)
{
    return fuzz_take(in, in->left);
}

/* The same bytes without a NUL behind them, for what is given a length. NULL where there
 * are none is allowed to be anything: it is one byte that must not be touched. */
static inline uint8_t *fuzz_bytes(const void *data, size_t len)
{
    uint8_t *copy = calloc(1, len > 0 ? len : 1);
    MUST(copy != NULL);
    if (len > 0) {
        memcpy(copy, data, len);
    }
    return copy;
}

#endif
