/*
 * See http_scan.h.
 */
#include "wire/http_scan.h"

#include "wire/http_request.h"

enum { LINE_START, IN_LINE, AFTER_CR };

/* The byte that follows a CR or begins a line: RFC 9112 2.2, 5.2. What is wrong with it;
 * NULL: nothing. */
static const char *on_structure(fwi_http_scan *s, char c)
{
    if (s->state == AFTER_CR) {
        if (c != '\n') {
            return "a carriage return without a line feed";
        }
        /* Empty lines before the first are let pass, RFC 9112 2.2. */
        s->ended = s->line_is_empty && s->any_line;
        s->state = LINE_START;
        return NULL;
    }
    if (c == '\r') {
        s->line_is_empty = s->state == LINE_START;
        s->state = AFTER_CR;
        return NULL;
    }
    if (s->state == LINE_START) {
        if (c == ' ' || c == '\t') {
            return "a line that begins with a blank";
        }
        s->any_line = true;
        s->state = IN_LINE;
    }
    return NULL;
}

int fwi_http_scan_feed(fwi_http_scan *s, const char *data, size_t len, size_t *n,
                       const char **why)
{
    size_t i = 0;
    *n = 0;
    while (i < len && !s->ended) {
        if (s->bytes + i >= FWI_HTTP_HEAD_MAX) {
            *why = "the head is larger than 16 KiB";
            return 431;
        }
        char c = data[i++];
        unsigned char b = (unsigned char)c;
        bool control = (b < 0x20 && c != '\t' && c != '\r') || b == 0x7f;
        if (control && !(c == '\n' && s->state == AFTER_CR)) {
            *why = "a control character in the head";
            return 400;
        }
        if (s->state == IN_LINE && c != '\r') {
            continue;
        }
        *why = on_structure(s, c);
        if (*why != NULL) {
            return 400;
        }
    }
    s->bytes += i;
    *n = i;
    return 0;
}
