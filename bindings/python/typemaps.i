/*
 * How the public interface looks in Python.
 *
 *   const char *            str without NUL, or None where C takes NULL
 *   (data, len, flags)      one argument: str goes as text, any buffer as binary; no copy
 *   fw_session_id           str of 32 hexadecimal digits
 *   fw_position             str "EPOCH/OFFSET"; None where there is none
 *   an error                the exception class that set_error_class() gave its number
 *   fw_hub_poll             list of (kind, session, payload, event); see batch.h
 */

%include <stdint.i>

/* ---- errors ---------------------------------------------------------------------------- */

%init %{
/* By SWIG's own function: it also names them in __all__, which is what native.py takes. */
#define FWB_CONSTANT(name, number)                                                           \
    SWIG_Python_SetConstant(d, public_interface, name, PyLong_FromLong(number));
#define FWB_ERROR_CONSTANT(name, number, retriable, text)                                    \
    FWB_CONSTANT("FW_ERR_" #name, number)
    FW_ERROR_MAP(FWB_ERROR_CONSTANT)
    FWB_CONSTANT("FW_OK", FW_OK)
    FWB_CONSTANT("FW_VERSION", FW_VERSION)
#undef FWB_ERROR_CONSTANT
#undef FWB_CONSTANT
/* SWIG refuses __init__ only, and what __new__ makes has no type that it could look at.
 * To delete `thisown` would end the process, and nobody needs to change whose it is. */
swig_type_info *const made_here[] = {SWIGTYPE_p_fw_hub, SWIGTYPE_p_fw_options,
                                     SWIGTYPE_p_fw_message, SWIGTYPE_p_fw_emitter,
                                     SWIGTYPE_p_fwb_event};
for (size_t k = 0; k < sizeof made_here / sizeof made_here[0]; k++) {
    PyTypeObject *type = ((SwigPyClientData *)made_here[k]->clientdata)->pytype;
    type->tp_new = fwb_no_new;
    if (PyDict_DelItemString(type->tp_dict, "thisown") != 0) {
        PyErr_Clear();
    }
    PyType_Modified(type);
}
%}
%{
static PyObject *fwb_no_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    PyErr_Format(PyExc_TypeError, "%s: handles are made by the library", type->tp_name);
    return NULL;
}
%}

%typemap(out) int {
    if ($1 < 0) {
        fwb_raise($1);
        SWIG_fail;
    }
    Py_INCREF(Py_None);
    $result = Py_None;
}
/* These count, or give a descriptor. */
%typemap(out) int fw_hub_event_fd, int fw_emitter_publish, int fw_emitter_send_user,
              int fw_emitter_send_all, int fw_emitter_disconnect_user {
    if ($1 < 0) {
        fwb_raise($1);
        SWIG_fail;
    }
    $result = PyLong_FromLong($1);
}
%typemap(out) int fw_event_code "$result = PyLong_FromLong($1);"
%typemap(out) int fw_session_id_equal, int fw_err_is_retriable, int fw_event_recovered
    "$result = PyBool_FromLong($1);"

/* ---- text and bytes ---------------------------------------------------------------------- */

%typemap(in) const char * (const char *text = NULL) {
    if (!fwb_text_in($input, "$1_name", &text)) {
        SWIG_fail;
    }
    $1 = ($1_ltype)(uintptr_t)text;
}
%typemap(freearg) const char * ""
/* Where C looks a name up it must be one. */
%typemap(check) const char *name, const char *room {
    if ($1 == NULL) {
        PyErr_SetString(PyExc_TypeError, "$1_name: str is wanted, not None");
        SWIG_fail;
    }
}
%typemap(out) const char * "$result = fwb_text_out($1);"

%typemap(in) (const void *data, size_t len, unsigned flags) (fwb_bytes bytes) {
    if (!fwb_bytes_in($input, &bytes)) {
        SWIG_fail;
    }
    $1 = ($1_ltype)(uintptr_t)bytes.at;
    $2 = bytes.len;
    $3 = bytes.flags;
}
%typemap(arginit) (const void *data, size_t len, unsigned flags)
    "fwb_bytes_init(&bytes$argnum);"
%typemap(freearg) (const void *data, size_t len, unsigned flags)
    "fwb_bytes_fini(&bytes$argnum);"

