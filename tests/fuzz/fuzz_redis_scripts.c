/*
 * What a Redis answers to scripts: positions and pages of histories, pages of members,
 * the lines about nodes and their leases, what of dead nodes is to be swept. Everything
 * else it does as Redis would, so that no byte of the input is spent on being connected.
 *
 * The first byte says what the URL names (odd: a Cluster of one). Then come orders of the
 * hub (redis_wants.h), one that breaks a link, and one that has a message heard; and
 * whenever a script is to be answered, that is the next of the input: a byte that says as
 * what, and behind it
 *
 *   TEXT     a piece behind a length of two bytes
 *   PARTS    an epoch of eight bytes, and two numbers of a byte each
 *   NUMBER   a byte
 *   ERROR    a piece as above, up to where its line ends
 *   NIL
 */
#include "redis_wants.h"

enum { BREAK = ORDERS, HEAR, ALL_ORDERS, ROUNDS_MAX = 64 };

typedef enum { TEXT, PARTS, NUMBER, ERROR, NIL, ANSWERS } answer;

static fuzz_input *input;

static void put_parts(fwi_buf *out)
{
    fuzz_piece epoch = fuzz_take(input, 8);
    int offset = fuzz_u8(input), repeated = fuzz_u8(input);
    MUST(fwi_buf_puts(out, "*3\r\n"));
    fuzz_put_word(out, epoch.data, epoch.len);
    MUST(fwi_buf_printf(out, ":%d\r\n:%d\r\n", offset, repeated));
    free(epoch.data);
}

static void put_piece(fwi_buf *out, bool error)
{
    fuzz_piece text = fuzz_sized(input);
    if (error) {
        MUST(
            fwi_buf_printf(out, "-%.*s\r\n", (int)strcspn(text.data, "\r\n"), text.data));
    } else {
        fuzz_put_word(out, text.data, text.len);
    }
    free(text.data);
}

static void answer_script(fwi_buf *out)
{
    switch ((answer)(fuzz_u8(input) % ANSWERS)) {
    case PARTS:
        put_parts(out);
        break;
    case NUMBER:
        MUST(fwi_buf_printf(out, ":%d\r\n", fuzz_u8(input)));
        break;
    case ERROR:
        put_piece(out, true);
        break;
    case NIL:
        MUST(fwi_buf_puts(out, "$-1\r\n"));
        break;
    default:
        put_piece(out, false);
        break;
    }
}

static void answer_other(fwi_buf *out, const fuzz_words *w)
{
    static const char map[] = "07c37dfeb235213a872192d90877d0cd55635b91 a:1@2 "
                              "myself,master - 0 0 1 connected 0-16383\n";
    if (fuzz_is(w, "EVAL") || fuzz_is(w, "EVALSHA")) {
        answer_script(out);
    } else if (fuzz_is(w, "CLUSTER")) {
        fuzz_put_word(out, map, sizeof map - 1);
    } else if (fuzz_is(w, "SCRIPT")) {
        MUST(fwi_buf_puts(out, "$1\r\nx\r\n"));
    } else {
        MUST(fwi_buf_puts(out, ":1\r\n")); /* of a hash or a set */
    }
}

/* One thing that is due is done. false: there is none. */
static bool go_on_once(void)
{
    for (size_t i = fake_loop_stream_count(fuzz_loop); i-- > 0;) {
        fake_stream *s = fake_loop_stream(fuzz_loop, i);
        if (fake_stream_is_closed(s)) {
            continue;
        }
        if (!fake_stream_is_open(s)) {
            fake_stream_open(s);
            fake_loop_turn(fuzz_loop);
            return true;
        }
        if (fake_stream_written(s)->len > 0) {
            fuzz_answer(s);
            return true;
        }
    }
    return false;
}

static void go_on(void)
{
    for (unsigned round = 0; round < ROUNDS_MAX && go_on_once(); round++) {
        /* until nothing is due, or the input leads nowhere */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    input = &in;
    fuzz_answer_other = answer_other;
    begin(fuzz_u8(&in) % 2 ? 2 : 0);
    go_on();
    fake_loop_advance(fuzz_loop, 100);
    go_on();
    for (unsigned i = 0; in.left > 0 && i < FUZZ_ORDERS_MAX; i++) {
        unsigned what = FUZZ_REDIS_ORDERS + fuzz_u8(&in) % (ALL_ORDERS - WAIT);
        if (what == BREAK || what == HEAR) {
            fuzz_serve(what == BREAK ? FUZZ_FAIL : FUZZ_SAY_HEARD, &in);
        } else {
            want((order)what, &in);
        }
        go_on();
    }
    end();
    return 0;
}
