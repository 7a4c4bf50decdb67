/*
 * Reading: one pass that knows the grammar and keeps what it is inside of in a word of
 * bits, one a level. What comes after, walking and taking out, may trust the text.
 */
#include "wire/json.h"

#include <string.h>

#include "base/hex.h"
#include "base/utf8.h"

/* Where a scan is; at NULL: it has failed at `bad`. */
typedef struct scan {
    const char *at, *end, *bad;
} scan;

static bool fail(scan *s, const char *where)
{
    s->bad = where;
    s->at = NULL;
    return false;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && is_space(*p)) {
        p++;
    }
    return p;
}

/* The four digits of a \u; -1: they aren't. */
static int32_t hex4(const char *p)
{
    int32_t v = 0;
    for (int i = 0; i < 4; i++) {
        int d = fwi_hex_digit(p[i]);
        if (d < 0) {
            return -1;
        }
        v = v << 4 | d;
    }
    return v;
}

/* s->at is behind a backslash. */
static bool scan_escape(scan *s)
{
    if (s->at == s->end) {
        return fail(s, s->end);
    }
    char c = *s->at++;
    if (c != 'u') {
        return strchr("\"\\/bfnrt", c) != NULL && c != '\0' ? true : fail(s, s->at - 1);
    }
    for (int i = 0; i < 4; i++, s->at++) {
        if (s->at == s->end || fwi_hex_digit(*s->at) < 0) {
            return fail(s, s->at);
        }
    }
    return true;
}

/* s->at is at an opening quote, and afterwards behind the closing one. */
static bool scan_string(scan *s)
{
    const char *from = ++s->at;
    unsigned char all = 0;
    for (;;) {
        if (s->at == s->end) {
            return fail(s, s->end);
        }
        unsigned char c = (unsigned char)*s->at;
        if (c == '"') {
            break;
        }
        if (c < 0x20) {
            return fail(s, s->at);
        }
        all |= c;
        s->at++;
        if (c == '\\' && !scan_escape(s)) {
            return false;
        }
    }
    if (all >= 0x80 && !fwi_utf8_is_valid(from, (size_t)(s->at - from))) {
        return fail(s, from);
    }
    s->at++;
    return true;
}

static bool scan_digits(scan *s)
{
    if (s->at == s->end || !is_digit(*s->at)) {
        return fail(s, s->at);
    }
    while (s->at < s->end && is_digit(*s->at)) {
        s->at++;
    }
    return true;
}

static bool scan_number(scan *s)
{
    s->at += *s->at == '-';
    if (s->at < s->end && *s->at == '0') {
        s->at++; /* nothing may follow a leading zero */
    } else if (!scan_digits(s)) {
        return false;
    }
    if (s->at < s->end && *s->at == '.') {
        s->at++;
        if (!scan_digits(s)) {
            return false;
        }
    }
    if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
        s->at++;
        s->at += s->at < s->end && (*s->at == '+' || *s->at == '-');
        return scan_digits(s);
    }
    return true;
}

static bool scan_word(scan *s, const char *word)
{
    for (; *word != '\0'; word++, s->at++) {
        if (s->at == s->end || *s->at != *word) {
            return fail(s, s->at);
        }
    }
    return true;
}

static bool scan_scalar(scan *s)
{
    switch (*s->at) {
    case '"':
        return scan_string(s);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        return *s->at == '-' || is_digit(*s->at) ? scan_number(s) : fail(s, s->at);
    }
}

/* A member's name and its colon. */
static bool scan_key(scan *s)
{
    s->at = skip_space(s->at, s->end);
    if (s->at == s->end || *s->at != '"') {
        return fail(s, s->at);
    }
    if (!scan_string(s)) {
        return false;
    }
    s->at = skip_space(s->at, s->end);
    if (s->at == s->end || *s->at != ':') {
        return fail(s, s->at);
    }
    s->at = skip_space(s->at + 1, s->end);
    return true;
}

/* What a value is inside of: a bit a level, set for objects. */
typedef struct nest {
    uint64_t objects;
    int depth;
} nest;

static char closing(const nest *n)
{
    return n->objects & 1 ? '}' : ']';
}

static void go_out(nest *n)
{
    n->objects >>= 1;
    n->depth--;
}

