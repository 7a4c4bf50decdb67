/*
 * Rooms with history in the model: what the scripts of src/backplane/redis_script.c mean.
 * A room has an epoch and a top for long, and its newest messages for a while; each
 * node's last serial says whether a publish has been carried out before.
 */
#include <inttypes.h>
#include <string.h>

#include "model_inside.h"

/* Where the position lies in an envelope. */
enum { EPOCH = 8, PLACE = 29 };

typedef struct entry {
    uint64_t offset;
    char *bytes; /* the envelope */
    size_t len;
} entry;

typedef struct last_serial {
    uint8_t node[8];
    uint64_t serial, offset;
    char epoch[EPOCH];
} last_serial;

struct model_room {
    model_room *next;
    char *key; /* of its meta */
    char epoch[EPOCH];
    uint64_t top;
    uint64_t forgotten_ms, stream_gone_ms; /* when meta and messages expire */
    entry *entries;
    size_t n;
    last_serial *nodes;
    size_t n_nodes;
};

/* Each begins as no other does. */
model_script model_script_of(const char *text, size_t len)
{
    static const struct {
        const char *begin;
        model_script which;
    } known[] = {
        {"local f = redis.call('HMGET', KEYS[1], 'e', 'o', ARGV[6])\n", MODEL_KEEP},
        {"local f = redis.call('HMGET', KEYS[1], 'e', 'o')\n", MODEL_READ},
        {"redis.call('DEL', KEYS[2])\nredis.call('HSET', KEYS[1], 'e'", MODEL_FORGET},
    };
    for (size_t i = 0; i < FWI_ARRAY_LEN(known); i++) {
        size_t n = strlen(known[i].begin);
        if (len >= n && memcmp(text, known[i].begin, n) == 0) {
            return known[i].which;
        }
    }
    return MODEL_OTHER;
}

static void drop_entries(model_room *room, size_t n)
{
    if (n == 0) {
        return; /* there may be no array yet */
    }
    for (size_t i = 0; i < n; i++) {
        free(room->entries[i].bytes);
    }
    memmove(room->entries, room->entries + n, (room->n - n) * sizeof *room->entries);
    room->n -= n;
}

static void free_room(model_room *room)
{
    drop_entries(room, room->n);
    free(room->entries);
    free(room->nodes);
    free(room->key);
    free(room);
}

void model_rooms_clear(model_redis *r)
{
    for (model_room *room; (room = r->rooms) != NULL;) {
        r->rooms = room->next;
        free_room(room);
    }
}

static void *same(const void *array, size_t n, size_t size)
{
    void *copy = malloc(n * size + 1);
    FWI_ASSERT(copy != NULL);
    memcpy(copy, array != NULL ? array : "", n * size);
    return copy;
}

void model_rooms_copy(model_redis *to, const model_redis *from)
{
    model_room **end = &to->rooms;
    for (const model_room *room = from->rooms; room != NULL; room = room->next) {
        model_room *c = same(room, 1, sizeof *room);
        c->next = NULL;
        c->key = model_copied(room->key, strlen(room->key));
        c->nodes = same(room->nodes, room->n_nodes, sizeof *room->nodes);
        c->entries = same(room->entries, room->n, sizeof *room->entries);
        for (size_t i = 0; i < room->n; i++) {
            c->entries[i].bytes = same(room->entries[i].bytes, room->entries[i].len, 1);
        }
        *end = c;
        end = &c->next;
    }
}

/* What has expired isn't there. NULL: nothing is. */
static model_room *find(model_redis *r, const char *key)
{
    for (model_room **at = &r->rooms; *at != NULL; at = &(*at)->next) {
        model_room *room = *at;
        if (strcmp(room->key, key) != 0) {
            continue;
        }
        if (room->forgotten_ms <= r->now_ms) {
            *at = room->next;
            free_room(room);
            return NULL;
        }
        if (room->stream_gone_ms <= r->now_ms) {
            drop_entries(room, room->n);
        }
        return room;
    }
    return NULL;
}

static model_room *find_or_make(model_redis *r, const char *key, const char *epoch)
{
    model_room *room = find(r, key);
    if (room == NULL) {
        room = calloc(1, sizeof *room);
        FWI_ASSERT(room != NULL);
        room->key = strdup(key);
        FWI_ASSERT(room->key != NULL);
        memcpy(room->epoch, epoch, EPOCH);
        room->next = r->rooms;
        r->rooms = room;
        room->forgotten_ms = UINT64_MAX;
    }
    return room;
}

static uint64_t from_be(const char *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) {
        v = v << 8 | (uint8_t)p[i];
    }
    return v;
}

static void to_be(char *p, uint64_t v, int n)
{
    for (int i = 0; i < n; i++) {
        p[i] = (char)(v >> (8 * (n - 1 - i)));
    }
}

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 10);
}

/* --- keep --- */

static last_serial *serial_of(model_room *room, const char *node)
{
    for (size_t i = 0; i < room->n_nodes; i++) {
        if (memcmp(room->nodes[i].node, node, 8) == 0) {
            return &room->nodes[i];
        }
    }
    room->nodes = realloc(room->nodes, (room->n_nodes + 1) * sizeof *room->nodes);
    FWI_ASSERT(room->nodes != NULL);
    last_serial *s = &room->nodes[room->n_nodes++];
    memset(s, 0, sizeof *s);
    memcpy(s->node, node, 8);
    return s;
}

/* Where that serial of that node is kept; 0: nowhere. */
static uint64_t found(const model_room *room, const char *envelope)
{
    for (size_t i = 0; i < room->n; i++) {
        if (memcmp(room->entries[i].bytes + 8, envelope + 8, 16) == 0) {
            return room->entries[i].offset;
        }
    }
    return 0;
}

