/*
 * JSON (RFC 8259), read where it lies: a value is a kind and the bytes that it was
 * written with, so that what only passes through is never decoded and encoded again.
 * Nothing is allocated. What has been read once is known to be well-formed; what is taken
 * out of it later needs no error for that.
 *
 * No I/O. @thread any
 */
#ifndef FWI_WIRE_JSON_H
#define FWI_WIRE_JSON_H

#include "base/buf.h"

enum { FWI_JSON_DEPTH = 64 }; /* of arrays and objects inside each other */

typedef enum {
    FWI_JSON_NONE, /* there is no value; its len is 0 */
    FWI_JSON_NULL,
    FWI_JSON_TRUE,
    FWI_JSON_FALSE,
    FWI_JSON_NUMBER,
    FWI_JSON_STRING, /* `at` and `len` with its quotes */
    FWI_JSON_ARRAY,
    FWI_JSON_OBJECT
} fwi_json_kind;

typedef struct fwi_json {
    fwi_json_kind kind;
    const char *at; /* in the text that was read; lives as long as that */
    size_t len;
} fwi_json;

/* text is one value, with nothing around it but white space. false: it isn't; *bad (may
 * be NULL) is the offset of the first byte that can't be, len if it breaks off. Strings
 * must be UTF-8. */
bool fwi_json_read(const void *text, size_t len, fwi_json *value, size_t *bad);

/* The first of several values in a row: *used is where what follows it begins, white
 * space skipped. With nothing but white space in text: true, and value is NONE. */
bool fwi_json_read_first(const void *text, size_t len, fwi_json *value, size_t *used,
                         size_t *bad);

/* One after another out of an array or object that has been read:
 *     fwi_json_walk w = fwi_json_inside(&object);
 *     while (fwi_json_next(&w, &key, &value)) ...
 * key: a STRING; NULL, or not touched, for arrays. Of anything else there is nothing
 * inside. */
typedef struct fwi_json_walk {
    const char *at, *end;
    bool keys;
} fwi_json_walk;

fwi_json_walk fwi_json_inside(const fwi_json *container);
bool fwi_json_next(fwi_json_walk *walk, fwi_json *key, fwi_json *value);

/* The value of an object's first member of that name. false: there is none, or it is
 * null; value is NONE then. */
bool fwi_json_get(const fwi_json *object, const char *name, fwi_json *value);

/* Is it a string, and this one? */
bool fwi_json_is(const fwi_json *value, const char *text);

/* A string's characters in UTF-8 are put behind out; half a surrogate pair becomes
 * U+FFFD. \u0000 is a NUL: look at the length. false: not a string, or out of memory. */
bool fwi_json_put_text_of(fwi_buf *out, const fwi_json *value);

/* false: not a number, or not a whole one that fits. */
bool fwi_json_to_u64(const fwi_json *value, uint64_t *number);
bool fwi_json_to_i64(const fwi_json *value, int64_t *number);

/* Writing: what is put behind out is one value. false: out of memory. */

/* text must be UTF-8. */
bool fwi_json_put_string(fwi_buf *out, const void *text, size_t len);
/* bytes in base64, as a string. */
bool fwi_json_put_base64(fwi_buf *out, const void *bytes, size_t len);
/* The value as it was written, without line breaks: they can only stand between its
 * tokens. */
bool fwi_json_put_line(fwi_buf *out, const fwi_json *value);

#endif
