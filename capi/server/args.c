/*
 * The command line of fanwired: `fanwired [COMMAND] [WORDS] [--name value |
 * --name=value]`. Called once by main.
 *
 * All options of the table take a value, so a word behind "--name" is always its value
 * and never a command. Commands are the rows of `commands`.
 */
#include "args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

static const struct {
    const char *name;
    fwd_command command;
    int n_words;
    const char *words;
} commands[] = {
    {"serve", FWD_SERVE, 0, ""},
    {"publish", FWD_PUBLISH, 2, " ROOM TEXT"},
    {"presence", FWD_PRESENCE, 1, " ROOM"},
    {"history", FWD_HISTORY, 1, " ROOM"},
    {"token", FWD_TOKEN, 0, " --user USER"},
    {"disconnect", FWD_DISCONNECT, 1, " USER"},
    {"trace", FWD_TRACE, 1, " ROOM"},
    {"top", FWD_TOP, 0, ""},
};

const fwd_own_flag fwd_own_flags[] = {
    {FWD_TOKEN, "user", "a user's name", "whose token it is; empty: nobody's"},
    {FWD_TOKEN, "expire", "a whole number with s, m or h",
     "how long it is good, 0s for ever; an hour if left out"},
    {FWD_TOKEN, "channel", "a room",
     "a token of the centrifuge protocol for subscribing to this one"},
    {FWD_TOKEN, "client", "the id of a client", "and for this client alone"},
    {FWD_TOKEN, "channels", "rooms, with commas between them",
     "centrifuge protocol: rooms that its holder is put into when it connects"},
    {FWD_TOKEN, "info", "JSON", "what others see of the user"},
    {FWD_TOKEN, "meta", "JSON", "what the server alone sees"},
    {FWD_TOKEN, "data", "JSON", "what the client is told when it has subscribed"},
    {FWD_TOKEN, "key", "the file of a private key (PEM)",
     "sign with it (RS256, ES256, ES384, EdDSA) and not with token.hmac_secret"},
    {FWD_TOKEN, "kid", "a name", "which of several keys it was signed with"},
};
const size_t fwd_n_own_flags = sizeof fwd_own_flags / sizeof fwd_own_flags[0];

const fwd_switch fwd_switches[] = {
    {"help", 0, FWD_HELP, false},
    {"version", 0, FWD_VERSION, false},
    {"check-config", offsetof(fwd_args, check_config), FWD_SERVE, false},
    {"json", offsetof(fwd_args, json), FWD_SERVE, false},
    {"once", offsetof(fwd_args, once), FWD_SERVE, false},
    {"options-markdown", 0, FWD_MARKDOWN, true},  /* makes docs/options.md, */
    {"man-page", 0, FWD_MAN_PAGE, true},          /* docs/man/fanwired.8, */
    {"bash-completion", 0, FWD_COMPLETION, true}, /* docs/completion/fanwired.bash */
};
const size_t fwd_n_switches = sizeof fwd_switches / sizeof fwd_switches[0];

enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

/* Where the reading of argv is. */
typedef struct reading {
    fwd_args *args;
    char **argv;
    int argc, at;
    bool has_command, only_words; /* behind "--" */
} reading;

static int no_such_command(const char *word)
{
    char names[128];
    size_t n = 0;
    for (int i = 0; i < N_COMMANDS && n < sizeof names; i++) {
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i > 0 ? " or " : "",
                              commands[i].name);
    }
    return fwd_report(FWD_CONFIGURATION, "%s: no such command: %s", word, names);
}

static int read_word(reading *r, const char *word)
{
    fwd_args *args = r->args;
    if (!r->has_command) {
        r->has_command = true;
        for (int i = 0; i < N_COMMANDS; i++) {
            if (strcmp(word, commands[i].name) == 0) {
                args->command = commands[i].command;
                return FWD_OK;
            }
        }
        return no_such_command(word);
    }
    if (args->n_words == 2) {
        return fwd_report(FWD_CONFIGURATION, "%s: one word too many", word);
    }
    args->words[args->n_words++] = word;
    return FWD_OK;
}

/* False: the flag is none of the switches. */
static bool read_switch(fwd_args *args, const char *flag)
{
    if (strcmp(flag, "-h") == 0) {
        flag = "--help";
    }
    for (size_t i = 0; i < fwd_n_switches; i++) {
        const fwd_switch *s = &fwd_switches[i];
        if (strncmp(flag, "--", 2) != 0 || strcmp(flag + 2, s->name) != 0) {
            continue;
        }
        if (s->command != FWD_SERVE) {
            args->command = s->command;
        } else {
            *(bool *)((char *)args + s->field) = true;
        }
        return true;
    }
    return false;
}

