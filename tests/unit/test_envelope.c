/*
 * The envelope: its bytes, the way there and back, and every way to be damaged.
 */
#include <check.h>
#include <string.h>

#include "base/rand.h"
#include "wire/envelope.h"

static const uint8_t payload[] = "payload";

static const fwi_envelope full = {.kind = 3,
                                  .flags = FWI_ENVELOPE_BINARY,
                                  .code = 0x1234,
                                  .node = 0x0102030405060708,
                                  .serial = UINT64_MAX - 1,
                                  .except = {1, 2},
                                  .target = {0, 4},
                                  .origin = {5, 0},
                                  .user = "ann",
                                  .user_len = 3,
                                  .node_name = "host-1",
                                  .node_name_len = 6,
                                  .info = (const uint8_t *)"{}",
                                  .info_len = 2,
                                  .room_info = (const uint8_t *)"[1]",
                                  .room_info_len = 3,
                                  .epoch = 0x1112131415161718,
                                  .offset = 99,
                                  .data = payload,
                                  .len = 7};

static fwi_buf encode(const fwi_envelope *e)
{
    fwi_buf b = {0};
    ck_assert(fwi_envelope_encode(e, &b));
    return b;
}

START_TEST(the_bytes_are_those_of_the_format)
{
    static const char want[] = "\xff"
                               "FW\x01\x01\x00\x00\x00"
                               "\0\0\0\0\0\0\0\x07"
                               "\0\0\0\0\0\0\x01\x00"
                               "\x00\x16"
                               "\x02\x00\x10\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x0a"
                               "\x04\x00\x00"
                               "hi";
    fwi_envelope e = {.kind = 1,
                      .node = 7,
                      .serial = 256,
                      .target = {9, 10},
                      .user = "",
                      .data = (const uint8_t *)"hi",
                      .len = 2};
    fwi_buf b = encode(&e);
    ck_assert_uint_eq(b.len, sizeof want - 1);
    ck_assert(memcmp(b.data, want, b.len) == 0);
    fwi_buf_fini(&b);
}
END_TEST

START_TEST(everything_comes_back)
{
    fwi_buf b = encode(&full);
    fwi_envelope e;
    ck_assert_int_eq(fwi_envelope_decode(&e, b.data, b.len), FWI_ENVELOPE_OK);
    ck_assert(e.kind == 3 && e.flags == FWI_ENVELOPE_BINARY && e.code == 0x1234);
    ck_assert(e.node == full.node && e.serial == full.serial);
    ck_assert(e.except.node == 1 && e.except.local == 2);
    ck_assert(e.target.node == 0 && e.target.local == 4);
    ck_assert(e.origin.node == 5 && e.origin.local == 0);
    ck_assert(e.user_len == 3 && memcmp(e.user, "ann", 3) == 0);
    ck_assert(e.node_name_len == 6 && memcmp(e.node_name, "host-1", 6) == 0);
    ck_assert(e.info_len == 2 && memcmp(e.info, "{}", 2) == 0);
    ck_assert(e.room_info_len == 3 && memcmp(e.room_info, "[1]", 3) == 0);
    ck_assert(e.epoch == full.epoch && e.offset == 99);
    ck_assert(e.len == 7 && memcmp(e.data, payload, 7) == 0);
    ck_assert((const char *)e.data == b.data + b.len - 7);
    fwi_buf_fini(&b);
}
END_TEST

START_TEST(a_position_has_its_place_whatever_else_is_said)
{
    static const char want[] = "\x11\x12\x13\x14\x15\x16\x17\x18\0\0\0\0\0\0\0\x63";
    fwi_envelope bare = {.kind = 1, .epoch = full.epoch, .offset = full.offset};
    const fwi_envelope *both[] = {&full, &bare};
    for (size_t i = 0; i < FWI_ARRAY_LEN(both); i++) {
        fwi_buf b = encode(both[i]);
        ck_assert_mem_eq(b.data + FWI_ENVELOPE_POSITION, want,
                         FWI_ENVELOPE_POSITION_BYTES);
        fwi_buf_fini(&b);
    }
}
END_TEST

START_TEST(what_is_left_out_comes_back_empty)
{
    fwi_envelope in = {.kind = 1}, e;
    fwi_buf b = encode(&in);
    ck_assert_uint_eq(b.len, 26);
    ck_assert_int_eq(fwi_envelope_decode(&e, b.data, b.len), FWI_ENVELOPE_OK);
    ck_assert(e.user == NULL && e.node_name == NULL && e.len == 0);
    ck_assert(e.epoch == 0 && e.offset == 0);
    ck_assert(e.except.node == 0 && e.target.local == 0 && e.origin.node == 0);
    fwi_buf_fini(&b);
}
END_TEST

START_TEST(an_envelope_is_appended)
{
    fwi_buf b = encode(&full);
    size_t one = b.len;
    ck_assert(fwi_envelope_encode(&full, &b));
    ck_assert_uint_eq(b.len, 2 * one);
    ck_assert(memcmp(b.data, b.data + one, one) == 0);
    fwi_buf_fini(&b);
}
END_TEST

START_TEST(every_cut_is_damaged_or_only_shortens_the_payload)
{
    fwi_buf b = encode(&full);
    for (size_t len = 0; len < b.len; len++) {
        char *cut = malloc(len ? len : 1);
        memcpy(cut, b.data, len);
        fwi_envelope e;
        fwi_envelope_result want = len < 3           ? FWI_ENVELOPE_NONE
                                   : len < b.len - 7 ? FWI_ENVELOPE_DAMAGED
                                                     : FWI_ENVELOPE_OK;
        ck_assert_msg(fwi_envelope_decode(&e, cut, len) == want, "%zu", len);
        free(cut);
    }
    fwi_buf_fini(&b);
}
END_TEST

