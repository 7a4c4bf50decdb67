/*
 * Inflating and deflating messages: there and back, the examples of RFC 7692, streams
 * that are broken or cut, bombs, and the memory that is kept.
 */
#include <check.h>
#include <malloc.h>
#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/rand.h"
#include "wire/deflate.h"

enum { MAX = 1 << 20 };

/* Then the heap is another, and says nothing to mallinfo. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#endif

static fwi_inflater *inflater;
static fwi_deflater *deflater;

static void set_up(void)
{
    inflater = fwi_inflater_new();
    deflater = fwi_deflater_new();
    ck_assert_ptr_nonnull(inflater);
    ck_assert_ptr_nonnull(deflater);
}

static void tear_down(void)
{
    fwi_inflater_free(inflater);
    fwi_deflater_free(deflater);
}

/* Bytes with some repetition, as messages have. */
static uint8_t *bytes_like_json(fwi_rand *rnd, size_t len)
{
    uint8_t *data = malloc(len + 1);
    for (size_t i = 0; i < len; i++) {
        data[i] = i < 20 || fwi_rand_between(rnd, 0, 9) == 0
                      ? (uint8_t)fwi_rand_between(rnd, 32, 126)
                      : data[i - fwi_rand_between(rnd, 1, FWI_MIN(i, 60000u))];
    }
    return data;
}

/* As a client might do it; NULL, or in memory of its own. */
static uint8_t *compress_as(const void *data, size_t len, int level, int window,
                            int strategy, int end, size_t *out_len)
{
    z_stream z = {0};
    ck_assert_int_eq(deflateInit2(&z, level, Z_DEFLATED, -window, 8, strategy), Z_OK);
    size_t cap = fwi_deflated_max(len) + 1000;
    uint8_t *out = malloc(cap);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    z.next_out = out;
    z.avail_out = (uInt)cap;
    int result = deflate(&z, end);
    ck_assert(result == Z_OK || result == Z_STREAM_END);
    *out_len = cap - z.avail_out;
    deflateEnd(&z);
    return out;
}

static void expect_inflated(const void *in, size_t in_len, const void *want, size_t len)
{
    const uint8_t *out;
    size_t out_len;
    ck_assert_int_eq(fwi_inflate(inflater, in, in_len, MAX, &out, &out_len),
                     FWI_INFLATE_OK);
    ck_assert_uint_eq(out_len, len);
    ck_assert(len == 0 || memcmp(out, want, len) == 0);
}

static fwi_inflate_result inflated(const void *in, size_t len)
{
    const uint8_t *out;
    size_t out_len;
    return fwi_inflate(inflater, in, len, MAX, &out, &out_len);
}

/* --- there and back --- */

START_TEST(every_message_comes_back)
{
    fwi_rand rnd;
    fwi_rand_init(&rnd, 5);
    static const size_t lens[] = {20,    100,   255,   256,   1000,
                                  32768, 32769, 65535, 65536, 300000};
    for (size_t i = 0; i < FWI_ARRAY_LEN(lens); i++) {
        size_t len = lens[i];
        uint8_t *data = bytes_like_json(&rnd, len);
        uint8_t *packed = malloc(len + 100);
        size_t n = fwi_deflate(deflater, data, len, packed, len + 100);
        ck_assert_uint_gt(n, 0);
        expect_inflated(packed, n, data, len);
        free(packed);
        free(data);
    }
}
END_TEST

START_TEST(a_message_owes_nothing_to_the_one_before)
{
    static const char text[] = "the same words, the same words, the same words again";
    uint8_t first[100], second[100];
    size_t n = fwi_deflate(deflater, text, sizeof text, first, sizeof first);
    ck_assert_uint_gt(n, 0);
    ck_assert_uint_eq(fwi_deflate(deflater, text, sizeof text, second, sizeof second), n);
    ck_assert_int_eq(memcmp(first, second, n), 0);
    expect_inflated(second, n, text, sizeof text);
}
END_TEST

/* What does not get smaller is given up; whatever the room, none of it is written over.
 */
