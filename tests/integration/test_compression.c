/*
 * permessage-deflate on real sockets: what is agreed on, who gets what compressed, how
 * often it is compressed, and what clients send.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "support/hub_fixture.h"

#define OFFER        "Sec-WebSocket-Extensions: permessage-deflate"
#define DEFLATED     "fanwire_deflated_total{result=\"smaller\"}"
#define NOT_DEFLATED "fanwire_deflated_total{result=\"no_smaller\"}"

static const ws_client_options offering = {.headers =
                                               OFFER "; client_max_window_bits\r\n"};

static char text[2001];

static void set_up_text(void)
{
    for (size_t i = 0; i + 1 < sizeof text; i++) {
        text[i] = "some words that come again, and others "[i % 39];
    }
}

static test_hub *open_hub(unsigned kind)
{
    set_up_text();
    test_hub *h = test_hub_new(kind);
    test_hub_set(h, "compression", "on");
    test_hub_start(h);
    return h;
}

/* What was agreed on: the answer's line, or "". */
static const char *agreed(test_hub *h, const char *headers)
{
    static char line[200];
    ws_client *c =
        ws_client_start(test_hub_url(h), &(ws_client_options){.headers = headers});
    ck_assert_int_eq(ws_client_answer(c), 101);
    ws_client_close(c, 1000, ""); /* the text is read to its end */
    const char *at = strstr(ws_client_answer_text(c), "Sec-WebSocket-Extensions: ");
    line[0] = '\0';
    if (at != NULL) {
        at += strlen("Sec-WebSocket-Extensions: ");
        snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\r"), at);
    }
    ws_client_free(c);
    return line;
}

START_TEST(compression_is_agreed_on_where_it_is_on_and_offered)
{
    test_hub *h = open_hub((unsigned)_i);
    ck_assert_str_eq(agreed(h, NULL), "");
    ck_assert_str_eq(agreed(h, OFFER "\r\n"),
                     "permessage-deflate; server_no_context_takeover; "
                     "client_no_context_takeover");
    ck_assert_str_eq(agreed(h, OFFER "; unknown\r\n"), "");
    ck_assert_str_eq(
        agreed(h, OFFER "; unknown\r\n" OFFER "; server_max_window_bits=\"10\"\r\n"),
        "permessage-deflate; server_no_context_takeover; "
        "client_no_context_takeover; server_max_window_bits=10");
    test_hub_close(h);
    h = test_hub_open((unsigned)_i);
    ck_assert_str_eq(agreed(h, OFFER "\r\n"), "");
    test_hub_close(h);
}
END_TEST

/* The next message is this text; was it compressed? */
static bool got_compressed(ws_client *c, const char *want)
{
    ws_message m;
    ck_assert_int_eq(ws_client_receive(c, &m, WS_DEADLINE_MS), WS_TEXT);
    char out[4000];
    size_t len = m.len;
    if (m.compressed) {
        uint8_t in[4000];
        memcpy(in, m.data, m.len);
        memcpy(in + m.len, "\0\0\xff\xff", 4);
        z_stream z = {.next_in = in,
                      .avail_in = (uInt)m.len + 4,
                      .next_out = (Bytef *)out,
                      .avail_out = sizeof out};
        ck_assert_int_eq(inflateInit2(&z, -15), Z_OK);
        ck_assert_int_eq(inflate(&z, Z_SYNC_FLUSH), Z_OK);
        len = sizeof out - z.avail_out;
        inflateEnd(&z);
    } else {
        memcpy(out, m.data, m.len);
    }
    ck_assert_uint_eq(len, strlen(want));
    ck_assert_int_eq(memcmp(out, want, len), 0);
    return m.compressed;
}

