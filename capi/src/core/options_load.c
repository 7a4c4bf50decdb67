/*
 * Options from an INI file and from the environment. Both read into a copy of the set,
 * which takes the set's place when all was well: a failing call has no effect.
 *
 * inih's traps, and what is done here about them: a line longer than its 200 bytes would
 * be cut in two, so it is refused; a line that begins with blanks would continue the
 * value before, so such blanks are dropped; it cuts the name of a section at 49 bytes,
 * which the name of a namespace may pass, so the whole one is kept here; and it goes on
 * after an error, so the first one is kept.
 */
#include "core/options_load.h"

#include <errno.h>
#include <ini.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "core/error.h"

/* As the caller wrote it; a path that is longer is still opened in full. */
enum { SHOWN_PATH_MAX = 200, NAME_MAX_BYTES = 192, SENTENCE_MAX = 400 };

typedef struct ini_reading {
    fw_options *options;
    FILE *file;
    char section[NAME_MAX_BYTES]; /* the whole of what inih has cut */
    int line;
    int wrong_line; /* the first; 0: none */
    int err;
    char problem[SENTENCE_MAX];
} ini_reading;

static void note_problem(ini_reading *r, int err, const char *problem)
{
    if (r->wrong_line == 0) {
        r->wrong_line = r->line;
        r->err = err;
        snprintf(r->problem, sizeof r->problem, "%s", problem);
    }
}

/* inih's fgets. Reads one whole line whatever its length, so that lines stay counted. */
static char *read_line(char *out, int cap, void *user)
{
    ini_reading *r = user;
    size_t n = 0, most = (size_t)cap - 3; /* CR, LF and NUL */
    bool began = false, too_long = false, has_nul = false;
    int c = getc(r->file);
    if (c == EOF) {
        return NULL;
    }
    r->line++;
    for (; c != EOF && c != '\n'; c = getc(r->file)) {
        has_nul = has_nul || c == '\0';
        began = began || (c != ' ' && c != '\t');
        if (began && n < most) {
            out[n++] = (char)c;
        } else if (began) {
            too_long = too_long || c != '\r';
        }
    }
    out[n] = '\n';
    out[n + 1] = '\0';
    if (out[0] == '[') {
        int len = (int)FWI_MIN(strcspn(out + 1, "]"), sizeof r->section - 1);
        snprintf(r->section, sizeof r->section, "%.*s", len, out + 1);
    }
    bool comment = n > 0 && (out[0] == ';' || out[0] == '#');
    if (has_nul) {
        note_problem(r, FW_ERR_OPTION, "a NUL byte");
    } else if (too_long && !comment) {
        char problem[SENTENCE_MAX];
        snprintf(problem, sizeof problem,
                 "longer than %zu bytes: repeat a list's name on several lines; long "
                 "values fit into the environment",
                 most);
        note_problem(r, FW_ERR_OPTION, problem);
    }
    return out;
}

static int on_ini_value(void *user, const char *section, const char *name,
                        const char *value)
{
    ini_reading *r = user;
    if (r->wrong_line != 0) {
        return 1;
    }
    char full[NAME_MAX_BYTES];
    if (strncmp(r->section, section, strlen(section)) == 0 && section[0] != '\0') {
        section = r->section;
    }
    snprintf(full, sizeof full, "%s%s%s", section, section[0] != '\0' ? "." : "", name);
    int err = fw_options_set(r->options, full, value);
    if (err != FW_OK) {
        note_problem(r, err, fw_error_detail());
    }
    return 1;
}

static int cannot_read(const char *path, int number)
{
    char shown[SHOWN_PATH_MAX];
    char why[128];
    return fwi_error(FW_ERR_SYSTEM, "%s: %s",
                     fwi_log_quote(shown, sizeof shown, path, strlen(path)),
                     strerror_r(number, why, sizeof why));
}

