/*
 * What this node says to the backplane about channels, and what becomes of it: publishes,
 * and the reading and forgetting of histories. Each question has a number of its own
 * here, so that the application's may be whatever it likes. @thread loop 0
 */
#ifndef FWI_CORE_PUBLISH_H
#define FWI_CORE_PUBLISH_H

#include "core/hub.h"

typedef enum {
    FWI_ASK_PUBLISH, /* RESULT */
    FWI_ASK_FORGET,  /* RESULT */
    FWI_ASK_HISTORY, /* HISTORY */
    FWI_ASK_ROOM     /* core/history.h has asked */
} fwi_ask_kind;

/* A question on its way. */
typedef struct fwi_ask {
    UT_hash_handle hh;
    uint64_t number;
    fwi_ask_kind kind;
    uint64_t ref; /* the application's */
    char channel[];
} fwi_ask;

/* When the hub ends: nobody is told any more. */
void fwi_asks_fini(fwi_hub *hub);

/* m goes to the backplane now; number: of the ask that wants to know, 0: none does. */
void fwi_publish_send_off(fwi_hub *hub, const char *channel, fw_message *m,
                          uint64_t number);

/* The backplane's sink. */
void fwi_publish_on_published(void *user, uint64_t number, const fwi_published *what);
void fwi_publish_on_history(void *user, uint64_t number, const fwi_history_page *page);

#endif
