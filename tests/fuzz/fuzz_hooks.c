/*
 * Clients whose every wish is asked of a back end, and a back end that answers anything
 * at any time: see sessions.h and application.h. The first byte says how the hub is
 * configured; further pieces of the input are
 *
 *   H       the answer to the question asked first of those that are open
 *   G       the answer to all that are open
 *
 * What is asked is JSON, whatever a client has said of itself.
 */
#include "application.h"
#include "core/tokens.h"
#include "hook_body.h"
#include "kept.h"

enum { QUESTIONS_MAX = 64 };

static uint64_t questions[QUESTIONS_MAX];
static size_t n_questions;

/* --- what is asked --- */

static fwd_hook_kind kind_of(const fw_event *e)
{
    switch (fw_event_kind(e)) {
    case FW_EVENT_CONNECT:
        return FWD_HOOK_CONNECT;
    case FW_EVENT_REFRESH:
        return FWD_HOOK_REFRESH;
    case FW_EVENT_JOIN:
        return FWD_HOOK_SUBSCRIBE;
    case FW_EVENT_SUB_REFRESH:
        return FWD_HOOK_SUB_REFRESH;
    case FW_EVENT_PUBLISH:
        return FWD_HOOK_PUBLISH;
    case FW_EVENT_RPC:
        return FWD_HOOK_RPC;
    default:
        return FWD_HOOK_DISCONNECT;
    }
}

static void on_question(fw_hub *hub, fw_event *e, void *user)
{
    (void)hub;
    (void)user;
    fwd_hook_kind kind = kind_of(e);
    size_t len;
    char *body = fwd_hook_body(kind, e, &len);
    MUST(body != NULL);
    fuzz_is_json(body, len);
    free(body);
    if (kind != FWD_HOOK_DISCONNECT && n_questions < QUESTIONS_MAX) {
        questions[n_questions++] = fw_event_token(e);
    }
}

/* --- what is answered --- */

static void answer(uint64_t token, const fuzz_piece *text)
{
    fwi_answer *a = NULL;
    char why[FWI_ANSWER_WHY];
    uint8_t *bytes = fuzz_bytes(text->data, text->len);
    fwi_token_result result = fwi_answer_read(bytes, text->len, &a, why);
    free(bytes);
    if (result != FWI_TOKEN_GOOD) {
        return;
    }
    if (a->claims != NULL && a->claims->info.len > FWI_INFO_MAX) {
        fwi_answer_free(a); /* as fw_answer refuses it */
        return;
    }
    fwi_hub_answer(&rig.hub, token, a);
}

static void step(unsigned what, fuzz_input *in)
{
    if (what != 'H' && what != 'G') {
        fuzz_application(what, in);
        return;
    }
    fuzz_piece text = fuzz_rest(in);
    size_t n = what == 'G' ? n_questions : FWI_MIN(n_questions, 1);
    for (size_t i = 0; i < n; i++) {
        answer(questions[i], &text);
    }
    n_questions -= n;
    memmove(questions, questions + n, n_questions * sizeof questions[0]);
    free(text.data);
}

static fw_options *options_of(unsigned how)
{
    const char *open = how & 8 ? "on" : "off";
    return fuzz_options(
        how & 0xc, "raw.mode", "rooms", "raw.format", how & 4 ? "json" : "plain",
        "client.anonymous", open, "room.allow.publish", open,
        "namespace.kept.history.size", "5", "namespace.kept.presence", "on",
        "namespace.kept.join_leave", "on", "namespace.kept.allow.publish", open,
        "limit.rooms_per_session", "8", "message.max_bytes", "4096", NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const fw_event_type asked[] = {
        FW_EVENT_CONNECT, FW_EVENT_REFRESH, FW_EVENT_JOIN,  FW_EVENT_SUB_REFRESH,
        FW_EVENT_PUBLISH, FW_EVENT_RPC,     FW_EVENT_CLOSE,
    };
    fuzz_input in = {data, size};
    unsigned how = fuzz_u8(&in);
    core_rig_init_with(&rig, 1 + (how >> 1 & 1), options_of(how));
    for (size_t i = 0; i < FWI_ARRAY_LEN(asked); i++) {
        core_rig_on(&rig, asked[i], on_question, NULL);
    }
    fwi_tokens_exchange(&rig.hub.tokens, fuzz_keys());
    n_questions = 0;
    fuzz_own_step = step;
    fuzz_begin_play(FWI_CENTRIFUGE, how & 1 ? FWI_RAW : FWI_CENTRIFUGE,
                    how & 16 ? FWI_SSE : FWI_UNI_SSE);
    fuzz_play(&in);
    return 0;
}