/* One argument, too: text or bytes, or None. */
%typemap(in) (const void *head, size_t len) (fwb_bytes bytes) {
    if ($input != Py_None && !fwb_bytes_in($input, &bytes)) {
        SWIG_fail;
    }
    $1 = ($1_ltype)(uintptr_t)bytes.at;
    $2 = bytes.len;
}
%typemap(arginit) (const void *head, size_t len) "fwb_bytes_init(&bytes$argnum);"
%typemap(freearg) (const void *head, size_t len) "fwb_bytes_fini(&bytes$argnum);"
%apply (const void *head, size_t len) { (const void *data, size_t len) };

%typemap(in, numinputs=0) size_t *len (size_t n = 0) "$1 = &n;"
%typemap(out) const void *fw_event_data
    "$result = fwb_bytes_out($1, *arg2, fw_event_flags(arg1));"
%typemap(out) const void *fw_event_member_info
    "$result = fwb_bytes_out($1, *arg3, FW_BINARY);"
%typemap(out) const void *fw_message_data
    "$result = fwb_bytes_out($1, *arg2, fw_message_flags(arg1));"

/* ---- session ids --------------------------------------------------------------------------- */

%typemap(in) fw_session_id {
    if (!fwb_session_in($input, "$1_name", &$1)) {
        SWIG_fail;
    }
}
%typemap(out) fw_session_id "$result = fwb_session_out($1);"

%typemap(in) fw_position {
    if (!fwb_position_in($input, "$1_name", &$1)) {
        SWIG_fail;
    }
}
%typemap(out) fw_position "$result = fwb_position_out($1);"

/* ---- handles --------------------------------------------------------------------------------- */

%{
static fwb_event *fwb_handle_in(PyObject *in)
{
    void *handle = NULL;

    if (!SWIG_IsOK(SWIG_ConvertPtr(in, &handle, SWIGTYPE_p_fwb_event, 0)) ||
        handle == NULL) {
        PyErr_Format(PyExc_TypeError, "an event is wanted, not %s", Py_TYPE(in)->tp_name);
        return NULL;
    }
    return (fwb_event *)handle;
}

static fw_event *fwb_event_in(PyObject *in)
{
    fwb_event *handle = fwb_handle_in(in);

    if (handle != NULL && handle->e == NULL) {
        PyErr_SetString(PyExc_ValueError, "the event is finished");
    }
    return handle ? handle->e : NULL;
}
%}
%typemap(in) fw_event *, const fw_event * {
    $1 = fwb_event_in($input);
    if ($1 == NULL) {
        SWIG_fail;
    }
}
%typemap(check) fw_hub *, const fw_hub *, struct fw_hub *, fw_message *,
                const fw_message *, struct fw_message *, fw_emitter *, fw_options *o,
                const fw_options *o {
    if ($1 == NULL) {
        PyErr_SetString(PyExc_TypeError, "$1_name: a handle is wanted, not None");
        SWIG_fail;
    }
}
/* SWIG gives None, and an exception besides, where memory runs out: then nobody would own
 * what was made. */
%{
#define FWB_OWN(result, made, type, end)                                                 \
    do {                                                                                 \
        (result) = SWIG_InternalNewPointerObj(made, type, SWIG_POINTER_OWN);             \
        if ((result) == Py_None) {                                                       \
            Py_CLEAR(result);                                                            \
            end(made);                                                                   \
        }                                                                                \
    } while (0)
%}
%typemap(out) fw_message * {
    if ($1 == NULL) {
        fwb_raise_detail();
        SWIG_fail;
    }
    FWB_OWN($result, $1, $descriptor, fw_message_unref);
}
%typemap(out) fw_options * {
    if ($1 == NULL) {
        fwb_raise_detail();
        SWIG_fail;
    }
    FWB_OWN($result, $1, $descriptor, fw_options_free);
}
%typemap(out) fwb_event * {
    if ($1 == NULL) {
        PyErr_NoMemory();
        SWIG_fail;
    }
    FWB_OWN($result, $1, $descriptor, fwb_event_free);
}
%typemap(in, numinputs=0) fw_hub **hub (fw_hub *made = NULL) "$1 = &made;"
%typemap(argout) fw_hub **hub {
    Py_XDECREF($result);
    FWB_OWN($result, made$argnum, $descriptor(fw_hub *), fw_hub_free);
}
%typemap(in, numinputs=0) fw_emitter **emitter (fw_emitter *made = NULL) "$1 = &made;"
%typemap(argout) fw_emitter **emitter {
    Py_XDECREF($result);
    FWB_OWN($result, made$argnum, $descriptor(fw_emitter *), fw_emitter_free);
}

/* ---- figures ----------------------------------------------------------------------------------- */

