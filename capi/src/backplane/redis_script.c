/*
 * The scripts of history. What they are given and give is in the header.
 *
 * Offsets stay below 2^53, where Lua's numbers are exact; epochs use all 64 bits and are
 * never numbers here, only eight bytes. One of another length is somebody else's doing,
 * and counts as none. The position's place in an envelope is FWI_ENVELOPE_POSITION: bytes
 * 30 to 45, as Lua counts; node and serial are 9 to 24.
 */
#include "backplane/redis_script.h"

#include <string.h>

#include "wire/sha1.h"

#define OUT_OF_TURN "OUTOFTURN the publish before it was not carried out"

/* A node sends a room's publishes in the order of their serials, and after a lost link
 * again from the first unanswered one on. So a serial that isn't newer than the last one
 * carried out was carried out before, or given up by its node. Where that was is looked
 * for in the stream, unless it is the last: but only if somebody asks. After a link was
 * lost thousands are repeated, and looking for each of them takes Redis longer than the
 * link lasted. */
#define REPEATED                                                                         \
    "local function found(offset)\n"                                                     \
    "  for i = 1, 100 do\n"                                                              \
    "    if offset < 2 then return 0 end\n"                                              \
    "    local r = redis.call('XREVRANGE', KEYS[2], offset - 1, '-', 'COUNT', 100)\n"    \
    "    if #r == 0 then return 0 end\n"                                                 \
    "    for j = 1, #r do\n"                                                             \
    "      offset = tonumber(string.match(r[j][1], '^%d+'))\n"                           \
    "      if string.sub(r[j][2][2], 9, 24) == string.sub(ARGV[1], 9, 24) then\n"        \
    "        return offset\n"                                                            \
    "      end\n"                                                                        \
    "    end\n"                                                                          \
    "  end\n"                                                                            \
    "  return 0\n"                                                                       \
    "end\n"                                                                              \
    "if f[3] then\n"                                                                     \
    "  local last, at = string.match(f[3], '^(%d+) (%d+)')\n"                            \
    "  local e\n"                                                                        \
    "  last, at, e = tonumber(last), tonumber(at), string.sub(f[3], -8)\n"               \
    "  if serial == last then return {e, at, 1} end\n"                                   \
    "  if serial < last then\n"                                                          \
    "    at = ARGV[10] == '1' and e == f[1] and found(at) or 0\n"                        \
    "    return {at > 0 and e or '', at, 1}\n"                                           \
    "  end\n"                                                                            \
    "end\n"                                                                              \
    "local k = KEYS[3] and redis.call('GET', KEYS[3])\n"                                 \
    "if k then return {string.sub(k, 1, 8), tonumber(string.sub(k, 9)), 1} end\n"

/* Of several on their way to a room one may be refused for a reason that has gone when
 * the next one is looked at: a script that is told again, a slot that has moved. Then
 * that next one mustn't be carried out ahead of it. */
#define IN_TURN                                                                          \
    "local before = f[3] and tonumber(string.match(f[3], '^%d+')) or 0\n"                \
    "if tonumber(ARGV[11]) > before then\n"                                              \
    "  return redis.error_reply('" OUT_OF_TURN "')\n"                                    \
    "end\n"

/* Each node that ever was leaves its serial: those of long ago are removed when there are
 * many. */
#define FORGET_NODES                                                                     \
    "if not f[3] and redis.call('HLEN', KEYS[1]) > 1000 then\n"                          \
    "  local all = redis.call('HGETALL', KEYS[1])\n"                                     \
    "  for i = 1, #all, 2 do\n"                                                          \
    "    local t = #all[i] == 8 and string.match(all[i + 1], '^%d+ %d+ (%d+)')\n"        \
    "    if t and t + ARGV[9] < now then redis.call('HDEL', KEYS[1], all[i]) end\n"      \
    "  end\n"                                                                            \
    "end\n"

