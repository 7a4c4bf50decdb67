/*
 * The texts made from the table of options: --help, docs/options.md, fanwired(8) and
 * what completes a command line in bash.
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

/* The page for man, in roff; options: likewise. */
void fwd_man_page(FILE *out, const fw_options *options);

/* The script by which bash completes command lines. */
void fwd_completion(FILE *out);

/* What is to be said of a whole group, by its first option; NULL: nothing. */
const char *fwd_manual_note(const char *first);

/* What a person is told an option's default is. Valid as long as the options. */
const char *fwd_manual_default(const fw_options *options, const char *name);

#endif
