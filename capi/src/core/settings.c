/*
 * Which options become which settings. Those that may change while the hub runs are
 * written by fwi_hub_reload alone, each for itself: nobody may count on two of them
 * having come from the same reload. The list of their options is in options.c.
 */
#include "core/settings.h"

/* Each is read wherever it is needed, so from the moment that it is written it holds. */
static void read_live(fwi_settings *set, const fw_options *o)
{
    set->heartbeat_interval_ms = (uint64_t)fwi_options_int(o, FWI_OPT_HEARTBEAT_INTERVAL);
    set->heartbeat_timeout_ms = (uint64_t)fwi_options_int(o, FWI_OPT_HEARTBEAT_TIMEOUT);
    set->decision_timeout_ms = (uint64_t)fwi_options_int(o, FWI_OPT_DECISION_TIMEOUT);
    set->token_grace_ms = (uint64_t)fwi_options_int(o, FWI_OPT_TOKEN_GRACE);
    set->sse_retry_ms = (uint64_t)fwi_options_int(o, FWI_OPT_SSE_RETRY);
    set->write_delay_ms = (uint64_t)fwi_options_int(o, FWI_OPT_WRITE_DELAY);
    set->drain_timeout_ms = (uint64_t)fwi_options_int(o, FWI_OPT_DRAIN_TIMEOUT);
    set->message_max = (size_t)fwi_options_int(o, FWI_OPT_MESSAGE_MAX_BYTES);
    set->outbox_max = (size_t)fwi_options_int(o, FWI_OPT_OUTBOX_MAX_BYTES);
    set->compression_min = (size_t)fwi_options_int(o, FWI_OPT_COMPRESSION_MIN_BYTES);
    set->outbox_policy = (int)fwi_options_int(o, FWI_OPT_OUTBOX_POLICY);
    set->limit_pending = fwi_options_int(o, FWI_OPT_LIMIT_PENDING);
    set->limit_sessions = fwi_options_int(o, FWI_OPT_LIMIT_SESSIONS);
    set->limit_address = fwi_options_int(o, FWI_OPT_LIMIT_SESSIONS_PER_ADDRESS);
    set->limit_user = fwi_options_int(o, FWI_OPT_LIMIT_SESSIONS_PER_USER);
    set->limit_rate = fwi_options_int(o, FWI_OPT_LIMIT_MESSAGE_RATE);
    set->limit_rooms = fwi_options_int(o, FWI_OPT_LIMIT_ROOMS_PER_SESSION);
    set->limit_publish_user = fwi_options_int(o, FWI_OPT_LIMIT_PUBLISH_RATE_PER_USER);
    set->limit_publish_address =
        fwi_options_int(o, FWI_OPT_LIMIT_PUBLISH_RATE_PER_ADDRESS);
    set->limit_join_user = fwi_options_int(o, FWI_OPT_LIMIT_JOIN_RATE_PER_USER);
    set->limit_join_address = fwi_options_int(o, FWI_OPT_LIMIT_JOIN_RATE_PER_ADDRESS);
    set->limit_emulation = fwi_options_int(o, FWI_OPT_LIMIT_EMULATION_RATE_PER_ADDRESS);
    set->limit_resubscribe = fwi_options_int(o, FWI_OPT_LIMIT_RESUBSCRIBE_RATE);
    set->drain_rate = fwi_options_int(o, FWI_OPT_DRAIN_RATE);
}

static int raw_user_of(const fw_options *o)
{
    int wish = (int)fwi_options_int(o, FWI_OPT_RAW_USER);
    return wish != FWI_RAW_USER_AUTO  ? wish
           : fwi_options_have_keys(o) ? FWI_RAW_USER_TOKEN
                                      : FWI_RAW_USER_QUERY;
}

void fwi_settings_read(fwi_settings *set, const fw_options *o)
{
    read_live(set, o);
    set->inbox_max = (size_t)fwi_options_int(o, FWI_OPT_INBOX_MAX_BYTES);
    set->held_max = (size_t)fwi_options_int(o, FWI_OPT_REDIS_QUEUE_MAX_BYTES);
    set->compression = fwi_options_int(o, FWI_OPT_COMPRESSION) != 0;
    set->raw_mode = (int)fwi_options_int(o, FWI_OPT_RAW_MODE);
    set->raw_format = (int)fwi_options_int(o, FWI_OPT_RAW_FORMAT);
    set->raw_user = raw_user_of(o);
    set->client_anonymous = fwi_options_int(o, FWI_OPT_CLIENT_ANONYMOUS) != 0;
    set->client_insecure = fwi_options_int(o, FWI_OPT_CLIENT_INSECURE) != 0;
    set->raw_echo = fwi_options_int(o, FWI_OPT_RAW_ECHO_TO_SENDER) != 0;
    set->user_presence = fwi_options_int(o, FWI_OPT_USER_PRESENCE) != 0;
}

bool fwi_hub_reload(fwi_hub *hub, const fw_options *options)
{
    uint64_t interval_ms = hub->set.heartbeat_interval_ms;
    uint64_t timeout_ms = hub->set.heartbeat_timeout_ms;
    read_live(&hub->set, options);
    return hub->set.heartbeat_interval_ms != interval_ms ||
           hub->set.heartbeat_timeout_ms != timeout_ms;
}
