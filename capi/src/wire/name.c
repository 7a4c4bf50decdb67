/*
 * The rules for names of rooms and users, and the way a channel is written for Redis: the
 * hash tag of a Cluster key is the channel, so no brace of a name may stand in it.
 *
 * Called where names come in (requests, the public functions) and by the backplanes.
 * Pure;
 * @thread any
 */
#include "wire/name.h"

#include <string.h>

#include "base/utf8.h"

/* U+0080-9F, the second set of control characters, are C2 80 to C2 9F. */
static bool has_control(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] < 0x20 || p[i] == 0x7f) {
            return true;
        }
        if (p[i] == 0xc2 && i + 1 < len && p[i + 1] < 0xa0) {
            return true;
        }
    }
    return false;
}

const char *fwi_name_problem(const char *name, size_t len)
{
    if (len == 0) {
        return "a name must not be empty";
    }
    if (len > FWI_NAME_MAX) {
        return "a name has at most 255 bytes";
    }
    if (!fwi_utf8_is_valid(name, len)) {
        return "a name must be UTF-8";
    }
    if (has_control((const uint8_t *)name, len)) {
        return "a name must not contain control characters";
    }
    return NULL;
}

static const char *escape_of(char c)
{
    switch (c) {
    case '{':
        return "%7B";
    case '}':
        return "%7D";
    case '%':
        return "%25";
    default:
        return NULL;
    }
}

bool fwi_name_is_for(const char *room, const char *user)
{
    const char *list = strrchr(room, '#');
    size_t n = strlen(user);
    if (room[0] == '$') {
        return false;
    }
    for (const char *at = list; at != NULL; at = *at == ',' ? at : NULL) {
        size_t len = strcspn(++at, ",");
        if (n > 0 && len == n && memcmp(at, user, n) == 0) {
            return true;
        }
        at += len;
    }
    return list == NULL;
}

const char *fwi_channel_name(char kind, const char *name, char out[FWI_CHANNEL_CAP])
{
    snprintf(out, FWI_CHANNEL_CAP, "%c:%s", kind, name);
    return out;
}

/* The kind in front ("r:") has nothing to escape, so the whole channel is treated alike.
 */
bool fwi_name_to_redis(fwi_buf *out, const char *prefix, const char *channel)
{
    size_t len = strlen(channel);
    if (!fwi_buf_reserve(out, strlen(prefix) + 1 + len) || !fwi_buf_puts(out, prefix) ||
        !fwi_buf_puts(out, ":")) {
        return false;
    }
    for (size_t i = 0; i < len;) {
        size_t plain = strcspn(channel + i, "{}%");
        if (!fwi_buf_append(out, channel + i, plain)) {
            return false;
        }
        i += plain;
        if (i < len && !fwi_buf_puts(out, escape_of(channel[i++]))) {
            return false;
        }
    }
    return true;
}

/* The character that an escape stands for, 0 if this is none of ours. */
static char unescape(const char *p, size_t len)
{
    if (len < 3 || p[0] != '%') {
        return 0;
    }
    if (p[1] == '2' && p[2] == '5') {
        return '%';
    }
    if (p[1] == '7' && (p[2] == 'B' || p[2] == 'b')) {
        return '{';
    }
    if (p[1] == '7' && (p[2] == 'D' || p[2] == 'd')) {
        return '}';
    }
    return 0;
}

long fwi_name_from_redis(const char *prefix, const char *data, size_t len, char *out,
                         size_t cap)
{
    size_t before = strlen(prefix);
    if (len < before + 2 || memcmp(data, prefix, before) != 0 || data[before] != ':' ||
        memchr(data, 0, len) != NULL) {
        return -1;
    }
    data += before + 1;
    len -= before + 1;
    const char *escape = memchr(data, '%', len);
    size_t n = escape != NULL ? (size_t)(escape - data) : len;
    if (n >= cap) {
        return -1;
    }
    memcpy(out, data, n);
    for (size_t i = n; i < len; n++) {
        if (n + 1 >= cap) {
            return -1;
        }
        char c = unescape(data + i, len - i);
        if (c != '\0') {
            out[n] = c;
            i += 3;
        } else {
            out[n] = data[i++];
        }
    }
    out[n] = '\0';
    return (long)n;
}
