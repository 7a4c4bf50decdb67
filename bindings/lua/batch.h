/*
 * What the typemaps call: text, ids and errors to Lua and back, and an event as a table.
 * Included once, by the wrapper that SWIG makes.
 */
#ifndef FWB_LUA_BATCH_H
#define FWB_LUA_BATCH_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>
#include <lua.h>

#include <fanwire/fanwire.h>

#include "shared.h"

/* One state is one thread: there are no others to let run. */
#define FWB_BLOCKING(call) call

/* ---- errors ------------------------------------------------------------------------ */

static int fwb_fail(lua_State *L, int err, const char *text)
{
    lua_pushnil(L);
    lua_pushstring(L, text[0] ? text : fw_strerror(err));
    lua_pushstring(L, fw_err_name(err));
    return 3;
}

/* true, or nil, sentence, name. Returns how many. */
static int fwb_outcome(lua_State *L, int err)
{
    if (err < 0) {
        return fwb_fail(L, err, fw_error_detail());
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* For functions that say NULL. */
static int fwb_failed(lua_State *L)
{
    return fwb_fail(L, fwb_null_error(), fw_error_detail());
}

/* ---- time: Lua itself has no clock that nobody sets -------------------------------- */

/* fwb_now(): seconds since some moment */
static int fwb_now(lua_State *L)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec / 1e9);
    return 1;
}

/* ---- text -------------------------------------------------------------------------- */

static int fwb_is_any(lua_State *L, int at)
{
    (void)L;
    (void)at;
    return 1;
}

/* A number is no text here, though Lua would make one of it. */
static int fwb_is_text(lua_State *L, int at)
{
    return lua_type(L, at) == LUA_TSTRING || lua_isnil(L, at);
}

static int fwb_is_string(lua_State *L, int at)
{
    return lua_type(L, at) == LUA_TSTRING || lua_type(L, at) == LUA_TNUMBER;
}

static const char *fwb_text_in(lua_State *L, int at, const char *name)
{
    size_t n = 0;
    const char *text = lua_tolstring(L, at, &n);

    if (text != NULL && strlen(text) != n) {
        luaL_error(L, "%s: embedded NUL", name);
    }
    return text;
}

/* ---- ids and large numbers --------------------------------------------------------- */

static fw_session_id fwb_session_in(lua_State *L, int at, const char *name)
{
    const char *text = lua_tostring(L, at);
    fw_session_id id = fw_session_none();

    if (fw_session_id_parse(text, &id) != FW_OK) {
        luaL_error(L, "%s: 32 hexadecimal digits are wanted, not \"%s\"", name, text);
    }
    return id;
}

static void fwb_session_out(lua_State *L, fw_session_id id)
{
    char text[FW_SESSION_ID_TEXT];

    lua_pushlstring(L, fw_session_id_text(id, text), sizeof text - 1);
}

static fw_position fwb_position_in(lua_State *L, int at, const char *name)
{
    fw_position position = {0, 0};
    const char *text = lua_tostring(L, at);

    if (text != NULL && fw_position_parse(text, &position) != FW_OK) {
        luaL_error(L, "%s: \"EPOCH/OFFSET\" is wanted, not \"%s\"", name, text);
    }
    return position;
}

static void fwb_position_out(lua_State *L, fw_position position)
{
    char text[FW_POSITION_TEXT];

    if (position.epoch == 0) {
        lua_pushnil(L);
    } else {
        lua_pushstring(L, fw_position_text(position, text));
    }
}

static uint64_t fwb_number_in(lua_State *L, int at, const char *name)
{
    if (lua_type(L, at) == LUA_TNUMBER) {
        lua_Number n = lua_tonumber(L, at);
        if (!(n >= 0 && n <= 9007199254740992.0)) {
            luaL_error(L, "%s: a number from 0 to 2^53 or 16 hexadecimal digits", name);
        }
        return (uint64_t)n;
    }
    const char *text = lua_tostring(L, at);
    if (strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16) {
        luaL_error(L, "%s: 16 hexadecimal digits are wanted, not \"%s\"", name, text);
    }
    return strtoull(text, NULL, 16);
}

static void fwb_number_out(lua_State *L, uint64_t n)
{
    char text[17];

    snprintf(text, sizeof text, "%016" PRIx64, n);
    lua_pushstring(L, text);
}

/* ---- an event as a table ----------------------------------------------------------- */

/* Where what is in it. */
enum { FWB_AT_KIND = 1, FWB_AT_SESSION, FWB_AT_EVENT, FWB_AT_PAYLOAD };

