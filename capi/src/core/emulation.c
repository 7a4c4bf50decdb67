/*
 * See emulation.h. Between nodes it travels as a message to the node: the sealed session,
 * a line break, the commands. Only the session's own node can look behind the seal, and
 * only it knows whether the session is there: another one passes on what it is given.
 */
#include "core/emulation.h"

#include <inttypes.h>
#include <string.h>

#include "base/hex.h"
#include "core/error.h"
#include "core/session_inside.h"

bool fwi_emulation_names(const fwi_session *s, char session[FWI_SEAL_TEXT],
                         char node[FWI_EMULATED_NODE])
{
    const fwi_hub *hub = s->shard->hub;
    snprintf(node, FWI_EMULATED_NODE, "%016" PRIx64, hub->node);
    return fwi_seal_make(hub->seal_key, fwi_session_identity(s).local, session);
}

/* --- at the session's own node --- */

static void run_feed(fwi_shard *shard, fwi_item *item)
{
    fwi_session *s = fwi_session_find(shard, item->id);
    if (s != NULL && fwi_session_protocol(s)->emulated) {
        fwi_session_on_bytes(s);
        fwi_session_on_message(s, true, fwi_message_bytes(item->m),
                               fwi_message_len(item->m));
    }
    fwi_item_free(item);
}

static int feed_here(fwi_hub *hub, const char *session, const void *data, size_t len)
{
    fw_session_id id = {.node = hub->node};
    if (!fwi_seal_read(hub->seal_key, session, &id.local)) {
        return fwi_error(FW_ERR_GONE, "there is no such session");
    }
    fw_message *m = fwi_message_new(FWI_MSG_EMULATED, data, len, FW_TEXT);
    fwi_item *item = m != NULL ? fwi_item_new(run_feed, NULL, m) : NULL;
    fw_message_unref(m);
    return fwi_hub_post(hub, id, item);
}

void fwi_emulation_came(fwi_hub *hub, fw_message *m)
{
    char session[FWI_SEAL_TEXT];
    const char *text = (const char *)fwi_message_bytes(m);
    size_t len = fwi_message_len(m), n = FWI_SEAL_TEXT - 1;
    if (len <= n || text[n] != '\n' || memchr(text, '\0', n) != NULL ||
        len - n - 1 > hub->set.message_max) {
        return;
    }
    memcpy(session, text, n);
    session[n] = '\0';
    int err = feed_here(hub, session, text + n + 1, len - n - 1);
    if (err == FW_ERR_BUSY || err == FW_ERR_MEMORY) {
        fwi_shard_count(hub->shard[0], FWI_STAT_INBOX_DROPPED);
    }
}

/* --- nodes that are gone --- */

static bool is_gone(fwi_hub *hub, uint64_t node)
{
    bool gone = hub->bp->ops->alone;
    for (unsigned i = 0; i < FWI_GONE_MAX; i++) {
        gone = gone || atomic_load(&hub->gone[i]) == node;
    }
    return gone;
}

void fwi_emulation_on_node(fwi_hub *hub, uint64_t node, bool up)
{
    for (unsigned i = 0; i < FWI_GONE_MAX; i++) {
        if (atomic_load(&hub->gone[i]) == node) {
            atomic_store(&hub->gone[i], 0); /* it was taken for dead, or is told twice */
        }
    }
    if (!up) {
        atomic_store(&hub->gone[hub->next_gone++ % FWI_GONE_MAX], node);
    }
}

/* --- at the node that was asked --- */

static bool read_node(const char *text, uint64_t *node)
{
    *node = 0;
    for (unsigned i = 0; i < FWI_EMULATED_NODE - 1; i++) {
        int digit = fwi_hex_digit(text[i]); /* -1 of a NUL, too */
        if (digit < 0) {
            return false;
        }
        *node = *node << 4 | (unsigned)digit;
    }
    return text[FWI_EMULATED_NODE - 1] == '\0' && *node != 0;
}

static int feed_abroad(fwi_hub *hub, uint64_t node, const char *session, const void *data,
                       size_t len)
{
    if (is_gone(hub, node)) {
        return fwi_error(FW_ERR_GONE, "the session's node is gone");
    }
    fwi_buf text;
    fwi_buf_init(&text);
    bool ok = fwi_buf_puts(&text, session) && fwi_buf_puts(&text, "\n") &&
              fwi_buf_append(&text, data, len);
    fw_message *m =
        ok ? fwi_message_new(FWI_MSG_EMULATED, text.data, text.len, FW_TEXT) : NULL;
    fwi_buf_fini(&text);
    return fwi_hub_send_abroad(hub, (fw_session_id){node, 0}, m);
}

int fwi_hub_emulate(fwi_hub *hub, const char *node, const char *session, const void *data,
                    size_t len)
{
    uint64_t to;
    if (!read_node(node, &to) || strlen(session) != FWI_SEAL_TEXT - 1) {
        return fwi_error(FW_ERR_INVALID, "session or node isn't as it was told");
    }
    return to == hub->node ? feed_here(hub, session, data, len)
                           : feed_abroad(hub, to, session, data, len);
}
