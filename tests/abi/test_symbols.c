/*
 * Takes the address of every public function, so that this program links only while the
 * library exports all of them. Written by check_symbols.py --write, which is also who
 * complains when a function is missing here.
 */
#include <stdio.h>

#include <fanwire/fanwire.h>

typedef void (*any_function)(void);

static const struct {
    const char *name;
    any_function function;
} symbols[] = {
    {"fw_accept", (any_function)fw_accept},
    {"fw_answer", (any_function)fw_answer},
    {"fw_emitter_disconnect_user", (any_function)fw_emitter_disconnect_user},
    {"fw_emitter_free", (any_function)fw_emitter_free},
    {"fw_emitter_new", (any_function)fw_emitter_new},
    {"fw_emitter_publish", (any_function)fw_emitter_publish},
    {"fw_emitter_send_all", (any_function)fw_emitter_send_all},
    {"fw_emitter_send_user", (any_function)fw_emitter_send_user},
    {"fw_err_is_retriable", (any_function)fw_err_is_retriable},
    {"fw_err_name", (any_function)fw_err_name},
    {"fw_error_detail", (any_function)fw_error_detail},
    {"fw_event_code", (any_function)fw_event_code},
    {"fw_event_cursor", (any_function)fw_event_cursor},
    {"fw_event_data", (any_function)fw_event_data},
    {"fw_event_fact", (any_function)fw_event_fact},
    {"fw_event_flags", (any_function)fw_event_flags},
    {"fw_event_header", (any_function)fw_event_header},
    {"fw_event_kind", (any_function)fw_event_kind},
    {"fw_event_member_info", (any_function)fw_event_member_info},
    {"fw_event_member_node", (any_function)fw_event_member_node},
    {"fw_event_member_session", (any_function)fw_event_member_session},
    {"fw_event_member_user", (any_function)fw_event_member_user},
    {"fw_event_members", (any_function)fw_event_members},
    {"fw_event_message", (any_function)fw_event_message},
    {"fw_event_message_count", (any_function)fw_event_message_count},
    {"fw_event_method", (any_function)fw_event_method},
    {"fw_event_node_name", (any_function)fw_event_node_name},
    {"fw_event_position", (any_function)fw_event_position},
    {"fw_event_query", (any_function)fw_event_query},
    {"fw_event_reason", (any_function)fw_event_reason},
    {"fw_event_recovered", (any_function)fw_event_recovered},
    {"fw_event_ref", (any_function)fw_event_ref},
    {"fw_event_room", (any_function)fw_event_room},
    {"fw_event_session", (any_function)fw_event_session},
    {"fw_event_token", (any_function)fw_event_token},
    {"fw_event_total", (any_function)fw_event_total},
    {"fw_event_type_name", (any_function)fw_event_type_name},
    {"fw_event_unref", (any_function)fw_event_unref},
    {"fw_event_user", (any_function)fw_event_user},
    {"fw_events_done", (any_function)fw_events_done},
    {"fw_hub_drain", (any_function)fw_hub_drain},
    {"fw_hub_event_fd", (any_function)fw_hub_event_fd},
    {"fw_hub_event_wake", (any_function)fw_hub_event_wake},
    {"fw_hub_free", (any_function)fw_hub_free},
    {"fw_hub_http_address", (any_function)fw_hub_http_address},
    {"fw_hub_listen_url", (any_function)fw_hub_listen_url},
    {"fw_hub_listener_fd", (any_function)fw_hub_listener_fd},
    {"fw_hub_listener_own", (any_function)fw_hub_listener_own},
    {"fw_hub_listener_release", (any_function)fw_hub_listener_release},
    {"fw_hub_listener_take", (any_function)fw_hub_listener_take},
    {"fw_hub_new", (any_function)fw_hub_new},
    {"fw_hub_node", (any_function)fw_hub_node},
    {"fw_hub_node_name", (any_function)fw_hub_node_name},
    {"fw_hub_nodes", (any_function)fw_hub_nodes},
    {"fw_hub_on", (any_function)fw_hub_on},
    {"fw_hub_on_log", (any_function)fw_hub_on_log},
    {"fw_hub_on_metrics", (any_function)fw_hub_on_metrics},
    {"fw_hub_poll", (any_function)fw_hub_poll},
    {"fw_hub_reload", (any_function)fw_hub_reload},
    {"fw_hub_send_all", (any_function)fw_hub_send_all},
    {"fw_hub_send_all_message", (any_function)fw_hub_send_all_message},
    {"fw_hub_start", (any_function)fw_hub_start},
    {"fw_hub_stop", (any_function)fw_hub_stop},
    {"fw_log_level_name", (any_function)fw_log_level_name},
    {"fw_message_data", (any_function)fw_message_data},
    {"fw_message_flags", (any_function)fw_message_flags},
    {"fw_message_new", (any_function)fw_message_new},
    {"fw_message_position", (any_function)fw_message_position},
    {"fw_message_ref", (any_function)fw_message_ref},
    {"fw_message_set_except", (any_function)fw_message_set_except},
    {"fw_message_set_key", (any_function)fw_message_set_key},
    {"fw_message_unref", (any_function)fw_message_unref},
    {"fw_name_check", (any_function)fw_name_check},
    {"fw_node_send", (any_function)fw_node_send},
    {"fw_options_describe", (any_function)fw_options_describe},
    {"fw_options_free", (any_function)fw_options_free},
    {"fw_options_get", (any_function)fw_options_get},
    {"fw_options_load", (any_function)fw_options_load},
    {"fw_options_load_env", (any_function)fw_options_load_env},
    {"fw_options_name", (any_function)fw_options_name},
    {"fw_options_new", (any_function)fw_options_new},
    {"fw_options_set", (any_function)fw_options_set},
    {"fw_options_shown", (any_function)fw_options_shown},
    {"fw_position_parse", (any_function)fw_position_parse},
    {"fw_position_text", (any_function)fw_position_text},
    {"fw_reject", (any_function)fw_reject},
    {"fw_reply", (any_function)fw_reply},
    {"fw_room_forget", (any_function)fw_room_forget},
    {"fw_room_history", (any_function)fw_room_history},
    {"fw_room_presence", (any_function)fw_room_presence},
    {"fw_room_publish", (any_function)fw_room_publish},
    {"fw_room_publish_message", (any_function)fw_room_publish_message},
    {"fw_room_publish_ref", (any_function)fw_room_publish_ref},
    {"fw_room_send_here", (any_function)fw_room_send_here},
    {"fw_room_send_here_message", (any_function)fw_room_send_here_message},
    {"fw_room_trace", (any_function)fw_room_trace},
    {"fw_session_attach", (any_function)fw_session_attach},
    {"fw_session_close", (any_function)fw_session_close},
    {"fw_session_feed", (any_function)fw_session_feed},
    {"fw_session_feed_close", (any_function)fw_session_feed_close},
    {"fw_session_id_equal", (any_function)fw_session_id_equal},
    {"fw_session_id_parse", (any_function)fw_session_id_parse},
    {"fw_session_id_text", (any_function)fw_session_id_text},
    {"fw_session_join", (any_function)fw_session_join},
    {"fw_session_join_since", (any_function)fw_session_join_since},
    {"fw_session_leave", (any_function)fw_session_leave},
    {"fw_session_none", (any_function)fw_session_none},
    {"fw_session_send", (any_function)fw_session_send},
    {"fw_session_send_message", (any_function)fw_session_send_message},
    {"fw_session_set_info", (any_function)fw_session_set_info},
    {"fw_session_set_user", (any_function)fw_session_set_user},
    {"fw_stats_get", (any_function)fw_stats_get},
    {"fw_stats_text", (any_function)fw_stats_text},
    {"fw_stats_text_free", (any_function)fw_stats_text_free},
    {"fw_strerror", (any_function)fw_strerror},
    {"fw_token_sign", (any_function)fw_token_sign},
    {"fw_user_disconnect", (any_function)fw_user_disconnect},
    {"fw_user_join", (any_function)fw_user_join},
    {"fw_user_leave", (any_function)fw_user_leave},
    {"fw_user_send", (any_function)fw_user_send},
    {"fw_user_send_message", (any_function)fw_user_send_message},
    {"fw_user_sessions", (any_function)fw_user_sessions},
    {"fw_version", (any_function)fw_version},
    {"fw_version_string", (any_function)fw_version_string},
};

int main(void)
{
    size_t missing = 0;
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        /* Read through a volatile, or the compiler knows that an address isn't NULL. */
        any_function volatile function = symbols[i].function;
        if (function == NULL) {
            fprintf(stderr, "%s is missing\n", symbols[i].name);
            missing++;
        }
    }
    printf("%zu functions\n", sizeof symbols / sizeof symbols[0]);
    return missing == 0 ? 0 : 1;
}
