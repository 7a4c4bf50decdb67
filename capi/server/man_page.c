/*
 * fanwired(8) in roff, for man: docs/man/fanwired.8 is what comes from here, and a test
 * holds the two together. Options come from the library's table, as in manual.c, so no
 * option is described twice.
 *
 * Only macros of man(7) that every formatter knows.
 */
#include "manual.h"

#include <string.h>

#include "args.h"

static const char head[] =
    ".SH NAME\n"
    "fanwired \\- one of many processes that act as one WebSocket server\n"
    ".SH SYNOPSIS\n"
    ".nf\n"
    "\\fBfanwired\\fR [\\fBserve\\fR] [\\fIoption\\fR]...\n"
    "\\fBfanwired publish\\fR \\fIroom text\\fR [\\fB\\-\\-json\\fR] "
    "[\\fIoption\\fR]...\n"
    "\\fBfanwired presence\\fR \\fIroom\\fR [\\fB\\-\\-json\\fR] [\\fIoption\\fR]...\n"
    "\\fBfanwired history\\fR \\fIroom\\fR [\\fB\\-\\-json\\fR] [\\fIoption\\fR]...\n"
    "\\fBfanwired token \\-\\-user\\fR \\fIuser\\fR [\\fIoption\\fR]...\n"
    "\\fBfanwired disconnect\\fR \\fIuser\\fR [\\fB\\-\\-json\\fR] [\\fIoption\\fR]...\n"
    "\\fBfanwired trace\\fR \\fIroom\\fR [\\fB\\-\\-json\\fR] [\\fIoption\\fR]...\n"
    "\\fBfanwired top\\fR [\\fB\\-\\-once\\fR] [\\fB\\-\\-json\\fR] "
    "[\\fIoption\\fR]...\n"
    ".fi\n"
    ".SH DESCRIPTION\n"
    "A WebSocket connection lives in one process. With two processes behind a load\n"
    "balancer, two people who want to talk may sit on different ones. fanwired hands\n"
    "what is sent to a room, to a user or to everyone to all who are meant, whichever\n"
    "process they are connected to. Between the processes there is nothing but Redis,\n"
    "and with a single one not even that.\n"
    ".PP\n"
    "A client of ws://127.0.0.1:9090/ws?room=lobby is in the room lobby, and what it\n"
    "sends reaches everybody there. Clients of the Centrifuge protocol connect at\n"
    "/connection/websocket.\n"
    ".SH COMMANDS\n"
    ".TP\n.B serve\n"
    "Serve clients until a signal comes. This is what fanwired does without a command.\n"
    ".TP\n.B publish\n"
    "Send a text to a room; where the same options give it a history it is kept.\n"
    ".TP\n.B presence\n"
    "Print who is in a room, a line a member; the room needs the option presence.\n"
    ".TP\n.B history\n"
    "Print what a room keeps, a line a message; the room needs history.size.\n"
    ".TP\n.B token\n"
    "Print a token for a user, signed with the configured secret or with a private key.\n"
    ".TP\n.B disconnect\n"
    "Close all sessions of a user.\n"
    ".TP\n.B trace\n"
    "Follow a room: what each node does with each of its messages.\n"
    ".TP\n.B top\n"
    "Show the nodes and their load, anew each second, until q is pressed; other keys "
    "sort.\n"
    "With \\fB\\-\\-once\\fR print the table and end: some seconds later, as rates\n"
    "need two looks.\n"
    ".PP\n"
    "All but serve and token work through Redis, so they need redis.url. With\n"
    "\\fB\\-\\-json\\fR they print an object an item.\n"
    ".SH OPTIONS\n"
    "Options come from flags, then from the environment, then from the INI file, then\n"
    "from the defaults below; \\fB\\-\\-\\fIname value\\fR and\n"
    "\\fB\\-\\-\\fIname\\fB=\\fIvalue\\fR are the same. What is misspelt or out of "
    "range\n"
    "stops the start with one line that names it.\n"
    ".TP\n.BI \\-\\-config \" file\"\n"
    "An INI file: name = value, or [redis] and url = ...\n"
    ".TP\n.B \\-\\-check\\-config\n"
    "Check the configuration and exit.\n"
    ".TP\n.BR \\-\\-help \", \" \\-\\-version\n"
    "Print what they say and exit.\n";

