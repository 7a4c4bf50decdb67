/*
 * What this node says to the backplane about channels, and what becomes of it: publishes,
 * and the reading and forgetting of histories. @thread loop 0
 */
#ifndef FWI_CORE_PUBLISH_H
#define FWI_CORE_PUBLISH_H

#include "core/ask.h"
#include "core/hub.h"

/* The questions of core/hub.h, asked here; who is borrowed. */
void fwi_publish_now(fwi_hub *hub, const char *channel, fw_message *m,
                     const fwi_asker *who);
void fwi_ask_history(fwi_hub *hub, const char *channel, const fwi_history_query *q,
                     const fwi_asker *who);
void fwi_ask_forget(fwi_hub *hub, const char *channel, const fwi_asker *who);

/* m goes to the backplane now; number: of the ask that wants to know, 0: none does. */
void fwi_publish_send_off(fwi_hub *hub, const char *channel, fw_message *m,
                          uint64_t number);

/* The backplane's sink. */
void fwi_publish_on_published(void *user, uint64_t number, const fwi_published *what);
void fwi_publish_on_history(void *user, uint64_t number, const fwi_history_page *page);

#endif
