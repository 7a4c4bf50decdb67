/*
 * JSON: what has been read is well-formed wherever it is taken apart, what is put on one
 * line or written anew reads as the same kind again, and a refusal names a byte.
 */
#include "base/utf8.h"
#include "fuzz.h"
#include "wire/json.h"

static void check_value(const fwi_json *value, int depth);

static void check_string(const fwi_json *value)
{
    fwi_buf text, again, back;
    fwi_json read;
    fwi_buf_init(&text);
    fwi_buf_init(&again);
    fwi_buf_init(&back);
    MUST(value->len >= 2 && value->at[0] == '"' && value->at[value->len - 1] == '"');
    MUST(fwi_json_put_text_of(&text, value));
    MUST(fwi_utf8_is_valid(text.data, text.len));
    MUST(fwi_json_put_string(&again, text.data, text.len));
    MUST(fwi_json_read(again.data, again.len, &read, NULL));
    MUST(read.kind == FWI_JSON_STRING && fwi_json_put_text_of(&back, &read));
    MUST(back.len == text.len &&
         (text.len == 0 || memcmp(back.data, text.data, text.len) == 0));
    fwi_buf_fini(&text);
    fwi_buf_fini(&again);
    fwi_buf_fini(&back);
}

static void check_inside(const fwi_json *container, int depth)
{
    fwi_json key = {.kind = FWI_JSON_NONE}, value;
    fwi_json_walk walk = fwi_json_inside(container);
    while (fwi_json_next(&walk, &key, &value)) {
        MUST(value.at >= container->at && value.len > 0);
        MUST(value.at + value.len <= container->at + container->len);
        if (container->kind == FWI_JSON_OBJECT) {
            check_string(&key);
        }
        check_value(&value, depth + 1);
    }
    MUST(fwi_json_get(container, "id", &value) == (value.kind != FWI_JSON_NONE));
}

static void check_value(const fwi_json *value, int depth)
{
    uint64_t u;
    int64_t i;
    MUST(value->kind != FWI_JSON_NONE && depth <= FWI_JSON_DEPTH);
    if (fwi_json_to_u64(value, &u) && fwi_json_to_i64(value, &i)) {
        MUST(value->kind == FWI_JSON_NUMBER && u == (uint64_t)i);
    }
    if (value->kind == FWI_JSON_STRING) {
        check_string(value);
    }
    check_inside(value, depth);
}

static void check_line(const fwi_json *value)
{
    fwi_buf line;
    fwi_json again;
    fwi_buf_init(&line);
    MUST(fwi_json_put_line(&line, value));
    MUST(memchr(line.data, '\n', line.len) == NULL);
    MUST(fwi_json_read(line.data, line.len, &again, NULL) && again.kind == value->kind);
    fwi_buf_fini(&line);
}

/* Several in a row: one after the other they are what they are alone. */
static void check_row(const uint8_t *text, size_t len)
{
    fwi_json value, alone;
    size_t used, bad;
    while (fwi_json_read_first(text, len, &value, &used, &bad)) {
        MUST(used <= len);
        text += used;
        len -= used;
        if (value.kind == FWI_JSON_NONE) {
            MUST(len == 0);
            return;
        }
        MUST(used > 0 && fwi_json_read(value.at, value.len, &alone, NULL));
        MUST(alone.kind == value.kind && alone.len == value.len);
    }
    MUST(bad <= len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *text = fuzz_bytes(data, size);
    fwi_json value;
    size_t bad;
    if (fwi_json_read(text, size, &value, &bad)) {
        check_value(&value, 0);
        check_line(&value);
    } else {
        MUST(bad <= size);
    }
    check_row(text, size);
    free(text);
    return 0;
}
