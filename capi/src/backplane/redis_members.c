/*
 * What the scripts tell of members, as messages: see redis_presence_scripts.h. What can't
 * be read (another program writes there, or another version) is left out.
 */
#include <string.h>

#include "backplane/redis_presence.h"
#include "core/error.h"
#include "wire/envelope.h"

/* Where reading is. */
typedef struct reading {
    const char *at, *end;
} reading;

/* A number and the one character behind it. */
static bool read_number(reading *r, char behind, uint64_t *out)
{
    const char *first = r->at;
    *out = 0;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9' && r->at - first < 20) {
        *out = *out * 10 + (uint64_t)(*r->at++ - '0');
    }
    if (r->at == first || r->at == r->end || *r->at != behind) {
        return false;
    }
    r->at++;
    return true;
}

/* NULL: it can't be read, or no memory. */
static fw_message *read_member(const char *value, size_t len)
{
    reading r = {value, value + len};
    uint64_t first, second;
    fwi_envelope e;
    if (!read_number(&r, ' ', &first) || !read_number(&r, ' ', &second) ||
        fwi_envelope_decode(&e, r.at, (size_t)(r.end - r.at)) != FWI_ENVELOPE_OK) {
        return NULL;
    }
    fw_message *m = fwi_message_from_envelope(&e);
    if (m != NULL && m->origin == NULL) {
        fw_message_unref(m);
        m = NULL;
    }
    return m;
}

static bool add(fwi_member_page *page, size_t *cap, fw_message *m)
{
    if (page->n == *cap) {
        size_t more = *cap ? *cap * 2 : 16;
        fw_message **members = realloc(page->members, more * sizeof *members);
        if (members == NULL) {
            return false;
        }
        page->members = members;
        *cap = more;
    }
    page->members[page->n++] = m;
    return true;
}

void fwi_redis_members_read(const char *data, size_t len, fwi_member_page *page)
{
    reading r = {data, data + len};
    uint64_t size;
    size_t cap = 0;
    *page = (fwi_member_page){.why = ""};
    if (!read_number(&r, ' ', &page->total) || !read_number(&r, '\n', &page->next)) {
        page->err = FW_ERR_BACKPLANE;
        page->why = "not the kind of answer that was asked for";
        return;
    }
    while (read_number(&r, '\n', &size) && size <= (uint64_t)(r.end - r.at)) {
        fw_message *m = read_member(r.at, (size_t)size);
        r.at += size;
        if (m != NULL && !add(page, &cap, m)) {
            fw_message_unref(m);
            page->err = FW_ERR_MEMORY;
            page->why = "out of memory";
            return;
        }
    }
}

void fwi_redis_members_free(fwi_member_page *page)
{
    for (size_t i = 0; i < page->n; i++) {
        fw_message_unref(page->members[i]);
    }
    free(page->members);
}
