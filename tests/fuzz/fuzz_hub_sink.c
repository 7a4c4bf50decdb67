/*
 * What other nodes, and whoever may write to Redis, say to a hub: messages to its rooms
 * and users, orders to its node, pages of histories and of members, questions of who
 * follows a room, answers that are wrong or never come. Here all that arrives whole, by a
 * backplane that the input plays (wild_backplane.h): redis_hub is about the way there.
 *
 * An order is a byte; where it says something, that is a piece behind a length of two
 * bytes. Clients of all protocols listen (sessions.h) and the application does its part
 * (application.h). The first byte says how the hub is configured.
 */
#include "application.h"
#include "backplane/redis_presence.h"
#include "kept.h"
#include "wild_backplane.h"

enum { ORDERS_MAX = 200, PAGE_MAX = 8, OTHER_NODE = 9 };

typedef enum {
    STEP,      /* of sessions.h and application.h */
    MESSAGE,   /* to a channel: an envelope, or plain bytes */
    KEPT,      /* to a room with history: epoch, offset, text */
    PAGE,      /* answers who has asked for a history */
    MEMBERS,   /* answers who has asked for members: the text of redis_texts */
    PUBLISHED, /* answers who has asked what became of a publish */
    STATE,
    MISSED,
    NODE,
    REPORT, /* a subscription is made */
    ORDERS
} order;

static const char *channel_of(fuzz_input *in)
{
    static const char *const names[] = {
        "all",   "n:0000000000000007", "u:ann",  "r:kept:a", "r:b", "r:last:a",
        "u:bob", "n:0000000000000009", "r:$a#b", "r:"};
    return names[fuzz_u8(in) % FWI_ARRAY_LEN(names)];
}

static fuzz_piece sized(fuzz_input *in)
{
    size_t len = fuzz_u8(in);
    len = len << 8 | fuzz_u8(in);
    return fuzz_take(in, len);
}

/* --- messages --- */

static void tell(const char *channel, fw_message *m)
{
    if (m != NULL && m->kind != FWI_MSG_PROBE) { /* which never reaches the hub */
        wild->base.sink->on_message(wild->base.sink_user, channel, m);
    }
    fw_message_unref(m);
}

static void bring_message(fuzz_input *in)
{
    const char *channel = channel_of(in);
    fuzz_piece piece = sized(in);
    uint8_t *bytes = fuzz_bytes(piece.data, piece.len);
    fwi_envelope e;
    fwi_envelope_result result = fwi_envelope_decode(&e, bytes, piece.len);
    fw_message *m = result == FWI_ENVELOPE_OK ? fwi_message_from_envelope(&e)
                    : result == FWI_ENVELOPE_NONE
                        ? fwi_message_from_bytes(bytes, piece.len)
                        : NULL;
    free(bytes); /* a message has copied what it needs */
    free(piece.data);
    tell(channel, m);
}

static fwi_position read_position(fuzz_input *in)
{
    uint64_t epoch = fuzz_u8(in) % 4;
    return (fwi_position){epoch, fuzz_u8(in)};
}

static fw_message *kept_message(fuzz_input *in, fwi_position at)
{
    fuzz_piece text = sized(in);
    bool is_text = fwi_utf8_is_valid(text.data, text.len);
    fw_message *m =
        fwi_message_new(FWI_MSG_DATA, text.data, text.len, is_text ? FW_TEXT : FW_BINARY);
    MUST(m != NULL);
    m->at = at;
    m->id = (fwi_envelope_id){OTHER_NODE, text.len};
    free(text.data);
    return m;
}

static void bring_kept(fuzz_input *in)
{
    const char *channel = channel_of(in);
    fwi_position at = read_position(in);
    tell(channel, kept_message(in, at));
}

/* --- answers --- */

static void answer_page(fuzz_input *in)
{
    fw_message *messages[PAGE_MAX];
    fwi_history_page page = {.why = "", .messages = messages};
    unsigned n = fuzz_u8(in);
    page.top = read_position(in);
    if (n > 0xf0) {
        page = (fwi_history_page){.err = FW_ERR_BACKPLANE, .why = "away"};
        n = 0;
    }
    for (n %= PAGE_MAX + 1; page.n < n && in->left > 0; page.n++) {
        fwi_position at = {page.top.epoch, fuzz_u8(in)};
        messages[page.n] = kept_message(in, at);
    }
    wild_answer_page(&page);
    for (size_t i = 0; i < page.n; i++) {
        fw_message_unref(messages[i]);
    }
}