static const char tail[] =
    ".SH SIGNALS\n"
    ".TP\n.BR TERM \", \" INT\n"
    "Listen no more, close the sessions at drain.rate a second, and end when all are\n"
    "gone or after drain.timeout. A second one ends at once.\n"
    ".TP\n.B HUP\n"
    "Reopen log.file and read the configuration anew. Sessions stay; a configuration\n"
    "that is wrong changes nothing, and the log says why.\n"
    ".SH EXIT STATUS\n"
    "0 after a stop that was asked for, 1 when something fails at start (an address in\n"
    "use, a certificate that can't be read), 2 for a wrong configuration.\n"
    ".SH ENVIRONMENT\n"
    "Each option has a variable: redis.url is FANWIRE_REDIS_URL. FANWIRE_CONFIG names "
    "the\n"
    "INI file. A variable that begins with FANWIRE_ and names no option is an error.\n"
    "Secrets are better placed here than in flags, which other users of the machine can\n"
    "see. fanwired understands NOTIFY_SOCKET, LISTEN_FDS and LISTEN_PID of systemd.\n"
    ".SH FILES\n"
    ".TP\n.I /etc/fanwire/fanwired.ini\n"
    "What the service of the package reads. fanwired itself reads no file that it isn't\n"
    "told of.\n"
    ".TP\n.I /etc/fanwire/environment\n"
    "Variables of the service, for secrets; mode 0600.\n"
    ".TP\n.I /usr/share/bash\\-completion/completions/fanwired\n"
    "What completes command lines of fanwired in bash.\n"
    ".SH EXAMPLES\n"
    ".nf\n"
    "fanwired \\-\\-listen ws://127.0.0.1:9090/ws \\-\\-http.listen 127.0.0.1:9190\n"
    "fanwired \\-\\-config /etc/fanwire/fanwired.ini \\-\\-check\\-config\n"
    "fanwired publish lobby hello \\-\\-redis.url redis://127.0.0.1\n"
    ".fi\n"
    ".SH SEE ALSO\n"
    ".BR fanwire (7),\n"
    ".BR redis\\-server (1),\n"
    ".BR nginx (8)\n";

/* Words as roff takes them: none of its characters, and no line that looks like a
 * request. */
static void words(FILE *out, const char *text)
{
    if (text[0] == '.' || text[0] == '\'') {
        fputs("\\&", out);
    }
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\\') {
            fputs("\\e", out);
        } else if (*p == '-') {
            fputs("\\-", out);
        } else {
            fputc(*p, out);
        }
    }
}

static void heading(FILE *out, const char *text)
{
    fputs(".SS ", out);
    words(out, text);
    fputc('\n', out);
}

/* .TP, the flag in bold, its value in italics, and on the next line what it means. */
static void entry(FILE *out, const char *name, const char *value, const char *help)
{
    fputs(".TP\n\\fB\\-\\-", out);
    words(out, name);
    fputs("\\fR \\fI", out);
    words(out, value);
    fputs("\\fR\n", out);
    words(out, help);
}

static void own_flags(FILE *out)
{
    heading(out, "Of token alone");
    for (size_t i = 0; i < fwd_n_own_flags; i++) {
        entry(out, fwd_own_flags[i].name, fwd_own_flags[i].allowed,
              fwd_own_flags[i].help);
        fputc('\n', out);
    }
}

static void option(FILE *out, const fw_options *options, const char *name)
{
    entry(out, name, fw_options_describe(name, "type"),
          fw_options_describe(name, "help"));
    fputs("\n[", out);
    words(out, fw_options_describe(name, "allowed"));
    fputs("; default: ", out);
    words(out, fwd_manual_default(options, name));
    fputs("]\n", out);
}

void fwd_man_page(FILE *out, const fw_options *options)
{
    const char *group = "", *name;
    fprintf(out,
            ".\\\" Made by fanwired --man-page.\n"
            ".TH FANWIRED 8 \"\" \"fanwire %s\" \"fanwire\"\n",
            fw_version_string());
    fputs(head, out);
    own_flags(out);
    for (size_t i = 0; (name = fw_options_name(i)) != NULL; i++) {
        const char *its_group = fw_options_describe(name, "group");
        if (strcmp(its_group, group) != 0) {
            group = its_group;
            heading(out, group);
            if (fwd_manual_note(name) != NULL) {
                words(out, fwd_manual_note(name));
                fputc('\n', out);
            }
        }
        option(out, options, name);
    }
    fputs(tail, out);
}
