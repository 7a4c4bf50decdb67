/*
 * Clients of the Centrifuge protocol without WebSocket, on the hub of centrifuge_rig.h:
 * what they are told by their streams, and what they are to name.
 */
#ifndef TESTS_UNIT_EMULATION_RIG_H
#define TESTS_UNIT_EMULATION_RIG_H

#include "unit/centrifuge_rig.h"

#include "core/emulation.h"

static const fwi_protocol_id kinds[] = {FWI_CENTRIFUGE_EVENTS, FWI_CENTRIFUGE_LINES};

static char session[FWI_SEAL_TEXT], node[FWI_EMULATED_NODE];

/* The next thing on a stream, without what stands around it; false: there is none. */
static inline bool next_told(fwi_conn *c, char out[HEARD_MAX])
{
    core_rig_settle(&rig);
    if (c->out.len == 0) {
        return false;
    }
    bool lines = strncmp(c->out.data, "data: ", 6) != 0;
    const char *text = c->out.data + (lines ? 0 : 6);
    const char *end = memchr(text, '\n', c->out.len - (size_t)(text - c->out.data));
    ck_assert_ptr_nonnull(end);
    snprintf(out, HEARD_MAX, "%.*s", (int)(end - text), text);
    size_t n = (size_t)(end - c->out.data) + (lines ? 1 : 2);
    ck_assert_uint_ge(c->out.len, n);
    ck_assert(lines || end[1] == '\n');
    fwi_buf_consume(&c->out, n);
    return true;
}

static inline void is_told(fwi_conn *c, const char *want)
{
    char got[HEARD_MAX];
    ck_assert_msg(next_told(c, got), "nothing instead of %s", want);
    ck_assert_msg(matches(got, want), "told %s\n instead of %s", got, want);
}

static inline void is_told_nothing(fwi_conn *c)
{
    char got[HEARD_MAX];
    ck_assert_msg(!next_told(c, got), "told %s", got);
}

/* Its end, and then nothing more. */
static inline void is_ended(fwi_conn *c, unsigned code, const char *reason)
{
    char want[256];
    snprintf(want, sizeof want,
             "{\"push\":{\"disconnect\":{\"code\":%u,\"reason\":\"%s\"}}}", code, reason);
    is_told(c, want);
    is_told_nothing(c);
    ck_assert(c->finished);
}

/* The text of a field in what was told. */
static inline void take(const char *told, const char *field, char *out, size_t cap)
{
    char name[32];
    snprintf(name, sizeof name, "\"%s\":\"", field);
    const char *at = strstr(told, name);
    ck_assert_msg(at != NULL, "%s", told);
    at += strlen(name);
    snprintf(out, cap, "%.*s", (int)strcspn(at, "\""), at);
}

/* A client that is in; session and node are its. */
static inline fwi_conn *come(fwi_protocol_id kind, unsigned loop)
{
    char got[HEARD_MAX];
    fwi_conn *c = core_connect_as(&rig, loop, "cf_ws_frame_ping_pong=true", kind);
    ck_assert(c->accepted);
    core_conn_say(c, "{\"id\":1,\"connect\":{}}");
    ck_assert(next_told(c, got));
    take(got, "session", session, sizeof session);
    take(got, "node", node, sizeof node);
    ck_assert_uint_eq(strlen(session), FWI_SEAL_TEXT - 1);
    ck_assert_str_eq(node, "0000000000000007");
    return c;
}

#endif
