"""sanitized.py tells the interpreter's leaks from ours: reports as ASan writes them."""

from sanitized import findings

HEAD = "=====\n==1==ERROR: LeakSanitizer: detected memory leaks\n\n"
TAIL = "\n\nSUMMARY: AddressSanitizer: 24 byte(s) leaked in 1 allocation(s).\n"
MALLOC = "    #0 0x7f in __interceptor_malloc ../../src/asan_malloc_linux.cpp:69\n"
INTERPRETER = ("Direct leak of 24 byte(s) in 1 object(s) allocated from:\n" + MALLOC
               + "    #1 0x50d656 in _PyObject_New (/usr/bin/python3.11+0x50d656)")
LIBRARY = ("Indirect leak of 64 byte(s) in 1 object(s) allocated from:\n" + MALLOC
           + "    #1 0x7f in fwi_message_new capi/src/core/message.c:19")
MODULE = ("Direct leak of 8 byte(s) in 1 object(s) allocated from:\n" + MALLOC
          + "    #1 0x7f in fwb_event_new bindings/event_handle.h:30\n"
          + "    #2 0x52b9df in _PyEval_EvalFrameDefault (/usr/bin/python3.11+0x52b9df)")
NO_SYMBOLS = ("Direct leak of 8 byte(s) in 1 object(s) allocated from:\n" + MALLOC
              + "    #1 0x7f  (/v/fanwire/_native.cpython-311-x86_64-linux-gnu.so+0x1)")


def test_what_the_interpreter_keeps_is_not_counted():
    assert findings(HEAD + INTERPRETER + TAIL) == []


def test_a_leak_with_our_code_in_its_stack_is():
    for ours in (LIBRARY, MODULE, NO_SYMBOLS):
        assert findings(HEAD + INTERPRETER + "\n\n" + ours + TAIL) == [ours]


def test_any_other_report_is():
    for text in ("==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x60\n",
                 "WARNING: ThreadSanitizer: data race (pid=1)\n",
                 "capi/src/core/hub.c:1:2: runtime error: signed integer overflow\n"):
        assert findings(text) == [text]
    assert findings("") == []