static const char *const texts[FWI_REDIS_SCRIPTS] = {
    [FWI_REDIS_SCRIPT_KEEP] =
        "local f = redis.call('HMGET', KEYS[1], 'e', 'o', ARGV[6])\n"
        "local serial = tonumber(ARGV[7])\n" REPEATED IN_TURN
        "local epoch, top = f[1], tonumber(f[2] or '0') + 1\n"
        "if not epoch or #epoch ~= 8 then\n"
        "  epoch, top = ARGV[8], 1\n"
        "  redis.call('DEL', KEYS[2])\n"
        "end\n"
        "local now = tonumber(redis.call('TIME')[1])\n"
        "local id = string.format('%.0f', top)\n"
        "local e = string.sub(ARGV[1], 1, 29) .. epoch .. struct.pack('>I8', top) ..\n"
        "  string.sub(ARGV[1], 46)\n"
        "redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[3], id .. '-0', 'd', e)\n"
        "redis.call('PEXPIRE', KEYS[2], ARGV[4])\n" FORGET_NODES
        "redis.call('HSET', KEYS[1], 'e', epoch, 'o', id, ARGV[6],\n"
        "  ARGV[7] .. ' ' .. id .. ' ' .. now .. ' ' .. epoch)\n"
        "redis.call('PEXPIRE', KEYS[1], ARGV[5])\n"
        "if KEYS[3] then redis.call('SET', KEYS[3], epoch .. id, 'PX', 300000) end\n"
        "redis.call(ARGV[12], ARGV[2], e)\n"
        "return {epoch, top, 0}\n",

    /* In small steps, since a message may be large. */
    [FWI_REDIS_SCRIPT_READ] =
        "local f = redis.call('HMGET', KEYS[1], 'e', 'o')\n"
        "local epoch, top = f[1], tonumber(f[2] or '0')\n"
        "if not epoch or #epoch ~= 8 then\n"
        "  epoch, top = ARGV[1], 0\n"
        "  redis.call('DEL', KEYS[2])\n"
        "  redis.call('HSET', KEYS[1], 'e', epoch, 'o', '0')\n"
        "  redis.call('PEXPIRE', KEYS[1], ARGV[2])\n"
        "end\n"
        "local out, bytes = {epoch .. struct.pack('>I8', top)}, 0\n"
        "local left, at, back = tonumber(ARGV[5]), tonumber(ARGV[4]), ARGV[6] == '1'\n"
        "if ARGV[3] == '' then at = back and top + 1 or 0\n"
        "elseif ARGV[3] ~= epoch then left = 0 end\n"
        "while left > 0 and bytes < tonumber(ARGV[7]) do\n"
        "  local n, r = math.min(left, 16)\n"
        "  if back and at < 2 then break end\n"
        "  if back then r = redis.call('XREVRANGE', KEYS[2],\n"
        "    string.format('%.0f', at - 1), '-', 'COUNT', n)\n"
        "  else r = redis.call('XRANGE', KEYS[2],\n"
        "    string.format('%.0f', at + 1), '+', 'COUNT', n) end\n"
        "  for i = 1, #r do\n"
        "    local e = r[i][2][2]\n"
        "    at, bytes = tonumber(string.match(r[i][1], '^%d+')), bytes + #e\n"
        "    out[#out + 1] = struct.pack('>I4', #e)\n"
        "    out[#out + 1] = e\n"
        "  end\n"
        "  if #r < n then break end\n"
        "  left = left - n\n"
        "end\n"
        "return table.concat(out)\n",

    /* The nodes' serials stay: what was carried out before isn't to be again. */
    [FWI_REDIS_SCRIPT_FORGET] = "redis.call('DEL', KEYS[2])\n"
                                "redis.call('HSET', KEYS[1], 'e', ARGV[1], 'o', '0')\n"
                                "redis.call('PEXPIRE', KEYS[1], ARGV[2])\n"
                                "return ARGV[1] .. string.rep('\\0', 8)\n",
};

void fwi_redis_scripts_init(fwi_redis_scripts *s)
{
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < FWI_REDIS_SCRIPTS; i++) {
        uint8_t digest[FWI_SHA1_LEN];
        if (!fwi_sha1(texts[i], strlen(texts[i]), digest)) {
            continue;
        }
        for (size_t k = 0; k < FWI_SHA1_LEN; k++) {
            snprintf(s->sha[i] + 2 * k, 3, "%02x", digest[k]);
        }
    }
}

void fwi_redis_scripts_link_down(fwi_redis_scripts *s)
{
    memset(s->known, 0, sizeof s->known);
}

bool fwi_redis_script_load_words(fwi_redis_scripts *s, fwi_redis_words *words)
{
    for (size_t i = 0; i < FWI_REDIS_SCRIPTS; i++) {
        if (!s->known[i] && s->sha[i][0] != '\0') {
            s->known[i] = true;
            fwi_redis_word(words, "SCRIPT", 6);
            fwi_redis_word(words, "LOAD", 4);
            fwi_redis_word(words, texts[i], strlen(texts[i]));
            return true;
        }
    }
    return false;
}

void fwi_redis_scripts_cannot_load(fwi_redis_scripts *s)
{
    for (size_t i = 0; i < FWI_REDIS_SCRIPTS; i++) {
        s->sha[i][0] = '\0';
    }
}

void fwi_redis_script_words(fwi_redis_scripts *s, fwi_redis_script which,
                            fwi_redis_words *words)
{
    if (s->known[which] && s->sha[which][0] != '\0') {
        fwi_redis_word(words, "EVALSHA", 7);
        fwi_redis_word(words, s->sha[which], 40);
    } else {
        fwi_redis_word(words, "EVAL", 4);
        fwi_redis_word(words, texts[which], strlen(texts[which]));
    }
    s->known[which] = true;
}

static bool begins_with(const fwi_redis_reply *reply, const char *word)
{
    size_t len = strlen(word);
    return reply->whole.type == FWI_REDIS_ERROR && reply->whole.len >= len &&
           memcmp(reply->whole.str, word, len) == 0;
}

bool fwi_redis_script_is_out_of_turn(const fwi_redis_reply *reply)
{
    return begins_with(reply, "OUTOFTURN ");
}

bool fwi_redis_script_lacks_replicas(const fwi_redis_reply *reply)
{
    return begins_with(reply, "NOREPLICAS ");
}

bool fwi_redis_script_is_unknown(fwi_redis_scripts *s, fwi_redis_script which,
                                 const fwi_redis_reply *reply)
{
    if (!begins_with(reply, "NOSCRIPT")) {
        return false;
    }
    s->known[which] = false;
    return true;
}
