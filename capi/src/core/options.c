/*
 * The table of options and a set of their values. How a single value is written is in
 * options_value.c; the INI file and the environment are in options_load.c.
 *
 * Called by the application before there is a hub, and by everything that reads its
 * configuration. A set is written by one thread and then only read.
 */
#include "core/options.h"

#include <pthread.h>
#include <string.h>

#include "core/error.h"
#include "core/options_load.h"
#include "core/options_value.h"

static const fwi_option_row rows[FWI_OPT_COUNT] = {
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
    {FWI_OPT_HTTP_LISTEN, "Health and metrics"},
    {FWI_OPT_REDIS_URL, "Redis"},
    {FWI_OPT_NODE_NAME, "Node"},
    {FWI_OPT_HEARTBEAT_INTERVAL, "Sessions"},
    {FWI_OPT_DRAIN_RATE, "Draining"},
    {FWI_OPT_ORIGINS, "Who is let in"},
    {FWI_OPT_LIMIT_SESSIONS, "Limits"},
    {FWI_OPT_TLS_CERT, "TLS"},
    {FWI_OPT_LOG_LEVEL, "Log"},
    {FWI_OPT_RAW_MODE, "Raw connections"},
    {FWI_OPT_USER_PRESENCE, "Users"},
    {FWI_OPT_ROOM_HISTORY_SIZE, "Rooms"},
};

typedef struct option_value {
    char *text;
    char *shown; /* the text without a password; NULL: as the text */
    int64_t number;
    char **items; /* of a list; one block with their bytes */
    size_t n_items;
    unsigned source; /* which one set it; 0: the table */
} option_value;

struct fw_options {
    option_value values[FWI_OPT_COUNT];
    /* Files and the environment are sources of their own: what a list has from one is
     * replaced by the next, not added to. */
    unsigned source;
};

static void free_value(option_value *v)
{
    free(v->text);
    free(v->shown);
    free(v->items);
    *v = (option_value){0};
}

/* Calls `each` for every entry, without the blanks around it, until it says false. An
 * empty text has no entries. */
static bool split_list(const char *text,
                       bool (*each)(void *user, const char *s, size_t len), void *user)
{
    const char *p = text + strspn(text, " \t");
    if (*p == '\0') {
        return true;
    }
    for (;;) {
        const char *end = p + strcspn(p, ",");
        const char *first = p + strspn(p, " \t");
        const char *last = end;
        while (last > first && (last[-1] == ' ' || last[-1] == '\t')) {
            last--;
        }
        if (!each(user, first, first < last ? (size_t)(last - first) : 0)) {
            return false;
        }
        if (*end == '\0') {
            return true;
        }
        p = end + 1;
    }
}

typedef struct list_builder {
    const fwi_option_row *row;
    char **items;
    char *bytes;
    size_t n;
    char *problem; /* FWI_PROBLEM_MAX */
    int err;
} list_builder;

static bool check_item(void *user, const char *s, size_t len)
{
    list_builder *b = user;
    char *copy = strndup(s, len);
    b->err =
        copy != NULL ? fwi_option_read(b->row, copy, NULL, b->problem) : FW_ERR_MEMORY;
    free(copy);
    b->n++;
    return b->err == FW_OK;
}

static bool add_item(void *user, const char *s, size_t len)
{
    list_builder *b = user;
    b->items[b->n++] = b->bytes;
    memcpy(b->bytes, s, len);
    b->bytes[len] = '\0';
    b->bytes += len + 1;
    return true;
}

/* The list's entries from its text, which has been checked. */
static bool index_list(option_value *v)
{
    size_t len = strlen(v->text), most = 1;
    for (const char *p = v->text; *p != '\0'; p++) {
        most += *p == ',';
    }
    char **items = malloc(most * sizeof *items + len + 1);
    if (items == NULL) {
        return false;
    }
    list_builder b = {.items = items, .bytes = (char *)(items + most)};
    split_list(v->text, add_item, &b);
    v->items = items;
    v->n_items = b.n;
    return true;
}

static int no_memory(const fwi_option_row *row)
{
    return fwi_error(FW_ERR_MEMORY, "%s: out of memory", row->name);
}

/* Reports what fwi_option_read found. */
static int bad_value(const fwi_option_row *row, int err, const char *text,
                     const char *problem)
{
    char shown[160];
    if (err == FW_ERR_MEMORY) {
        return no_memory(row);
    }
    return fwi_error(err, "%s: %s: %s", row->name,
                     fwi_option_show(text, shown, sizeof shown), problem);
}

/* Checks each entry; then `next` has old and new text joined, or the new one alone. */
static int read_list(const fwi_option_row *row, const char *text, const char *before,
                     option_value *next)
{
    char problem[FWI_PROBLEM_MAX];
    list_builder b = {.row = row, .problem = problem};
    if (!split_list(text, check_item, &b)) {
        return bad_value(row, b.err, text, problem);
    }
    bool adds = before[0] != '\0' && b.n > 0;
    size_t cap = strlen(before) + strlen(text) + 2;
    next->text = malloc(cap);
    if (next->text == NULL) {
        return no_memory(row);
    }
    snprintf(next->text, cap, "%s%s%s", before, adds ? "," : "", b.n > 0 ? text : "");
    return index_list(next) ? FW_OK : no_memory(row);
}

