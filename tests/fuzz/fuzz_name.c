/*
 * Names of rooms and users, and channels as Redis has them: a good name comes back from
 * there as it was, and what somebody else has published to gets no further than its room
 * for a name.
 */
#include "base/utf8.h"
#include "fuzz.h"
#include "wire/name.h"

static bool has_control(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] < 0x20 || p[i] == 0x7f ||
            (i > 0 && p[i - 1] == 0xc2 && p[i] >= 0x80 && p[i] <= 0x9f)) {
            return true;
        }
    }
    return false;
}

static void there_and_back(const char *name)
{
    char channel[FWI_CHANNEL_CAP], back[FWI_CHANNEL_CAP];
    fwi_buf redis;
    fwi_buf_init(&redis);
    MUST(fwi_name_to_redis(&redis, "fanwire", fwi_channel_name('r', name, channel)));
    MUST(memchr(redis.data, '{', redis.len) == NULL);
    MUST(memchr(redis.data, '}', redis.len) == NULL);
    long len = fwi_name_from_redis("fanwire", redis.data, redis.len, back, sizeof back);
    MUST(len == (long)strlen(channel) && strcmp(back, channel) == 0);
    fwi_buf_fini(&redis);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { CAP = 40 };
    char *bytes = (char *)fuzz_bytes(data, size), out[CAP];
    bool good = size > 0 && size <= FWI_NAME_MAX && fwi_utf8_is_valid(data, size) &&
                !has_control(data, size);
    MUST((fwi_name_problem(bytes, size) == NULL) == good);
    long len = fwi_name_from_redis("f", bytes, size, out, sizeof out);
    MUST(len == -1 || (len >= 0 && len < CAP && strlen(out) == (size_t)len));
    free(bytes);
    if (good) {
        fuzz_input in = {data, size};
        fuzz_piece name = fuzz_rest(&in);
        there_and_back(name.data);
        free(name.data);
    }
    return 0;
}
