/*
 * Options of rooms by namespace. Which there are is said by the table alone: its rows
 * "room.X". A name's end is known, so that what is left before it is the namespace, even
 * where dots are written as underscores. A set of namespaces is a plain array: it is
 * written at configuration, and a hub makes its own table of it (room_options.c).
 */
#include "core/options_namespaces.h"

#include <string.h>

#include "core/error.h"

#define PREFIX "namespace"

enum { PREFIX_BYTES = sizeof PREFIX - 1 };

static const fwi_option_row *row_of(size_t which)
{
    return &fwi_option_rows[FWI_ROOM_OPTIONS_FIRST + which];
}

/* The X of "room.X". */
static const char *short_name(size_t which)
{
    return row_of(which)->name + strlen("room.");
}

/* Does text end with separator and X, its dots written as separators? */
static bool ends_with(const char *text, size_t len, char separator, const char *x)
{
    size_t n = strlen(x);
    if (len < n + 2 || text[len - n - 1] != separator) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (text[len - n + i] != (x[i] == '.' ? separator : x[i])) {
            return false;
        }
    }
    return true;
}

/* "NAME.X" by its longest X: of a.b and b the first is meant. */
static bool split(const char *text, size_t len, char separator, fwi_namespaced *out)
{
    size_t longest = 0;
    for (size_t i = 0; i < FWI_ROOM_OPTIONS; i++) {
        size_t n = strlen(short_name(i));
        if (n > longest && ends_with(text, len, separator, short_name(i))) {
            longest = n;
            *out = (fwi_namespaced){text, len - n - 1, i};
        }
    }
    return longest > 0;
}

static bool is_name(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = s[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            !(c >= '0' && c <= '9') && c != '_' && c != '-') {
            return false;
        }
    }
    return len >= 1 && len <= FWI_NAMESPACE_MAX_BYTES;
}

bool fwi_namespaced_parse(const char *option, fwi_namespaced *out)
{
    if (strncmp(option, PREFIX ".", PREFIX_BYTES + 1) != 0) {
        return false;
    }
    const char *text = option + PREFIX_BYTES + 1;
    return split(text, strlen(text), '.', out) && is_name(out->name, out->len);
}

int fwi_namespaced_problem(const char *option)
{
    char shown[FWI_NAMESPACED_MAX], meant[FWI_NAMESPACED_MAX], known[FWI_PROBLEM_MAX];
    const char *text = option + PREFIX_BYTES + 1;
    fwi_namespaced at;
    fwi_option_show(option, shown, sizeof shown);
    if (split(text, strlen(text), '.', &at)) {
        return fwi_error(FW_ERR_OPTION,
                         "%s: the name of a namespace is 1 to %d letters, digits, _ or -",
                         shown, FWI_NAMESPACE_MAX_BYTES);
    }
    if (fwi_namespaced_nearest(option, meant)) {
        return fwi_error(FW_ERR_OPTION, "%s: no such option: did you mean %s?", shown,
                         meant);
    }
    size_t n = 0;
    for (size_t i = 0; i < FWI_ROOM_OPTIONS && n < sizeof known; i++) {
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i > 0 ? ", " : "",
                              short_name(i));
    }
    return fwi_error(FW_ERR_OPTION,
                     "%s: no such option: it is namespace.NAME and one of %s", shown,
                     known);
}

static void write_name(const char *name, size_t len, size_t which,
                       char out[FWI_NAMESPACED_MAX])
{
    snprintf(out, FWI_NAMESPACED_MAX, PREFIX ".%.*s.%s", (int)len, name,
             short_name(which));
}

bool fwi_namespaced_of_variable(const char *rest, size_t len,
                                char out[FWI_NAMESPACED_MAX])
{
    char lower[FWI_NAMESPACED_MAX];
    if (len >= sizeof lower) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (rest[i] >= 'a' && rest[i] <= 'z') {
            return false; /* variables are written in capitals */
        }
        bool capital = rest[i] >= 'A' && rest[i] <= 'Z';
        lower[i] = (char)(capital ? rest[i] + ('a' - 'A') : rest[i]);
    }
    fwi_namespaced at;
    if (len <= PREFIX_BYTES || memcmp(lower, PREFIX "_", PREFIX_BYTES + 1) != 0 ||
        !split(lower + PREFIX_BYTES + 1, len - PREFIX_BYTES - 1, '_', &at)) {
        return false;
    }
    write_name(at.name, at.len, at.which, out);
    return true;
}

bool fwi_namespaced_nearest(const char *option, char out[FWI_NAMESPACED_MAX])
{
    char head[PREFIX_BYTES + 1];
    snprintf(head, sizeof head, "%s", option);
    if (fwi_option_distance(head, PREFIX) != 0 || strlen(option) <= PREFIX_BYTES ||
        strchr("._-", option[PREFIX_BYTES]) == NULL) {
        return false;
    }
    const char *text = option + PREFIX_BYTES + 1;
    size_t least = SIZE_MAX;
    for (size_t len = 1; is_name(text, len) && text[len] != '\0'; len++) {
        const char *tail = text + len + 1;
        /* As for the table: a third may be wrong. */
        size_t most = FWI_MIN(strlen(tail) / 3, 4);
        for (size_t i = 0; strchr("._-", text[len]) != NULL && i < FWI_ROOM_OPTIONS;
             i++) {
            size_t distance = fwi_option_distance(tail, short_name(i));
            if (distance <= most && distance < least) {
                least = distance;
                write_name(text, len, i, out);
            }
        }
    }
    return least != SIZE_MAX;
}