static int read_scalar(const fwi_option_row *row, const char *text, option_value *next)
{
    char problem[FWI_PROBLEM_MAX];
    int err = fwi_option_read(row, text, &next->number, problem);
    if (err != FW_OK) {
        return bad_value(row, err, text, problem);
    }
    next->text = strdup(text);
    if (next->text == NULL) {
        return no_memory(row);
    }
    if (row->type->has_password && strchr(text, '@') != NULL) {
        char shown[512];
        next->shown = strdup(fwi_option_show(text, shown, sizeof shown));
        return next->shown != NULL ? FW_OK : no_memory(row);
    }
    return FW_OK;
}

static int set_value(fw_options *o, size_t which, const char *text)
{
    const fwi_option_row *row = &rows[which];
    option_value *v = &o->values[which];
    option_value next = {.source = o->source};
    if (row->type->can_be_off && strcmp(text, "off") == 0) {
        text = "";
    }
    bool adds = v->text != NULL && v->source == o->source && text[0] != '\0';
    int err = row->type->kind == FWI_KIND_LIST
                  ? read_list(row, text, adds ? v->text : "", &next)
                  : read_scalar(row, text, &next);
    if (err != FW_OK) {
        free_value(&next);
        return err;
    }
    free_value(v);
    *v = next;
    return FW_OK;
}

fw_options *fw_options_new(void)
{
    fw_options *o = calloc(1, sizeof *o);
    if (o == NULL) {
        fwi_error(FW_ERR_MEMORY, "options: out of memory");
        return NULL;
    }
    for (size_t i = 0; i < FWI_OPT_COUNT; i++) {
        int err = set_value(o, i, rows[i].initial);
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
        free_value(&o->values[i]);
    }
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
        const option_value *from = &o->values[i];
        option_value *to = &copy->values[i];
        to->number = from->number;
        to->source = from->source;
        to->text = strdup(from->text);
        to->shown = from->shown != NULL ? strdup(from->shown) : NULL;
        bool fine = to->text != NULL && (to->shown != NULL) == (from->shown != NULL) &&
                    (from->items == NULL || index_list(to));
        if (!fine) {
            fw_options_free(copy);
            return NULL;
        }
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

/* -1: there is no such option. */
static int find_row(const char *name)
{
    for (size_t i = 0; i < FWI_OPT_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

const char *fwi_options_nearest(const char *name)
{
    const char *nearest = NULL;
    /* A third may be wrong: more would suggest anything for anything. */
    size_t least = FWI_MIN(strlen(name) / 3, 4) + 1;
    for (size_t i = 0; i < FWI_OPT_COUNT; i++) {
        size_t distance = fwi_option_distance(name, rows[i].name);
        if (distance < least) {
            least = distance;
            nearest = rows[i].name;
        }
    }
    return nearest;
}

int fw_options_set(fw_options *o, const char *name, const char *value)
{
    if (o == NULL || name == NULL || value == NULL) {
        return fwi_error(FW_ERR_INVALID, "options, name and value must not be NULL");
    }
    int which = find_row(name);
    if (which >= 0) {
        return set_value(o, (size_t)which, value);
    }
    /* The value is not repeated: it may be a misspelt option's secret. */
    char shown[80];
    fwi_option_show(name, shown, sizeof shown);
    const char *nearest = fwi_options_nearest(name);
    return nearest != NULL
               ? fwi_error(FW_ERR_OPTION, "%s: no such option: did you mean %s?", shown,
                           nearest)
               : fwi_error(FW_ERR_OPTION, "%s: no such option", shown);
}

const char *fw_options_get(const fw_options *o, const char *name)
{
    int which = o != NULL && name != NULL ? find_row(name) : -1;
    return which >= 0 ? o->values[which].text : NULL;
}

const char *fw_options_shown(const fw_options *o, const char *name)
{
    int which = o != NULL && name != NULL ? find_row(name) : -1;
    if (which < 0) {
        return NULL;
    }
    const option_value *v = &o->values[which];
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

const char *fw_options_name(size_t index)
{
    return index < FWI_OPT_COUNT ? rows[index].name : NULL;
}

/* The sentences about ranges are made of the table's numbers, once, so that they can't
 * differ from them; afterwards they are constant. */
static pthread_once_t allowed_once = PTHREAD_ONCE_INIT;
static char allowed[FWI_OPT_COUNT][FWI_ALLOWED_MAX];

static void make_allowed(void)
{
    for (size_t i = 0; i < FWI_OPT_COUNT; i++) {
        fwi_option_allowed(&rows[i], allowed[i]);
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
    int which = name != NULL && field != NULL ? find_row(name) : -1;
    if (which < 0) {
        return NULL;
    }
    const fwi_option_row *row = &rows[which];
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
    return strcmp(field, "group") == 0 ? group_of((size_t)which) : NULL;
}
