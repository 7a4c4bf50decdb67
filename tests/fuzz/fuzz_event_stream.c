/*
 * The text of Server-Sent Events. The first byte says what the rest is:
 *
 *   even  an id as a client shows it: what was read of it reads the same once written
 *   odd   a text: what a reader of the HTML standard makes of its lines is the text
 *         again, with each end of a line as LF
 */
#include "fuzz.h"
#include "wire/event_stream.h"

/* The positions that an id begins with, written anew. */
static size_t write_anew(const char *id, fwi_buf *out)
{
    fwi_es_position p;
    size_t n = 0, from;
    const char *at = id;
    MUST(fwi_es_begin_id(out, &from));
    for (const char *before = at; fwi_es_next(&at, &p); before = at, n++) {
        MUST(at > before);
        MUST(fwi_es_put_position(out, from, &p));
    }
    MUST(fwi_es_end_id(out, from));
    return n;
}

static void check_id(const fuzz_piece *id)
{
    fwi_buf once, twice;
    fwi_buf_init(&once);
    fwi_buf_init(&twice);
    size_t n = write_anew(id->data, &once);
    MUST((once.len == 0) == (n == 0));
    MUST(once.len <= strlen("id: \n") + FWI_ES_ID_MAX);
    if (n > 0) {
        MUST(memcmp(once.data, "id: ", 4) == 0 && once.data[once.len - 1] == '\n');
        once.data[once.len - 1] = '\0';
        size_t again = write_anew(once.data + 4, &twice);
        MUST(again <= n && twice.len == once.len);
        MUST(memcmp(twice.data, once.data, once.len - 1) == 0);
    }
    fwi_buf_fini(&once);
    fwi_buf_fini(&twice);
}

/* What the text is to be heard as. */
static void put_as_heard(fwi_buf *out, const fuzz_piece *text)
{
    for (size_t i = 0; i < text->len; i++) {
        bool crlf =
            text->data[i] == '\r' && i + 1 < text->len && text->data[i + 1] == '\n';
        const char *c = text->data[i] == '\r' ? "\n" : &text->data[i];
        MUST(crlf || fwi_buf_append(out, c, 1));
    }
}

/* What is heard: each line has its name, and an empty one ends the event. */
static void put_heard(fwi_buf *out, const fwi_buf *event)
{
    static const char name[] = "data: ";
    const char *at = event->data, *end = at + event->len;
    size_t lines = 0;
    while (at < end && *at != '\n') {
        const char *eol = memchr(at, '\n', (size_t)(end - at));
        MUST(eol != NULL && (size_t)(eol - at) >= sizeof name - 1);
        MUST(memcmp(at, name, sizeof name - 1) == 0);
        at += sizeof name - 1;
        MUST(memchr(at, '\r', (size_t)(eol - at)) == NULL);
        MUST(lines++ == 0 || fwi_buf_puts(out, "\n"));
        MUST(fwi_buf_append(out, at, (size_t)(eol - at)));
        at = eol + 1;
    }
    MUST(lines > 0 && at + 1 == end);
}

static void check_text(const fuzz_piece *text)
{
    fwi_buf event, heard, want;
    fwi_buf_init(&event);
    fwi_buf_init(&heard);
    fwi_buf_init(&want);
    uint8_t *exact = fuzz_bytes(text->data, text->len);
    MUST(fwi_es_put_data(&event, exact, text->len));
    free(exact);
    put_heard(&heard, &event);
    put_as_heard(&want, text);
    MUST(heard.len == want.len);
    MUST(want.len == 0 || memcmp(heard.data, want.data, want.len) == 0);
    fwi_buf_fini(&event);
    fwi_buf_fini(&heard);
    fwi_buf_fini(&want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    unsigned what = fuzz_u8(&in);
    fuzz_piece text = fuzz_rest(&in);
    if (what % 2 == 0) {
        check_id(&text);
    } else {
        check_text(&text);
    }
    free(text.data);
    return 0;
}
