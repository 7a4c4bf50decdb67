/*
 * The transport against real sockets: what a peer does to it, and what a session asks of
 * it. The core is made of stubs (transport_rig.h).
 */
#include "transport_rig.h"

#include <stdlib.h>
#include <sys/stat.h>

/* More than the buffers of both kernels hold: it can be sent only if somebody reads it.
 */
static char more[16 << 20];

/* --- handshakes and echoes --- */

START_TEST(messages_of_all_length_forms_are_echoed)
{
    rig_prepare();
    rig_start();
    client c = client_shaken();
    expect_echoes(&c);
    client_send_frame(&c, FWI_WS_CLOSE, "\x03\xe8", 2);
    client_expect_close(&c, 1000);
    client_close(&c);
    rig_stop();
}
END_TEST

START_TEST(a_session_learns_who_came)
{
    rig_prepare();
    rig_start();
    client c = client_open(0);
    const char *head = HANDSHAKE_WITH("/ws?a=1", "X-Forwarded-For: 9.8.7.6, 127.0.0.1\r\n"
                                                 "Origin: http://localhost:81\r\n");
    client_send(&c, head, strlen(head));
    client_expect_101(&c);
    ck_assert_str_eq(R.shard.facts, "0|/ws|a=1|9.8.7.6|127.0.0.1|http://localhost:81");
    client_close(&c);
    WAIT_FOR(gone, 1);
    rig_stop();
}
END_TEST

