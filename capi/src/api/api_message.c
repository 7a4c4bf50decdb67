/*
 * Messages, session ids and the version: values that need no hub.
 */
#include "api/hub_inside.h"

#include <inttypes.h>
#include <string.h>

#include <fanwire/version.h>

fw_message *fw_message_new(const void *data, size_t len, unsigned flags)
{
    if (fwi_check_payload(NULL, data, len, flags) != FW_OK) {
        return NULL;
    }
    fw_message *m = fwi_message_new(FWI_MSG_DATA, data, len, flags);
    if (m == NULL) {
        fwi_error(FW_ERR_MEMORY, "out of memory");
    }
    return m;
}

int fw_message_set_except(fw_message *m, fw_session_id except)
{
    if (atomic_load(&m->sent)) {
        return fwi_error(FW_ERR_STATE, "the message has been sent");
    }
    m->except = except;
    return FW_OK;
}

const void *fw_message_data(const fw_message *m, size_t *len)
{
    if (len != NULL) {
        *len = fwi_message_len(m);
    }
    return fwi_message_bytes(m);
}

unsigned fw_message_flags(const fw_message *m)
{
    return m->flags;
}

fw_session_id fw_session_none(void)
{
    return (fw_session_id){0, 0};
}

int fw_session_id_equal(fw_session_id a, fw_session_id b)
{
    return a.node == b.node && a.local == b.local;
}

int fw_session_id_parse(const char *text, fw_session_id *id)
{
    uint64_t part[2] = {0, 0};
    if (text == NULL || strlen(text) != FW_SESSION_ID_TEXT - 1 ||
        strspn(text, "0123456789abcdefABCDEF") != FW_SESSION_ID_TEXT - 1) {
        return fwi_error(FW_ERR_INVALID, "a session id is 32 hexadecimal digits");
    }
    for (size_t i = 0; i < FW_SESSION_ID_TEXT - 1; i++) {
        int c = text[i] | 0x20;
        part[i / 16] = part[i / 16] << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *id = (fw_session_id){part[0], part[1]};
    return FW_OK;
}

unsigned fw_version(void)
{
    return FW_VERSION;
}

const char *fw_version_string(void)
{
    return FW_VERSION_STRING;
}

const char *fw_log_level_name(fw_log_level level)
{
    static const char *const names[] = {"error", "warn", "info", "debug", "trace"};
    return (unsigned)level < FWI_ARRAY_LEN(names) ? names[level] : "?";
}