START_TEST(a_message_is_compressed_once_for_members_who_agreed_and_plain_for_others)
{
    enum { MEMBERS = 12, MESSAGES = 20 };
    test_hub *h = open_hub((unsigned)_i);
    test_client c[MEMBERS];
    for (int i = 0; i < MEMBERS; i++) {
        char name[8];
        snprintf(name, sizeof name, "m%d", i);
        c[i] =
            i % 2 ? test_client_open_with(h, name, &offering) : test_client_open(h, name);
        test_client_join(&c[i], "a");
    }
    for (int n = 1; n <= MESSAGES; n++) {
        ck_assert_int_eq(fw_room_publish(h->hub, "a", text, strlen(text), FW_TEXT),
                         FW_OK);
        for (int i = 0; i < MEMBERS; i++) {
            ck_assert_int_eq(got_compressed(c[i].ws, text), i % 2);
        }
        /* Each loop may have begun before the other was done; never one a member. */
        double most = n * (strcmp(h->kind->threads, "1") == 0 ? 1 : 2);
        double deflated = test_hub_stat(h, DEFLATED);
        ck_assert_msg(deflated >= n && deflated <= most, "%.0f of %d", deflated, n);
    }
    for (int i = 0; i < MEMBERS; i++) {
        test_client_expect_nothing(&c[i]);
        test_client_close(&c[i]);
    }
    test_hub_close(h);
}
END_TEST