/* s->at is at [ or {. *empty: it was closed at once. Else the next value begins. */
static bool go_in(scan *s, nest *n, bool *empty)
{
    if (n->depth == FWI_JSON_DEPTH) {
        return fail(s, s->at);
    }
    n->objects = n->objects << 1 | (*s->at == '{');
    n->depth++;
    s->at = skip_space(s->at + 1, s->end);
    *empty = s->at < s->end && *s->at == closing(n);
    if (*empty) {
        s->at++;
        go_out(n);
        return true;
    }
    return !(n->objects & 1) || scan_key(s);
}

/* A value is over: s->at goes to where the next begins (true), or behind the outermost
 * (true, depth 0). */
static bool go_on(scan *s, nest *n)
{
    while (n->depth > 0) {
        s->at = skip_space(s->at, s->end);
        if (s->at == s->end) {
            return fail(s, s->end);
        }
        char c = *s->at;
        if (c == ',') {
            s->at = skip_space(s->at + 1, s->end);
            return !(n->objects & 1) || scan_key(s);
        }
        if (c != closing(n)) {
            return fail(s, s->at);
        }
        s->at++;
        go_out(n);
    }
    return true;
}

static bool scan_value(scan *s)
{
    nest n = {0};
    do {
        bool over = true;
        if (s->at == s->end) {
            return fail(s, s->end);
        }
        if (*s->at == '{' || *s->at == '[') {
            if (!go_in(s, &n, &over)) {
                return false;
            }
        } else if (!scan_scalar(s)) {
            return false;
        }
        if (over && !go_on(s, &n)) {
            return false;
        }
    } while (n.depth > 0);
    return true;
}

static fwi_json_kind kind_of(char first)
{
    switch (first) {
    case '{':
        return FWI_JSON_OBJECT;
    case '[':
        return FWI_JSON_ARRAY;
    case '"':
        return FWI_JSON_STRING;
    case 't':
        return FWI_JSON_TRUE;
    case 'f':
        return FWI_JSON_FALSE;
    case 'n':
        return FWI_JSON_NULL;
    default:
        return FWI_JSON_NUMBER;
    }
}

bool fwi_json_read_first(const void *text, size_t len, fwi_json *value, size_t *used,
                         size_t *bad)
{
    const char *begin = len > 0 ? text : "";
    scan s = {.end = begin + len};
    const char *from = s.at = skip_space(begin, s.end);
    *value = (fwi_json){.kind = FWI_JSON_NONE};
    if (from < s.end) {
        if (!scan_value(&s)) {
            if (bad != NULL) {
                *bad = (size_t)(s.bad - begin);
            }
            return false;
        }
        *value = (fwi_json){kind_of(*from), from, (size_t)(s.at - from)};
    }
    *used = (size_t)(skip_space(s.at, s.end) - begin);
    return true;
}

bool fwi_json_read(const void *text, size_t len, fwi_json *value, size_t *bad)
{
    size_t used;
    if (!fwi_json_read_first(text, len, value, &used, bad)) {
        return false;
    }
    if (used < len || value->kind == FWI_JSON_NONE) {
        if (bad != NULL) {
            *bad = used;
        }
        *value = (fwi_json){.kind = FWI_JSON_NONE};
        return false;
    }
    return true;
}

/* ---- of what is known to be well-formed -------------------------------------------- */

static const char *behind_string(const char *p)
{
    for (p++; *p != '"'; p++) {
        p += *p == '\\';
    }
    return p + 1;
}

static const char *behind_value(const char *p, const char *end)
{
    int depth = 0;
    if (*p == '"') {
        return behind_string(p);
    }
    if (*p != '{' && *p != '[') {
        while (p < end && !is_space(*p) && *p != ',' && *p != '}' && *p != ']') {
            p++;
        }
        return p;
    }
    do {
        if (*p == '"') {
            p = behind_string(p);
            continue;
        }
        depth += *p == '{' || *p == '[';
        depth -= *p == '}' || *p == ']';
        p++;
    } while (depth > 0);
    return p;
}

fwi_json_walk fwi_json_inside(const fwi_json *container)
{
    if (container->kind != FWI_JSON_OBJECT && container->kind != FWI_JSON_ARRAY) {
        return (fwi_json_walk){0};
    }
    return (fwi_json_walk){container->at + 1, container->at + container->len - 1,
                           container->kind == FWI_JSON_OBJECT};
}

static fwi_json take_value(fwi_json_walk *w)
{
    const char *from = skip_space(w->at, w->end);
    w->at = behind_value(from, w->end);
    return (fwi_json){kind_of(*from), from, (size_t)(w->at - from)};
}

