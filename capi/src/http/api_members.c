/*
 * See api_members.h.
 */
#include "http/api_members.h"

#include <inttypes.h>
#include <string.h>

#include "core/presence.h"

enum { PAGE = 1000 };

typedef struct user {
    UT_hash_handle hh;
    char name[];
} user;

typedef struct reading {
    const char *as; /* NULL: they are only counted */
    uint64_t n;
    user *users;
    uint64_t n_users;
    char channel[FWI_CHANNEL_CAP];
} reading;

static void reading_free(void *state)
{
    reading *r = state;
    user *u, *next;
    HASH_ITER(hh, r->users, u, next)
    {
        HASH_DEL(r->users, u);
        free(u);
    }
    free(r);
}

/* false: out of memory. */
static bool count_user(reading *r, const char *name)
{
    user *u = NULL;
    size_t len = strlen(name);
    HASH_FIND(hh, r->users, name, len, u);
    if (u != NULL) {
        return true;
    }
    u = malloc(sizeof *u + len + 1);
    if (u == NULL) {
        return false;
    }
    memcpy(u->name, name, len + 1);
    HASH_ADD_KEYPTR(hh, r->users, u->name, len, u);
    if (!FWI_HASH_ADDED(u)) {
        free(u);
        return false;
    }
    r->n_users++;
    return true;
}

static void put_member(fwi_api_command *c, const reading *r, const fw_message *m)
{
    char id[FW_SESSION_ID_TEXT];
    const fwi_origin *o = m->origin;
    size_t len = fwi_message_len(m);
    fw_session_id_text(o->session, id);
    fwi_api_printf(c, "%s\"%s\":{\"user\":", r->n > 0 ? "," : "", id);
    fwi_api_put_string(c, o->user, strlen(o->user));
    fwi_api_printf(c, ",\"client\":\"%s\",\"node\":", id);
    fwi_api_put_string(c, o->node_name, strlen(o->node_name));
    if (len > 0) {
        fwi_api_put_value(c, ",\"conn_info\":", fwi_message_bytes(m), len);
    }
    if (o->room_info_len > 0) {
        fwi_api_put_value(c, ",\"chan_info\":", o->room_info, o->room_info_len);
    }
    fwi_api_puts(c, "}");
}

static void take_page(fwi_api_command *c, reading *r, const fw_event *e)
{
    for (size_t i = 0; i < fw_event_members(e); i++) {
        const fw_message *m = e->members->m[i];
        if (r->as != NULL) {
            put_member(c, r, m);
        } else {
            c->no_memory = !count_user(r, m->origin->user) || c->no_memory;
        }
        r->n++;
    }
}

static void ask_page(fwi_api_command *c, uint64_t cursor);

static void on_page(void *asker, const fw_event *e)
{
    fwi_api_command *c = asker;
    reading *r = c->state;
    if (e->code != FW_OK) {
        fwi_api_fail_with(c, e->code, e->reason);
    } else if (fw_event_total(e) > fwi_api_site(c)->api_max_items) {
        fwi_api_fail(c, FWI_API_LIMIT, "%" PRIu64 " members are more than api.max_items",
                     fw_event_total(e));
    } else {
        take_page(c, r, e);
        if (fw_event_cursor(e) != 0 && !fwi_api_is_late(c)) {
            ask_page(c, fw_event_cursor(e));
            return;
        }
        if (r->as != NULL) {
            fwi_api_puts(c, "}}");
        } else {
            fwi_api_printf(c, "{\"num_clients\":%" PRIu64 ",\"num_users\":%" PRIu64 "}",
                           fw_event_total(e), r->n_users);
        }
    }
    fwi_api_answered(c);
}

static void ask_page(fwi_api_command *c, uint64_t cursor)
{
    const reading *r = c->state;
    fwi_ask_presence(fwi_api_hub(c), r->channel, cursor, PAGE,
                     &(fwi_asker){.on_answer = on_page, .user = c});
}

static void begin(fwi_api_command *c, const char *channel, const char *as)
{
    reading *r = calloc(1, sizeof *r);
    if (r == NULL) {
        fwi_api_fail(c, FWI_API_INTERNAL, "out of memory");
        return;
    }
    r->as = as;
    snprintf(r->channel, sizeof r->channel, "%s", channel);
    c->state = r;
    c->state_free = reading_free;
    if (as != NULL) {
        fwi_api_printf(c, "{\"%s\":{", as);
    }
    fwi_api_await(c);
    ask_page(c, 0);
}

void fwi_api_read_members(fwi_api_command *c, const char *channel, const char *as)
{
    begin(c, channel, as);
}

void fwi_api_count_members(fwi_api_command *c, const char *channel)
{
    begin(c, channel, NULL);
}
