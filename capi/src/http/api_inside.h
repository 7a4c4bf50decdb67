/*
 * The insides of the HTTP API, for its own files. Everybody else has http/api.h.
 */
#ifndef FWI_HTTP_API_INSIDE_H
#define FWI_HTTP_API_INSIDE_H

#include "core/ask.h"
#include "core/shard.h"
#include "http/api.h"
#include "http/page.h"
#include "wire/json.h"
#include "wire/name.h"

enum { FWI_API_FIELDS_MAX = 12, FWI_API_MESSAGE = 192 };

typedef struct fwi_api_command fwi_api_command;
typedef struct fwi_api_job fwi_api_job;

/* What the request looks like, and so the answer. */
typedef enum { FWI_API_SINGLE, FWI_API_BATCH, FWI_API_LINES } fwi_api_form;

struct fwi_api_job {
    fwi_list link; /* the site's */
    fwi_site *site;
    fwi_http_call *call; /* NULL: nobody waits any more */
    fwi_timer timer;
    fwi_api_form form;
    unsigned pending; /* commands that aren't done; one more while they are begun */
    size_t n, cap;
    fwi_api_command *commands;
};

/* A parameter of a method: which kinds of JSON it may be, as bits 1 << kind. */
typedef struct fwi_api_field {
    const char *name;
    unsigned kinds;
    bool missing; /* it can't be had here, and must be absent or say nothing */
} fwi_api_field;

/* The kinds a field may have. */
enum {
    FWI_API_STRING = 1u << FWI_JSON_STRING,
    FWI_API_NUMBER = 1u << FWI_JSON_NUMBER,
    FWI_API_SWITCH = 1u << FWI_JSON_TRUE | 1u << FWI_JSON_FALSE,
    FWI_API_OBJECT = 1u << FWI_JSON_OBJECT,
    FWI_API_ARRAY = 1u << FWI_JSON_ARRAY,
    FWI_API_ANY = FWI_API_STRING | FWI_API_NUMBER | FWI_API_SWITCH | FWI_API_OBJECT |
                  FWI_API_ARRAY | 1u << FWI_JSON_NULL
};

typedef struct fwi_api_method {
    const char *name;
    const fwi_api_field *fields; /* the last one has no name */
    /* How many items of api.max_items it is. NULL: one. */
    uint64_t (*weigh)(const fwi_json *fields);
    /* Begins. The command's result or failure is there when nothing is waited for any
     * more. */
    void (*run)(fwi_api_command *c, const fwi_json *fields);
} fwi_api_method;

struct fwi_api_command {
    fwi_api_job *job;
    const fwi_api_method *method; /* NULL: there is no such */
    fwi_json params;              /* in the request's body: until the job is answered */
    uint64_t id;                  /* of the older form; 0: none */
    unsigned waiting;             /* answers that are to come */
    unsigned code;                /* fwi_api_code */
    char message[FWI_API_MESSAGE];
    fwi_buf result; /* JSON */
    bool no_memory;
    /* The method's own; finish is called when the last answer is there, unless the
     * command has failed or nobody waits for it. Each may be NULL. */
    void *state;
    void (*state_free)(void *state);
    void (*finish)(fwi_api_command *c);
};

/* NULL: there is none of that name. */
const fwi_api_method *fwi_api_method_find(const char *name, size_t len);

extern const fwi_api_method fwi_api_publish_methods[], fwi_api_room_methods[],
    fwi_api_user_methods[];

/* --- api.c --- */

fwi_hub *fwi_api_hub(const fwi_api_command *c);
const fwi_site *fwi_api_site(const fwi_api_command *c);

/* Nobody waits for its answer any more: no further questions need be asked for it. */
bool fwi_api_is_late(const fwi_api_command *c);

/* The command is refused, or has failed. */
void fwi_api_fail(fwi_api_command *c, fwi_api_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* ... by an FW_ERR_ of the hub; why may be NULL. */
void fwi_api_fail_with(fwi_api_command *c, int err, const char *why);
fwi_api_code fwi_api_code_of(int err);

/* One more answer is to come, and one of them has. After the last one the command must
 * not be touched. */
void fwi_api_await(fwi_api_command *c);
void fwi_api_answered(fwi_api_command *c);

/* Appends to the result. */
void fwi_api_puts(fwi_api_command *c, const char *text);
void fwi_api_printf(fwi_api_command *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void fwi_api_put_string(fwi_api_command *c, const char *text, size_t len);
void fwi_api_put_bytes(fwi_api_command *c, const void *bytes, size_t len); /* base64 */
/* Bytes that may be JSON, as they are then, or else text, as a string. Of what is neither
 * nothing is put, not even what stands before it. */
void fwi_api_put_value(fwi_api_command *c, const char *before, const void *bytes,
                       size_t len);

/* --- api_read.c --- */

/* What is wrong with a request. */
typedef struct fwi_api_fault {
    bool too_many;             /* more than api.max_items */
    char why[FWI_API_MESSAGE]; /* else it is malformed; "": there is no memory */
} fwi_api_fault;

/* method: of the form SINGLE. false: it can't be done. */
bool fwi_api_read_job(fwi_api_job *job, const fwi_api_method *method, fwi_api_fault *f);

/* --- api_fields.c --- */

/* What fields a command has. false: not as the method has them; why says what and where,
 * counted from `body`. */
bool fwi_api_read_fields(const fwi_api_method *method, const fwi_json *params,
                         const char *body, fwi_json fields[FWI_API_FIELDS_MAX],
                         char why[FWI_API_MESSAGE]);

/* The readers below fail the command when a field isn't fit, and return false. */

/* No field that can't be had here. */
bool fwi_api_has_no_missing(fwi_api_command *c, const fwi_json *fields);

/* A name of a room or user, which has to be there. */
bool fwi_api_name(fwi_api_command *c, const fwi_json *fields, unsigned which,
                  char out[FWI_NAME_MAX + 1]);
bool fwi_api_name_of(fwi_api_command *c, const fwi_json *value, const char *what,
                     char out[FWI_NAME_MAX + 1]);

/* A text without NUL, of at most cap - 1 bytes; "" if it isn't there. */
bool fwi_api_text(fwi_api_command *c, const fwi_json *fields, unsigned which, char *out,
                  size_t cap);

/* A session, as "client" names it; none if it isn't there. */
bool fwi_api_client(fwi_api_command *c, const fwi_json *value, const char *what,
                    fw_session_id *id);

/* {"offset","epoch"}; {0, 0} if it isn't there. */
bool fwi_api_position(fwi_api_command *c, const fwi_json *fields, unsigned which,
                      fwi_position *position);

/* A room's name, as its channel. */
bool fwi_api_room(fwi_api_command *c, const fwi_json *fields, unsigned which,
                  char channel[FWI_CHANNEL_CAP]);

static inline bool fwi_api_is_on(const fwi_json *value)
{
    return value->kind == FWI_JSON_TRUE;
}

#endif
