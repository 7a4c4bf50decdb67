/*
 * Who a raw connection is (option raw.user): what its token says, what its query says, or
 * nobody. @thread loop
 */
#ifndef FWI_CORE_RAW_USER_H
#define FWI_CORE_RAW_USER_H

#include "core/session_inside.h"
#include "wire/name.h"

typedef struct fwi_raw_user {
    int status;                  /* 0, or the HTTP status to refuse it with */
    const char *why;             /* it is refused: a sentence, valid for ever */
    bool verified;               /* by a token: the application may rely on it */
    char name[FWI_NAME_MAX + 1]; /* "": nobody's */
} fwi_raw_user;

/* A token is asked for in app mode, too; what the query says of the user is a matter of
 * rooms mode. Counts what it refuses. */
void fwi_raw_identify(const fwi_session *s, fwi_raw_user *user);

#endif