bool fwi_json_next(fwi_json_walk *w, fwi_json *key, fwi_json *value)
{
    if (w->at == NULL) {
        return false;
    }
    w->at = skip_space(w->at, w->end);
    if (w->at == w->end) {
        return false;
    }
    if (w->keys) {
        fwi_json name = take_value(w);
        w->at = skip_space(w->at, w->end) + 1; /* the colon */
        if (key != NULL) {
            *key = name;
        }
    }
    *value = take_value(w);
    w->at = skip_space(w->at, w->end);
    w->at += w->at < w->end; /* the comma */
    return true;
}

bool fwi_json_get(const fwi_json *object, const char *name, fwi_json *value)
{
    fwi_json key;
    fwi_json_walk w = fwi_json_inside(object);
    while (w.keys && fwi_json_next(&w, &key, value)) {
        if (fwi_json_is(&key, name)) {
            if (value->kind == FWI_JSON_NULL) {
                break;
            }
            return true;
        }
    }
    *value = (fwi_json){.kind = FWI_JSON_NONE};
    return false;
}

static uint32_t join_pair(int32_t high, int32_t low)
{
    return 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
}

/* The character of an escape, *p behind its backslash; *p goes behind it. */
static uint32_t take_escape(const char **p)
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    char c = *(*p)++;
    if (c != 'u') {
        const char *letter = strchr(letters, c);
        return (unsigned char)(letter != NULL ? meanings[letter - letters] : c);
    }
    int32_t v = hex4(*p);
    *p += 4;
    if (v < 0xd800 || v > 0xdfff) {
        return (uint32_t)v;
    }
    /* The closing quote is there, so that looking ahead stays inside. */
    if (v < 0xdc00 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        int32_t low = hex4(*p + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *p += 6;
            return join_pair(v, low);
        }
    }
    return 0xfffd;
}

static size_t utf8_of(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

/* The next piece of a string: plain bytes as they lie, or an escape's character, made in
 * `made`. *p is behind it. NULL: the string is over. */
static const char *take_piece(const char **p, char made[4], size_t *len)
{
    const char *from = *p;
    if (*from == '"') {
        return NULL;
    }
    if (*from == '\\') {
        ++*p;
        *len = utf8_of(take_escape(p), made);
        return made;
    }
    while (**p != '"' && **p != '\\') {
        ++*p;
    }
    *len = (size_t)(*p - from);
    return from;
}

bool fwi_json_is(const fwi_json *value, const char *text)
{
    if (value->kind != FWI_JSON_STRING) {
        return false;
    }
    size_t left = strlen(text), len;
    const char *p = value->at + 1, *piece;
    char made[4];
    while ((piece = take_piece(&p, made, &len)) != NULL) {
        if (len > left || memcmp(piece, text, len) != 0) {
            return false;
        }
        text += len;
        left -= len;
    }
    return left == 0;
}

bool fwi_json_put_text_of(fwi_buf *out, const fwi_json *value)
{
    if (value->kind != FWI_JSON_STRING) {
        return false;
    }
    const char *p = value->at + 1, *piece;
    char made[4];
    size_t len;
    while ((piece = take_piece(&p, made, &len)) != NULL) {
        if (!fwi_buf_append(out, piece, len)) {
            return false;
        }
    }
    return true;
}

/* The digits up to the value's end; false: something else stands there, or too much. */
static bool take_digits(const char *p, const char *end, uint64_t *number)
{
    uint64_t v = 0;
    for (; p < end; p++) {
        if (!is_digit(*p) || v > (UINT64_MAX - (uint64_t)(*p - '0')) / 10) {
            return false;
        }
        v = v * 10 + (uint64_t)(*p - '0');
    }
    *number = v;
    return true;
}

bool fwi_json_to_u64(const fwi_json *value, uint64_t *number)
{
    return value->kind == FWI_JSON_NUMBER &&
           take_digits(value->at, value->at + value->len, number);
}

bool fwi_json_to_i64(const fwi_json *value, int64_t *number)
{
    uint64_t v;
    bool negative = value->kind == FWI_JSON_NUMBER && *value->at == '-';
    if (value->kind != FWI_JSON_NUMBER ||
        !take_digits(value->at + negative, value->at + value->len, &v) ||
        v > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *number = (int64_t)(negative ? 0 - v : v);
    return true;
}