static int load_file(fw_options *o, const char *path, FILE *file)
{
    ini_reading r = {.options = o, .file = file};
    int malformed = ini_parse_stream(read_line, &r, on_ini_value, &r);
    if (ferror(file)) {
        return cannot_read(path, errno);
    }
    if (malformed < 0) { /* an inih that takes its line from the heap had none */
        return fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    if (malformed > 0 && (r.wrong_line == 0 || malformed < r.wrong_line)) {
        r.wrong_line = malformed;
        r.err = FW_ERR_OPTION;
        snprintf(r.problem, sizeof r.problem, "neither NAME = VALUE nor [SECTION]");
    }
    if (r.wrong_line == 0) {
        return FW_OK;
    }
    char shown[SHOWN_PATH_MAX];
    fwi_log_quote(shown, sizeof shown, path, strlen(path));
    return fwi_error(r.err, "%s:%d: %s", shown, r.wrong_line, r.problem);
}

int fw_options_load(fw_options *o, const char *path)
{
    if (o == NULL || path == NULL) {
        return fwi_error(FW_ERR_INVALID, "options and path must not be NULL");
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return cannot_read(path, errno);
    }
    fw_options *next = fwi_options_copy(o);
    int err = FW_ERR_MEMORY;
    if (next != NULL) {
        fwi_options_begin_source(next);
        err = load_file(next, path, file);
    } else {
        fwi_error(err, "%s: out of memory", path);
    }
    if (err == FW_OK) {
        fwi_options_begin_source(next);
        fwi_options_swap(o, next);
    }
    fw_options_free(next);
    fclose(file);
    return err;
}

/* "redis.url" is FANWIRE_REDIS_URL. */
static void environment_name(const char *name, char out[NAME_MAX_BYTES])
{
    size_t n = (size_t)snprintf(out, NAME_MAX_BYTES, "FANWIRE_%s", name);
    for (size_t i = 0; i < FWI_MIN(n, NAME_MAX_BYTES - 1); i++) {
        if (out[i] >= 'a' && out[i] <= 'z') {
            out[i] = (char)(out[i] - ('a' - 'A'));
        } else if (out[i] == '.') {
            out[i] = '_';
        }
    }
}

/* NULL: there is none of this name in the environment's way of writing. The name of a
 * namespace's option is written to `namespaced`. */
static const char *option_of_variable(const char *variable, size_t len,
                                      char namespaced[FWI_NAMESPACED_MAX])
{
    const char *name;
    for (size_t i = 0; (name = fw_options_name(i)) != NULL; i++) {
        char candidate[NAME_MAX_BYTES];
        environment_name(name, candidate);
        if (strlen(candidate) == len && memcmp(candidate, variable, len) == 0) {
            return name;
        }
    }
    size_t begins = strlen("FANWIRE_");
    return fwi_namespaced_of_variable(variable + begins, len - begins, namespaced)
               ? namespaced
               : NULL;
}

static int unknown_variable(const char *variable, size_t len)
{
    char name[NAME_MAX_BYTES], meant[NAME_MAX_BYTES], namespaced[FWI_NAMESPACED_MAX];
    fwi_log_quote(name, sizeof name, variable, len);
    const char *nearest = fwi_options_nearest(name + strlen("FANWIRE_"), namespaced);
    if (nearest == NULL) {
        return fwi_error(FW_ERR_OPTION, "%s: no such option", name);
    }
    environment_name(nearest, meant);
    return fwi_error(FW_ERR_OPTION, "%s: no such option: did you mean %s?", name, meant);
}

static int load_variable(fw_options *o, const char *entry)
{
    size_t len = strcspn(entry, "=");
    if (strncmp(entry, "FANWIRE_", 8) != 0 || entry[len] != '=' ||
        strncmp(entry, "FANWIRE_CONFIG=", 15) == 0) {
        return FW_OK;
    }
    char namespaced[FWI_NAMESPACED_MAX];
    const char *name = option_of_variable(entry, len, namespaced);
    if (name == NULL) {
        return unknown_variable(entry, len);
    }
    int err = fw_options_set(o, name, entry + len + 1);
    if (err != FW_OK) {
        char problem[SENTENCE_MAX];
        snprintf(problem, sizeof problem, "%s", fw_error_detail());
        fwi_error(err, "%s (from %.*s)", problem, (int)len, entry);
    }
    return err;
}

int fw_options_load_env(fw_options *o)
{
    if (o == NULL) {
        return fwi_error(FW_ERR_INVALID, "options must not be NULL");
    }
    fw_options *next = fwi_options_copy(o);
    if (next == NULL) {
        return fwi_error(FW_ERR_MEMORY, "options: out of memory");
    }
    fwi_options_begin_source(next);
    int err = FW_OK;
    for (char **entry = environ; entry != NULL && *entry != NULL && err == FW_OK;
         entry++) {
        err = load_variable(next, *entry);
    }
    if (err == FW_OK) {
        fwi_options_begin_source(next);
        fwi_options_swap(o, next);
    }
    fw_options_free(next);
    return err;
}