START_TEST(what_does_not_fit_is_zero)
{
    fwi_rand rnd;
    fwi_rand_init(&rnd, 6);
    uint8_t *data = bytes_like_json(&rnd, 2000);
    uint8_t whole[2100];
    size_t n = fwi_deflate(deflater, data, 2000, whole, sizeof whole);
    ck_assert_uint_gt(n, 0);
    for (size_t cap = 1; cap < n + 10; cap++) {
        uint8_t *out = malloc(cap);
        size_t got = fwi_deflate(deflater, data, 2000, out, cap);
        ck_assert_msg(got == 0 || got == n, "%zu of %zu", got, n);
        ck_assert_msg(cap <= n + FWI_DEFLATE_TAIL || got == n, "room for %zu", cap);
        free(out);
    }
    for (size_t i = 0; i < 2000; i++) {
        data[i] = (uint8_t)fwi_rand_next(&rnd);
    }
    ck_assert_uint_eq(fwi_deflate(deflater, data, 2000, whole, 1999 + 4), 0);
    free(data);
}
END_TEST

/* A message that is no longer than a window can be inflated with that window. */
START_TEST(a_short_message_fits_into_a_small_window)
{
    fwi_rand rnd;
    fwi_rand_init(&rnd, 7);
    for (int window = 8; window <= 15; window++) {
        size_t len = (size_t)1 << window;
        for (int round = 0; round < 20; round++) {
            uint8_t *data = bytes_like_json(&rnd, len), *packed = malloc(len + 100);
            size_t n = fwi_deflate(deflater, data, len, packed, len + 100);
            memcpy(packed + n, "\0\0\xff\xff", 4);
            z_stream z = {.next_in = packed, .avail_in = (uInt)n + 4};
            ck_assert_int_eq(inflateInit2(&z, -window), Z_OK);
            uint8_t *out = malloc(len);
            for (size_t at = 0; at < len;) { /* in pieces, so that the window is used */
                z.next_out = out + at;
                z.avail_out = (uInt)FWI_MIN(len - at, 100u);
                size_t room = z.avail_out;
                ck_assert_int_eq(inflate(&z, Z_SYNC_FLUSH), Z_OK);
                at += room - z.avail_out;
            }
            ck_assert_int_eq(memcmp(out, data, len), 0);
            inflateEnd(&z);
            free(out);
            free(packed);
            free(data);
        }
    }
}
END_TEST

/* --- what clients may send --- */

#define BYTES(s) (s), sizeof(s) - 1

static const struct {
    const char *name, *in;
    size_t in_len;
    const char *want;
} examples[] = {
    {"7.2.3.1 one block", BYTES("\xf2\x48\xcd\xc9\xc9\x07\x00"), "Hello"},
    {"7.2.3.3 no compression", BYTES("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
     "Hello"},
    {"7.2.3.4 a last block", BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), "Hello"},
    {"7.2.3.5 two blocks", BYTES("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
     "Hello"},
    {"7.2.3.6 nothing", BYTES("\x00"), ""},
    {"nothing, without its byte", "", 0, ""},
    {"a last block without a byte behind it", BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00"),
     "Hello"},
    {"a last block, and another",
     BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), "HelloHello"},
    {"many empty blocks",
     BYTES("\x00\x00\x00\xff\xff\x00\x00\x00\xff\xff\xf2\x48\xcd\xc9\xc9\x07\x00"),
     "Hello"},
};

START_TEST(the_examples_of_the_rfc_are_understood)
{
    expect_inflated(examples[_i].in, examples[_i].in_len, examples[_i].want,
                    strlen(examples[_i].want));
}
END_TEST

/* Any level, window, strategy and end that zlib knows. */
START_TEST(whatever_zlib_writes_is_inflated)
{
    fwi_rand rnd;
    fwi_rand_init(&rnd, 8);
    static const int ends[] = {Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_FINISH};
    uint8_t *data = bytes_like_json(&rnd, 70000);
    for (int level = 0; level <= 9; level += 3) {
        for (int window = 9; window <= 15; window += 2) {
            for (int strategy = Z_DEFAULT_STRATEGY; strategy <= Z_FIXED; strategy++) {
                for (size_t e = 0; e < FWI_ARRAY_LEN(ends); e++) {
                    size_t n;
                    uint8_t *in =
                        compress_as(data, 70000, level, window, strategy, ends[e], &n);
                    expect_inflated(in, ends[e] == Z_FINISH ? n : n - 4, data, 70000);
                    free(in);
                }
            }
        }
    }
    free(data);
}
END_TEST

/* --- what they may not --- */