START_TEST(a_head_may_come_byte_by_byte)
{
    rig_prepare();
    rig_start();
    client c = client_open(0);
    int on = 1;
    setsockopt(c.fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
    for (size_t i = 0; i < strlen(HANDSHAKE); i++) {
        client_send(&c, &HANDSHAKE[i], 1);
    }
    client_expect_101(&c);
    client_close(&c);
    rig_stop();
}
END_TEST

START_TEST(frames_right_behind_the_head_are_served)
{
    rig_prepare();
    rig_start();
    client c = client_open(0);
    send_head_and_numbers(&c, 300);
    client_expect_101(&c);
    expect_numbers(&c, 300);
    client_close(&c);
    rig_stop();
}
END_TEST

static void task_accept_last(rig *r)
{
    r->shard.last->tp->accept(r->shard.last->c);
}

START_TEST(frames_behind_the_head_wait_for_a_late_verdict)
{
    rig_prepare();
    R.shard.mode = RIG_LATE;
    rig_start();
    client c = client_open(0);
    send_head_and_numbers(&c, 300);
    WAIT_FOR(sessions, 1);
    ck_assert_int_eq(atomic_load(&R.shard.messages), 0);
    rig_do(task_accept_last);
    client_expect_101(&c);
    expect_numbers(&c, 300);
    client_close(&c);
    rig_stop();
}
END_TEST

/* --- refusals: each is read as a whole, though the peer goes on sending --- */

static const struct {
    const char *name, *request, *status;
    int mode, admit_status, session_status;
} refusals[] = {
    {.name = "no HTTP", .request = "\x16\x03\x01\x02\x00\x01\r\n\r\n", .status = "400"},
    {.name = "no upgrade",
     .request = "GET /ws HTTP/1.1\r\nHost: a\r\n\r\n",
     .status = "426"},
    {.name = "another path", .request = HANDSHAKE_WITH("/other", ""), .status = "404"},
    {.name = "POST",
     .request = "POST /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                "Connection: upgrade\r\n\r\n",
     .status = "405"},
    {.name = "a body",
     .request = "POST /ws HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
     .status = "413"},
    {.name = "no key",
     .request = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                "Connection: upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
     .status = "400"},
    {.name = "foreign origin",
     .request = HANDSHAKE_WITH("/ws", "Origin: http://evil.example\r\n"),
     .status = "403"},
    {.name = "too many pending",
     .request = HANDSHAKE,
     .status = "503",
     .admit_status = 503},
    {.name = "too many of this address",
     .request = HANDSHAKE,
     .status = "429",
     .session_status = 429},
    {.name = "verdict", .request = HANDSHAKE, .status = "403", .mode = RIG_REFUSE},
};

START_TEST(a_refusal_is_an_answer_that_arrives)
{
    rig_prepare();
    R.shard.mode = (rig_mode)refusals[_i].mode;
    R.shard.admit_status = refusals[_i].admit_status;
    R.shard.session_status = refusals[_i].session_status;
    rig_start();
    client c = client_open(0);
    client_send(&c, refusals[_i].request, strlen(refusals[_i].request));
    /* Were this left unread, close() would be a reset and take the answer away. */
    client_send(&c, more, sizeof more);
    char text[4096];
    ck_assert_msg(client_recv_text(&c, text, sizeof text), "%s: reset",
                  refusals[_i].name);
    ck_assert_msg(strncmp(text, "HTTP/1.1 ", 9) == 0 &&
                      strncmp(text + 9, refusals[_i].status, 3) == 0,
                  "%s: %s", refusals[_i].name, text);
    ck_assert_ptr_nonnull(strstr(text, "\r\n\r\n"));
    client_close(&c);
    rig_stop();
}
END_TEST

START_TEST(half_a_head_is_408_when_its_time_is_over)
{
    rig_prepare();
    R.config.handshake_timeout_ms = 500;
    rig_start();
    client c = client_open(0);
    client_send(&c, HANDSHAKE, 30);
    char text[4096];
    ck_assert(client_recv_text(&c, text, sizeof text));
    ck_assert_msg(strncmp(text, "HTTP/1.1 408 ", 13) == 0, "%s", text);
    client_close(&c);
    ck_assert_int_eq(atomic_load(&R.shard.http_errors), 1);
    rig_stop();
}
END_TEST

START_TEST(who_says_nothing_is_closed_without_an_answer)
{
    rig_prepare();
    R.config.handshake_timeout_ms = 500;
    rig_start();
    client c = client_open(0);
    char byte;
    ck_assert_int_eq(client_recv(&c, &byte, 1), 0);
    client_close(&c);
    ck_assert_int_eq(atomic_load(&R.shard.http_errors), 1);
    rig_stop();
}
END_TEST

/* --- requests that are no handshakes --- */

enum { PAGE_BYTES = 3000000 };

static size_t allow_100(void *user, fwi_http_call *call)
{
    (void)user;
    (void)call;
    return 100;
}

static void answer_page(void *user, fwi_http_call *call)
{
    (void)user;
    size_t len = 0;
    const char *body = fwi_http_request_body(call->request, &len);
    char *page = malloc(PAGE_BYTES);
    for (size_t i = 0; i < PAGE_BYTES; i++) {
        page[i] = len > 0 ? body[i % len] : 'x';
    }
    call->answer(
        call, &(fwi_http_reply){
                  .status = 200, .type = "text/plain", .body = page, .len = PAGE_BYTES});
    free(page);
}

static const fwi_http_service pages = {.on_head = allow_100, .on_request = answer_page};

START_TEST(other_requests_get_their_whole_answer)
{
    static const char *const requests[] = {
        "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde",
    };
    rig_prepare();
    R.door.service = &pages;
    rig_start();
    client c = client_open(4096);
    client_send(&c, requests[_i], strlen(requests[_i]));
    char *text = malloc(PAGE_BYTES + 4096);
    ck_assert(client_recv_text(&c, text, PAGE_BYTES + 4096));
    ck_assert(strncmp(text, "HTTP/1.1 200 ", 13) == 0);
    ck_assert_uint_eq(strlen(strstr(text, "\r\n\r\n") + 4), PAGE_BYTES);
    if (_i == 1) {
        ck_assert_int_eq(strncmp(strstr(text, "\r\n\r\n") + 4, "abcdeabcde", 10), 0);
    }
    free(text);
    client_close(&c);
    rig_stop();
}
END_TEST

/* --- endings --- */

START_TEST(what_follows_the_end_in_the_same_segment_is_not_served)
{
    rig_prepare();
    R.shard.mode = _i == 0 ? RIG_FINISH : RIG_ABORT;
    rig_start();
    client c = client_open(0);
    send_head_and_numbers(&c, 50);
    if (_i == 0) {
        client_expect_101(&c);
        client_expect_close(&c, 1000);
    } else {
        char text[4096];
        ck_assert_msg(!client_recv_text(&c, text, sizeof text), "no reset");
    }
    ck_assert_int_eq(atomic_load(&R.shard.messages), 1);
    client_close(&c);
    rig_stop();
    ck_assert_int_eq(atomic_load(&R.shard.gone), 0);
}
END_TEST

static const struct {
    const char *name, *bytes;
    size_t len;
    unsigned code;
} failures[] = {
    {"unmasked", "\x81\x01x", 3, 1002},
    {"reserved opcode", "\x83\x80\0\0\0\0", 6, 1002},
    {"not UTF-8", "\x81\x81\0\0\0\0\xff", 7, 1007},
    {"too long", "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 10, 1009},
};

START_TEST(a_failure_is_a_close_frame_that_arrives)
{
    rig_prepare();
    rig_start();
    client c = client_shaken();
    client_send(&c, failures[_i].bytes, failures[_i].len);
    client_send(&c, more, sizeof more);
    client_expect_close(&c, failures[_i].code);
    client_close(&c);
    ck_assert_int_eq(atomic_load(&R.shard.failures), 1);
    rig_stop();
}
END_TEST

START_TEST(a_peer_that_never_says_fin_is_closed_all_the_same)
{
    rig_prepare();
    R.shard.mode = RIG_FINISH;
    rig_start();
    client c = client_shaken();
    client_send_frame(&c, FWI_WS_TEXT, "x", 1);
    client_expect_close(&c, 1000);
    /* When it is closed over there, what we send is answered by a reset. */
    ssize_t n;
    do {
        int turns = atomic_load(&R.turns);
        n = send(c.fd, "x", 1, MSG_NOSIGNAL);
        wait_for(&R.turns, n > 0 ? turns + 1 : turns, "turns");
    } while (n > 0);
    ck_assert(errno == EPIPE || errno == ECONNRESET);
    client_close(&c);
    rig_stop();
}
END_TEST

/* --- back-pressure --- */

START_TEST(a_slow_reader_gets_every_byte_in_order)
{
    rig_prepare();
    R.shard.mode = RIG_POUR;
    R.shard.pour_bytes = POUR_BYTES;
    if (_i == 1) {
        with_tls();
    }
    rig_start();
    client c = client_open(16384);
    if (_i == 1) {
        client_tls(&c);
    }
    client_send(&c, HANDSHAKE, strlen(HANDSHAKE));
    client_expect_101(&c);
    client_send_frame(&c, FWI_WS_TEXT, "go", 2);
    WAIT_FOR(messages, 1);
    /* It sends too, which must not be the end of the stream by a reset. */
    for (int i = 0; i < 100; i++) {
        client_send_frame(&c, FWI_WS_PONG, "still here", 10);
    }
    WAIT_FOR(blocked, 1); /* nothing goes out any more; only now it is read */
    expect_pour(&c);
    ck_assert_int_gt(atomic_load(&R.shard.writables), 0);
    client_close(&c);
    rig_stop();
}
END_TEST

static void on_tick(fwi_timer *t)
{
    (void)t;
    atomic_fetch_add(&R.shard.http_errors, 1000);
}

static fwi_timer tick;

static void task_start_tick(rig *r)
{
    fwi_timer_init(&tick, on_tick);
    fwi_loop_timer_set(r->loop, &tick, 300);
}

START_TEST(who_sends_and_does_not_read_costs_no_processor)
{
    rig_prepare();
    R.shard.mode = RIG_POUR;
    R.shard.pour_bytes = 64 << 20;
    rig_start();
    client c = client_open(2048);
    client_send(&c, HANDSHAKE, strlen(HANDSHAKE));
    client_expect_101(&c);
    client_send_frame(&c, FWI_WS_TEXT, "go", 2);
    WAIT_FOR(messages, 1);
    send(c.fd, more, sizeof more, MSG_DONTWAIT | MSG_NOSIGNAL);
    int before = atomic_load(&R.turns);
    rig_do(task_start_tick);
    WAIT_FOR(http_errors, 1000);
    ck_assert_int_lt(atomic_load(&R.turns) - before, 2000);
    client_reset(&c);
    WAIT_FOR(gone, 1);
    rig_stop();
}
END_TEST

START_TEST(pausing_loses_nothing)
{
    rig_prepare();
    R.shard.mode = RIG_PAUSE;
    if (_i == 1) {
        with_tls();
    }
    rig_start();
    client c = client_open(0);
    if (_i == 1) {
        client_tls(&c);
    }
    send_head_and_numbers(&c, 100);
    client_expect_101(&c);
    fwi_buf b;
    fwi_buf_init(&b);
    for (int i = 0; i < 5; i++) {
        put_frame(&b, FWI_WS_BINARY, R.shard.facts, sizeof R.shard.facts);
        char *big = calloc(1, 100000);
        put_frame(&b, FWI_WS_BINARY, big, 100000);
        free(big);
    }
    client_send(&c, b.data, b.len);
    expect_numbers(&c, 100);
    for (int i = 0; i < 10; i++) {
        ck_assert_uint_eq(client_recv_frame(&c, &b), FWI_WS_BINARY);
        ck_assert_uint_eq(b.len, i % 2 == 0 ? sizeof R.shard.facts : 100000);
    }
    fwi_buf_fini(&b);
    client_send_frame(&c, FWI_WS_CLOSE, "\x03\xe8", 2);
    client_expect_close(&c, 1000);
    client_close(&c);
    rig_stop();
}
END_TEST

/* --- many --- */

/* Connects, goes as far as the number says, and resets. */
static void connect_and_reset(int how)
{
    client c = client_open(0);
    switch (how % 6) {
    case 0:
        break;
    case 1:
        client_send(&c, HANDSHAKE, 40);
        break;
    case 2:
        client_send(&c, HANDSHAKE, strlen(HANDSHAKE));
        break;
    case 3:
        client_send(&c, HANDSHAKE, strlen(HANDSHAKE));
        client_expect_101(&c);
        break;
    case 4:
        client_send(&c, HANDSHAKE, strlen(HANDSHAKE));
        client_expect_101(&c);
        client_send(&c, "\x82\xfe\xff\xff....half", 12);
        break;
    default:
        send_head_and_numbers(&c, 20);
        break;
    }
    client_reset(&c);
}

START_TEST(thousands_of_resets_leave_nothing_behind)
{
    int before = open_descriptors();
    rig_prepare();
    rig_start();
    client last = client_shaken();
    for (int i = 0; i < 2000; i++) {
        connect_and_reset(i);
    }
    /* Accepted in order: when this one is served, all before it have been taken. */
    client c = client_shaken();
    client_close(&c);
    client_send_frame(&last, FWI_WS_TEXT, "still here", 10);
    fwi_buf b;
    fwi_buf_init(&b);
    ck_assert_uint_eq(client_recv_frame(&last, &b), FWI_WS_TEXT);
    fwi_buf_fini(&b);
    client_close(&last);
    wait_for(&R.shard.ended, atomic_load(&R.shard.sessions), "ended");
    rig_stop();
    ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

START_TEST(closing_the_transport_resets_who_is_left_and_tells_nobody)
{
    int before = open_descriptors();
    rig_prepare();
    rig_start();
    client open = client_shaken();
    client half = client_open(0);
    client_send(&half, HANDSHAKE, 20);
    WAIT_FOR(admits, 2);
    rig_stop();
    char byte;
    ck_assert_int_eq(client_recv(&open, &byte, 1), -1);
    ck_assert_int_eq(errno, ECONNRESET);
    ck_assert_int_le(client_recv(&half, &byte, 1), 0);
    ck_assert_int_eq(atomic_load(&R.shard.gone), 0);
    client_close(&open);
    client_close(&half);
    ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

START_TEST(a_transport_comes_and_goes_without_a_trace)
{
    int before = 0;
    for (int i = 0; i < 200; i++) {
        rig_prepare();
        if (i % 2 == 1) {
            with_tls();
        }
        ck_assert_int_eq(fwi_transport_new(&R.transport, R.loop, &R.shard, &R.config),
                         FW_OK);
        fwi_transport_free(R.transport);
        fwi_loop_uv_free(R.loop);
        fwi_networks_free((fwi_networks *)(uintptr_t)R.config.trusted);
        if (i == 1) { /* what libraries open once for ever is there now */
            before = open_descriptors();
        }
    }
    ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("transport");
    TCase *tc = tcase_create("transport");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, messages_of_all_length_forms_are_echoed);
    tcase_add_test(tc, a_session_learns_who_came);
    tcase_add_test(tc, a_head_may_come_byte_by_byte);
    tcase_add_test(tc, frames_right_behind_the_head_are_served);
    tcase_add_test(tc, frames_behind_the_head_wait_for_a_late_verdict);
    tcase_add_loop_test(tc, a_refusal_is_an_answer_that_arrives, 0,
                        FWI_ARRAY_LEN(refusals));
    tcase_add_test(tc, half_a_head_is_408_when_its_time_is_over);
    tcase_add_test(tc, who_says_nothing_is_closed_without_an_answer);
    tcase_add_loop_test(tc, other_requests_get_their_whole_answer, 0, 2);
    tcase_add_loop_test(tc, what_follows_the_end_in_the_same_segment_is_not_served, 0, 2);
    tcase_add_loop_test(tc, a_failure_is_a_close_frame_that_arrives, 0,
                        FWI_ARRAY_LEN(failures));
    tcase_add_test(tc, a_peer_that_never_says_fin_is_closed_all_the_same);
    tcase_add_loop_test(tc, a_slow_reader_gets_every_byte_in_order, 0, 2);
    tcase_add_test(tc, who_sends_and_does_not_read_costs_no_processor);
    tcase_add_loop_test(tc, pausing_loses_nothing, 0, 2);
    tcase_add_test(tc, thousands_of_resets_leave_nothing_behind);
    tcase_add_test(tc, closing_the_transport_resets_who_is_left_and_tells_nobody);
    tcase_add_test(tc, a_transport_comes_and_goes_without_a_trace);
    suite_add_tcase(s, tc);
    return rig_main(s);
}
