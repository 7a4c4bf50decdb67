/*
 * The rig's transport keeps what was written and knows who cut the tie; its loops are the
 * fake ones. See core_rig.h.
 */
#include "support/core_rig.h"

#include <check.h>
#include <stdarg.h>
#include <string.h>

#include "wire/ws_codec.h"
#include "support/test_made.h"

/* --- the transport --- */

static void conn_accept(fwi_conn *c)
{
    c->accepted = true;
}

static void conn_refuse(fwi_conn *c, int status, const char *reason)
{
    (void)reason;
    c->refused = status;
    c->s = NULL;
}

static bool conn_can_write(fwi_conn *c)
{
    return !c->blocked;
}

static bool conn_write(fwi_conn *c, const void *data, size_t len)
{
    ck_assert(!c->blocked);
    ck_assert(fwi_buf_append(&c->out, data, len));
    c->writes++;
    return true;
}

static uint32_t conn_taken(fwi_conn *c)
{
    return c->taken;
}

static bool conn_has_taken_all(fwi_conn *c)
{
    return !c->behind;
}

static void conn_finish(fwi_conn *c)
{
    c->finished = true;
    c->s = NULL;
}

static void conn_abort(fwi_conn *c)
{
    c->aborted = true;
    c->s = NULL;
}

static void conn_pause(fwi_conn *c, bool paused)
{
    c->paused = paused;
}

static const fwi_transport_ops conn_ops = {
    .accept = conn_accept,
    .refuse = conn_refuse,
    .can_write = conn_can_write,
    .write = conn_write,
    .taken = conn_taken,
    .has_taken_all = conn_has_taken_all,
    .finish = conn_finish,
    .abort = conn_abort,
    .pause = conn_pause,
};

/* --- the hub --- */

fwi_backplane *(*core_rig_backplane)(fwi_loop *loop, const fwi_backplane_sink *sink,
                                     void *user) = fwi_backplane_memory_new;
uint64_t core_rig_node = 7;

void core_rig_init(core_rig *rig, unsigned loops, ...)
{
    fw_options *o = fw_options_new();
    ck_assert_ptr_nonnull(o);
    va_list ap;
    va_start(ap, loops);
    for (const char *name; (name = va_arg(ap, const char *)) != NULL;) {
        ck_assert_int_eq(fw_options_set(o, name, va_arg(ap, const char *)), 0);
    }
    va_end(ap);
    core_rig_init_with(rig, loops, o);
    rig->own = o;
}

void core_rig_init_with(core_rig *rig, unsigned loops, fw_options *o)
{
    memset(rig, 0, offsetof(core_rig, shard)); /* what is behind it is large */
    rig->options = o;
    rig->loops = loops;
    ck_assert(fwi_hub_init(&rig->hub, NULL, core_rig_node, "node", o));
    rig->hub.n_shards = rig->hub.routes.n_loops = loops;
    for (unsigned i = 0; i < loops; i++) {
        rig->hub.shard[i] = &rig->shard[i];
        ck_assert(fwi_shard_init(&rig->shard[i], &rig->hub, i));
        rig->loop[i] = fake_loop_new(&fwi_shard_loop_events, &rig->shard[i]);
        rig->shard[i].loop = rig->loop[i];
    }
    rig->hub.bp = core_rig_backplane(rig->loop[0], &fwi_hub_sink, &rig->hub);
    ck_assert_ptr_nonnull(rig->hub.bp);
    ck_assert_int_eq(rig->hub.bp->ops->start(rig->hub.bp), 0);
    ck_assert(fwi_hub_subscribe_own(&rig->hub));
    core_rig_settle(rig);
}

void core_rig_on(core_rig *rig, fw_event_type type, fw_handler fn, void *user)
{
    rig->hub.events.on[type].wanted = true;
    rig->hub.events.on[type].fn = fn;
    rig->hub.events.on[type].user = user;
}

void core_rig_fini(core_rig *rig)
{
    core_rig_settle(rig);
    for (unsigned i = 0; i < rig->loops; i++) {
        fwi_shard_close_all(&rig->shard[i]);
        fwi_shard_abort_all(&rig->shard[i]);
        fwi_inbox_close(&rig->shard[i].inbox);
    }
    rig->hub.bp->ops->stop(rig->hub.bp);
    rig->hub.bp->ops->free(rig->hub.bp);
    fwi_routes_fini(&rig->hub.routes);
    for (unsigned i = 0; i < rig->loops; i++) {
        fake_loop_free(rig->loop[i]);
        fwi_shard_fini(&rig->shard[i]);
    }
    fwi_hub_fini(&rig->hub);
    fw_options_free(rig->own);
}

