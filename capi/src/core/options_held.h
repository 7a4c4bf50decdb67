/*
 * One value as a set of options holds it. For options.c, whose rows are held so, and for
 * options_namespaces.c.
 */
#ifndef FWI_CORE_OPTIONS_HELD_H
#define FWI_CORE_OPTIONS_HELD_H

#include "core/options_value.h"

/* All zero: not set yet. */
typedef struct fwi_option_value {
    char *text;
    char *shown; /* the text without a password; NULL: as the text */
    int64_t number;
    char **items; /* of a list; one block with their bytes */
    size_t n_items;
    unsigned source; /* which one set it; 0: the table */
} fwi_option_value;

/* Sets or, for a list that the same source has set, adds. An error names row->name, and
 * leaves the value as it was. FW_ERR_OPTION, FW_ERR_MEMORY. */
int fwi_option_value_set(fwi_option_value *v, const fwi_option_row *row, unsigned source,
                         const char *text);

/* Of one that is set. False: out of memory; what *to has is to be freed all the same. */
bool fwi_option_value_copy(fwi_option_value *to, const fwi_option_value *from);

/* Back to all zero. */
void fwi_option_value_free(fwi_option_value *v);

#endif
