/*
 * What the INI file and the environment need of a set of options beyond the public
 * functions. For options.c and options_load.c.
 */
#ifndef FWI_CORE_OPTIONS_LOAD_H
#define FWI_CORE_OPTIONS_LOAD_H

#include "core/options_namespaces.h"

/* From now on values come from another source: the first set of a list replaces it. */
void fwi_options_begin_source(fw_options *o);

/* Exchanges what two sets hold: a source that fails must leave no half of it behind. */
void fwi_options_swap(fw_options *a, fw_options *b);

/* The name that was probably meant, which may be written to `namespaced`; NULL: none is
 * near. */
const char *fwi_options_nearest(const char *name, char namespaced[FWI_NAMESPACED_MAX]);

#endif