static const struct {
    const char *name, *in;
    size_t in_len;
} broken[] = {
    {"a block of the reserved kind", BYTES("\x06")},
    {"a reserved kind behind a good block", BYTES("\xf2\x48\xcd\xc9\xc9\x07\x06")},
    {"no compression, and a wrong length", BYTES("\x00\x05\x00\xff\xff\x48")},
    {"no compression, and less than it says", BYTES("\x00\x06\x00\xf9\xff\x48")},
    {"cut in the middle", BYTES("\xf2\x48\xcd")},
    {"cut so that the four bytes are taken for its codes",
     BYTES("\x1c\x8a\x81\x15\x00\x40\x08\x41\x67\xf5\xeb\xda"
           "\x7f\x84\x83\x3c\x49\xa4\x62\x23\xac\x69\x87\xef")},
    {"a distance before the beginning", BYTES("\x4b\x04\x32\x00\x00")},
    {"the four bytes that are to be left out, in part",
     BYTES("\xf2\x48\xcd\xc9\xc9\x07\x00\x00")},
    {"a code table that makes no sense",
     BYTES("\x05\xe0\x81\x91\x24\xcb\xb2\x2c\x49\xe2")},
    {"only ff", BYTES("\xff\xff\xff\xff\xff\xff")},
    {"zlib's header", BYTES("\x78\x9c\xf2\x48\xcd\xc9\xc9\x07\x00")},
    {"plain text", BYTES("Hello, this was never compressed")},
};

START_TEST(a_broken_message_is_refused_and_the_next_one_is_not_harmed)
{
    ck_assert_msg(inflated(broken[_i].in, broken[_i].in_len) == FWI_INFLATE_BROKEN, "%s",
                  broken[_i].name);
    expect_inflated(BYTES("\xf2\x48\xcd\xc9\xc9\x07\x00"), "Hello", 5);
    fwi_inflate_counts n = fwi_inflater_take_counts(inflater);
    ck_assert_uint_eq(n.broken, 1);
    ck_assert_uint_eq(n.too_big, 0);
    ck_assert_uint_eq(n.messages, 1);
    ck_assert_uint_eq(n.bytes_before, 7);
    ck_assert_uint_eq(n.bytes_after, 5);
    ck_assert_uint_eq(fwi_inflater_take_counts(inflater).messages, 0);
}
END_TEST

/* One cut short is refused, or it is short: it never holds what its sender didn't say. */
START_TEST(a_message_cut_anywhere_is_refused_or_a_beginning)
{
    fwi_rand rnd;
    fwi_rand_init(&rnd, 9);
    uint8_t *data = bytes_like_json(&rnd, 3000);
    uint8_t packed[4000];
    size_t n = fwi_deflate(deflater, data, 3000, packed, sizeof packed);
    unsigned refused = 0;
    for (size_t cut = 1; cut < n; cut++) {
        uint8_t *in = malloc(cut);
        memcpy(in, packed, cut);
        refused += inflated(in, cut) == FWI_INFLATE_BROKEN;
        free(in);
    }
    ck_assert_msg(refused > n * 9 / 10, "%u of %zu", refused, n);
    free(data);
}
END_TEST

/* --- bombs --- */

START_TEST(the_limit_itself_is_allowed_and_no_byte_more)
{
    static const size_t lens[] = {1, 100, 65535, 65536, 65537, 200000};
    uint8_t *zeros = calloc(1, 200001);
    for (size_t i = 0; i < FWI_ARRAY_LEN(lens); i++) {
        const uint8_t *out;
        size_t n, out_len;
        uint8_t *in = compress_as(zeros, lens[i], 9, 15, 0, Z_SYNC_FLUSH, &n);
        ck_assert_int_eq(fwi_inflate(inflater, in, n - 4, lens[i], &out, &out_len),
                         FWI_INFLATE_OK);
        ck_assert_uint_eq(out_len, lens[i]);
        ck_assert_int_eq(fwi_inflate(inflater, in, n - 4, lens[i] - 1, &out, &out_len),
                         FWI_INFLATE_TOO_BIG);
        free(in);
    }
    ck_assert_uint_eq(fwi_inflater_take_counts(inflater).too_big, FWI_ARRAY_LEN(lens));
    free(zeros);
}
END_TEST

