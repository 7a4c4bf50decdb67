/*
 * Presence and lease of the Redis backplane with a Redis that the test plays: it notes
 * down what it is asked for, and answers what the test has told it to.
 */
#ifndef TESTS_REDIS_PRESENCE_RIG_H
#define TESTS_REDIS_PRESENCE_RIG_H

#include "core/error.h"
#include "redis_backplane_rig.h"
#include "support/test_message.h"

static char served[8192];     /* what was asked: "BEAT:1:1:0 HSET:0 1 PUBLISH " */
static const char *beat_says; /* what a beat is answered with; "" : nothing for now */
static const char *channels_say, *sweep_says, *members_say, *names_say, *return_says;
static const char *hset_says, *hdel_says, *sadd_says, *srem_says;
static char least[24];  /* the beat that the last beat wants to be known */
static char nodes[512]; /* "+other -other " */
static char page[512];  /* of the last answer: its error, or "TOTAL NEXT user " */
static unsigned pages;

static inline void on_members(void *user, uint64_t ref, const fwi_member_page *p)
{
    (void)user;
    ck_assert_uint_eq(ref, 5);
    pages++;
    if (p->err != FW_OK) {
        ck_assert_str_ne(p->why, "");
        snprintf(page, sizeof page, "%s ", fw_err_name(p->err));
        return;
    }
    snprintf(page, sizeof page, "%d %d ", (int)p->total, (int)p->next);
    for (size_t i = 0; i < p->n; i++) {
        strcat(page, p->members[i]->origin->user);
        strcat(page, " ");
    }
}

static inline void on_node(void *user, uint64_t node, const char *name, bool up)
{
    (void)user;
    ck_assert_uint_eq(node, 0xdead);
    strcat(nodes, up ? "+" : "-");
    strcat(nodes, name);
    strcat(nodes, " ");
}

static inline fw_message *member(uint64_t node, uint64_t local, const char *user,
                                 const char *node_name)
{
    fw_message *m = test_message(FWI_MSG_LEFT, "", 0, FW_TEXT);
    m->origin = fwi_origin_new((fw_session_id){node, local}, user, node_name);
    ck_assert_ptr_nonnull(m->origin);
    return m;
}

static inline fw_message *describe(void *user)
{
    (void)user;
    return member(NODE, 0, "", "me");
}

static const fwi_backplane_sink present_sink = {
    .on_subscribed = on_subscribed,
    .on_message = on_message,
    .on_state = on_state,
    .on_members = on_members,
    .on_node = on_node,
    .describe = describe,
};

static inline void set_up(void)
{
    served[0] = nodes[0] = page[0] = '\0';
    pages = 0;
    beat_says = "0 1 9999\n";
    channels_say = sweep_says = members_say = names_say = "";
    return_says = "0";
    hset_says = hdel_says = sadd_says = srem_says = ":1\r\n";
    hub_sink = &present_sink;
    begin();
}

static inline void tear_down(void)
{
    end();
}

/* --- the server: takes one command after the other, and answers --- */

typedef struct command_words {
    int argc;
    const char *argv[20];
    size_t lens[20];
} command_words;

/* The next command of those that were written. false: there is none. */
static inline bool next_command(fwi_buf *b, size_t *at, command_words *c)
{
    if (*at >= b->len) {
        return false;
    }
    char *p = b->data + *at;
    ck_assert_int_eq(*p, '*');
    c->argc = (int)strtol(p + 1, &p, 10);
    ck_assert_int_le(c->argc, 20);
    p += 2;
    for (int i = 0; i < c->argc; i++) {
        ck_assert_int_eq(*p, '$');
        c->lens[i] = strtoul(p + 1, &p, 10);
        c->argv[i] = p + 2;
        p += 2 + c->lens[i] + 2;
    }
    *at = (size_t)(p - b->data);
    return true;
}

static inline void took(const char *name, const char *detail, size_t len)
{
    size_t n = strlen(served);
    snprintf(served + n, sizeof served - n, "%s%.*s ", name, (int)len, detail);
}

static inline void say_text(const char *text)
{
    char out[1024];
    snprintf(out, sizeof out, "$%zu\r\n%s\r\n", strlen(text), text);
    fake_stream_feed_text(command, out);
}

static inline bool is_script(const command_words *c, const char *part)
{
    return memmem(c->argv[1], c->lens[1], part, strlen(part)) != NULL;
}

