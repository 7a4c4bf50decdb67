/*
 * Where fanwired's configuration comes from: its own defaults, a file, the environment,
 * the flags; later ones win.
 */
#ifndef FANWIRED_CONFIG_H
#define FANWIRED_CONFIG_H

#include "args.h"

/* All at fanwired's defaults; NULL: out of memory. */
fw_options *fwd_config_new(void);

/* The file, the environment, the flags. FW_OK or FW_ERR_, and why says in a line what is
 * wrong and where. */
int fwd_config_read(const fwd_args *args, fw_options *options, char *why, size_t cap);

#endif
