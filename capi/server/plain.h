/*
 * Text of others, shown in a terminal.
 */
#ifndef FANWIRED_PLAIN_H
#define FANWIRED_PLAIN_H

#include <stddef.h>

/* How many bytes at the beginning of the text are a control character, by which a
 * terminal could be given orders; 0: none. @thread any */
size_t fwd_plain_order(const char *text, size_t len);

/* The text with a ? for each control character, cut at cap - 1 bytes, between characters.
 * @thread any */
void fwd_plain_copy(char *to, size_t cap, const char *text, size_t len);

#endif
