/*
 * What completes a command line of fanwired in bash: docs/completion/fanwired.bash is
 * what comes from here, and a test holds the two together. Commands and switches come
 * from args.c, options and their values from the library's table, so nothing is listed
 * twice.
 *
 * The script asks nobody while one types, and uses nothing of the package bash-completion
 * but its loading: it can be sourced as well.
 */
#include "manual.h"

#include <string.h>

#include "args.h"

/* bash takes "--name=value" apart into three words, and a URL at its colons; and it gives
 * "=" as the word that is being typed where nothing stands behind it yet. */
static const char head[] =
    "# Completes command lines of fanwired in bash. Made by fanwired --bash-completion.\n"
    "\n"
    "# The command, into `command`, and the option whose value is being typed, into\n"
    "# `option`, if it is one.\n"
    "_fanwired_look()\n"
    "{\n"
    "    local i word\n"
    "    command= option=\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        if [[ $word != -* ]]; then\n"
    "            command=${command:-$word}\n"
    "        elif [[ \" $switches -h \" != *\" $word \"* ]]; then\n"
    "            ((++i))\n"
    "            [[ $i -lt $COMP_CWORD && ${COMP_WORDS[i]} == = ]] && ((++i))\n"
    "            while [[ $((i + 1)) -lt $COMP_CWORD &&\n"
    "                     ${COMP_WORDS[i + 1]} == [:=@]* ]]; do\n"
    "                ((i += 2))\n"
    "            done\n"
    "            ((i >= COMP_CWORD)) && option=$word\n"
    "        fi\n"
    "    done\n"
    "    return 0\n"
    "}\n"
    "\n"
    "# An option of a namespace is one of room.\n"
    "_fanwired_values()\n"
    "{\n"
    "    local name=$1\n"
    "    if [[ $name =~ ^--namespace\\.[^.]+\\.(.+)$ ]]; then\n"
    "        name=--room.${BASH_REMATCH[1]}\n"
    "    fi\n"
    "    case $name in\n";

static const char tail[] =
    "    esac\n"
    "}\n"
    "\n"
    "_fanwired()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} command option words\n";

static const char last[] =
    "    COMPREPLY=()\n"
    "    _fanwired_look\n"
    "    if [[ -n $option ]]; then\n"
    "        [[ $cur == = ]] && cur=\n"
    "        _fanwired_values \"$option\"\n"
    "        return\n"
    "    fi\n"
    "    if [[ $cur != -* ]]; then\n"
    "        if [[ -z $command ]]; then\n"
    "            mapfile -t COMPREPLY < <(compgen -W \"$commands\" -- \"$cur\")\n"
    "        fi\n"
    "        return\n"
    "    fi\n"
    "    words=\"$switches $options ${own[${command:-serve}]-}\"\n"
    "    # compgen expands its words, so nothing else of what is typed may be in them.\n"
    "    if [[ $cur =~ ^(--namespace\\.[A-Za-z0-9_-]+\\.) ]]; then\n"
    "        words+=\" ${rooms//--room./${BASH_REMATCH[1]}}\"\n"
    "    elif [[ --namespace. == \"$cur\"* ]]; then\n"
    "        words+=\" --namespace.\"\n"
    "    fi\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$words $rooms\" -- \"$cur\")\n"
    "    if [[ ${COMPREPLY[*]} == --namespace. ]]; then\n"
    "        compopt -o nospace 2>/dev/null\n"
    "    fi\n"
    "}\n"
    "\n"
    "complete -F _fanwired fanwired\n";

static bool is_of_rooms(const char *name)
{
    return strncmp(name, "room.", strlen("room.")) == 0;
}

/* As in "the path of a file". */
static bool is_file(const char *allowed)
{
    return strstr(allowed, "file") != NULL;
}

/* "close, latest or drop" as "close latest drop"; of what isn't a choice the word that is
 * allowed besides, as in "HOST:PORT, or off". false: there is none. */
static bool put_values(FILE *out, const char *type, const char *allowed)
{
    const char *choice = NULL; /* the last " or " */
    for (const char *p = strstr(allowed, " or "); p != NULL; p = strstr(p + 1, " or ")) {
        choice = p;
    }
    if (choice == NULL || strchr(choice + strlen(" or "), ' ') != NULL) {
        return false;
    }
    if (strcmp(type, "choice") != 0 && strcmp(type, "switch") != 0) {
        bool besides = choice > allowed && choice[-1] == ',';
        if (besides) {
            fputs(choice + strlen(" or "), out);
        }
        return besides;
    }
    for (const char *p = allowed; p < choice; p += strspn(p, ", ")) {
        int len = (int)strcspn(p, ", ");
        fprintf(out, "%.*s ", len, p);
        p += len;
    }
    fputs(choice + strlen(" or "), out);
    return true;
}

static void put_case(FILE *out, const char *name, const char *type, const char *allowed)
{
    char values[256] = "";
    FILE *text = fmemopen(values, sizeof values, "w");
    bool some = text != NULL && put_values(text, type, allowed);
    if (text != NULL) {
        fclose(text);
    }
    if (some) {
        fprintf(out,
                "    --%s)\n"
                "        mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$cur\") ;;\n",
                name, values);
    } else if (is_file(allowed)) {
        fprintf(out,
                "    --%s)\n"
                "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
                "        compopt -o filenames 2>/dev/null ;;\n",
                name);
    }
}

static void put_cases(FILE *out)
{
    const char *name;
    put_case(out, "config", "", "a file");
    for (size_t i = 0; (name = fw_options_name(i)) != NULL; i++) {
        put_case(out, name, fw_options_describe(name, "type"),
                 fw_options_describe(name, "allowed"));
    }
    for (size_t i = 0; i < fwd_n_own_flags; i++) {
        put_case(out, fwd_own_flags[i].name, "", fwd_own_flags[i].allowed);
    }
}

/* The options of rooms, or all others, a line each. */
static void put_options(FILE *out, bool of_rooms)
{
    const char *name;
    for (size_t i = 0; (name = fw_options_name(i)) != NULL; i++) {
        if (is_of_rooms(name) == of_rooms) {
            fprintf(out, "\n        --%s", name);
        }
    }
}

static void put_words(FILE *out)
{
    const char *name;
    fputs("    local commands='", out);
    for (size_t i = 0; (name = fwd_args_command(i, NULL)) != NULL; i++) {
        fprintf(out, "%s%s", i > 0 ? " " : "", name);
    }
    fputs("'\n    local switches='", out);
    for (size_t i = 0, n = 0; i < fwd_n_switches; i++) {
        if (!fwd_switches[i].of_makers) {
            fprintf(out, "%s--%s", n++ > 0 ? " " : "", fwd_switches[i].name);
        }
    }
    fputs("'\n    local options='\n        --config", out);
    put_options(out, false);
    fputs("'\n    local rooms='", out);
    put_options(out, true);
    fputs("'\n    local -A own=(\n", out);
    fwd_command command;
    for (size_t i = 0; (name = fwd_args_command(i, &command)) != NULL; i++) {
        fprintf(out, "        [%s]='", name);
        for (size_t k = 0, n = 0; k < fwd_n_own_flags; k++) {
            if (fwd_own_flags[k].command == command) {
                fprintf(out, "%s--%s", n++ > 0 ? " " : "", fwd_own_flags[k].name);
            }
        }
        fputs("'\n", out);
    }
    fputs("    )\n", out);
}

void fwd_completion(FILE *out)
{
    fputs(head, out);
    put_cases(out);
    fputs(tail, out);
    put_words(out);
    fputs(last, out);
}