static fwi_namespace *find(const fwi_namespaces *all, const fwi_namespaced *at)
{
    for (size_t i = 0; i < all->n; i++) {
        const char *name = all->list[i].name;
        if (strlen(name) == at->len && memcmp(name, at->name, at->len) == 0) {
            return &all->list[i];
        }
    }
    return NULL;
}

static void free_values(fwi_namespace *ns)
{
    for (size_t i = 0; i < FWI_ROOM_OPTIONS; i++) {
        fwi_option_value_free(&ns->values[i]);
    }
}

/* A namespace at the table's defaults, but for the one value. */
static int begin(fwi_namespace *ns, const fwi_option_row *row, const fwi_namespaced *at,
                 unsigned source, const char *text)
{
    *ns = (fwi_namespace){0};
    memcpy(ns->name, at->name, at->len);
    int err = FW_OK;
    for (size_t i = 0; i < FWI_ROOM_OPTIONS && err == FW_OK; i++) {
        err = fwi_option_value_set(&ns->values[i], row_of(i), 0, row_of(i)->initial);
    }
    return err == FW_OK ? fwi_option_value_set(&ns->values[at->which], row, source, text)
                        : err;
}

int fwi_namespaces_set(fwi_namespaces *all, const char *option, const fwi_namespaced *at,
                       unsigned source, const char *text)
{
    fwi_option_row row = *row_of(at->which);
    row.name = option;
    fwi_namespace *there = find(all, at);
    if (there != NULL) {
        return fwi_option_value_set(&there->values[at->which], &row, source, text);
    }
    fwi_namespace ns;
    int err = begin(&ns, &row, at, source, text);
    fwi_namespace *list =
        err == FW_OK ? realloc(all->list, (all->n + 1) * sizeof *list) : NULL;
    if (list == NULL) {
        free_values(&ns);
        return err != FW_OK ? err : fwi_error(FW_ERR_MEMORY, "%s: out of memory", option);
    }
    list[all->n++] = ns;
    all->list = list;
    return FW_OK;
}

const fwi_option_value *fwi_namespaces_get(const fwi_namespaces *all,
                                           const fwi_namespaced *at)
{
    const fwi_namespace *ns = find(all, at);
    return ns != NULL ? &ns->values[at->which] : NULL;
}

static const fwi_namespace *same_name(const fwi_namespaces *all, const fwi_namespace *ns)
{
    const fwi_namespaced at = {.name = ns->name, .len = strlen(ns->name)};
    return find(all, &at);
}

static void compare(const fwi_namespace *ns, const fwi_namespace *other,
                    fwi_options_differs differs, void *user)
{
    for (size_t i = 0; i < FWI_ROOM_OPTIONS; i++) {
        const char *text = other != NULL ? other->values[i].text : row_of(i)->initial;
        if (strcmp(ns->values[i].text, text) != 0) {
            char name[FWI_NAMESPACED_MAX];
            write_name(ns->name, strlen(ns->name), i, name);
            differs(user, name,
                    fwi_option_is_live((fwi_option)(FWI_ROOM_OPTIONS_FIRST + i)));
        }
    }
}

void fwi_namespaces_compare(const fwi_namespaces *a, const fwi_namespaces *b,
                            fwi_options_differs differs, void *user)
{
    for (size_t i = 0; i < a->n; i++) {
        compare(&a->list[i], same_name(b, &a->list[i]), differs, user);
    }
    for (size_t i = 0; i < b->n; i++) {
        if (same_name(a, &b->list[i]) == NULL) {
            compare(&b->list[i], NULL, differs, user);
        }
    }
}

bool fwi_namespaces_copy(fwi_namespaces *to, const fwi_namespaces *from)
{
    *to = (fwi_namespaces){0};
    if (from->n == 0) {
        return true;
    }
    to->list = calloc(from->n, sizeof *to->list);
    if (to->list == NULL) {
        return false;
    }
    to->n = from->n;
    for (size_t i = 0; i < from->n; i++) {
        memcpy(to->list[i].name, from->list[i].name, sizeof to->list[i].name);
        for (size_t j = 0; j < FWI_ROOM_OPTIONS; j++) {
            if (!fwi_option_value_copy(&to->list[i].values[j],
                                       &from->list[i].values[j])) {
                return false;
            }
        }
    }
    return true;
}

void fwi_namespaces_free(fwi_namespaces *all)
{
    for (size_t i = 0; i < all->n; i++) {
        free_values(&all->list[i]);
    }
    free(all->list);
    *all = (fwi_namespaces){0};
}
