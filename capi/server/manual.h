/*
 * The texts made from the table of options: --help and docs/options.md.
 */
#ifndef FANWIRED_MANUAL_H
#define FANWIRED_MANUAL_H

#include <fanwire/fanwire.h>

#include <stdio.h>

/* options: at fanwired's defaults. */
void fwd_manual_help(FILE *out, const fw_options *options);

/* options: likewise; where fanwired's default is another than the library's, both stand
 * there. */
void fwd_manual_markdown(FILE *out, const fw_options *options);

#endif
