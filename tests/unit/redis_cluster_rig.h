/*
 * A Cluster of two masters that the test plays, for the Redis backplane of
 * redis_backplane_rig.h.
 */
#ifndef TESTS_REDIS_CLUSTER_RIG_H
#define TESTS_REDIS_CLUSTER_RIG_H

#include "redis_backplane_rig.h"

#include <inttypes.h>

#include "backplane/redis_map.h"
#include "core/error.h"

#define ID_A                  "07c37dfeb235213a872192d90877d0cd55635b91"
#define ID_B                  "67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1"
#define ID_C                  "292f8b365bb7edb5e285caf0b7e6ddc7265d2f4f"
#define LINE(id, host, slots) id " " host "@1 master - 0 0 1 connected " slots "\n"
#define HALVES                LINE(ID_A, "a:1", "0-8191") LINE(ID_B, "b:2", "8192-16383")
#define EPOCH                 "\x01\x02\x03\x04\x05\x06\x07\x08"

typedef struct server {
    const char *host;
    fake_stream *command, *subscriber;
} server;

static server a, b, c;
static fake_stream *asked; /* who is asked for the map */
static char in_a[8], in_b[8], also_in_a[8];
static const fwi_terms kept = {10, 60000, 7};

static inline void on_published(void *user, uint64_t ref, const fwi_published *what)
{
    char line[300];
    (void)user;
    snprintf(line, sizeof line, "#%" PRIu64 "=%s ", ref, fw_err_name(what->err));
    note(line);
}

static inline void on_history(void *user, uint64_t ref, const fwi_history_page *p)
{
    char line[300];
    (void)user;
    snprintf(line, sizeof line, "page%" PRIu64 "=%s ", ref, fw_err_name(p->err));
    note(line);
}

static const fwi_backplane_sink cluster_sink = {.on_subscribed = on_subscribed,
                                                .on_message = on_message,
                                                .on_state = on_state,
                                                .on_missed = on_missed,
                                                .on_published = on_published,
                                                .on_history = on_history};

static inline unsigned slot_of(const char *channel)
{
    char name[64];
    snprintf(name, sizeof name, "fanwire:%s", channel);
    return fwi_redis_slot(name, strlen(name));
}

/* "r:N" in the first or in the second half of the slots, N from `from` on. */
static inline void find_room(char out[8], bool second, int from)
{
    do {
        snprintf(out, 8, "r:%d", from++);
    } while ((slot_of(out) >= FWI_REDIS_SLOTS / 2) != second);
}

/* --- the servers' part --- */

static inline void tell_map(const char *text)
{
    fwi_buf out = {0};
    fwi_buf_printf(&out, "$%zu\r\n%s\r\n", strlen(text), text);
    fake_stream_feed(asked, out.data, out.len);
    fwi_buf_fini(&out);
    fake_loop_turn(loop);
    fake_loop_advance(loop, 1);
}

/* The map is asked for again, within a tenth of a second. */
static inline void tell_map_soon(const char *text)
{
    fake_stream_written(asked)->len = 0;
    fake_loop_advance(loop, 101);
    ck_assert_ptr_nonnull(strstr(written(asked), "CLUSTER"));
    tell_map(text);
}

/* The two links that were opened last to that host. */
static inline void find_links(server *s)
{
    fake_stream *found[2] = {NULL, NULL};
    for (size_t i = fake_loop_stream_count(loop); i-- > 0 && found[1] == NULL;) {
        fake_stream *stream = fake_loop_stream(loop, i);
        if (stream != asked && strcmp(fake_stream_target(stream)->host, s->host) == 0) {
            found[found[0] != NULL] = stream;
        }
    }
    ck_assert_msg(found[1] != NULL, "no links to %s", s->host);
    s->command = found[1];
    s->subscriber = found[0];
}

static inline void forget(server *s)
{
    fake_stream_written(s->command)->len = 0;
    fake_stream_written(s->subscriber)->len = 0;
}

/* Confirms each SSUBSCRIBE that was written; how many. */
static inline unsigned confirm_all(server *s)
{
    static const char order[] = "SSUBSCRIBE\r\n";
    unsigned n = 0;
    fwi_buf out = {0};
    const char *p = written(s->subscriber);
    while ((p = strstr(p, order)) != NULL) {
        p += sizeof order - 1;
        const char *name = strstr(p, "\r\n") + 2;
        int len = atoi(p + 1);
        fwi_buf_printf(&out, "*3\r\n$10\r\nssubscribe\r\n$%d\r\n%.*s\r\n:1\r\n", len, len,
                       name);
        n++;
    }
    fake_stream_written(s->subscriber)->len = 0;
    fake_stream_feed(s->subscriber, out.data, out.len);
    fwi_buf_fini(&out);
    fake_loop_turn(loop);
    return n;
}

