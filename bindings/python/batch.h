/*
 * What the typemaps call: text, bytes, ids and errors to Python and back, and an event as
 * a tuple. Included once, by the wrapper that SWIG makes. The interpreter is held in all
 * of it.
 */
#ifndef FWB_PYTHON_BATCH_H
#define FWB_PYTHON_BATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <Python.h>

#include <fanwire/fanwire.h>

#include "shared.h"

/* A call that may wait: other threads of the interpreter run meanwhile. */
#define FWB_BLOCKING(call)                                                               \
    do {                                                                                 \
        Py_BEGIN_ALLOW_THREADS call;                                                     \
        Py_END_ALLOW_THREADS                                                             \
    } while (0)

/* ---- errors ------------------------------------------------------------------------ */

static PyObject *fwb_text_out(const char *text);

/*
 * Classes of the package, by number; set once, when it is imported. Each interpreter of a
 * process imports a package of its own, and what is raised there must be caught there.
 * @return borrowed; NULL with an exception
 */
static PyObject *fwb_error_classes(void)
{
    PyObject *kept = PyInterpreterState_GetDict(PyInterpreterState_Get());
    PyObject *name = PyUnicode_FromString("fanwire.native.errors"), *classes = NULL;

    if (kept != NULL && name != NULL) {
        classes = PyDict_GetItemWithError(kept, name);
    }
    if (kept != NULL && name != NULL && classes == NULL && !PyErr_Occurred()) {
        PyObject *made = PyDict_New();
        if (made != NULL && PyDict_SetItem(kept, name, made) == 0) {
            classes = made;
        }
        Py_XDECREF(made);
    }
    Py_XDECREF(name);
    return classes != NULL || PyErr_Occurred() ? classes : PyErr_NoMemory();
}