static void fwb_put_text(lua_State *L, int at, const char *text)
{
    if (text != NULL) {
        lua_pushstring(L, text);
        lua_rawseti(L, -2, at);
    }
}

static void fwb_put_number(lua_State *L, int at, int n)
{
    lua_pushinteger(L, n);
    lua_rawseti(L, -2, at);
}

/* data, is it binary */
static void fwb_put_data(lua_State *L, fw_event *e)
{
    size_t len;
    const char *data = fw_event_data(e, &len);

    lua_pushlstring(L, data ? data : "", len);
    lua_rawseti(L, -2, FWB_AT_PAYLOAD);
    lua_pushboolean(L, (fw_event_flags(e) & FW_BINARY) != 0);
    lua_rawseti(L, -2, FWB_AT_PAYLOAD + 1);
}

static void fwb_put_bytes(lua_State *L, int at, const void *data, size_t len)
{
    lua_pushlstring(L, data ? data : "", len);
    lua_rawseti(L, -2, at);
}

/* As a number: what is counted here, and cursors, never come near 2^53. */
static void fwb_put_count(lua_State *L, int at, uint64_t n)
{
    lua_pushnumber(L, (lua_Number)n);
    lua_rawseti(L, -2, at);
}

static void fwb_put_members(lua_State *L, int at, fw_event *e)
{
    size_t n = fw_event_members(e);

    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const void *info = fw_event_member_info(e, i, &len);
        lua_createtable(L, 0, 4);
        fwb_session_out(L, fw_event_member_session(e, i));
        lua_setfield(L, -2, "session");
        lua_pushstring(L, fw_event_member_user(e, i)); /* nil for NULL */
        lua_setfield(L, -2, "user");
        lua_pushstring(L, fw_event_member_node(e, i));
        lua_setfield(L, -2, "node");
        lua_pushlstring(L, info, len);
        lua_setfield(L, -2, "info");
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_rawseti(L, -2, at);
}

static void fwb_put_position(lua_State *L, int at, fw_position position)
{
    fwb_position_out(L, position);
    lua_rawseti(L, -2, at);
}

static void fwb_put_messages(lua_State *L, int at, fw_event *e)
{
    size_t n = fw_event_message_count(e);

    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const fw_message *m = fw_event_message(e, i);
        const char *data = fw_message_data(m, &len);
        lua_createtable(L, 0, 3);
        lua_pushlstring(L, data, len);
        lua_setfield(L, -2, "data");
        lua_pushboolean(L, (fw_message_flags(m) & FW_BINARY) != 0);
        lua_setfield(L, -2, "binary");
        fwb_position_out(L, fw_message_position(m));
        lua_setfield(L, -2, "position");
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_rawseti(L, -2, at);
}

/* Whose question it answers: the caller's own number, a small one. */
static void fwb_put_ref(lua_State *L, const fw_event *e)
{
    lua_pushinteger(L, (lua_Integer)fw_event_token(e));
    lua_rawseti(L, -2, FWB_AT_PAYLOAD);
}

static void fwb_put_answer(lua_State *L, fw_event *e)
{
    const int at = FWB_AT_PAYLOAD;

    fwb_put_ref(L, e);
    fwb_put_number(L, at + 1, fw_event_code(e));
    fwb_put_text(L, at + 2, fw_event_reason(e));
    fwb_put_text(L, at + 3, fw_event_room(e));
    fwb_put_position(L, at + 4, fw_event_position(e));
    if (fw_event_kind(e) == FW_EVENT_HISTORY) {
        fwb_put_messages(L, at + 5, e);
    } else {
        lua_pushboolean(L, fw_event_recovered(e));
        lua_rawseti(L, -2, at + 5);
    }
}

static void fwb_put_presence(lua_State *L, fw_event *e)
{
    const int at = FWB_AT_PAYLOAD;

    fwb_put_ref(L, e);
    fwb_put_number(L, at + 1, fw_event_code(e));
    fwb_put_text(L, at + 2, fw_event_reason(e));
    fwb_put_count(L, at + 3, fw_event_total(e));
    fwb_put_count(L, at + 4, fw_event_cursor(e));
    fwb_put_members(L, at + 5, e);
}

/* What a client says is for a room, or for a method. */
static const char *fwb_where(const fw_event *e)
{
    return fw_event_kind(e) == FW_EVENT_RPC ? fw_event_method(e) : fw_event_room(e);
}