/* A loop that hasn't been woken waits for its sockets and timers, as it would outside. */
static bool is_any_woken(const core_rig *rig)
{
    bool any = false;
    for (unsigned i = 0; i < rig->loops; i++) {
        any = any || fake_loop_is_woken(rig->loop[i]);
    }
    return any;
}

void core_rig_settle(core_rig *rig)
{
    int rounds = 0;
    do {
        for (unsigned i = 0; i < rig->loops; i++) {
            fake_loop_turn(rig->loop[i]);
        }
    } while (is_any_woken(rig) && ++rounds < 20);
    fwi_shard_leave_thread();
}

void core_rig_advance(core_rig *rig, uint64_t ms)
{
    for (unsigned i = 0; i < rig->loops; i++) {
        fake_loop_advance(rig->loop[i], ms);
    }
    core_rig_settle(rig);
}

uint64_t core_rig_stat(const core_rig *rig, fwi_stat which)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < rig->loops; i++) {
        sum += fwi_stat_get(&rig->shard[i].stats, which);
    }
    return sum;
}

/* --- connections --- */

fwi_conn *core_connect(core_rig *rig, unsigned loop, const char *query)
{
    return core_connect_as(rig, loop, query, FWI_RAW);
}

fwi_conn *core_connect_as(core_rig *rig, unsigned loop, const char *query,
                          fwi_protocol_id protocol)
{
    return core_connect_with(rig, loop, query, protocol, NULL, 0);
}

fwi_conn *core_connect_with(core_rig *rig, unsigned loop, const char *query,
                            fwi_protocol_id protocol, const char *const *headers,
                            size_t n)
{
    fwi_conn *c = calloc(1, sizeof *c);
    ck_assert_ptr_nonnull(c);
    c->rig = rig;
    fwi_facts_source from = {.path = "/ws",
                             .query = query,
                             .address = "192.0.2.1",
                             .peer = "",
                             .headers = headers,
                             .n_headers = n};
    int status = fwi_shard_admit(&rig->shard[loop]);
    if (status == 0) {
        fwi_facts *facts = fwi_facts_new(&from);
        FWI_ASSERT(facts != NULL);
        c->s = fwi_session_new(&rig->shard[loop], &conn_ops, c, facts, protocol, &status);
        if (c->s == NULL) {
            fwi_shard_unadmit(&rig->shard[loop]);
        }
    }
    if (c->s == NULL) {
        c->refused = status;
        return c;
    }
    c->id = fwi_session_identity(c->s);
    fwi_session_ask(c->s);
    return c;
}

void core_conn_free(fwi_conn *c)
{
    core_conn_lose(c);
    fwi_buf_fini(&c->out);
    free(c);
}

void core_conn_lose(fwi_conn *c)
{
    if (c->s != NULL) {
        fwi_session *s = c->s;
        c->s = NULL;
        fwi_session_on_gone(s);
    }
}

void core_conn_say(fwi_conn *c, const char *text)
{
    ck_assert_ptr_nonnull(c->s);
    fwi_session_on_message(c->s, true, text, strlen(text));
}

void core_conn_unblock(fwi_conn *c)
{
    c->blocked = false;
    if (c->s != NULL) {
        fwi_session_on_writable(c->s);
    }
}

int core_conn_next(fwi_conn *c, char *out, size_t cap)
{
    const uint8_t *b = (const uint8_t *)c->out.data;
    if (c->out.len < 2) {
        return -1;
    }
    size_t head = 2, len = b[1];
    if (len == 126) {
        head = 4;
        len = (size_t)b[2] << 8 | b[3];
    } else if (len == 127) {
        head = 10;
        len = 0;
        for (int i = 0; i < 8; i++) {
            len = len << 8 | b[2 + i];
        }
    }
    int opcode = b[0] & 15;
    ck_assert_uint_ge(c->out.len, head + len);
    snprintf(out, cap, "%.*s", (int)FWI_MIN(len, cap), (const char *)b + head);
    fwi_buf_consume(&c->out, head + len);
    return opcode;
}

unsigned core_conn_count(fwi_conn *c, const char *text)
{
    char said[256];
    unsigned n = 0;
    for (int op; (op = core_conn_next(c, said, sizeof said)) >= 0;) {
        n += op == FWI_WS_TEXT && strcmp(said, text) == 0;
    }
    return n;
}

int core_publish(core_rig *rig, const char *channel, const char *text)
{
    fw_message *m = test_message(FWI_MSG_DATA, text, strlen(text), FW_TEXT);
    int err = fwi_hub_publish(&rig->hub, channel, m);
    fw_message_unref(m);
    return err;
}
