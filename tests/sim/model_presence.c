/*
 * Presence and leases in the model: hashes and sets, and what the scripts of
 * src/backplane/redis_presence_scripts.c mean. A page has all there is; a sweep takes two
 * entries a step, so that it has several.
 */
#include <inttypes.h>
#include <string.h>

#include "backplane/redis_presence_scripts.h"
#include "model_inside.h"

enum { ID = 16, SWEPT_AT_ONCE = 2, DAY_MS = 86400000 };

/* Of a hash, or of a set, where it has no value. */
typedef struct field {
    char *name, *value;
    size_t len;
} field;

struct model_table {
    model_table *next;
    char *key;
    field *fields;
    size_t n;
};

/* What is known of a node, under its keys. */
struct model_node {
    model_node *next;
    char id[ID + 1];
    bool leased, has_facts;
    uint64_t ends_ms; /* the lease */
    char *facts;
    size_t facts_len;
    uint64_t over, over_until_ms;
    uint64_t claimed_until_ms;
};

/* --- hashes and sets --- */

static model_table *find_table(const model_redis *r, const char *key)
{
    model_table *t = r->tables;
    while (t != NULL && strcmp(t->key, key) != 0) {
        t = t->next;
    }
    return t;
}

static field *find_field(const model_table *t, const char *name)
{
    for (size_t i = 0; t != NULL && i < t->n; i++) {
        if (strcmp(t->fields[i].name, name) == 0) {
            return &t->fields[i];
        }
    }
    return NULL;
}

static void drop_field(model_table *t, field *f)
{
    free(f->name);
    free(f->value);
    *f = t->fields[--t->n];
}

/* 1: it is new. */
static int put_field(model_redis *r, const char *key, const char *name, const char *value,
                     size_t len)
{
    model_table *t = find_table(r, key);
    if (t == NULL) {
        t = calloc(1, sizeof *t);
        FWI_ASSERT(t != NULL);
        t->key = model_copied(key, strlen(key));
        t->next = r->tables;
        r->tables = t;
    }
    field *f = find_field(t, name);
    int is_new = f == NULL;
    if (is_new) {
        t->fields = realloc(t->fields, (t->n + 1) * sizeof *t->fields);
        FWI_ASSERT(t->fields != NULL);
        f = &t->fields[t->n++];
        f->name = model_copied(name, strlen(name));
    } else {
        free(f->value);
    }
    f->value = model_copied(value, len);
    f->len = len;
    return is_new;
}

static int remove_field(model_redis *r, const char *key, const char *name)
{
    model_table *t = find_table(r, key);
    field *f = find_field(t, name);
    if (f == NULL) {
        return 0;
    }
    drop_field(t, f);
    return 1;
}

static int remove_table(model_redis *r, const char *key)
{
    model_table *t = find_table(r, key);
    size_t n = t != NULL ? t->n : 0;
    while (t != NULL && t->n > 0) {
        drop_field(t, &t->fields[0]);
    }
    return n > 0;
}

bool model_presence_command(model_link *l, const model_words *w)
{
    const char *name = w->at[0], *key = w->n > 1 ? w->at[1] : "";
    int answer;
    if (strcmp(name, "HSET") == 0 && w->n == 4) {
        answer = put_field(l->r, key, w->at[2], w->at[3], w->len[3]);
    } else if (strcmp(name, "SADD") == 0 && w->n == 3) {
        answer = put_field(l->r, key, w->at[2], "", 0);
    } else if ((strcmp(name, "HDEL") == 0 || strcmp(name, "SREM") == 0) && w->n == 3) {
        answer = remove_field(l->r, key, w->at[2]);
    } else if (strcmp(name, "DEL") == 0 && w->n == 2) {
        answer = remove_table(l->r, key);
    } else {
        return false;
    }
    FWI_ASSERT(fwi_buf_printf(&l->out, ":%d\r\n", answer));
    return true;
}

/* --- nodes --- */

static model_node *node_of(model_redis *r, const char *id)
{
    model_node *n = r->nodes;
    while (n != NULL && strcmp(n->id, id) != 0) {
        n = n->next;
    }
    if (n == NULL) {
        n = calloc(1, sizeof *n);
        FWI_ASSERT(n != NULL);
        snprintf(n->id, sizeof n->id, "%s", id);
        n->next = r->nodes;
        r->nodes = n;
    }
    return n;
}

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 10);
}

/* The life that its facts are of. */
static uint64_t life_of(const model_node *n, uint64_t otherwise)
{
    return n->has_facts ? number(n->facts) : otherwise;
}

static uint64_t beat_of(const model_node *n)
{
    const char *at = n->has_facts ? strchr(n->facts, ' ') : NULL;
    return at != NULL ? number(at) : 0;
}