/*
 * { kind, session, event, payload ... } with this payload:
 *   MESSAGE data, binary              ROOM_MESSAGE data, binary, room, position
 *   DELIVER data, binary, code, why   CLOSE        code, why
 *   JOIN    room                      LEAVE        room, code
 *   ROOM_RESET room, position         LOG          level, component, line
 *   RESULT  ref, code, why, room, position, recovered
 *   HISTORY ref, code, why, room, position, messages: {data, binary, position} each
 *   BACKPLANE_DOWN why                NODE_UP, NODE_DOWN name
 *   PRESENCE ref, code, why, total, cursor, members: {session, user, node, info} each
 *   ROOM_JOIN, ROOM_LEAVE room, user, node, info
 *   RPC     data, binary, method
 *   TRACE   ref, json, sentence
 *   PUBLISH data, binary, room        SUB_REFRESH  room
 * A verdict on CONNECT, JOIN, RPC or one of these takes fw_event_token(event).
 */
static void fwb_put_payload(lua_State *L, fw_event *e)
{
    const int at = FWB_AT_PAYLOAD;
    switch (fw_event_kind(e)) {
    case FW_EVENT_MESSAGE:
        fwb_put_data(L, e);
        break;
    case FW_EVENT_ROOM_MESSAGE:
        fwb_put_data(L, e);
        fwb_put_text(L, at + 2, fw_event_room(e));
        fwb_put_position(L, at + 3, fw_event_position(e));
        break;
    case FW_EVENT_ROOM_RESET:
        fwb_put_text(L, at, fw_event_room(e));
        fwb_put_position(L, at + 1, fw_event_position(e));
        break;
    case FW_EVENT_DELIVER:
        fwb_put_data(L, e);
        fwb_put_number(L, at + 2, fw_event_code(e));
        fwb_put_text(L, at + 3, fw_event_reason(e));
        break;
    case FW_EVENT_CLOSE:
        fwb_put_number(L, at, fw_event_code(e));
        fwb_put_text(L, at + 1, fw_event_reason(e));
        break;
    case FW_EVENT_JOIN:
    case FW_EVENT_SUB_REFRESH:
        fwb_put_text(L, at, fw_event_room(e));
        break;
    case FW_EVENT_LEAVE:
        fwb_put_text(L, at, fw_event_room(e));
        fwb_put_number(L, at + 1, fw_event_code(e));
        break;
    case FW_EVENT_RESULT:
    case FW_EVENT_HISTORY:
        fwb_put_answer(L, e);
        break;
    case FW_EVENT_LOG:
        fwb_put_number(L, at, fw_event_code(e));
        fwb_put_text(L, at + 1, fw_event_reason(e));
        lua_pushstring(L, fw_event_data(e, NULL));
        lua_rawseti(L, -2, at + 2);
        break;
    case FW_EVENT_BACKPLANE_DOWN:
        fwb_put_text(L, at, fw_event_reason(e));
        break;
    case FW_EVENT_PRESENCE:
        fwb_put_presence(L, e);
        break;
    case FW_EVENT_ROOM_JOIN:
    case FW_EVENT_ROOM_LEAVE: {
        size_t len;
        const void *info = fw_event_data(e, &len);
        fwb_put_text(L, at, fw_event_room(e));
        fwb_put_text(L, at + 1, fw_event_user(e));
        fwb_put_text(L, at + 2, fw_event_node_name(e));
        fwb_put_bytes(L, at + 3, info, len);
        break;
    }
    case FW_EVENT_TRACE:
        fwb_put_ref(L, e);
        lua_pushstring(L, fw_event_data(e, NULL));
        lua_rawseti(L, -2, at + 1);
        fwb_put_text(L, at + 2, fw_event_reason(e));
        break;
    case FW_EVENT_NODE_UP:
    case FW_EVENT_NODE_DOWN:
        fwb_put_text(L, at, fw_event_node_name(e));
        break;
    case FW_EVENT_PUBLISH:
    case FW_EVENT_RPC:
        fwb_put_data(L, e);
        fwb_put_text(L, at + 2, fwb_where(e));
        break;
    case FW_EVENT_CONNECT:
    case FW_EVENT_REFRESH:
    case FW_EVENT_OPEN:
    case FW_EVENT_BACKPLANE_UP:
        break;
    }
}

static void fwb_push_entry(lua_State *L, fw_event *e)
{
    fw_session_id id = fw_event_session(e);

    lua_createtable(L, 7, 0);
    fwb_put_number(L, FWB_AT_KIND, (int)fw_event_kind(e));
    if (id.node != 0 || id.local != 0) {
        fwb_session_out(L, id);
    } else {
        lua_pushboolean(L, 0); /* a nil would end the sequence */
    }
    lua_rawseti(L, -2, FWB_AT_SESSION);
    fwb_put_payload(L, e);
}

#endif
