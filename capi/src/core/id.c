/*
 * The text of session ids. Pure. @thread any
 */
#include <inttypes.h>
#include <stdio.h>

#include <fanwire/session.h>

char *fw_session_id_text(fw_session_id id, char *text)
{
    snprintf(text, FW_SESSION_ID_TEXT, "%016" PRIx64 "%016" PRIx64, id.node, id.local);
    return text;
}
