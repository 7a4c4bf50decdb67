/*
 * The values of options as people write them: "25s", "1MiB", "on", a URL. Used by
 * what holds options. Pure, apart from what a type's check asks of wire/.
 */
#ifndef FWI_CORE_OPTIONS_VALUE_H
#define FWI_CORE_OPTIONS_VALUE_H

#include "core/options.h"

typedef enum {
    FWI_KIND_TEXT,
    FWI_KIND_NUMBER,
    FWI_KIND_DURATION,
    FWI_KIND_SIZE,
    FWI_KIND_SWITCH,
    FWI_KIND_LIST,
    FWI_KIND_CHOICE
} fwi_option_kind;

typedef struct fwi_option_type {
    const char *name; /* for people: "duration" */
    fwi_option_kind kind;
    const char *allowed; /* as a sentence; of choices their names, "a|b|c"; else NULL */
    /* Of a text, or of one entry of a list: NULL if fine, else what is wrong with it,
     * valid for ever, or fwi_option_no_memory. NULL: no further check. */
    const char *(*check)(const char *text);
    bool can_be_off;   /* "off" is written for an empty text or list */
    bool can_be_auto;  /* "auto" is written for 0 */
    bool has_password; /* of a URL: not to be shown */
    bool is_secret;    /* all of it */
    bool has_lines;    /* line breaks may be in it */
} fwi_option_type;

typedef struct fwi_option_row {
    const char *name;
    const fwi_option_type *type;
    int64_t min, max;
    const char *initial, *since, *help;
} fwi_option_row;

/* The table, in options.c. */
extern const fwi_option_row fwi_option_rows[FWI_OPT_COUNT];

/* What a check returns when there is no memory to check with. */
extern const char fwi_option_no_memory[];

/* By the words that stand in FWI_OPTION_MAP. */
typedef enum {
    FWI_TYPE_NUMBER,
    FWI_TYPE_THREADS,
    FWI_TYPE_DURATION,
    FWI_TYPE_SIZE,
    FWI_TYPE_SWITCH,
    FWI_TYPE_EVENTS,
    FWI_TYPE_POLICY,
    FWI_TYPE_LEVEL,
    FWI_TYPE_LOG_FORMAT,
    FWI_TYPE_RAW_MODE,
    FWI_TYPE_RAW_FORMAT,
    FWI_TYPE_RAW_USER,
    FWI_TYPE_RECOVERY,
    FWI_TYPE_LISTEN_URLS,
    FWI_TYPE_ADDRESS,
    FWI_TYPE_REDIS_URL,
    FWI_TYPE_PREFIX,
    FWI_TYPE_NODE,
    FWI_TYPE_ORIGINS,
    FWI_TYPE_NETWORKS,
    FWI_TYPE_FILE_NAME,
    FWI_TYPE_API_KEYS,
    FWI_TYPE_PASSWORD,
    FWI_TYPE_PATH,
    FWI_TYPE_FILE_NAMES,
    FWI_TYPE_TEXT,
    FWI_TYPE_SECRETS,
    FWI_TYPE_PEMS,
    FWI_TYPE_HTTP_URL,
    FWI_TYPE_HEADER_NAMES,
    FWI_TYPE_HEADER_SECRET,
    FWI_TYPE_COUNT
} fwi_option_type_id;

extern const fwi_option_type fwi_option_types[FWI_TYPE_COUNT];

enum { FWI_ALLOWED_MAX = 160 };

/* Range or choices as a sentence, into out. */
void fwi_option_allowed(const fwi_option_row *row, char out[FWI_ALLOWED_MAX]);

enum { FWI_PROBLEM_MAX = 2 * FWI_ALLOWED_MAX };

/* Reads a value (of a list: one entry). *number is written on success, for kinds that
 * have one. FW_ERR_OPTION: problem has the sentence for people. FW_ERR_MEMORY. */
int fwi_option_read(const fwi_option_row *row, const char *text, int64_t *number,
                    char problem[FWI_PROBLEM_MAX]);

/* A value as it may be shown to people and logs: one printable line, without the
 * password of a URL, cut to `cap`. Returns out. */
const char *fwi_option_show(const char *text, char *out, size_t cap);

/* How many single changes make one name of the other, over a common way of writing. */
size_t fwi_option_distance(const char *a, const char *b);

#endif