static PyObject *fwb_set_error_class(int number, PyObject *cls)
{
    if (number >= 0 || !PyExceptionClass_Check(cls)) {
        PyErr_SetString(PyExc_TypeError, "a negative number and an exception class");
        return NULL;
    }
    PyObject *classes = fwb_error_classes();
    PyObject *key = classes != NULL ? PyLong_FromLong(number) : NULL;
    int err = key != NULL ? PyDict_SetItem(classes, key, cls) : -1;

    Py_XDECREF(key);
    if (err != 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* The text needn't be UTF-8: it may quote a file, and long ones are cut anywhere. */
static PyObject *fwb_raise_text(int err, const char *text)
{
    PyObject *message = fwb_text_out(text[0] ? text : fw_strerror(err));
    PyObject *classes = message != NULL ? fwb_error_classes() : NULL;
    PyObject *key = classes != NULL ? PyLong_FromLong(err) : NULL;

    if (key != NULL) {
        PyObject *cls = PyDict_GetItemWithError(classes, key);
        if (!PyErr_Occurred()) {
            PyErr_SetObject(cls ? cls : PyExc_RuntimeError, message);
        }
    }
    Py_XDECREF(key);
    Py_XDECREF(message);
    return NULL;
}

/* @return NULL, always */
static PyObject *fwb_raise(int err)
{
    return fwb_raise_text(err, fw_error_detail());
}

/* For functions that say NULL. */
static PyObject *fwb_raise_detail(void)
{
    return fwb_raise(fwb_null_error());
}

/* ---- text and bytes ---------------------------------------------------------------- */

/* The text stays the argument's: valid for the call. */
static bool fwb_text_in(PyObject *in, const char *name, const char **out)
{
    Py_ssize_t size;

    *out = NULL;
    if (in == Py_None) {
        return true;
    }
    if (!PyUnicode_Check(in)) {
        PyErr_Format(PyExc_TypeError, "%s: str is wanted, not %s", name,
                     Py_TYPE(in)->tp_name);
        return false;
    }
    *out = PyUnicode_AsUTF8AndSize(in, &size);
    if (*out != NULL && strlen(*out) != (size_t)size) {
        PyErr_Format(PyExc_ValueError, "%s: embedded NUL", name);
        *out = NULL;
    }
    return *out != NULL;
}

/* What a client sent in a header may be anything: it must neither raise nor vanish. */
static PyObject *fwb_text_out(const char *text)
{
    if (text == NULL) {
        Py_RETURN_NONE;
    }
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "backslashreplace");
}

typedef struct fwb_bytes {
    const void *at;
    size_t len;
    unsigned flags;
    Py_buffer view; /* .obj is NULL: none is held */
} fwb_bytes;

static void fwb_bytes_init(fwb_bytes *b)
{
    memset(b, 0, sizeof *b);
}

static void fwb_bytes_fini(fwb_bytes *b)
{
    if (b->view.obj != NULL) {
        PyBuffer_Release(&b->view);
    }
}

static bool fwb_bytes_in(PyObject *in, fwb_bytes *b)
{
    if (PyUnicode_Check(in)) {
        Py_ssize_t size = 0;
        b->at = PyUnicode_AsUTF8AndSize(in, &size);
        b->len = (size_t)size;
        b->flags = FW_TEXT;
        return b->at != NULL;
    }
    if (!PyObject_CheckBuffer(in)) {
        PyErr_Format(PyExc_TypeError, "data: str or bytes is wanted, not %s",
                     Py_TYPE(in)->tp_name);
        return false;
    }
    if (PyObject_GetBuffer(in, &b->view, PyBUF_SIMPLE) != 0) {
        return false;
    }
    b->at = b->view.buf;
    b->len = (size_t)b->view.len;
    b->flags = FW_BINARY;
    return true;
}

static PyObject *fwb_bytes_out(const void *at, size_t len, unsigned flags)
{
    if (at == NULL) {
        at = "";
        len = 0;
    }
    return flags & FW_BINARY
               ? PyBytes_FromStringAndSize(at, (Py_ssize_t)len)
               : PyUnicode_DecodeUTF8(at, (Py_ssize_t)len, "backslashreplace");
}

/* ---- session ids ------------------------------------------------------------------- */

static bool fwb_session_in(PyObject *in, const char *name, fw_session_id *id)
{
    const char *text;

    if (!fwb_text_in(in, name, &text)) {
        return false;
    }
    if (text == NULL) {
        PyErr_Format(PyExc_TypeError, "%s: str is wanted, not None", name);
        return false;
    }
    int err = fw_session_id_parse(text, id);
    if (err != FW_OK) {
        char why[160];
        snprintf(why, sizeof why, "%s: 32 hexadecimal digits are wanted, not \"%.60s\"",
                 name, text);
        fwb_raise_text(err, why);
        return false;
    }
    return true;
}

static PyObject *fwb_session_out(fw_session_id id)
{
    char text[FW_SESSION_ID_TEXT];

    return PyUnicode_FromString(fw_session_id_text(id, text));
}

/* ---- positions --------------------------------------------------------------------- */

static bool fwb_position_in(PyObject *in, const char *name, fw_position *position)
{
    const char *text;

    if (!fwb_text_in(in, name, &text)) {
        return false;
    }
    *position = (fw_position){0, 0};
    if (text == NULL) {
        return true;
    }
    int err = fw_position_parse(text, position);
    if (err != FW_OK) {
        char why[160];
        snprintf(why, sizeof why, "%s: \"EPOCH/OFFSET\" is wanted, not \"%.60s\"", name,
                 text);
        fwb_raise_text(err, why);
        return false;
    }
    return true;
}

static PyObject *fwb_position_out(fw_position position)
{
    char text[FW_POSITION_TEXT];

    if (position.epoch == 0) {
        Py_RETURN_NONE;
    }
    return PyUnicode_FromString(fw_position_text(position, text));
}

/* ---- an event as a tuple ----------------------------------------------------------- */

/* A session often has several events in a batch: they share the text of its id. */
typedef struct fwb_last_session {
    fw_session_id id;
    PyObject *text; /* owned; NULL: none yet */
} fwb_last_session;

static PyObject *fwb_session_of(fw_event *e, fwb_last_session *last)
{
    fw_session_id id = fw_event_session(e);

    if (last->text == NULL || id.local != last->id.local || id.node != last->id.node) {
        PyObject *text = id.node || id.local ? fwb_session_out(id) : PyUnicode_New(0, 0);
        if (text == NULL) {
            return NULL;
        }
        Py_XDECREF(last->text);
        last->text = text;
        last->id = id;
    }
    Py_INCREF(last->text);
    return last->text;
}

static PyObject *fwb_data_of(fw_event *e)
{
    size_t len;
    const void *at = fw_event_data(e, &len);

    return fwb_bytes_out(at, len, fw_event_flags(e));
}

/* [(session, user, node's name, info), ...]; NULL with an exception. */
static PyObject *fwb_members_of(fw_event *e)
{
    size_t n = fw_event_members(e);
    PyObject *list = PyList_New((Py_ssize_t)n);

    for (size_t i = 0; list != NULL && i < n; i++) {
        size_t len;
        const void *info = fw_event_member_info(e, i, &len);
        PyObject *one =
            Py_BuildValue("(NNNN)", fwb_session_out(fw_event_member_session(e, i)),
                          fwb_text_out(fw_event_member_user(e, i)),
                          fwb_text_out(fw_event_member_node(e, i)),
                          fwb_bytes_out(info, len, FW_BINARY));
        if (one == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, one);
        }
    }
    return list;
}

/* [(data, position), ...]; NULL with an exception. */
static PyObject *fwb_messages_of(fw_event *e)
{
    size_t n = fw_event_message_count(e);
    PyObject *list = PyList_New((Py_ssize_t)n);

    for (size_t i = 0; list != NULL && i < n; i++) {
        size_t len;
        const fw_message *m = fw_event_message(e, i);
        const void *data = fw_message_data(m, &len);
        PyObject *one =
            Py_BuildValue("(NN)", fwb_bytes_out(data, len, fw_message_flags(m)),
                          fwb_position_out(fw_message_position(m)));
        if (one == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, one);
        }
    }
    return list;
}