/* An envelope with these bytes as fields. */
static fwi_envelope_result decode_fields(const char *fields, size_t len, fwi_envelope *e)
{
    static fwi_buf b;
    b.len = 0;
    fwi_envelope in = {.kind = 1};
    ck_assert(fwi_envelope_encode(&in, &b));
    b.data[24] = (char)(len >> 8);
    b.data[25] = (char)len;
    fwi_buf_append(&b, fields, len);
    fwi_buf_puts(&b, "data");
    return fwi_envelope_decode(e, b.data, b.len);
}

#define B(s) s, sizeof(s) - 1

static const struct {
    const char *name, *fields;
    size_t len;
    fwi_envelope_result want;
} fields[] = {
    {"unknown types are skipped", B("\x63\x00\x02zz\x04\x00\x01u\xff\x00\x00"),
     FWI_ENVELOPE_OK},
    {"half a field", B("\x04\x00"), FWI_ENVELOPE_DAMAGED},
    {"longer than the fields", B("\x04\x00\x02u"), FWI_ENVELOPE_DAMAGED},
    {"unknown and too long", B("\x63\xff\xffu"), FWI_ENVELOPE_DAMAGED},
    {"an id of 15 bytes",
     B("\x01\x00\x0f"
       "123456789012345"),
     FWI_ENVELOPE_DAMAGED},
    {"an id of 17 bytes",
     B("\x03\x00\x11"
       "12345678901234567"),
     FWI_ENVELOPE_DAMAGED},
    {"a position of 8 bytes",
     B("\x06\x00\x08"
       "12345678"),
     FWI_ENVELOPE_DAMAGED},
    {"a user not UTF-8", B("\x04\x00\x01\xff"), FWI_ENVELOPE_DAMAGED},
    {"a user with NUL", B("\x04\x00\x02u\0"), FWI_ENVELOPE_DAMAGED},
    {"a node's name with NUL", B("\x05\x00\x01\0"), FWI_ENVELOPE_DAMAGED},
};

START_TEST(fields_are_checked)
{
    fwi_envelope e;
    ck_assert_msg(decode_fields(fields[_i].fields, fields[_i].len, &e) == fields[_i].want,
                  "%s", fields[_i].name);
    if (fields[_i].want == FWI_ENVELOPE_OK) {
        ck_assert(e.user_len == 1 && *e.user == 'u');
        ck_assert(e.len == 4 && memcmp(e.data, "data", 4) == 0);
    }
}
END_TEST

START_TEST(a_user_of_more_than_255_bytes_is_damaged)
{
    char f[3 + 256] = {4, 1, 0};
    memset(f + 3, 'u', 256);
    fwi_envelope e;
    ck_assert_int_eq(decode_fields(f, sizeof f, &e), FWI_ENVELOPE_DAMAGED);
}
END_TEST

START_TEST(other_bytes_and_versions_are_told_apart)
{
    fwi_envelope e;
    ck_assert_int_eq(fwi_envelope_decode(&e, "hello", 5), FWI_ENVELOPE_NONE);
    ck_assert_int_eq(fwi_envelope_decode(&e, NULL, 0), FWI_ENVELOPE_NONE);
    ck_assert_int_eq(fwi_envelope_decode(&e,
                                         "\xff"
                                         "FX\x01",
                                         4),
                     FWI_ENVELOPE_NONE);
    ck_assert_int_eq(fwi_envelope_decode(&e,
                                         "\xff"
                                         "FW\x02",
                                         4),
                     FWI_ENVELOPE_VERSION);
    ck_assert_int_eq(fwi_envelope_decode(&e,
                                         "\xff"
                                         "FW\x00",
                                         4),
                     FWI_ENVELOPE_VERSION);
    ck_assert_int_eq(fwi_envelope_decode(&e,
                                         "\xff"
                                         "FW",
                                         3),
                     FWI_ENVELOPE_DAMAGED);
}
END_TEST

START_TEST(random_damage_never_leads_outside)
{
    fwi_rand rnd;
    fwi_rand_init(&rnd, 9);
    fwi_buf b = encode(&full);
    for (int i = 0; i < 20000; i++) {
        char *in = malloc(b.len);
        memcpy(in, b.data, b.len);
        for (uint64_t k = fwi_rand_between(&rnd, 1, 5); k > 0; k--) {
            in[fwi_rand_between(&rnd, 4, b.len - 1)] = (char)fwi_rand_next(&rnd);
        }
        fwi_envelope e;
        if (fwi_envelope_decode(&e, in, b.len) == FWI_ENVELOPE_OK) {
            ck_assert((const char *)e.data + e.len == in + b.len);
        }
        free(in);
    }
    fwi_buf_fini(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("envelope");
    TCase *tc = tcase_create("envelope");
    tcase_add_test(tc, the_bytes_are_those_of_the_format);
    tcase_add_test(tc, everything_comes_back);
    tcase_add_test(tc, a_position_has_its_place_whatever_else_is_said);
    tcase_add_test(tc, what_is_left_out_comes_back_empty);
    tcase_add_test(tc, an_envelope_is_appended);
    tcase_add_test(tc, every_cut_is_damaged_or_only_shortens_the_payload);
    tcase_add_loop_test(tc, fields_are_checked, 0, FWI_ARRAY_LEN(fields));
    tcase_add_test(tc, a_user_of_more_than_255_bytes_is_damaged);
    tcase_add_test(tc, other_bytes_and_versions_are_told_apart);
    tcase_add_test(tc, random_damage_never_leads_outside);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