static inline void serve_eval(const command_words *c)
{
    if (is_script(c, "'ZADD'")) {
        char detail[32];
        snprintf(detail, sizeof detail, ":%.*s:%.*s:%.*s", (int)c->lens[9], c->argv[9],
                 (int)c->lens[10], c->argv[10], (int)c->lens[12], c->argv[12]);
        took("BEAT", detail, strlen(detail));
        snprintf(least, sizeof least, "%.*s", (int)c->lens[13], c->argv[13]);
        say_text(beat_says);
    } else if (is_script(c, "'SRANDMEMBER'")) {
        took("CHANNELS:", c->argv[3], c->lens[3]);
        say_text(channels_say);
        channels_say = *srem_says == ':' ? "" : channels_say;
    } else if (is_script(c, "'HDEL', KEYS[1], r")) {
        took("SWEEP:", c->argv[5], c->lens[5]);
        say_text(sweep_says);
    } else if (is_script(c, "'HGET', KEYS[2], ARGV[1]) or '0'")) {
        took("RETURN:", c->argv[6], 3); /* "TELL LIFE" */
        say_text(return_says);
    } else if (is_script(c, "'ZREM'")) {
        took("FORGET", "", 0);
        say_text("1");
    } else if (is_script(c, "'ZRANGEBYSCORE'")) {
        took("NAMES", "", 0);
        say_text(names_say);
    } else {
        took("MEMBERS", "", 0);
        say_text(members_say);
    }
}

static inline const char *answer_to(const char *name)
{
    return memcmp(name, "SADD", 4) == 0   ? sadd_says
           : memcmp(name, "SREM", 4) == 0 ? srem_says
           : memcmp(name, "HDEL", 4) == 0 ? hdel_says
                                          : ":1\r\n";
}

static inline void serve_publish(const command_words *c, bool sharded)
{
    if (memmem(c->argv[1], c->lens[1], ":probe:", 7) == NULL) {
        took("PUBLISH", "", 0);
    }
    fake_stream_feed_text(command, ":1\r\n");
    fwi_buf out;
    fwi_buf_init(&out);
    fwi_buf_printf(&out, "*3\r\n%s\r\n$%zu\r\n%.*s\r\n$%zu\r\n",
                   sharded ? "$8\r\nsmessage" : "$7\r\nmessage", c->lens[1],
                   (int)c->lens[1], c->argv[1], c->lens[2]);
    fwi_buf_append(&out, c->argv[2], c->lens[2]);
    fwi_buf_puts(&out, "\r\n");
    fake_stream_feed(subscriber, out.data, out.len);
    fwi_buf_fini(&out);
}

static inline void serve_one(const command_words *c)
{
    const char *name = c->argv[0];
    if (memcmp(name, "PUBLISH", 7) == 0 || memcmp(name, "SPUBLISH", 8) == 0) {
        serve_publish(c, name[0] == 'S');
    } else if (memcmp(name, "PING", 4) == 0) {
        fake_stream_feed_text(command, "+PONG\r\n");
        fake_stream_feed_text(subscriber, "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    } else if (memcmp(name, "EVAL", 4) == 0) {
        serve_eval(c);
    } else if (memcmp(name, "HSET", 4) == 0) {
        took("HSET:", c->argv[3], 3); /* "TELL LIFE" */
        fake_stream_feed_text(command, hset_says);
    } else {
        took("", name, c->lens[0]);
        fake_stream_feed_text(command, answer_to(name));
    }
}

/* What is written now, and nothing of what that leads to. */
static inline void serve_once(void)
{
    fwi_buf *b = fake_stream_written(command);
    fwi_buf taken = *b;
    fwi_buf_init(b);
    command_words c;
    size_t at = 0;
    while (!fake_stream_is_closed(command) && next_command(&taken, &at, &c)) {
        serve_one(&c);
    }
    fwi_buf_fini(&taken);
}

/* Until nothing is asked any more. */
static inline void serve(void)
{
    fake_loop_turn(loop);
    fake_stream_written(subscriber)->len = 0;
    while (fake_stream_written(command)->len > 0) {
        serve_once();
        fake_loop_turn(loop);
    }
}

static inline void expect_served(const char *what)
{
    ck_assert_str_eq(served, what);
    served[0] = '\0';
}

static inline void pass(uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += 100) {
        fake_loop_advance(loop, 100);
        serve();
    }
}

static inline void be_up(void)
{
    come_up();
    serve();
    served[0] = '\0';
}

static inline void enter_one(bool tell)
{
    fw_message *m = member(NODE, 1, "ann", "me");
    ck_assert(bp->ops->enter(bp, "r:a", m, tell));
    fw_message_unref(m);
}

static inline void enter_another(void)
{
    fw_message *m = member(NODE, 2, "bob", "me");
    ck_assert(bp->ops->enter(bp, "r:a", m, false));
    fw_message_unref(m);
}

static inline void leave_one(void)
{
    bp->ops->leave(bp, "r:a", (fw_session_id){NODE, 1});
}

static inline void go_and_return(void)
{
    lose();
    come_up();
    serve();
}

#endif
