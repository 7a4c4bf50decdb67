/*
 * One value as a set of options holds it: read, checked, joined to what a list has. See
 * the header.
 */
#include "core/options_held.h"

#include <string.h>

#include "core/error.h"

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
static bool index_list(fwi_option_value *v)
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

/* What is shown of a secret. */
static const char hidden[] = "***";

/* Reports what fwi_option_read found. */
static int bad_value(const fwi_option_row *row, int err, const char *text,
                     const char *problem)
{
    char shown[160];
    if (err == FW_ERR_MEMORY) {
        return no_memory(row);
    }
    return fwi_error(err, "%s: %s: %s", row->name,
                     row->type->is_secret ? hidden
                                          : fwi_option_show(text, shown, sizeof shown),
                     problem);
}

/* Checks each entry; then `next` has old and new text joined, or the new one alone. */
static int read_list(const fwi_option_row *row, const char *text, const char *before,
                     fwi_option_value *next)
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
    if (row->type->is_secret && next->text[0] != '\0') {
        next->shown = strdup(hidden);
        if (next->shown == NULL) {
            return no_memory(row);
        }
    }
    return index_list(next) ? FW_OK : no_memory(row);
}

static int read_scalar(const fwi_option_row *row, const char *text,
                       fwi_option_value *next)
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
    if (row->type->is_secret && text[0] != '\0') {
        next->shown = strdup(hidden);
        return next->shown != NULL ? FW_OK : no_memory(row);
    }
    if (row->type->has_password && strpbrk(text, "@?") != NULL) {
        char shown[512];
        next->shown = strdup(fwi_option_show(text, shown, sizeof shown));
        return next->shown != NULL ? FW_OK : no_memory(row);
    }
    return FW_OK;
}

int fwi_option_value_set(fwi_option_value *v, const fwi_option_row *row, unsigned source,
                         const char *text)
{
    fwi_option_value next = {.source = source};
    if (row->type->can_be_off && strcmp(text, "off") == 0) {
        text = "";
    }
    bool adds = v->text != NULL && v->source == source && text[0] != '\0';
    int err = row->type->kind == FWI_KIND_LIST
                  ? read_list(row, text, adds ? v->text : "", &next)
                  : read_scalar(row, text, &next);
    if (err != FW_OK) {
        fwi_option_value_free(&next);
        return err;
    }
    fwi_option_value_free(v);
    *v = next;
    return FW_OK;
}

bool fwi_option_value_copy(fwi_option_value *to, const fwi_option_value *from)
{
    *to = (fwi_option_value){.number = from->number, .source = from->source};
    to->text = strdup(from->text);
    to->shown = from->shown != NULL ? strdup(from->shown) : NULL;
    return to->text != NULL && (to->shown != NULL) == (from->shown != NULL) &&
           (from->items == NULL || index_list(to));
}

void fwi_option_value_free(fwi_option_value *v)
{
    free(v->text);
    free(v->shown);
    free(v->items);
    *v = (fwi_option_value){0};
}
