/*
 * The command line of fanwired. Pure: looks at argv and fills in options.
 */
#ifndef FANWIRED_ARGS_H
#define FANWIRED_ARGS_H

#include <fanwire/fanwire.h>

#include <stdbool.h>
#include <stddef.h>

typedef enum {
    FWD_SERVE,
    FWD_PUBLISH,
    FWD_PRESENCE,
    FWD_HISTORY,
    FWD_TOKEN,
    FWD_DISCONNECT,
    FWD_TRACE,
    FWD_TOP,
    FWD_HELP,
    FWD_VERSION,
    FWD_MARKDOWN,
    FWD_MAN_PAGE,
    FWD_COMPLETION
} fwd_command;

/* What a command's own flag is, which is no option: for --help and errors. */
typedef struct fwd_own_flag {
    fwd_command command;
    const char *name, *allowed, *help;
} fwd_own_flag;

extern const fwd_own_flag fwd_own_flags[];
extern const size_t fwd_n_own_flags;

/* What takes no value. */
typedef struct fwd_switch {
    const char *name;
    size_t field;        /* the bool of fwd_args that it sets, if it is no command */
    fwd_command command; /* done instead of any other; FWD_SERVE: none */
    bool of_makers;      /* makes files of ours, and isn't told to users */
} fwd_switch;

extern const fwd_switch fwd_switches[];
extern const size_t fwd_n_switches;

/* One "--name value". */
typedef struct fwd_flag {
    char *name;
    const char *value; /* borrowed from argv; NULL: there was none */
} fwd_flag;

typedef struct fwd_args {
    fwd_command command;
    const char *config; /* --config; NULL: not given */
    bool check_config, json, once;
    const char *words[2]; /* what a command is about: room and text */
    int n_words;
    fwd_flag *flags;
    int n_flags;
} fwd_args;

/* The i'th command, by its name; NULL past the last. command may be NULL. */
const char *fwd_args_command(size_t i, fwd_command *command);

/* Reads argv. 0, or the exit status after the reason was reported; in both cases
 * fwd_args_fini() frees what was taken. argv is borrowed as long as args. */
int fwd_args_read(fwd_args *args, int argc, char **argv);

/* A flag that is the command's own and no option; of several the last. NULL: it wasn't
 * given. */
const char *fwd_args_flag(const fwd_args *args, const char *name);

/* Sets the options that are flags. FW_OK or FW_ERR_, and why is a line that names the
 * wrong one. */
int fwd_args_apply(const fwd_args *args, fw_options *options, char *why, size_t cap);

void fwd_args_fini(fwd_args *args);

#endif
