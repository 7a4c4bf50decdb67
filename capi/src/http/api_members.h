/*
 * Members of a channel as the API shows them: read page after page. @thread loop 0
 */
#ifndef FWI_HTTP_API_MEMBERS_H
#define FWI_HTTP_API_MEMBERS_H

#include "http/api_inside.h"

/* The result is {"AS":{"SESSION":{"user","client","node","conn_info"},...}}; more members
 * than api.max_items fail it. as is valid for ever. */
void fwi_api_read_members(fwi_api_command *c, const char *channel, const char *as);

/* {"num_clients","num_users"} */
void fwi_api_count_members(fwi_api_command *c, const char *channel);

#endif