static void answer_kept(model_link *l, const char *epoch, uint64_t offset, int repeated)
{
    FWI_ASSERT(fwi_buf_puts(&l->out, "*3\r\n"));
    model_put_bulk(&l->out, epoch != NULL ? epoch : "", epoch != NULL ? EPOCH : 0);
    FWI_ASSERT(fwi_buf_printf(&l->out, ":%" PRIu64 "\r\n:%d\r\n", offset, repeated));
}

static void append(model_room *room, const char *envelope, size_t len)
{
    room->entries = realloc(room->entries, (room->n + 1) * sizeof *room->entries);
    FWI_ASSERT(room->entries != NULL);
    entry *e = &room->entries[room->n++];
    e->offset = ++room->top;
    e->len = len;
    e->bytes = malloc(len);
    FWI_ASSERT(e->bytes != NULL);
    memcpy(e->bytes, envelope, len);
    memcpy(e->bytes + PLACE, room->epoch, EPOCH);
    to_be(e->bytes + PLACE + EPOCH, room->top, 8);
}

/* keys: words 3 and 4; arguments behind them. A key of its own isn't used here. */
static void keep(model_link *l, const model_words *w)
{
    model_redis *r = l->r;
    FWI_ASSERT(w->n == 17 && strcmp(w->at[2], "2") == 0 &&
               strcmp(w->at[16], "PUBLISH") == 0);
    char *const *arg = &w->at[4]; /* arg[1] is ARGV[1] */
    model_room *room = find_or_make(r, w->at[3], arg[8]);
    last_serial *s = serial_of(room, arg[6]);
    uint64_t serial = number(arg[7]);
    if (serial == s->serial) {
        answer_kept(l, s->epoch, s->offset, 1);
        return;
    }
    if (serial < s->serial) {
        bool same =
            strcmp(arg[10], "1") == 0 && memcmp(s->epoch, room->epoch, EPOCH) == 0;
        uint64_t at = same ? found(room, arg[1]) : 0;
        answer_kept(l, at > 0 ? s->epoch : NULL, at, 1);
        return;
    }
    if (number(arg[11]) > s->serial) {
        FWI_ASSERT(fwi_buf_puts(&l->out, "-OUTOFTURN not yet\r\n"));
        return;
    }
    append(room, arg[1], w->len[5]);
    uint64_t size = number(arg[3]);
    if (room->n > size) {
        drop_entries(room, room->n - size);
    }
    room->stream_gone_ms = r->now_ms + number(arg[4]);
    room->forgotten_ms = r->now_ms + number(arg[5]);
    s->serial = serial;
    s->offset = room->top;
    memcpy(s->epoch, room->epoch, EPOCH);
    entry *e = &room->entries[room->n - 1];
    model_tell_said(r, arg[2], (fwi_position){from_be(room->epoch), room->top}, e->bytes,
                    e->len);
    model_publish(r, arg[2], e->bytes, e->len);
    answer_kept(l, room->epoch, room->top, 0);
}

/* --- read and forget --- */

static void read_page(model_link *l, const model_words *w)
{
    FWI_ASSERT(w->n == 12 && strcmp(w->at[2], "2") == 0);
    char *const *arg = &w->at[4];
    model_room *room = find_or_make(l->r, w->at[3], arg[1]);
    if (room->forgotten_ms == UINT64_MAX) {
        room->forgotten_ms = l->r->now_ms + number(arg[2]);
    }
    uint64_t at = number(arg[4]), left = number(arg[5]), most = number(arg[7]);
    FWI_ASSERT(strcmp(arg[6], "1") != 0); /* backwards: no hub does so by itself */
    if (w->len[7] == 0) {
        at = 0;
    } else if (memcmp(arg[3], room->epoch, EPOCH) != 0) {
        left = 0;
    }
    fwi_buf page;
    char head[8];
    fwi_buf_init(&page);
    to_be(head, room->top, 8);
    FWI_ASSERT(fwi_buf_append(&page, room->epoch, EPOCH) &&
               fwi_buf_append(&page, head, 8));
    uint64_t bytes = 0;
    for (size_t i = 0; i < room->n && left > 0 && bytes < most; i++) {
        const entry *e = &room->entries[i];
        if (e->offset > at) {
            to_be(head, e->len, 4);
            FWI_ASSERT(fwi_buf_append(&page, head, 4) &&
                       fwi_buf_append(&page, e->bytes, e->len));
            bytes += e->len;
            left--;
        }
    }
    model_put_bulk(&l->out, page.data, page.len);
    fwi_buf_fini(&page);
}

void model_run(model_link *l, model_script which, const model_words *w)
{
    if (which == MODEL_KEEP) {
        keep(l, w);
    } else if (which == MODEL_READ) {
        read_page(l, w);
    } else {
        FWI_ASSERT(fwi_buf_puts(&l->out, "-NOPERM not in this model\r\n"));
    }
}

fwi_position model_redis_top(const model_redis *r, const char *channel, uint64_t *oldest)
{
    char key[600];
    snprintf(key, sizeof key, "{fanwire:%s}:m", channel);
    for (const model_room *room = r->rooms; room != NULL; room = room->next) {
        if (strcmp(room->key, key) == 0) {
            *oldest = room->n > 0 ? room->entries[0].offset : room->top + 1;
            return (fwi_position){from_be(room->epoch), room->top};
        }
    }
    *oldest = 1;
    return (fwi_position){0, 0};
}
