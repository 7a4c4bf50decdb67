/*
 * Connections, commands and publish/subscribe of the model; rooms with history are in
 * model_rooms.c, presence in model_presence.c. What isn't well-formed ends the simulator:
 * our own code wrote it.
 */
#include "model_redis.h"

#include <inttypes.h>
#include <string.h>

#include "base/list.h"
#include "model_inside.h"
#include "wire/envelope.h"
#include "wire/name.h"
#include "wire/sha1.h"

model_redis *model_redis_new(model_on_said on_said, model_on_swept on_swept, void *user)
{
    model_redis *r = calloc(1, sizeof *r);
    FWI_ASSERT(r != NULL);
    r->on_said = on_said;
    r->on_swept = on_swept;
    r->user = user;
    fwi_list_init(&r->links);
    r->replica = calloc(1, sizeof *r);
    FWI_ASSERT(r->replica != NULL);
    return r;
}

static void clear(model_redis *r)
{
    model_rooms_clear(r);
    model_presence_clear(r);
}

void model_redis_free(model_redis *r)
{
    FWI_ASSERT(r->links.next == &r->links);
    clear(r->replica);
    clear(r);
    free(r->replica);
    free(r);
}

void model_redis_set_time(model_redis *r, uint64_t now_ms)
{
    r->now_ms = now_ms;
}

void model_redis_forget(model_redis *r)
{
    clear(r->replica);
    clear(r);
    r->scripts = 0;
}

static void copy(model_redis *to, const model_redis *from)
{
    clear(to);
    model_rooms_copy(to, from);
    model_presence_copy(to, from);
}

void model_redis_replicate(model_redis *r)
{
    copy(r->replica, r);
}

void model_redis_fail_over(model_redis *r)
{
    copy(r, r->replica);
    r->scripts = 0;
}

char *model_copied(const char *bytes, size_t len)
{
    char *copied = malloc(len + 1);
    FWI_ASSERT(copied != NULL);
    memcpy(copied, bytes, len);
    copied[len] = '\0';
    return copied;
}

model_link *model_link_new(model_redis *r)
{
    model_link *l = calloc(1, sizeof *l);
    FWI_ASSERT(l != NULL);
    l->r = r;
    fwi_buf_init(&l->out);
    fwi_list_init(&l->link);
    fwi_list_append(&r->links, &l->link);
    return l;
}

void model_link_free(model_link *l)
{
    for (size_t i = 0; i < l->n_channels; i++) {
        free(l->channels[i]);
    }
    free(l->channels);
    fwi_buf_fini(&l->out);
    fwi_list_remove(&l->link);
    free(l);
}

void model_link_deafen(model_link *l)
{
    l->deaf = true;
}

bool model_link_is_deaf(const model_link *l)
{
    return l->deaf;
}

fwi_buf *model_link_out(model_link *l)
{
    return &l->out;
}

/* --- answers --- */

void model_put_bulk(fwi_buf *out, const void *data, size_t len)
{
    FWI_ASSERT(fwi_buf_printf(out, "$%zu\r\n", len) && fwi_buf_append(out, data, len) &&
               fwi_buf_puts(out, "\r\n"));
}

static bool is_subscribed(const model_link *l, const char *channel)
{
    for (size_t i = 0; i < l->n_channels; i++) {
        if (strcmp(l->channels[i], channel) == 0) {
            return true;
        }
    }
    return false;
}

size_t model_publish(model_redis *r, const char *channel, const void *data, size_t len)
{
    size_t heard = 0;
    for (fwi_list *e = r->links.next; e != &r->links; e = e->next) {
        model_link *l = fwi_list_entry(e, model_link, link);
        if (is_subscribed(l, channel)) {
            heard++;
            if (!l->deaf) {
                FWI_ASSERT(fwi_buf_puts(&l->out, "*3\r\n$7\r\nmessage\r\n"));
                model_put_bulk(&l->out, channel, strlen(channel));
                model_put_bulk(&l->out, data, len);
            }
        }
    }
    return heard;
}

/* Room "r:a" of "fanwire:r:a"; false: it is no room. */
bool model_room_name(const char *redis_name, char *out, size_t cap)
{
    return fwi_name_from_redis("fanwire", redis_name, strlen(redis_name), out, cap) >=
               0 &&
           out[0] == 'r';
}

void model_tell_said(model_redis *r, const char *redis_name, fwi_position at,
                     const void *envelope, size_t len)
{
    fwi_envelope e;
    char name[512];
    FWI_ASSERT(fwi_envelope_decode(&e, envelope, len) == FWI_ENVELOPE_OK);
    if (e.kind == FWI_MSG_DATA && model_room_name(redis_name, name, sizeof name)) {
        r->on_said(r->user, name, at, (const char *)e.data, e.len);
    }
}

/* --- commands --- */

