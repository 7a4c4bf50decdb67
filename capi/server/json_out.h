/*
 * Values of JSON, written to a stream.
 */
#ifndef FANWIRED_JSON_OUT_H
#define FANWIRED_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A text as a string of JSON. It must be UTF-8. */
void fwd_put_string(FILE *out, const char *text, size_t len);
/* "name":"text" of a JSON object, with a brace or comma in front. */
void fwd_put_field(FILE *out, bool first, const char *name, const char *text, size_t len);
/* Bytes in base64, as a string of JSON. */
void fwd_put_base64(FILE *out, const void *bytes, size_t len);

#endif