%typemap(in, numinputs=0) double *value (double figure = 0) "$1 = &figure;"
%typemap(argout) double *value {
    Py_XDECREF($result);
    $result = PyFloat_FromDouble(figure$argnum);
}
%typemap(in, numinputs=0) char **text (char *made = NULL) "$1 = &made;"
%typemap(argout) char **text {
    Py_XDECREF($result);
    $result = fwb_text_out(made$argnum);
    fw_stats_text_free(made$argnum);
}

/* ---- what blocks ------------------------------------------------------------------------------- */

%thread fw_hub_start;
%thread fw_hub_reload;
%thread fw_hub_drain;
%thread fw_hub_stop;
%thread fw_stats_get;
%thread fw_stats_text;
%thread fw_emitter_publish;
%thread fw_emitter_send_user;
%thread fw_emitter_send_all;
%thread fw_emitter_disconnect_user;

/* ---- batches of events ---------------------------------------------------------------------------- */

%rename(fw_hub_poll) fwb_hub_poll;
%rename(fw_events_done) fwb_events_done;
%rename(set_error_class) fwb_set_error_class;

%feature("autodoc", "fw_hub_poll(hub, max, timeout_ms) -> list of (kind, session, payload, event)

Take waiting events, in order. One poller at a time. Other threads run while it waits.")
fwb_hub_poll;
%feature("autodoc", "fw_events_done(hub, event or list of events)

The handlers of these events have finished: the handles are empty from now on.")
fwb_events_done;
%feature("autodoc", "set_error_class(number, exception class)") fwb_set_error_class;

PyObject *fwb_hub_poll(fw_hub *hub, int max, int timeout_ms);
PyObject *fwb_events_done(fw_hub *hub, PyObject *events);
PyObject *fwb_set_error_class(int number, PyObject *cls);

%{
static PyObject *fwb_hub_poll(fw_hub *hub, int max, int timeout_ms)
{
    fw_event *events[FWB_BATCH];
    int n;

    if (max > FWB_BATCH) {
        max = FWB_BATCH;
    }
    if (timeout_ms == 0) {
        n = fw_hub_poll(hub, events, max, 0);
    } else {
        Py_BEGIN_ALLOW_THREADS
        n = fw_hub_poll(hub, events, max, timeout_ms);
        Py_END_ALLOW_THREADS
    }
    if (n < 0) {
        return fwb_raise(n);
    }
    PyObject *list = PyList_New(n);
    fwb_last_session last = {.text = NULL};
    for (int i = 0; i < n; i++) {
        fwb_event *handle = list != NULL ? fwb_event_new(events[i], hub) : NULL;
        PyObject *owner = NULL;
        if (handle != NULL) {
            FWB_OWN(owner, handle, SWIGTYPE_p_fwb_event, fwb_event_free);
        } else {
            fw_events_done(hub, &events[i], 1);
        }
        PyObject *entry = owner ? fwb_entry(events[i], owner, &last) : NULL;
        if (entry == NULL) { /* out of memory: what is left is given back, unseen */
            Py_CLEAR(list);
            continue;
        }
        PyList_SET_ITEM(list, i, entry);
    }
    Py_XDECREF(last.text);
    return list != NULL || PyErr_Occurred() ? list : PyErr_NoMemory();
}

/* What of a batch is to be given back, in one call of the library. */
typedef struct owed {
    fw_hub *hub;
    fw_event *events[FWB_BATCH];
    int n;
} owed;

static void give_back(owed *o)
{
    if (o->n > 0) {
        fw_events_done(o->hub, o->events, o->n);
        o->n = 0;
    }
}

static bool finish_one(PyObject *event, owed *o)
{
    fwb_event *handle = fwb_handle_in(event);

    if (handle == NULL) {
        return false;
    }
    if (handle->e == NULL || handle->hub != o->hub) { /* kept by reference, or finished */
        fwb_event_finish(handle);
        return true;
    }
    if (o->n == FWB_BATCH) {
        give_back(o);
    }
    o->events[o->n++] = handle->e;
    handle->e = NULL;
    return true;
}

static PyObject *fwb_events_done(fw_hub *hub, PyObject *events)
{
    owed o;
    bool is_list = PyList_Check(events), ok = true;

    o.hub = hub;
    o.n = 0;
    for (Py_ssize_t i = 0; ok && is_list && i < PyList_GET_SIZE(events); i++) {
        ok = finish_one(PyList_GET_ITEM(events, i), &o);
    }
    if (!is_list) {
        ok = finish_one(events, &o);
    }
    give_back(&o);
    if (!ok) {
        return NULL;
    }
    Py_RETURN_NONE;
}
%}
