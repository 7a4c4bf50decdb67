/*
 * --help and docs/options.md, from the table of options that the library describes. A
 * test compares the page with what comes from here, so the two can't drift apart. The
 * page for man is in man_page.c.
 */
#include "manual.h"

#include <ctype.h>
#include <string.h>

#include "args.h"

enum { COLUMNS = 88, INDENT = 6 };

/* Words of `text`, indented and broken before COLUMNS. */
static void wrap(FILE *out, const char *text)
{
    int at = COLUMNS;
    const char *glue = "";
    for (const char *p = text; *p != '\0';) {
        int len = (int)strcspn(p, " ");
        if (at + 1 + len > COLUMNS) {
            fprintf(out, "%s%*s%.*s", glue, INDENT, "", len, p);
            at = INDENT + len;
        } else {
            fprintf(out, " %.*s", len, p);
            at += 1 + len;
        }
        glue = "\n";
        p += len + (int)strspn(p + len, " ");
    }
    fputc('\n', out);
}

const char *fwd_manual_default(const fw_options *options, const char *name)
{
    const char *value = fw_options_shown(options, name);
    return value[0] != '\0' ? value : "none";
}

static void help_option(FILE *out, const fw_options *options, const char *name)
{
    char line[1024];
    char type[16];
    snprintf(type, sizeof type, "%s", fw_options_describe(name, "type"));
    for (char *p = type; *p != '\0'; p++) {
        *p = (char)toupper((unsigned char)*p);
    }
    fprintf(out, "  --%s %s\n", name, type);
    wrap(out, fw_options_describe(name, "help"));
    snprintf(line, sizeof line, "[%s; default: %s]", fw_options_describe(name, "allowed"),
             fwd_manual_default(options, name));
    wrap(out, line);
}

const char *fwd_manual_note(const char *first)
{
    return strncmp(first, "room.", strlen("room.")) == 0
               ? "Rooms have namespaces: room news:sport is of namespace news, by what "
                 "stands before its first colon. Each of these options is there for a "
                 "namespace, too: namespace.news.presence. A namespace with any "
                 "option set has that and the defaults for the others, not room.X; all "
                 "other rooms, with a colon or without, have room.X. The name of a "
                 "namespace is 1 to 64 letters, digits, _ or -."
               : NULL;
}

static void help_own_flags(FILE *out)
{
    fputs("\nOf token alone:\n", out);
    for (size_t i = 0; i < fwd_n_own_flags; i++) {
        char line[256];
        fprintf(out, "  --%s\n", fwd_own_flags[i].name);
        snprintf(line, sizeof line, "%s [%s]", fwd_own_flags[i].help,
                 fwd_own_flags[i].allowed);
        wrap(out, line);
    }
}

void fwd_manual_help(FILE *out, const fw_options *options)
{
    fputs(
        "fanwired: one of many processes that act as one WebSocket server\n"
        "\n"
        "usage: fanwired [serve] [--config FILE] [--name value | --name=value]...\n"
        "       fanwired publish ROOM TEXT [--json] [--name value]...\n"
        "       fanwired presence ROOM [--json] [--name value]...\n"
        "       fanwired history ROOM [--json] [--name value]...\n"
        "       fanwired token --user USER [--expire 1h] [--channel ROOM] [--info JSON]\n"
        "                      [--key FILE] [--name value]...\n"
        "       fanwired disconnect USER [--json] [--name value]...\n"
        "       fanwired trace ROOM [--json] [--name value]...\n"
        "       fanwired top [--once] [--json] [--name value]...\n"
        "       fanwired --check-config [...] | --version | --help\n"
        "\n"
        "Options come from flags, then from the environment (--redis.url is\n"
        "FANWIRE_REDIS_URL), then from the INI file of --config or FANWIRE_CONFIG, then\n"
        "from the defaults below. Exit status: 0 after a stop that was asked for, 1 "
        "when\n"
        "something fails at start, 2 for a wrong configuration. TERM and INT close the\n"
        "sessions at drain.rate and stop, a second one stops at once; HUP reopens "
        "log.file\n"
        "and reads the configuration anew.\n"
        "\n"
        "  --config FILE\n"
        "      an INI file: name = value, or [redis] and url = ...\n"
        "  --check-config\n"
        "      check the configuration and exit\n",
        out);
    help_own_flags(out);
    const char *group = "", *name;
    for (size_t i = 0; (name = fw_options_name(i)) != NULL; i++) {
        const char *its_group = fw_options_describe(name, "group");
        if (strcmp(its_group, group) != 0) {
            group = its_group;
            fprintf(out, "\n%s:\n", group);
            if (fwd_manual_note(name) != NULL) {
                wrap(out, fwd_manual_note(name));
            }
        }
        help_option(out, options, name);
    }
}