START_TEST(a_short_message_is_plain_and_a_long_one_to_one_session_is_not)
{
    test_hub *h = open_hub((unsigned)_i);
    test_client c = test_client_open_with(h, "a", &offering);
    char less[256];
    snprintf(less, sizeof less, "%.255s", text);
    fw_session_send(h->hub, c.id, less, 255, FW_TEXT);
    fw_session_send(h->hub, c.id, text, strlen(text), FW_TEXT);
    ck_assert(!got_compressed(c.ws, less));
    ck_assert(got_compressed(c.ws, text));
    ck_assert_double_eq(test_hub_stat(h, DEFLATED), 1);
    ck_assert_double_eq(test_hub_stat(h, "fanwire_deflated_bytes_total{side=\"before\"}"),
                        2000);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

/* A frame with RSV1, masked with zeros. */
static void send_compressed(ws_client *c, int opcode, const void *data, size_t len)
{
    z_stream z = {0};
    uint8_t frame[4000];
    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    z.next_out = frame + 8;
    z.avail_out = sizeof frame - 8;
    ck_assert_int_eq(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    size_t n = sizeof frame - 8 - z.avail_out - 4;
    deflateEnd(&z);
    memcpy(frame,
           (uint8_t[]){(uint8_t)(0xc0 | opcode), 0x80 | 126, (uint8_t)(n >> 8),
                       (uint8_t)n, 0, 0, 0, 0},
           8);
    ck_assert_uint_ge(n, 126); /* or its length is to be written in another way */
    ws_client_raw(c, frame, n + 8);
}

static void fill_with_noise(char *out, size_t len)
{
    unsigned seed = 7;
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1103515245u + 12345u;
        out[i] = (char)('a' + (seed >> 16) % 26);
    }
}

START_TEST(what_a_client_compresses_is_inflated_for_the_application)
{
    test_hub *h = open_hub((unsigned)_i);
    test_client c = test_client_open_with(h, "a", &offering);
    char said[3000];
    fill_with_noise(said, sizeof said);
    send_compressed(c.ws, WS_TEXT, said, sizeof said);
    ws_client_text(c.ws, "plain");
    const test_event *e = test_hub_wait(h, FW_EVENT_MESSAGE, c.id);
    ck_assert_uint_eq(e->len, sizeof said);
    ck_assert_int_eq(memcmp(e->data, said, sizeof said), 0);
    ck_assert_uint_eq(e->flags, FW_TEXT);
    e = test_hub_wait(h, FW_EVENT_MESSAGE, c.id);
    ck_assert_str_eq((const char *)e->data, "plain");
    test_hub_wait_stat_is(h, "fanwire_inflated_total", 1);
    test_hub_wait_stat_is(h, "fanwire_inflated_bytes_total{side=\"after\"}", 3000);
    ck_assert_double_eq(test_hub_stat(h, "fanwire_messages_in_bytes_total"), 3005);
    test_client_close(&c);
    test_hub_close(h);
}
END_TEST

START_TEST(faults_of_compressed_messages_close_with_their_code_and_are_counted)
{
    test_hub *h = test_hub_new((unsigned)_i);
    test_hub_set(h, "compression", "on");
    test_hub_set(h, "message.max_bytes", "2999");
    test_hub_start(h);
    char said[3000];
    fill_with_noise(said, sizeof said);

    test_client c = test_client_open_with(h, "a", &offering);
    send_compressed(c.ws, WS_TEXT, said, sizeof said);
    ws_client_expect_closed(c.ws, 1009, "the message is too large");
    ws_client_free(c.ws);

    c = test_client_open_with(h, "a", &offering);
    ws_client_raw(c.ws, "\xc1\x83\0\0\0\0\xff\xff\xff", 9);
    ws_client_expect_closed(c.ws, 1007, "a compressed message that can't be inflated");
    ws_client_free(c.ws);

    said[5] = (char)0xff;
    c = test_client_open_with(h, "a", &offering);
    send_compressed(c.ws, WS_TEXT, said, 2000);
    ws_client_expect_closed(c.ws, 1007, "text that is not UTF-8");
    ws_client_free(c.ws);

    c = test_client_open(h, "a"); /* nothing was agreed on */
    ws_client_raw(c.ws, "\xc1\x81\0\0\0\0\0", 7);
    ws_client_expect_closed(c.ws, 1002, "a reserved bit is set");
    ws_client_free(c.ws);

    test_hub_wait_stat_is(h, "fanwire_inflate_failures_total{reason=\"too_large\"}", 1);
    test_hub_wait_stat_is(h, "fanwire_inflate_failures_total{reason=\"broken\"}", 1);
    test_hub_wait_stat_is(h, "fanwire_limit_hits_total{limit=\"message_max_bytes\"}", 1);
    test_hub_wait_stat_is(h, "fanwire_protocol_errors_total", 3);
    test_hub_close(h);
}
END_TEST

START_TEST(noise_is_sent_as_it_is_and_tried_once)
{
    test_hub *h = open_hub((unsigned)_i);
    test_client a = test_client_open_with(h, "a", &offering);
    test_client b = test_client_open_with(h, "b", &offering);
    unsigned char noise[500];
    unsigned seed = 3;
    for (size_t i = 0; i < sizeof noise; i++) {
        seed = seed * 1103515245u + 12345u;
        noise[i] = (unsigned char)(seed >> 16);
    }
    test_client_join(&a, "r");
    test_client_join(&b, "r");
    fw_room_publish(h->hub, "r", noise, sizeof noise, FW_BINARY);
    ws_client_expect(a.ws, WS_BINARY, noise, sizeof noise);
    ws_client_expect(b.ws, WS_BINARY, noise, sizeof noise);
    ck_assert_double_ge(test_hub_stat(h, NOT_DEFLATED), 1);
    ck_assert_double_eq(test_hub_stat(h, DEFLATED), 0);
    test_client_close(&a);
    test_client_close(&b);
    test_hub_close(h);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("compression");
    test_add(suite, compression_is_agreed_on_where_it_is_on_and_offered, 0, 1);
    test_add(suite,
             a_message_is_compressed_once_for_members_who_agreed_and_plain_for_others, 0,
             HUB_KINDS);
    test_add(suite, a_short_message_is_plain_and_a_long_one_to_one_session_is_not, 0,
             HUB_KINDS);
    test_add(suite, what_a_client_compresses_is_inflated_for_the_application, 0,
             HUB_KINDS);
    test_add(suite, faults_of_compressed_messages_close_with_their_code_and_are_counted,
             0, 2);
    test_add(suite, noise_is_sent_as_it_is_and_tried_once, 0, HUB_KINDS);
    return test_main(suite, true);
}