static void answer_members(fuzz_input *in)
{
    fuzz_piece text = sized(in);
    fwi_member_page page;
    fwi_redis_members_read(text.data, text.len, &page);
    wild_answer_members(&page);
    fwi_redis_members_free(&page);
    free(text.data);
}

static void answer_published(fuzz_input *in)
{
    static const int errors[] = {FW_OK, FW_ERR_TIMEOUT, FW_ERR_BUSY, FW_ERR_BACKPLANE};
    fwi_published what = {.err = errors[fuzz_u8(in) % FWI_ARRAY_LEN(errors)], .why = "x"};
    what.at = read_position(in);
    wild_answer_published(&what);
}

static void tell_state(bool up)
{
    wild->base.sink->on_state(wild->base.sink_user, up, up ? NULL : "away");
}

static void tell_node(fuzz_input *in)
{
    unsigned how = fuzz_u8(in);
    fuzz_piece name = sized(in);
    if (fuzz_is_good_name(name.data)) {
        wild->base.sink->on_node(wild->base.sink_user, OTHER_NODE + how / 2, name.data,
                                 how % 2);
    }
    free(name.data);
}

/* --- an order --- */

static void carry_out(order what, fuzz_input *in)
{
    fuzz_piece piece;
    switch (what) {
    case STEP:
        piece = sized(in);
        fuzz_step(&piece);
        free(piece.data);
        break;
    case MESSAGE:
        bring_message(in);
        break;
    case KEPT:
        bring_kept(in);
        break;
    case PAGE:
        answer_page(in);
        break;
    case MEMBERS:
        answer_members(in);
        break;
    case PUBLISHED:
        answer_published(in);
        break;
    case STATE:
        tell_state(fuzz_u8(in) % 2);
        break;
    case MISSED:
        wild->base.sink->on_missed(wild->base.sink_user, channel_of(in));
        break;
    case NODE:
        tell_node(in);
        break;
    default:
        wild_report();
        break;
    }
}

/* What the application is told. */
static void on_event(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    size_t len;
    const char *name = fw_event_user(e), *data = fw_event_data(e, &len);
    MUST(name == NULL || fwi_utf8_is_valid(name, strlen(name)));
    if (fw_event_kind(e) == FW_EVENT_TRACE) {
        fuzz_is_json(data, len);
    }
}

static void begin(unsigned how)
{
    static const fw_event_type wanted[] = {FW_EVENT_ROOM_MESSAGE, FW_EVENT_ROOM_JOIN,
                                           FW_EVENT_ROOM_LEAVE,   FW_EVENT_ROOM_RESET,
                                           FW_EVENT_NODE_UP,      FW_EVENT_NODE_DOWN,
                                           FW_EVENT_BACKPLANE_UP, FW_EVENT_TRACE};
    wild_is_slow = how & 8;
    wild_is_deaf = how & 16;
    core_rig_backplane = wild_new;
    core_rig_init_with(
        &rig, 1 + (how >> 1 & 1),
        fuzz_options(how & 1, "raw.mode", "rooms", "raw.format",
                     how & 1 ? "json" : "plain", "client.insecure", "on", "user.presence",
                     "on", "namespace.kept.history.size", "5", "namespace.kept.presence",
                     "on", "namespace.kept.join_leave", "on",
                     "namespace.last.history.size", "5", "namespace.last.recovery_mode",
                     "cache", "redis.queue.max_bytes", "64KiB", NULL));
    for (size_t i = 0; i < FWI_ARRAY_LEN(wanted); i++) {
        core_rig_on(&rig, wanted[i], on_event, NULL);
    }
    fuzz_own_step = fuzz_application;
    fuzz_begin_play(FWI_CENTRIFUGE, FWI_RAW, how & 4 ? FWI_SSE : FWI_UNI_SSE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    begin(fuzz_u8(&in));
    for (unsigned i = 0; in.left > 0 && i < ORDERS_MAX; i++) {
        carry_out((order)(fuzz_u8(&in) % ORDERS), &in);
        fuzz_settle();
    }
    fuzz_end_play();
    return 0;
}