static void subscribe(model_link *l, const char *channel, bool on)
{
    size_t i = 0;
    while (i < l->n_channels && strcmp(l->channels[i], channel) != 0) {
        i++;
    }
    if (on && i == l->n_channels) {
        l->channels = realloc(l->channels, (l->n_channels + 1) * sizeof *l->channels);
        FWI_ASSERT(l->channels != NULL);
        l->channels[l->n_channels] = strdup(channel);
        FWI_ASSERT(l->channels[l->n_channels] != NULL);
        l->n_channels++;
    } else if (!on && i < l->n_channels) {
        free(l->channels[i]);
        l->channels[i] = l->channels[--l->n_channels];
    }
    FWI_ASSERT(fwi_buf_printf(&l->out, "*3\r\n%s\r\n",
                              on ? "$9\r\nsubscribe" : "$11\r\nunsubscribe"));
    model_put_bulk(&l->out, channel, strlen(channel));
    FWI_ASSERT(fwi_buf_printf(&l->out, ":%zu\r\n", l->n_channels));
}

static void ping(model_link *l)
{
    FWI_ASSERT(fwi_buf_puts(&l->out, l->n_channels > 0 ? "*2\r\n$4\r\npong\r\n$0\r\n\r\n"
                                                       : "+PONG\r\n"));
}

/* The scripts that it has been given since it started, by their digest. */
static void eval(model_link *l, const model_words *w)
{
    model_redis *r = l->r;
    if (model_presence_script(l, w)) {
        return;
    }
    model_script which = model_script_of(w->at[1], w->len[1]);
    uint8_t digest[FWI_SHA1_LEN];
    FWI_ASSERT(fwi_sha1(w->at[1], w->len[1], digest));
    for (size_t i = 0; i < FWI_SHA1_LEN; i++) {
        snprintf(r->sha[which] + 2 * i, 3, "%02x", digest[i]);
    }
    r->scripts |= 1u << which;
    model_run(l, which, w);
}

static void evalsha(model_link *l, const model_words *w)
{
    for (unsigned i = 0; i < MODEL_SCRIPTS; i++) {
        if ((l->r->scripts & 1u << i) != 0 && w->len[1] == 40 &&
            memcmp(l->r->sha[i], w->at[1], 40) == 0) {
            model_run(l, (model_script)i, w);
            return;
        }
    }
    FWI_ASSERT(fwi_buf_puts(&l->out, "-NOSCRIPT No matching script.\r\n"));
}

static void carry_out(model_link *l, const model_words *w)
{
    const char *name = w->at[0];
    if (strcmp(name, "SUBSCRIBE") == 0 || strcmp(name, "UNSUBSCRIBE") == 0) {
        for (size_t i = 1; i < w->n; i++) {
            subscribe(l, w->at[i], name[0] == 'S');
        }
    } else if (strcmp(name, "PUBLISH") == 0) {
        model_tell_said(l->r, w->at[1], (fwi_position){0, 0}, w->at[2], w->len[2]);
        size_t heard = model_publish(l->r, w->at[1], w->at[2], w->len[2]);
        FWI_ASSERT(fwi_buf_printf(&l->out, ":%zu\r\n", heard));
    } else if (strcmp(name, "PING") == 0) {
        ping(l);
    } else if (strcmp(name, "EVAL") == 0) {
        eval(l, w);
    } else if (strcmp(name, "EVALSHA") == 0) {
        evalsha(l, w);
    } else if (strcmp(name, "CLIENT") == 0) {
        FWI_ASSERT(fwi_buf_puts(&l->out, "+OK\r\n"));
    } else if (!model_presence_command(l, w)) {
        FWI_ASSERT(fwi_buf_puts(&l->out, "-NOPERM not in this model\r\n"));
    }
}

/* A number behind a mark and before a line's end; the offset behind that, 0: not there.
 */
static size_t number_at(const char *p, size_t len, size_t at, char mark, size_t *value)
{
    const char *end = at < len ? memchr(p + at, '\n', len - at) : NULL;
    if (end == NULL) {
        return 0;
    }
    FWI_ASSERT(p[at] == mark);
    *value = (size_t)strtoull(p + at + 1, NULL, 10);
    return (size_t)(end - p) + 1;
}

static void clear_words(model_words *w)
{
    for (size_t i = 0; i < w->n; i++) {
        free(w->at[i]);
    }
    w->n = 0;
}

bool model_link_step(model_link *l, fwi_buf *in)
{
    model_words w = {.n = 0};
    size_t count, len, at = number_at(in->data, in->len, 0, '*', &count);
    if (at == 0) {
        return false;
    }
    FWI_ASSERT(count > 0 && count <= MODEL_WORDS);
    while (w.n < count) {
        at = number_at(in->data, in->len, at, '$', &len);
        if (at == 0 || at + len + 2 > in->len) {
            clear_words(&w);
            return false;
        }
        w.at[w.n] = malloc(len + 1);
        FWI_ASSERT(w.at[w.n] != NULL);
        memcpy(w.at[w.n], in->data + at, len);
        w.at[w.n][len] = '\0';
        w.len[w.n++] = len;
        at += len + 2;
    }
    fwi_buf_consume(in, at);
    carry_out(l, &w);
    clear_words(&w);
    return true;
}
