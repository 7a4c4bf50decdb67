/*
 * The text of session ids. Pure. @thread any
 */
#include <fanwire/session.h>

#include "base/base.h"

/* By hand and not by snprintf: bindings do this for each event. */
static void put_hex(char *text, uint64_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 15; i >= 0; i--, n >>= 4) {
        text[i] = digits[n & 15u];
    }
}

char *fw_session_id_text(fw_session_id id, char *text)
{
    put_hex(text, id.node);
    put_hex(text + 16, id.local);
    text[FW_SESSION_ID_TEXT - 1] = '\0';
    return text;
}