static PyObject *fwb_payload(fw_event *e)
{
    switch (fw_event_kind(e)) {
    case FW_EVENT_MESSAGE:
        return fwb_data_of(e);
    case FW_EVENT_ROOM_MESSAGE:
        return Py_BuildValue("(NNN)", fwb_text_out(fw_event_room(e)), fwb_data_of(e),
                             fwb_position_out(fw_event_position(e)));
    case FW_EVENT_ROOM_RESET:
        return Py_BuildValue("(NN)", fwb_text_out(fw_event_room(e)),
                             fwb_position_out(fw_event_position(e)));
    case FW_EVENT_CLOSE:
        return Py_BuildValue("(iN)", fw_event_code(e), fwb_text_out(fw_event_reason(e)));
    case FW_EVENT_JOIN:
        return fwb_text_out(fw_event_room(e));
    case FW_EVENT_LEAVE:
        return Py_BuildValue("(Ni)", fwb_text_out(fw_event_room(e)), fw_event_code(e));
    case FW_EVENT_BACKPLANE_DOWN:
        return fwb_text_out(fw_event_reason(e));
    case FW_EVENT_RESULT:
        return Py_BuildValue("(KiNNNN)", (unsigned long long)fw_event_token(e),
                             fw_event_code(e), fwb_text_out(fw_event_reason(e)),
                             fwb_text_out(fw_event_room(e)),
                             fwb_position_out(fw_event_position(e)),
                             PyBool_FromLong(fw_event_recovered(e)));
    case FW_EVENT_HISTORY:
        return Py_BuildValue("(KiNNNN)", (unsigned long long)fw_event_token(e),
                             fw_event_code(e), fwb_text_out(fw_event_reason(e)),
                             fwb_text_out(fw_event_room(e)),
                             fwb_position_out(fw_event_position(e)), fwb_messages_of(e));
    case FW_EVENT_PRESENCE:
        return Py_BuildValue("(KiNKKN)", (unsigned long long)fw_event_token(e),
                             fw_event_code(e), fwb_text_out(fw_event_reason(e)),
                             (unsigned long long)fw_event_total(e),
                             (unsigned long long)fw_event_cursor(e), fwb_members_of(e));
    case FW_EVENT_ROOM_JOIN:
    case FW_EVENT_ROOM_LEAVE: {
        size_t len;
        const void *info = fw_event_data(e, &len);
        return Py_BuildValue(
            "(NNNN)", fwb_text_out(fw_event_room(e)), fwb_text_out(fw_event_user(e)),
            fwb_text_out(fw_event_node_name(e)), fwb_bytes_out(info, len, FW_BINARY));
    }
    case FW_EVENT_NODE_UP:
    case FW_EVENT_NODE_DOWN:
        return fwb_text_out(fw_event_node_name(e));
    case FW_EVENT_LOG:
        return Py_BuildValue("(iNN)", fw_event_code(e), fwb_text_out(fw_event_reason(e)),
                             fwb_data_of(e));
    case FW_EVENT_TRACE:
        return Py_BuildValue("(KNN)", (unsigned long long)fw_event_token(e),
                             fwb_data_of(e), fwb_text_out(fw_event_reason(e)));
    case FW_EVENT_DELIVER:
        return Py_BuildValue("(NiN)", fwb_data_of(e), fw_event_code(e),
                             fwb_text_out(fw_event_reason(e)));
    case FW_EVENT_PUBLISH:
        return Py_BuildValue("(NN)", fwb_text_out(fw_event_room(e)), fwb_data_of(e));
    case FW_EVENT_SUB_REFRESH:
        return fwb_text_out(fw_event_room(e));
    case FW_EVENT_RPC:
        return Py_BuildValue("(NN)", fwb_text_out(fw_event_method(e)), fwb_data_of(e));
    case FW_EVENT_CONNECT:
    case FW_EVENT_REFRESH:
    case FW_EVENT_OPEN:
    case FW_EVENT_BACKPLANE_UP:
        break;
    }
    Py_RETURN_NONE;
}

/* (kind, session, payload, owner); takes the reference to owner. NULL: out of memory. */
static PyObject *fwb_entry(fw_event *e, PyObject *owner, fwb_last_session *last)
{
    PyObject *entry = PyTuple_New(4);
    PyObject *kind = PyLong_FromLong((long)fw_event_kind(e));
    PyObject *session = fwb_session_of(e, last), *payload = fwb_payload(e);

    if (entry == NULL || kind == NULL || session == NULL || payload == NULL) {
        Py_XDECREF(entry);
        Py_XDECREF(kind);
        Py_XDECREF(session);
        Py_XDECREF(payload);
        Py_DECREF(owner);
        return NULL;
    }
    PyTuple_SET_ITEM(entry, 0, kind);
    PyTuple_SET_ITEM(entry, 1, session);
    PyTuple_SET_ITEM(entry, 2, payload);
    PyTuple_SET_ITEM(entry, 3, owner);
    return entry;
}

#endif
