/*
 * Bytes of a Redis, or of whatever answers at its port: the replies that are found in
 * them are the same however the bytes are cut, and up to the same refusal. The first byte
 * says how.
 */
#include "backplane/redis_reply.h"
#include "base/buf.h"
#include "fuzz.h"

static void note_part(fwi_buf *out, const fwi_redis_part *p)
{
    MUST(p->str != NULL && p->str[p->len] == '\0');
    MUST(fwi_buf_printf(out, "%d:%zu:%lld:", (int)p->type, p->len, p->integer));
    MUST(fwi_buf_append(out, p->str, p->len));
}

static void note_reply(fwi_buf *out, const fwi_redis_reply *reply)
{
    MUST(reply->parts <= FWI_REDIS_REPLY_PARTS);
    note_part(out, &reply->whole);
    for (size_t i = 0; i < reply->parts; i++) {
        note_part(out, &reply->part[i]);
    }
    MUST(fwi_buf_puts(out, "\n"));
}

static void read_all(const uint8_t *data, size_t len, size_t piece, fwi_buf *out)
{
    const char *why = NULL;
    fwi_redis_reader *reader = fwi_redis_reader_new();
    MUST(reader != NULL && fwi_redis_reader_begin(reader));
    while (len > 0 && why == NULL) {
        size_t n = FWI_MIN(len, piece);
        uint8_t *bytes = fuzz_bytes(data, n);
        const fwi_redis_reply *reply;
        MUST(fwi_redis_reader_feed(reader, bytes, n));
        free(bytes);
        while ((reply = fwi_redis_reader_next(reader, &why)) != NULL) {
            note_reply(out, reply);
        }
        data += n;
        len -= n;
    }
    MUST(fwi_buf_puts(out, why != NULL ? "refused" : "."));
    fwi_redis_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    size_t piece = fuzz_u8(&in) % 32 + 1u;
    fwi_buf whole, cut;
    fwi_buf_init(&whole);
    fwi_buf_init(&cut);
    read_all(in.at, in.left, in.left, &whole);
    read_all(in.at, in.left, piece, &cut);
    MUST(whole.len == cut.len && memcmp(whole.data, cut.data, cut.len) == 0);
    fwi_buf_fini(&whole);
    fwi_buf_fini(&cut);
    return 0;
}