static void set_facts(model_node *n, const model_words *w, char *const *arg)
{
    fwi_buf facts;
    fwi_buf_init(&facts);
    FWI_ASSERT(fwi_buf_printf(&facts, "%s %s ", arg[3], arg[4]) &&
               fwi_buf_append(&facts, arg[5], w->len[11]));
    free(n->facts);
    n->facts = model_copied(facts.data, facts.len);
    n->facts_len = facts.len;
    n->has_facts = true;
    fwi_buf_fini(&facts);
}

static uint64_t claim(model_redis *r, model_node *n, uint64_t lease_ms)
{
    if (n->claimed_until_ms > r->now_ms) {
        return 0;
    }
    n->claimed_until_ms = r->now_ms + lease_ms;
    n->over = life_of(n, 1);
    n->over_until_ms = r->now_ms + DAY_MS;
    return n->over;
}

/* Four keys are words 3 to 6. */
static void beat(model_link *l, const model_words *w, fwi_buf *out)
{
    model_redis *r = l->r;
    char *const *arg = &w->at[6];
    model_node *self = node_of(r, arg[1]);
    uint64_t lease_ms = number(arg[2]), life = number(arg[3]);
    uint64_t over = self->over_until_ms > r->now_ms ? self->over : 0;
    uint64_t known_beat = beat_of(self), least = number(arg[7]);
    bool had_ended = self->leased && self->ends_ms <= r->now_ms;
    FWI_ASSERT(w->n == 14 && strcmp(w->at[2], "4") == 0);
    if (over >= life) {
        FWI_ASSERT(fwi_buf_printf(out, "%" PRIu64 " 0 0\n", over));
        return;
    }
    FWI_ASSERT(fwi_buf_printf(out, "%" PRIu64 " %d %" PRIu64 "\n", over,
                              self->leased + had_ended, known_beat));
    if ((least > 0 && (!self->leased || known_beat < least)) ||
        known_beat >= number(arg[4])) {
        return;
    }
    self->leased = true;
    self->ends_ms = r->now_ms + lease_ms;
    set_facts(self, w, arg);
    for (model_node *n = r->nodes; n != NULL; n = n->next) {
        if (n != self && n->leased) {
            int64_t left_ms = (int64_t)(n->ends_ms - r->now_ms);
            bool may = left_ms <= 0 && strcmp(arg[6], "1") == 0 && !had_ended;
            FWI_ASSERT(fwi_buf_printf(out, "%s %" PRId64 " %" PRIu64 "\n", n->id, left_ms,
                                      may ? claim(r, n, lease_ms) : 0));
        }
    }
}

static void put_value(fwi_buf *out, const char *value, size_t len)
{
    FWI_ASSERT(fwi_buf_printf(out, "%zu\n", len) && fwi_buf_append(out, value, len));
}

static void list_nodes(model_link *l, const model_words *w, fwi_buf *out)
{
    size_t alive = 0;
    fwi_buf values;
    fwi_buf_init(&values);
    FWI_ASSERT(w->n == 5);
    for (const model_node *n = l->r->nodes; n != NULL; n = n->next) {
        if (n->leased && n->ends_ms > l->r->now_ms) {
            alive++;
            put_value(&values, n->facts, n->facts_len);
        }
    }
    FWI_ASSERT(fwi_buf_printf(out, "%zu 0\n", alive) &&
               fwi_buf_append(out, values.data, values.len));
    fwi_buf_fini(&values);
}

static void forget_node(model_link *l, const model_words *w, fwi_buf *out)
{
    model_node *n = node_of(l->r, w->at[6]);
    FWI_ASSERT(w->n == 8);
    if (life_of(n, 0) <= number(w->at[7])) {
        n->leased = n->has_facts = false;
    }
    n->claimed_until_ms = 0;
    FWI_ASSERT(fwi_buf_puts(out, "1"));
}

/* --- who is there --- */

static void list_members(model_link *l, const model_words *w, fwi_buf *out)
{
    const model_table *t = find_table(l->r, w->at[3]);
    FWI_ASSERT(w->n == 6);
    FWI_ASSERT(fwi_buf_printf(out, "%zu 0\n", t != NULL ? t->n : 0));
    for (size_t i = 0; t != NULL && i < t->n && strcmp(w->at[5], "0") != 0; i++) {
        put_value(out, t->fields[i].value, t->fields[i].len);
    }
}

static void list_channels(model_link *l, const model_words *w, fwi_buf *out)
{
    const model_table *t = find_table(l->r, w->at[3]);
    FWI_ASSERT(w->n == 4);
    for (size_t i = 0; t != NULL && i < t->n && i < 100; i++) {
        FWI_ASSERT(fwi_buf_printf(out, "%s%s", i > 0 ? "\n" : "", t->fields[i].name));
    }
}

/* One that the sweep of this life takes along; NULL: there is none. */
static field *next_swept(const model_table *t, const char *node, uint64_t life)
{
    for (size_t i = 0; t != NULL && i < t->n; i++) {
        field *f = &t->fields[i];
        if (strncmp(f->name, node, ID) == 0 && number(f->value + 2) <= life) {
            return f;
        }
    }
    return NULL;
}