static inline void say(const server *s, const char *text)
{
    fake_stream_feed_text(s->command, text);
    fake_loop_turn(loop);
}

static inline void echo_probe(const server *s)
{
    const fwi_envelope e = {.kind = FWI_MSG_PROBE, .node = NODE, .serial = 1};
    fwi_buf out = {0};
    fwi_buf_printf(&out, "*3\r\n$8\r\nsmessage\r\n$7\r\nfanwire\r\n$26\r\n");
    ck_assert(fwi_envelope_encode(&e, &out));
    fwi_buf_puts(&out, "\r\n");
    fake_stream_feed(s->subscriber, out.data, out.len);
    fwi_buf_fini(&out);
}

/* Health and scripts are answered. */
static inline void settle(server *s)
{
    echo_probe(s);
    say(s, ":1\r\n+PONG\r\n$1\r\nx\r\n$1\r\nx\r\n$1\r\nx\r\n");
    fake_stream_feed_text(s->subscriber, "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    forget(s);
}

/* Its links are live and confirmed; health and scripts aren't answered. */
static inline void connect_at(server *s)
{
    find_links(s);
    fake_stream_open(s->command);
    fake_stream_open(s->subscriber);
    fake_stream_feed_text(s->command, "+OK\r\n+PONG\r\n");
    fake_stream_feed_text(s->subscriber, "+OK\r\n+PONG\r\n");
    forget(s);
    fake_loop_turn(loop);
    ck_assert_uint_gt(confirm_all(s), 0);
}

static inline void come_up_at(server *s)
{
    connect_at(s);
    settle(s);
}

static inline void begin_asking_for(const fwi_backplane_sink *hub)
{
    hub_sink = hub;
    begin();
    end();
    ck_assert_ptr_null(fwi_redis_url_parse("redis+cluster://seed:7000", &config.url));
    loop = fake_loop_new(&loop_events, NULL);
    bp = fwi_backplane_redis_new(loop, &config, hub_sink, NULL);
    ck_assert_ptr_nonnull(bp);
    ck_assert_int_eq(bp->ops->start(bp), 0);
    fake_loop_advance(loop, 1);
    asked = fake_loop_last_stream(loop);
    ck_assert_ptr_nonnull(asked);
    ck_assert_str_eq(fake_stream_target(asked)->host, "seed");
    fake_stream_open(asked);
    fake_stream_feed_text(asked, "+OK\r\n+PONG\r\n");
    a = (server){.host = "a"};
    b = (server){.host = "b"};
    c = (server){.host = "c"};
    find_room(in_a, false, 0);
    find_room(also_in_a, false, atoi(in_a + 2) + 1);
    find_room(in_b, true, 0);
}

static inline void begin_asking(void)
{
    begin_asking_for(&cluster_sink);
}

static inline void begin_up(void)
{
    begin_asking();
    tell_map(HALVES);
    come_up_at(&a);
    ck_assert_uint_eq(ups, 0);
    come_up_at(&b);
    ck_assert_uint_eq(ups, 1);
    ck_assert_uint_eq(downs, 0);
}

static inline void enter_at(server *s, const char *room)
{
    ck_assert(bp->ops->subscribe(bp, room));
    fake_loop_turn(loop);
    ck_assert_uint_eq(confirm_all(s), 1);
    heard[0] = '\0';
}

static inline bool wrote(const server *s, const char *text)
{
    const fwi_buf *out = fake_stream_written(s->command);
    return out->len > 0 && memmem(out->data, out->len, text, strlen(text)) != NULL;
}

static inline void keep(const char *room, const char *text)
{
    fw_message *m = text_message(text);
    ck_assert(bp->ops->publish(bp, room, m, &kept));
    fw_message_unref(m);
}

static inline void answer_kept(const server *s)
{
    say(s, "*3\r\n$8\r\n" EPOCH "\r\n:1\r\n:0\r\n");
}

/* "MOVED", of that room's slot. */
static inline void refuse(const server *s, const char *room)
{
    char text[64];
    snprintf(text, sizeof text, "-MOVED %u b:2\r\n", slot_of(room));
    say(s, text);
}

/* A map in which one room's slot is the second server's. */
static inline const char *map_without(const char *room)
{
    static char text[600];
    unsigned slot = slot_of(room);
    snprintf(text, sizeof text,
             ID_A " a:1@1 master - 0 0 1 connected 0-%u %u-8191\n" ID_B
                  " b:2@1 master - 0 0 1 connected %u 8192-16383\n",
             slot - 1, slot + 1, slot);
    return text;
}

static inline void end_cluster(void)
{
    end();
    hub_sink = &sink;
}

#endif