/* A cell of a table: its bars are not the table's. */
static void cell(FILE *out, const char *text)
{
    fputs("| ", out);
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '|' || *p == '*' || *p == '_' || *p == '\\') {
            fputc('\\', out);
        }
        fputc(*p, out);
    }
    fputc(' ', out);
}

static void markdown_option(FILE *out, const fw_options *options, const char *name)
{
    const char *initial = fw_options_describe(name, "default");
    const char *here = fw_options_shown(options, name);
    fprintf(out, "| `%s` ", name);
    if (strcmp(initial, here) != 0) {
        fprintf(out, "| `%s`, fanwired: `%s` ", initial, here);
    } else if (initial[0] != '\0') {
        fprintf(out, "| `%s` ", initial);
    } else {
        fputs("| (none) ", out);
    }
    cell(out, fw_options_describe(name, "allowed"));
    cell(out, fw_options_describe(name, "help"));
    fprintf(out, "| %s |\n", fw_options_describe(name, "since"));
}

static void markdown_reload(FILE *out)
{
    const char *name;
    fputs(
        "\n## While it runs\n\n"
        "HUP makes fanwired read its configuration anew (`fw_hub_reload` in a program). "
        "These\noptions hold from then on, and sessions stay; of any other that has "
        "changed the log\nwarns, and it stays as it was. TLS certificates are read anew, "
        "too.\n\n",
        out);
    for (size_t i = 0; (name = fw_options_name(i)) != NULL; i++) {
        if (strcmp(fw_options_describe(name, "reload"), "on") == 0) {
            fprintf(out, "- `%s`\n", name);
        }
    }
}

void fwd_manual_markdown(FILE *out, const fw_options *options)
{
    fputs(
        "# Options\n"
        "\n"
        "This page is made from the table of options: `fanwired --options-markdown`.\n"
        "\n"
        "One name, written as each place wants it:\n"
        "\n"
        "| where | `redis.url` is |\n"
        "|---|---|\n"
        "| command line | `--redis.url redis://...` or `--redis.url=redis://...` |\n"
        "| environment | `FANWIRE_REDIS_URL` |\n"
        "| INI file (`--config FILE`, `FANWIRE_CONFIG`) | `redis.url = redis://...`, or "
        "`[redis]` and `url = redis://...` |\n"
        "| C | `fw_options_set(options, \"redis.url\", \"redis://...\")` |\n"
        "| Python, Lua | `redis_url=\"redis://...\"` |\n"
        "\n"
        "So an option of a namespace of [rooms](#rooms), `namespace.news.presence`, is\n"
        "`--namespace.news.presence on`, `FANWIRE_NAMESPACE_NEWS_PRESENCE` (there the\n"
        "namespace is in lower case), `[namespace.news]` and `presence = on`,\n"
        "`namespace_news_presence=True`.\n"
        "\n"
        "Flags win over the environment, the environment over the file, the file over "
        "the\n"
        "defaults; a list is replaced as a whole by the place that wins. A variable "
        "that\n"
        "begins with `FANWIRE_` and names no option is an error, as a misspelt flag is. "
        "(In\n"
        "Kubernetes a service of the name `fanwire` puts such variables into every pod: "
        "give\n"
        "it another name, or set `enableServiceLinks: false`.)\n"
        "\n"
        "- A duration has a unit: `500ms`, `25s`, `5m`, `24h`.\n"
        "- A size is in bytes or has a unit: `65536`, `64KiB`, `1MiB`, `2GiB`.\n"
        "- A switch is `on` or `off` (also `true`, `false`, `yes`, `no`).\n"
        "- A list has commas, or its name is repeated.\n"
        "- In the INI file names outside of any section come first; comments begin with "
        "`#`\n"
        "  or `;` at the start of a line, or with a blank and `;` behind a value; a line "
        "has\n"
        "  at most 197 bytes.\n",
        out);
    const char *group = "", *name;
    for (size_t i = 0; (name = fw_options_name(i)) != NULL; i++) {
        const char *its_group = fw_options_describe(name, "group");
        if (strcmp(its_group, group) != 0) {
            group = its_group;
            const char *note = fwd_manual_note(name);
            fprintf(out,
                    "\n## %s\n\n%s%s| name | default | allowed | meaning | since |\n"
                    "|---|---|---|---|---|\n",
                    group, note != NULL ? note : "", note != NULL ? "\n\n" : "");
        }
        markdown_option(out, options, name);
    }
    markdown_reload(out);
}
