/*
 * Options of rooms by namespace: "namespace.NAME.X", where X is what stands behind
 * "room." in a row of the table. For options.c and options_load.c.
 */
#ifndef FWI_CORE_OPTIONS_NAMESPACES_H
#define FWI_CORE_OPTIONS_NAMESPACES_H

#include "core/options_held.h"

enum {
    FWI_NAMESPACE_MAX_BYTES = 64,
    /* "namespace.NAME.X" and a NUL; longer than any option of a room. */
    FWI_NAMESPACED_MAX = 160
};

typedef struct fwi_namespace {
    char name[FWI_NAMESPACE_MAX_BYTES + 1];
    fwi_option_value values[FWI_ROOM_OPTIONS]; /* all are set */
} fwi_namespace;

/* Those that an option was set for. All zero: none. */
typedef struct fwi_namespaces {
    fwi_namespace *list;
    size_t n;
} fwi_namespaces;

/* What an option is called, taken to pieces. Points into the text. */
typedef struct fwi_namespaced {
    const char *name; /* not NUL-terminated */
    size_t len;
    size_t which; /* of the rows of rooms, from 0 */
} fwi_namespaced;

/* Is it "namespace.NAME.X" with an X that there is and a NAME that may be? */
bool fwi_namespaced_parse(const char *option, fwi_namespaced *out);

/* Why it isn't, as an error of fwi_error(). `option` begins with "namespace.". */
int fwi_namespaced_problem(const char *option);

/* FANWIRE_NAMESPACE_NEWS_HISTORY_SIZE is namespace.news.history.size. `rest`: what stands
 * behind FANWIRE_. False: it is none. */
bool fwi_namespaced_of_variable(const char *rest, size_t len,
                                char out[FWI_NAMESPACED_MAX]);

/* The name that was probably meant, whether it is written with dots, underscores or
 * capitals. False: none is near. */
bool fwi_namespaced_nearest(const char *option, char out[FWI_NAMESPACED_MAX]);

/* As fwi_option_value_set; the first set makes the namespace. */
int fwi_namespaces_set(fwi_namespaces *all, const char *option, const fwi_namespaced *at,
                       unsigned source, const char *text);

/* NULL: nothing was set for that namespace. */
const fwi_option_value *fwi_namespaces_get(const fwi_namespaces *all,
                                           const fwi_namespaced *at);

/* As fwi_options_compare; what isn't set for one of them is at the table's default. */
void fwi_namespaces_compare(const fwi_namespaces *a, const fwi_namespaces *b,
                            fwi_options_differs differs, void *user);

/* False: out of memory; what *to has is to be freed all the same. */
bool fwi_namespaces_copy(fwi_namespaces *to, const fwi_namespaces *from);
void fwi_namespaces_free(fwi_namespaces *all);

#endif
