/*
 * The table of options and a set of their values. How a single value is written is in
 * options_value.c, how it is held in options_held.c, options of namespaces
 * are in options_namespaces.c; the INI file and the environment are in options_load.c.
 *
 * Called by the application before there is a hub, and by everything that reads its
 * configuration. A set is written by one thread and then only read.
 */
#include "core/options.h"

#include <pthread.h>
#include <string.h>

#include "core/error.h"
#include "core/options_held.h"
#include "core/options_load.h"
#include "core/options_namespaces.h"

const fwi_option_row fwi_option_rows[FWI_OPT_COUNT] = {
#define OPTION_ROW(symbol, name, type, min, max, initial, since, help)                   \
    {name, &fwi_option_types[FWI_TYPE_##type], min, max, initial, since, help},
    FWI_OPTION_MAP(OPTION_ROW)
#undef OPTION_ROW
};

/* The headings of manuals; each holds from its first option to the next heading. */
static const struct {
    fwi_option first;
    const char *heading;
} groups[] = {
    {FWI_OPT_LISTEN, "Listening and threads"},
    {FWI_OPT_EVENTS, "Events of the application"},
    {FWI_OPT_INBOX_MAX_BYTES, "Time-outs and queues"},
    {FWI_OPT_HTTP_LISTEN, "HTTP: health, metrics, API"},
    {FWI_OPT_REDIS_URL, "Redis"},
    {FWI_OPT_NODE_NAME, "Node"},
    {FWI_OPT_HEARTBEAT_INTERVAL, "Sessions"},
    {FWI_OPT_DRAIN_RATE, "Draining"},
    {FWI_OPT_ORIGINS, "Who is let in"},
    {FWI_OPT_LIMIT_SESSIONS, "Limits"},
    {FWI_OPT_TLS_CERT, "TLS"},
    {FWI_OPT_LOG_LEVEL, "Log"},
    {FWI_OPT_RAW_MODE, "Raw connections"},
    {FWI_OPT_TOKEN_HMAC_SECRET, "Tokens"},
    {FWI_OPT_HOOK_CONNECT_URL, "Hooks"},
    {FWI_OPT_USER_PRESENCE, "Users"},
    {FWI_OPT_ROOM_HISTORY_SIZE, "Rooms"},
};

/* What a running hub takes over from other options: see fw_hub_reload. */
static const fwi_option live[] = {
    FWI_OPT_DECISION_TIMEOUT,
    FWI_OPT_LIMIT_PENDING,
    FWI_OPT_HEARTBEAT_INTERVAL,
    FWI_OPT_HEARTBEAT_TIMEOUT,
    FWI_OPT_MESSAGE_MAX_BYTES,
    FWI_OPT_OUTBOX_MAX_BYTES,
    FWI_OPT_OUTBOX_POLICY,
    FWI_OPT_WRITE_DELAY,
    FWI_OPT_SSE_RETRY,
    FWI_OPT_COMPRESSION_MIN_BYTES,
    FWI_OPT_DRAIN_RATE,
    FWI_OPT_DRAIN_TIMEOUT,
    FWI_OPT_ORIGINS,
    FWI_OPT_PROXY_TRUSTED,
    FWI_OPT_TOKEN_HMAC_SECRET,
    FWI_OPT_TOKEN_PUBLIC_KEY,
    FWI_OPT_TOKEN_JWKS,
    FWI_OPT_TOKEN_ISSUER,
    FWI_OPT_TOKEN_AUDIENCE,
    FWI_OPT_TOKEN_GRACE,
    FWI_OPT_LIMIT_SESSIONS,
    FWI_OPT_LIMIT_SESSIONS_PER_ADDRESS,
    FWI_OPT_LIMIT_SESSIONS_PER_USER,
    FWI_OPT_LIMIT_MESSAGE_RATE,
    FWI_OPT_LIMIT_PUBLISH_RATE_PER_USER,
    FWI_OPT_LIMIT_PUBLISH_RATE_PER_ADDRESS,
    FWI_OPT_LIMIT_JOIN_RATE_PER_USER,
    FWI_OPT_LIMIT_JOIN_RATE_PER_ADDRESS,
    FWI_OPT_LIMIT_EMULATION_RATE_PER_ADDRESS,
    FWI_OPT_LIMIT_ROOMS_PER_SESSION,
    FWI_OPT_LIMIT_RESUBSCRIBE_RATE,
    FWI_OPT_LOG_LEVEL,
    FWI_OPT_LOG_FORMAT,
    FWI_OPT_LOG_FILE,
    FWI_OPT_API_KEY,
    FWI_OPT_ADMIN_PASSWORD,
};

struct fw_options {
    fwi_option_value values[FWI_OPT_COUNT];
    fwi_namespaces namespaces;
    /* Files and the environment are sources of their own: what a list has from one is
     * replaced by the next, not added to. */
    unsigned source;
};

fw_options *fw_options_new(void)
{
    fw_options *o = calloc(1, sizeof *o);
    if (o == NULL) {
        fwi_error(FW_ERR_MEMORY, "options: out of memory");
        return NULL;
    }
    for (size_t i = 0; i < FWI_OPT_COUNT; i++) {
        int err = fwi_option_value_set(&o->values[i], &fwi_option_rows[i], 0,
                                       fwi_option_rows[i].initial);
        FWI_ASSERT(err != FW_ERR_OPTION); /* the table's own defaults */
        if (err != FW_OK) {
            fw_options_free(o);
            return NULL;
        }
    }
    o->source = 1;
    return o;
}

void fw_options_free(fw_options *o)
{
    if (o == NULL) {
        return;
    }
    for (size_t i = 0; i < FWI_OPT_COUNT; i++) {
        fwi_option_value_free(&o->values[i]);
    }
    fwi_namespaces_free(&o->namespaces);
    free(o);
}

fw_options *fwi_options_copy(const fw_options *o)
{
    fw_options *copy = calloc(1, sizeof *copy);
    if (copy == NULL) {
        return NULL;
    }
    copy->source = o->source;
    for (size_t i = 0; i < FWI_OPT_COUNT; i++) {
        if (!fwi_option_value_copy(&copy->values[i], &o->values[i])) {
            fw_options_free(copy);
            return NULL;
        }
    }
    if (!fwi_namespaces_copy(&copy->namespaces, &o->namespaces)) {
        fw_options_free(copy);
        return NULL;
    }
    return copy;
}

void fwi_options_begin_source(fw_options *o)
{
    o->source++;
}

void fwi_options_swap(fw_options *a, fw_options *b)
{
    fw_options c = *a;
    *a = *b;
    *b = c;
}

/* The row that an option has or, of a namespace, the row of "room.X"; *of then says which
 * namespace, else of->name is NULL. -1: there is no such option. */
static int find_row(const char *name, fwi_namespaced *of)
{
    *of = (fwi_namespaced){0};
    for (size_t i = 0; i < FWI_OPT_COUNT; i++) {
        if (strcmp(fwi_option_rows[i].name, name) == 0) {
            return (int)i;
        }
    }
    fwi_namespaced found;
    if (!fwi_namespaced_parse(name, &found)) {
        return -1;
    }
    *of = found;
    return (int)(FWI_ROOM_OPTIONS_FIRST + found.which);
}

const char *fwi_options_nearest(const char *name, char namespaced[FWI_NAMESPACED_MAX])
{
    if (fwi_namespaced_nearest(name, namespaced)) {
        return namespaced;
    }
    const char *nearest = NULL;
    /* A third may be wrong: more would suggest anything for anything. */
    size_t least = FWI_MIN(strlen(name) / 3, 4) + 1;
    for (size_t i = 0; i < FWI_OPT_COUNT; i++) {
        size_t distance = fwi_option_distance(name, fwi_option_rows[i].name);
        if (distance < least) {
            least = distance;
            nearest = fwi_option_rows[i].name;
        }
    }
    return nearest;
}

static int no_such_option(const char *name)
{
    if (strncmp(name, "namespace.", strlen("namespace.")) == 0) {
        return fwi_namespaced_problem(name);
    }
    /* The value is not repeated: it may be a misspelt option's secret. */
    char shown[FWI_NAMESPACED_MAX], namespaced[FWI_NAMESPACED_MAX];
    fwi_option_show(name, shown, sizeof shown);
    const char *nearest = fwi_options_nearest(name, namespaced);
    return nearest != NULL
               ? fwi_error(FW_ERR_OPTION, "%s: no such option: did you mean %s?", shown,
                           nearest)
               : fwi_error(FW_ERR_OPTION, "%s: no such option", shown);
}

int fw_options_set(fw_options *o, const char *name, const char *value)
{
    if (o == NULL || name == NULL || value == NULL) {
        return fwi_error(FW_ERR_INVALID, "options, name and value must not be NULL");
    }
    fwi_namespaced of;
    int which = find_row(name, &of);
    if (which < 0) {
        return no_such_option(name);
    }
    return of.name != NULL
               ? fwi_namespaces_set(&o->namespaces, name, &of, o->source, value)
               : fwi_option_value_set(&o->values[which], &fwi_option_rows[which],
                                      o->source, value);
}

/* A namespace of which nothing was set has what rooms without one have. */
static const fwi_option_value *held(const fw_options *o, int which,
                                    const fwi_namespaced *of)
{
    const fwi_option_value *v =
        of->name != NULL ? fwi_namespaces_get(&o->namespaces, of) : NULL;
    return v != NULL ? v : &o->values[which];
}

const char *fw_options_get(const fw_options *o, const char *name)
{
    fwi_namespaced of;
    int which = o != NULL && name != NULL ? find_row(name, &of) : -1;
    return which < 0 ? NULL : held(o, which, &of)->text;
}

const char *fw_options_shown(const fw_options *o, const char *name)
{
    fwi_namespaced of;
    int which = o != NULL && name != NULL ? find_row(name, &of) : -1;
    if (which < 0) {
        return NULL;
    }
    const fwi_option_value *v = held(o, which, &of);
    return v->shown != NULL ? v->shown : v->text;
}

int64_t fwi_options_int(const fw_options *o, fwi_option which)
{
    return o->values[which].number;
}

const char *fwi_options_text(const fw_options *o, fwi_option which)
{
    return o->values[which].text;
}

size_t fwi_options_count(const fw_options *o, fwi_option which)
{
    return o->values[which].n_items;
}

const char *fwi_options_item(const fw_options *o, fwi_option which, size_t index)
{
    FWI_ASSERT(index < o->values[which].n_items);
    return o->values[which].items[index];
}

size_t fwi_options_namespaces(const fw_options *o)
{
    return o->namespaces.n;
}

const char *fwi_options_namespace(const fw_options *o, size_t index)
{
    FWI_ASSERT(index < o->namespaces.n);
    return o->namespaces.list[index].name;
}

int64_t fwi_options_namespace_int(const fw_options *o, size_t index, fwi_option which)
{
    FWI_ASSERT(index < o->namespaces.n && which >= (fwi_option)FWI_ROOM_OPTIONS_FIRST);
    return o->namespaces.list[index].values[which - FWI_ROOM_OPTIONS_FIRST].number;
}

bool fwi_options_have_keys(const fw_options *o)
{
    return fwi_options_count(o, FWI_OPT_TOKEN_HMAC_SECRET) > 0 ||
           fwi_options_count(o, FWI_OPT_TOKEN_PUBLIC_KEY) > 0 ||
           fwi_options_count(o, FWI_OPT_TOKEN_JWKS) > 0;
}

bool fwi_option_is_live(fwi_option which)
{
    for (size_t i = 0; i < FWI_ARRAY_LEN(live); i++) {
        if (live[i] == which) {
            return true;
        }
    }
    return false;
}

void fwi_options_compare(const fw_options *a, const fw_options *b,
                         fwi_options_differs differs, void *user)
{
    for (size_t i = 0; i < FWI_OPT_COUNT; i++) {
        if (strcmp(a->values[i].text, b->values[i].text) != 0) {
            differs(user, fwi_option_rows[i].name, fwi_option_is_live((fwi_option)i));
        }
    }
    fwi_namespaces_compare(&a->namespaces, &b->namespaces, differs, user);
}

const char *fw_options_name(size_t index)
{
    return index < FWI_OPT_COUNT ? fwi_option_rows[index].name : NULL;
}

/* The sentences about ranges are made of the table's numbers, once, so that they can't
 * differ from them; afterwards they are constant. */
static pthread_once_t allowed_once = PTHREAD_ONCE_INIT;
static char allowed[FWI_OPT_COUNT][FWI_ALLOWED_MAX];

static void make_allowed(void)
{
    for (size_t i = 0; i < FWI_OPT_COUNT; i++) {
        fwi_option_allowed(&fwi_option_rows[i], allowed[i]);
    }
}

static const char *group_of(size_t which)
{
    const char *heading = groups[0].heading;
    for (size_t i = 0; i < FWI_ARRAY_LEN(groups) && (size_t)groups[i].first <= which;
         i++) {
        heading = groups[i].heading;
    }
    return heading;
}

const char *fw_options_describe(const char *name, const char *field)
{
    fwi_namespaced of;
    int which = name != NULL && field != NULL ? find_row(name, &of) : -1;
    if (which < 0) {
        return NULL;
    }
    const fwi_option_row *row = &fwi_option_rows[which];
    if (strcmp(field, "type") == 0) {
        return row->type->name;
    }
    if (strcmp(field, "default") == 0) {
        return row->initial;
    }
    if (strcmp(field, "allowed") == 0) {
        pthread_once(&allowed_once, make_allowed);
        return allowed[which];
    }
    if (strcmp(field, "since") == 0) {
        return row->since;
    }
    if (strcmp(field, "help") == 0) {
        return row->help;
    }
    if (strcmp(field, "reload") == 0) {
        return fwi_option_is_live((fwi_option)which) ? "on" : "off";
    }
    return strcmp(field, "group") == 0 ? group_of((size_t)which) : NULL;
}
