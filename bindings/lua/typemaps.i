/*
 * How the public interface looks in Lua (5.1 to 5.4, LuaJIT).
 *
 *   const char *            string without NUL, or nil where C takes NULL
 *   (data, len)             a string; flags behind it may be left out: text
 *   fw_session_id           string of 32 hexadecimal digits: a double would lose bits
 *   fw_position             string "EPOCH/OFFSET"; nil where there is none
 *   uint64_t                out: string of 16 hexadecimal digits; in: that, or a number
 *   an error                nil, sentence, name ("FW_ERR_GONE"); success without a value
 *                           is true
 *   fw_hub_poll             table of events, each a table; see batch.h
 *
 * A wrong type is error(), as of any function of Lua.
 */

%include <stdint.i>

/* ---- errors ---------------------------------------------------------------------------- */

%init %{
#define FWB_ERROR_CONSTANT(name, number, retriable, text)                                    \
    lua_pushinteger(L, number);                                                              \
    lua_setfield(L, -2, "FW_ERR_" #name);
    FW_ERROR_MAP(FWB_ERROR_CONSTANT)
#undef FWB_ERROR_CONSTANT
    lua_pushinteger(L, FW_OK);
    lua_setfield(L, -2, "FW_OK");
    lua_pushinteger(L, FW_VERSION);
    lua_setfield(L, -2, "FW_VERSION");
    lua_pushcfunction(L, fwb_now);
    lua_setfield(L, -2, "fwb_now");
    /* SWIG makes them global, and nobody here needs them. */
    lua_pushnil(L);
    lua_setglobal(L, "swig_type");
    lua_pushnil(L);
    lua_setglobal(L, "swig_equals");
    lua_pushnil(L);
    lua_setglobal(L, "fanwire_native");
%}

%typemap(out) int "SWIG_arg += fwb_outcome(L, $1);"
/* These count, or give a descriptor. */
%typemap(out) int fw_hub_event_fd, int fw_emitter_publish, int fw_emitter_send_user,
              int fw_emitter_send_all, int fw_emitter_disconnect_user {
    if ($1 < 0) {
        SWIG_arg += fwb_outcome(L, $1);
    } else {
        lua_pushinteger(L, $1);
        SWIG_arg++;
    }
}
%typemap(out) int fw_event_code "lua_pushinteger(L, $1); SWIG_arg++;"
%typemap(out) int fw_session_id_equal, int fw_err_is_retriable, int fw_event_recovered
    "lua_pushboolean(L, $1); SWIG_arg++;"

/* ---- text and bytes ---------------------------------------------------------------------- */

%typemap(in, checkfn="fwb_is_text") const char *
    "$1 = ($1_ltype)(uintptr_t)fwb_text_in(L, $input, \"$1_name\");"
%typemap(out) const char * "lua_pushstring(L, $1); SWIG_arg++;" /* nil for NULL */

%typemap(in, checkfn="fwb_is_string") (const void *data, size_t len) (size_t n)
    "$1 = ($1_ltype)(uintptr_t)lua_tolstring(L, $input, &n); $2 = n;"
%typemap(in, checkfn="fwb_is_text") (const void *head, size_t len) (size_t n = 0)
    "$1 = ($1_ltype)(uintptr_t)lua_tolstring(L, $input, &n); $2 = n;"
%typemap(default) unsigned flags "$1 = FW_TEXT;"

%typemap(in, numinputs=0) size_t *len (size_t n = 0) "$1 = &n;"
%typemap(out) const void *fw_event_data, const void *fw_message_data
    "lua_pushlstring(L, $1 ? $1 : \"\", *arg2); SWIG_arg++;"

%typemap(out) const void *fw_event_member_info
    "lua_pushlstring(L, $1, *arg3); SWIG_arg++;"

/* ---- session ids and other large numbers ----------------------------------------------------- */

%typemap(in, checkfn="fwb_is_string") fw_session_id
    "$1 = fwb_session_in(L, $input, \"$1_name\");"
%typemap(out) fw_session_id "fwb_session_out(L, $1); SWIG_arg++;"
%typemap(in, checkfn="fwb_is_text") fw_position
    "$1 = fwb_position_in(L, $input, \"$1_name\");"
%typemap(out) fw_position "fwb_position_out(L, $1); SWIG_arg++;"
%typemap(in, checkfn="fwb_is_string") uint64_t "$1 = fwb_number_in(L, $input, \"$1_name\");"
%typemap(out) uint64_t "fwb_number_out(L, $1); SWIG_arg++;"

/* ---- handles --------------------------------------------------------------------------------- */

%{
static fw_event *fwb_event_in(lua_State *L, int at)
{
    void *handle = NULL;

    if (!SWIG_IsOK(SWIG_ConvertPtr(L, at, &handle, SWIGTYPE_p_fwb_event, 0)) ||
        handle == NULL) {
        luaL_error(L, "an event is wanted, not %s", luaL_typename(L, at));
    }
    if (((fwb_event *)handle)->e == NULL) {
        luaL_error(L, "the event is finished");
    }
    return ((fwb_event *)handle)->e;
}
%}
%typemap(in, checkfn="fwb_is_any") fw_event *, const fw_event *
    "$1 = fwb_event_in(L, $input);"
%typemap(check) fw_hub *, const fw_hub *, struct fw_hub *, fw_message *,
                const fw_message *, struct fw_message *, fw_emitter *, fw_options *o,
                const fw_options *o
    "if ($1 == NULL) luaL_error(L, \"$1_name: a handle is wanted, not nil\");"
%typemap(out) fw_message *, fw_options * {
    if ($1 == NULL) {
        SWIG_arg += fwb_failed(L);
    } else {
        SWIG_NewPointerObj(L, $1, $descriptor, 1);
        SWIG_arg++;
    }
}
%typemap(in, numinputs=0) fw_hub **hub (fw_hub *made = NULL) "$1 = &made;"
%typemap(in, numinputs=0) fw_emitter **emitter (fw_emitter *made = NULL) "$1 = &made;"
/* The handle instead of true. */
%typemap(argout) fw_hub **hub {
    if (made$argnum != NULL) {
        lua_pop(L, SWIG_arg);
        SWIG_NewPointerObj(L, made$argnum, $descriptor(fw_hub *), 1);
        SWIG_arg = 1;
    }
}
%typemap(argout) fw_emitter **emitter {
    if (made$argnum != NULL) {
        lua_pop(L, SWIG_arg);
        SWIG_NewPointerObj(L, made$argnum, $descriptor(fw_emitter *), 1);
        SWIG_arg = 1;
    }
}

/* ---- figures ----------------------------------------------------------------------------------- */

%typemap(in, numinputs=0) double *value (double figure = 0) "$1 = &figure;"
%typemap(argout) double *value {
    if (result == FW_OK) {
        lua_pop(L, SWIG_arg);
        lua_pushnumber(L, figure$argnum);
        SWIG_arg = 1;
    }
}
%typemap(in, numinputs=0) char **text (char *made = NULL) "$1 = &made;"
%typemap(argout) char **text {
    if (result == FW_OK) {
        lua_pop(L, SWIG_arg);
        lua_pushstring(L, made$argnum);
        SWIG_arg = 1;
        fw_stats_text_free(made$argnum);
    }
}

/* ---- waking nginx: see wake.h --------------------------------------------------------------------- */

%init %{
    fwb_wake_register(L);
    lua_pushcfunction(L, fwb_wake_accept);
    lua_setfield(L, -2, "fwb_wake_accept");
%}

%{
static int fwb_wake_accept(lua_State *L)
{
    void *hub = NULL;

    if (!SWIG_IsOK(SWIG_ConvertPtr(L, 2, &hub, SWIGTYPE_p_fw_hub, 0)) || hub == NULL) {
        return luaL_error(L, "hub: a handle is wanted, not %s", luaL_typename(L, 2));
    }
    return fwb_wake_accept_for(L, (fw_hub *)hub);
}
%}

/* ---- batches of events ---------------------------------------------------------------------------- */

%init %{
    lua_pushcfunction(L, fwb_hub_poll);
    lua_setfield(L, -2, "fw_hub_poll");
    lua_pushcfunction(L, fwb_events_done);
    lua_setfield(L, -2, "fw_events_done");
%}

%{
static int fwb_hub_poll(lua_State *L)
{
    fw_event *events[FWB_BATCH];
    void *hub = NULL;
    int max = (int)luaL_checkinteger(L, 2), timeout_ms = (int)luaL_checkinteger(L, 3);

    if (!SWIG_IsOK(SWIG_ConvertPtr(L, 1, &hub, SWIGTYPE_p_fw_hub, 0)) || hub == NULL) {
        return luaL_error(L, "hub: a handle is wanted, not %s", luaL_typename(L, 1));
    }
    /* Whatever may raise comes before events are taken: they would be lost. */
    luaL_checkstack(L, 16, "no room for events");
    int n = fw_hub_poll((fw_hub *)hub, events, max > FWB_BATCH ? FWB_BATCH : max,
                        timeout_ms);
    if (n < 0) {
        return fwb_outcome(L, n);
    }
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        fwb_event *handle = fwb_event_new(events[i], (fw_hub *)hub);
        if (handle == NULL) {
            fw_events_done((fw_hub *)hub, &events[i], 1);
            continue;
        }
        fwb_push_entry(L, events[i]);
        SWIG_NewPointerObj(L, handle, SWIGTYPE_p_fwb_event, 1);
        lua_rawseti(L, -2, FWB_AT_EVENT);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static void finish_one(lua_State *L, int at)
{
    void *handle = NULL;

    if (!SWIG_IsOK(SWIG_ConvertPtr(L, at, &handle, SWIGTYPE_p_fwb_event, 0)) ||
        handle == NULL) {
        luaL_error(L, "events: an event is wanted, not %s", luaL_typename(L, at));
    }
    fwb_event_finish((fwb_event *)handle);
}

/* fw_events_done(hub, event or table of events) */
static int fwb_events_done(lua_State *L)
{
    if (lua_type(L, 2) != LUA_TTABLE) {
        finish_one(L, 2);
        return 0;
    }
    for (int i = 1;; i++) {
        lua_rawgeti(L, 2, i);
        if (lua_isnil(L, -1)) {
            return 0;
        }
        finish_one(L, -1);
        lua_pop(L, 1);
    }
}
%}
