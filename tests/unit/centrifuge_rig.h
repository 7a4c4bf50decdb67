/*
 * A hub without threads or sockets whose clients speak the Centrifuge protocol, and what
 * they say and hear, frame by frame.
 */
#ifndef TESTS_UNIT_CENTRIFUGE_RIG_H
#define TESTS_UNIT_CENTRIFUGE_RIG_H

#include <check.h>
#include <stdarg.h>
#include <string.h>

#include <fanwire/version.h>

#include "support/core_rig.h"
#include "wire/ws_codec.h"

static core_rig rig;

enum { HEARD_MAX = 8192 };

static inline fwi_conn *arrive(unsigned loop)
{
    return core_connect_as(&rig, loop, "", FWI_CENTRIFUGE);
}

/* <epoch> in what is expected stands for 16 hexadecimal digits, <client> for 32. */
static inline bool matches(const char *got, const char *want)
{
    for (; *want != '\0'; want++) {
        size_t digits = strncmp(want, "<epoch>", 7) == 0    ? 16
                        : strncmp(want, "<client>", 8) == 0 ? 32
                                                            : 0;
        if (digits > 0) {
            if (strspn(got, "0123456789abcdef") < digits) {
                return false;
            }
            got += digits;
            want += digits == 16 ? 6 : 7;
        } else if (*got++ != *want) {
            return false;
        }
    }
    return *got == '\0';
}

/* What c hears next is this. */
static inline void hears(fwi_conn *c, const char *want)
{
    char got[HEARD_MAX];
    core_rig_settle(&rig);
    int opcode = core_conn_next(c, got, sizeof got);
    ck_assert_msg(opcode == FWI_WS_TEXT, "opcode %d instead of %s", opcode, want);
    ck_assert_msg(matches(got, want), "heard %s\n instead of %s", got, want);
}

static inline void hears_nothing(fwi_conn *c)
{
    char got[HEARD_MAX];
    core_rig_settle(&rig);
    int opcode = core_conn_next(c, got, sizeof got);
    ck_assert_msg(opcode < 0, "heard %s", got);
}

/* Its Close frame is what comes next. */
static inline void is_closed(fwi_conn *c, unsigned code)
{
    char got[HEARD_MAX];
    core_rig_settle(&rig);
    int opcode = core_conn_next(c, got, sizeof got);
    ck_assert_msg(opcode == FWI_WS_CLOSE, "opcode %d: %s", opcode, got);
    unsigned is = (unsigned)(uint8_t)got[0] << 8 | (uint8_t)got[1];
    ck_assert_msg(is == code, "closed with %u instead of %u: %s", is, code, got + 2);
}

static inline void say(fwi_conn *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static inline void say(fwi_conn *c, const char *fmt, ...)
{
    char text[HEARD_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    core_conn_say(c, text);
    core_rig_settle(&rig);
}

#define CONNECTED(more)                                                                  \
    "{\"id\":1,\"connect\":{\"client\":\"<client>\",\"version\":"                        \
    "\"fanwire " FW_VERSION_STRING "\"" more ",\"ping\":25,\"pong\":true}}"

/* A client that is in. */
static inline fwi_conn *enter(unsigned loop)
{
    fwi_conn *c = arrive(loop);
    say(c, "{\"id\":1,\"connect\":{}}");
    hears(c, CONNECTED(""));
    return c;
}

/* What the application is asked, where a test says so. */
static uint64_t question;
static char asked[256];
static unsigned opened, closed;

static inline void on_connect(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    size_t len;
    const char *data = fw_event_data(e, &len);
    question = fw_event_token(e);
    snprintf(asked, sizeof asked, "%.*s", (int)len, data != NULL ? data : "");
}

static inline void on_open(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)e;
    (void)user;
    opened++;
}

static inline void on_close(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)e;
    (void)user;
    closed++;
}

static inline void decide_later(void)
{
    opened = closed = 0;
    core_rig_init(&rig, 1, NULL);
    core_rig_on(&rig, FW_EVENT_CONNECT, on_connect, NULL);
    core_rig_on(&rig, FW_EVENT_OPEN, on_open, NULL);
    core_rig_on(&rig, FW_EVENT_CLOSE, on_close, NULL);
}

/* What a handler of OPEN does on the session's own thread: puts it into a room. */
static inline void give(fw_event *e, const char *room)
{
    fw_session_id id = fw_event_session(e);
    fwi_session *s = fwi_session_find(&rig.shard[fwi_id_loop(id)], id);
    ck_assert_int_eq(fwi_session_join(s, room, &(fwi_join){.ref = 0}), FW_OK);
}

/* Subscribes to a room without history, by command 2. */
static inline void subscribe(fwi_conn *c, const char *room)
{
    say(c, "{\"id\":2,\"subscribe\":{\"channel\":\"%s\"}}", room);
    hears(c, "{\"id\":2,\"subscribe\":{}}");
}

/* Of a room that it subscribes to by command 2: its epoch. */
static inline void subscribe_kept(fwi_conn *c, const char *more, char epoch[17])
{
    char got[HEARD_MAX];
    say(c, "{\"id\":2,\"subscribe\":{\"channel\":\"a\",\"recoverable\":true%s}}", more);
    ck_assert_int_eq(core_conn_next(c, got, sizeof got), FWI_WS_TEXT);
    const char *at = strstr(got, "\"epoch\":\"");
    ck_assert_msg(at != NULL, "%s", got);
    snprintf(epoch, 17, "%s", at + strlen("\"epoch\":\""));
}

static inline void publish(const char *room, const char *text)
{
    char channel[300];
    snprintf(channel, sizeof channel, "r:%s", room);
    ck_assert_int_eq(core_publish(&rig, channel, text), FW_OK);
    core_rig_settle(&rig);
}

#endif
