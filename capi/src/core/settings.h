/*
 * The options that core reads, as numbers: all of them at the start, and while it runs
 * those that may change. For hub.c.
 */
#ifndef FWI_CORE_SETTINGS_H
#define FWI_CORE_SETTINGS_H

#include "core/hub.h"

/* Before there are threads. */
void fwi_settings_read(fwi_settings *set, const fw_options *o);

#endif