static void sweep(model_link *l, const model_words *w, fwi_buf *out)
{
    model_redis *r = l->r;
    char *const *arg = &w->at[4];
    model_table *t = find_table(r, w->at[3]);
    uint64_t life = number(arg[3]);
    unsigned gone = 0;
    FWI_ASSERT(w->n == 11 && strcmp(arg[6], "PUBLISH") == 0);
    field *f;
    while (gone < SWEPT_AT_ONCE && (f = next_swept(t, arg[2], life)) != NULL) {
        if (f->value[0] == '1' && strcmp(arg[5], "1") == 0) {
            const char *envelope = strchr(f->value + 2, ' ') + 1;
            r->on_swept(r->user, f->name);
            model_publish(r, arg[1], envelope, f->len - (size_t)(envelope - f->value));
            put_field(r, w->at[4], f->name, arg[3], strlen(arg[3]));
        }
        drop_field(t, f);
        gone++;
    }
    FWI_ASSERT(fwi_buf_printf(out, "%d %u", next_swept(t, arg[2], life) != NULL, gone));
}

/* Its two keys are words 3 and 4. */
static void return_entry(model_link *l, const model_words *w, fwi_buf *out)
{
    FWI_ASSERT(w->n == 7);
    put_field(l->r, w->at[3], w->at[5], w->at[6], w->len[6]);
    const field *told = find_field(find_table(l->r, w->at[4]), w->at[5]);
    FWI_ASSERT(fwi_buf_puts(out, told != NULL ? told->value : "0"));
}

bool model_presence_script(model_link *l, const model_words *w)
{
    static const struct {
        const char *script;
        void (*run)(model_link *l, const model_words *w, fwi_buf *out);
    } known[] = {
        {fwi_redis_script_members, list_members},
        {fwi_redis_script_nodes, list_nodes},
        {fwi_redis_script_beat, beat},
        {fwi_redis_script_sweep, sweep},
        {fwi_redis_script_return, return_entry},
        {fwi_redis_script_channels, list_channels},
        {fwi_redis_script_forget, forget_node},
    };
    for (size_t i = 0; i < FWI_ARRAY_LEN(known); i++) {
        if (strcmp(w->at[1], known[i].script) == 0) {
            fwi_buf out;
            fwi_buf_init(&out);
            known[i].run(l, w, &out);
            model_put_bulk(&l->out, out.data, out.len);
            fwi_buf_fini(&out);
            return true;
        }
    }
    return false;
}

void model_presence_clear(model_redis *r)
{
    for (model_table *t; (t = r->tables) != NULL;) {
        r->tables = t->next;
        while (t->n > 0) {
            drop_field(t, &t->fields[0]);
        }
        free(t->fields);
        free(t->key);
        free(t);
    }
    for (model_node *n; (n = r->nodes) != NULL;) {
        r->nodes = n->next;
        free(n->facts);
        free(n);
    }
}

static void copy_tables(model_redis *to, const model_redis *from)
{
    model_table **end = &to->tables;
    for (const model_table *t = from->tables; t != NULL; t = t->next) {
        model_table *c = calloc(1, sizeof *c);
        FWI_ASSERT(c != NULL);
        c->key = model_copied(t->key, strlen(t->key));
        c->n = t->n;
        c->fields = calloc(t->n + 1, sizeof *c->fields);
        FWI_ASSERT(c->fields != NULL);
        for (size_t i = 0; i < t->n; i++) {
            const field *f = &t->fields[i];
            c->fields[i] = (field){model_copied(f->name, strlen(f->name)),
                                   model_copied(f->value, f->len), f->len};
        }
        *end = c;
        end = &c->next;
    }
}

void model_presence_copy(model_redis *to, const model_redis *from)
{
    copy_tables(to, from);
    model_node **end = &to->nodes;
    for (const model_node *n = from->nodes; n != NULL; n = n->next) {
        model_node *c = malloc(sizeof *c);
        FWI_ASSERT(c != NULL);
        *c = *n;
        c->next = NULL;
        c->facts = n->facts != NULL ? model_copied(n->facts, n->facts_len) : NULL;
        *end = c;
        end = &c->next;
    }
}

/* --- for those who compare --- */

static const model_table *present_in(const model_redis *r, const char *channel)
{
    char key[600];
    snprintf(key, sizeof key, "{fanwire:%s}:p", channel);
    return find_table(r, key);
}

size_t model_redis_present(const model_redis *r, const char *channel)
{
    const model_table *t = present_in(r, channel);
    return t != NULL ? t->n : 0;
}

bool model_redis_is_present(const model_redis *r, const char *channel,
                            const char *session)
{
    return find_field(present_in(r, channel), session) != NULL;
}

size_t model_redis_nodes(const model_redis *r)
{
    size_t n = 0;
    for (const model_node *node = r->nodes; node != NULL; node = node->next) {
        n += node->leased;
    }
    return n;
}