static int read_flag(reading *r, const char *flag)
{
    fwd_args *args = r->args;
    const char *name = flag + 2;
    size_t len = strcspn(name, "=");
    const char *value = NULL;
    if (name[len] == '=') {
        value = name + len + 1;
    } else if (r->at < r->argc) {
        value = r->argv[r->at++];
    }
    if (len == strlen("config") && memcmp(name, "config", len) == 0) {
        args->config = value;
        return value != NULL && value[0] != '\0'
                   ? FWD_OK
                   : fwd_report(FWD_CONFIGURATION, "config: a value is missing: a file");
    }
    fwd_flag *f = &args->flags[args->n_flags];
    f->name = strndup(name, len);
    f->value = value;
    if (f->name == NULL) {
        return fwd_report(FWD_FAILED, "out of memory");
    }
    args->n_flags++;
    return FWD_OK;
}

static int read_argument(reading *r)
{
    const char *arg = r->argv[r->at++];
    if (r->only_words || arg[0] != '-' || arg[1] == '\0') {
        return read_word(r, arg);
    }
    if (strcmp(arg, "--") == 0) {
        r->only_words = true;
        return FWD_OK;
    }
    if (read_switch(r->args, arg)) {
        return FWD_OK;
    }
    if (arg[1] != '-') {
        return fwd_report(FWD_CONFIGURATION, "%s: no such option: --help lists them",
                          arg);
    }
    return read_flag(r, arg);
}

static int check_words(const fwd_args *args)
{
    for (int i = 0; i < N_COMMANDS; i++) {
        if (commands[i].command == args->command &&
            commands[i].n_words != args->n_words) {
            return fwd_report(FWD_CONFIGURATION, "usage: fanwired %s%s [--name value]...",
                              commands[i].name, commands[i].words);
        }
    }
    return FWD_OK;
}

const char *fwd_args_command(size_t i, fwd_command *command)
{
    if (i >= N_COMMANDS) {
        return NULL;
    }
    if (command != NULL) {
        *command = commands[i].command;
    }
    return commands[i].name;
}

int fwd_args_read(fwd_args *args, int argc, char **argv)
{
    *args = (fwd_args){.command = FWD_SERVE};
    reading r = {.args = args, .argv = argv, .argc = argc, .at = 1};
    args->flags = calloc((size_t)argc + 1, sizeof *args->flags);
    if (args->flags == NULL) {
        return fwd_report(FWD_FAILED, "out of memory");
    }
    while (r.at < argc) {
        int status = read_argument(&r);
        if (status != FWD_OK) {
            return status;
        }
        if (args->command == FWD_HELP || args->command == FWD_VERSION) {
            return FWD_OK; /* whatever else stands there */
        }
    }
    return check_words(args);
}

/* What its value is; NULL: it is none of the command's own. */
static const char *allowed_for_own(fwd_command command, const char *name)
{
    for (size_t i = 0; i < fwd_n_own_flags; i++) {
        const fwd_own_flag *own = &fwd_own_flags[i];
        if (own->command == command && strcmp(own->name, name) == 0) {
            return own->allowed;
        }
    }
    return NULL;
}

const char *fwd_args_flag(const fwd_args *args, const char *name)
{
    const char *value = NULL;
    for (int i = 0; i < args->n_flags; i++) {
        value = strcmp(args->flags[i].name, name) == 0 ? args->flags[i].value : value;
    }
    return value;
}

static int apply_flag(fwd_command command, const fwd_flag *flag, fw_options *options,
                      char *why, size_t cap)
{
    const char *own = allowed_for_own(command, flag->name);
    const char *allowed = own != NULL ? own : fw_options_describe(flag->name, "allowed");
    if (flag->value == NULL && allowed != NULL) {
        snprintf(why, cap, "%s: a value is missing: %s", flag->name, allowed);
        return FW_ERR_OPTION;
    }
    if (own != NULL) {
        return FW_OK;
    }
    /* An unknown name without value: the library says what was probably meant. */
    int err = fw_options_set(options, flag->name, flag->value != NULL ? flag->value : "");
    if (err != FW_OK) {
        snprintf(why, cap, "%s", fw_error_detail());
    }
    return err;
}

int fwd_args_apply(const fwd_args *args, fw_options *options, char *why, size_t cap)
{
    int err = FW_OK;
    for (int i = 0; i < args->n_flags && err == FW_OK; i++) {
        err = apply_flag(args->command, &args->flags[i], options, why, cap);
    }
    return err;
}

void fwd_args_fini(fwd_args *args)
{
    for (int i = 0; i < args->n_flags; i++) {
        free(args->flags[i].name);
    }
    free(args->flags);
    args->flags = NULL;
    args->n_flags = 0;
}