START_TEST(of_a_bomb_no_more_is_inflated_than_may_be)
{
    enum { BOMB = 256 << 20, LIMIT = 100000 };
    uint8_t *zeros = calloc(1, BOMB);
    size_t n, out_len;
    const uint8_t *out;
    uint8_t *in = compress_as(zeros, BOMB, 9, 15, 0, Z_SYNC_FLUSH, &n);
    free(zeros);
    ck_assert_uint_lt(n, 300000); /* a thousandth: there is no more to be had */
    ck_assert_int_eq(fwi_inflate(inflater, in, n - 4, LIMIT, &out, &out_len),
                     FWI_INFLATE_TOO_BIG);
    ck_assert_uint_eq(out_len, LIMIT + 1);
    free(in);
}
END_TEST

START_TEST(memory_of_a_large_message_is_given_back)
{
    uint8_t *zeros = calloc(1, 4 << 20);
    size_t n, out_len;
    const uint8_t *out;
    uint8_t *in = compress_as(zeros, 4 << 20, 9, 15, 0, Z_SYNC_FLUSH, &n);
    free(zeros);
    expect_inflated(BYTES("\xf2\x48\xcd\xc9\xc9\x07\x00"), "Hello", 5);
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    ck_assert_int_eq(fwi_inflate(inflater, in, n - 4, 8 << 20, &out, &out_len),
                     FWI_INFLATE_OK);
    ck_assert_uint_eq(out_len, 4 << 20);
    expect_inflated(BYTES("\xf2\x48\xcd\xc9\xc9\x07\x00"), "Hello", 5);
    size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    ck_assert_msg(after < before + 100000, "%zu more", after - before);
    free(in);
}
END_TEST

/* --- anything --- */

/* Changed and invented streams: each is refused or understood, none is read or written
 * beyond its end, and a good one is understood afterwards. */
START_TEST(whatever_comes_does_no_harm)
{
    fwi_rand rnd;
    fwi_rand_init(&rnd, 20 + (uint64_t)_i);
    uint8_t *data = bytes_like_json(&rnd, 2000);
    for (int round = 0; round < 1000; round++) {
        size_t len = (size_t)fwi_rand_between(&rnd, 20, 2000);
        size_t n;
        uint8_t *in = compress_as(data, len, (int)fwi_rand_between(&rnd, 0, 9), 15,
                                  (int)fwi_rand_between(&rnd, 0, 4), Z_SYNC_FLUSH, &n);
        n -= 4;
        for (uint64_t changes = fwi_rand_between(&rnd, 1, 8); changes > 0; changes--) {
            in[fwi_rand_between(&rnd, 0, n - 1)] ^=
                (uint8_t)(1u << fwi_rand_between(&rnd, 0, 7));
        }
        if (round % 3 == 0) {
            n = (size_t)fwi_rand_between(&rnd, 0, n);
        }
        uint8_t *exact = malloc(n + (n == 0));
        memcpy(exact, in, n);
        const uint8_t *out;
        size_t out_len = 0;
        size_t max = (size_t)fwi_rand_between(&rnd, 1, 3000);
        fwi_inflate_result result = fwi_inflate(inflater, exact, n, max, &out, &out_len);
        ck_assert(result != FWI_INFLATE_MEMORY);
        ck_assert(result == FWI_INFLATE_TOO_BIG || out_len <= max);
        ck_assert_uint_le(out_len, max + 1);
        free(exact);
        free(in);
    }
    free(data);
    expect_inflated(BYTES("\xf2\x48\xcd\xc9\xc9\x07\x00"), "Hello", 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("deflate");
    TCase *tc = tcase_create("deflate");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, every_message_comes_back);
    tcase_add_test(tc, a_message_owes_nothing_to_the_one_before);
    tcase_add_test(tc, what_does_not_fit_is_zero);
    tcase_add_test(tc, a_short_message_fits_into_a_small_window);
    tcase_add_loop_test(tc, the_examples_of_the_rfc_are_understood, 0,
                        FWI_ARRAY_LEN(examples));
    tcase_add_test(tc, whatever_zlib_writes_is_inflated);
    tcase_add_loop_test(tc, a_broken_message_is_refused_and_the_next_one_is_not_harmed, 0,
                        FWI_ARRAY_LEN(broken));
    tcase_add_test(tc, a_message_cut_anywhere_is_refused_or_a_beginning);
    tcase_add_test(tc, the_limit_itself_is_allowed_and_no_byte_more);
    tcase_add_test(tc, of_a_bomb_no_more_is_inflated_than_may_be);
    if (!SANITIZED) {
        tcase_add_test(tc, memory_of_a_large_message_is_given_back);
    }
    tcase_add_loop_test(tc, whatever_comes_does_no_harm, 0, 4);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
