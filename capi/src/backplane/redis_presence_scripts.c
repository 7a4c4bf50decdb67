/*
 * The scripts; what they are given and give is in the header.
 */
#include "backplane/redis_presence_scripts.h"

#include <string.h>

/* The value of an entry begins with two numbers, each with a blank behind it. */

const char fwi_redis_script_members[] =
    "local n = redis.call('HLEN', KEYS[1])\n"
    "if ARGV[2] == '0' then return n .. ' 0\\n' end\n"
    "local r = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])\n"
    "local out = {n .. ' ' .. r[1] .. '\\n'}\n"
    "for i = 2, #r[2], 2 do\n"
    "  out[#out + 1] = #r[2][i] .. '\\n'\n"
    "  out[#out + 1] = r[2][i]\n"
    "end\n"
    "return table.concat(out)\n";

#define DAY "86400000" /* ms */

#define NOW                                                                              \
    "local t = redis.call('TIME')\n"                                                     \
    "local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"

const char fwi_redis_script_nodes[] =
    NOW "local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf')\n"
        "local out = {#ids .. ' 0\\n'}\n"
        "for i = 1, #ids do\n"
        "  local v = redis.call('HGET', KEYS[2], ids[i])\n"
        "  if v then\n"
        "    out[#out + 1] = #v .. '\\n'\n"
        "    out[#out + 1] = v\n"
        "  end\n"
        "end\n"
        "return table.concat(out)\n";

/* A claim lasts as long as a lease: who has claimed and dies is followed by another. That
 * a life is over is known for a day: its node may have been stopped for so long. */
const char fwi_redis_script_beat[] =
    NOW "local id, lease, life = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])\n"
        "local over = tonumber(redis.call('GET', KEYS[3] .. id) or '0')\n"
        "if over >= life then return over .. ' 0 0\\n' end\n"
        "local ends = redis.call('ZSCORE', KEYS[1], id)\n"
        "local known = ends and (tonumber(ends) > now and 1 or 2) or 0\n"
        "local facts = redis.call('HGET', KEYS[2], id) or ''\n"
        "local beat = string.match(facts, '^%d+ (%d+) ') or '0'\n"
        "local least = tonumber(ARGV[7])\n"
        "if least > 0 and (known == 0 or tonumber(beat) < least) or\n"
        "   tonumber(beat) >= tonumber(ARGV[4]) then\n"
        "  return over .. ' ' .. known .. ' ' .. beat .. '\\n'\n"
        "end\n"
        "redis.call('ZADD', KEYS[1], now + lease, id)\n"
        "redis.call('HSET', KEYS[2], id, life .. ' ' .. ARGV[4] .. ' ' .. ARGV[5])\n"
        "local out = {over .. ' ' .. known .. ' ' .. beat .. '\\n'}\n"
        "local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')\n"
        "for i = 1, #all, 2 do\n"
        "  if all[i] ~= id then\n"
        "    local left, claim = all[i + 1] - now, 0\n"
        "    if left <= 0 and ARGV[6] == '1' and known ~= 2 and\n"
        "       redis.call('SET', KEYS[4] .. all[i], id, 'NX', 'PX', lease) then\n"
        "      local f = redis.call('HGET', KEYS[2], all[i]) or ''\n"
        "      claim = tonumber(string.match(f, '^%d+') or '1')\n"
        "      redis.call('SET', KEYS[3] .. all[i], claim, 'PX', '" DAY "')\n"
        "    end\n"
        "    out[#out + 1] = string.format('%s %d %d\\n', all[i], left, claim)\n"
        "  end\n"
        "end\n"
        "return table.concat(out)\n";

const char fwi_redis_script_channels[] =
    "return table.concat(redis.call('SRANDMEMBER', KEYS[1], 100), '\\n')\n";

const char fwi_redis_script_sweep[] =
    "local r = redis.call('HSCAN', KEYS[1], ARGV[4], 'MATCH', ARGV[2] .. '*',\n"
    "  'COUNT', 1000)\n"
    "local gone, told = 0, 0\n"
    "for i = 1, #r[2], 2 do\n"
    "  local v = r[2][i + 1]\n"
    "  local tell, life, at = string.match(v, '^(%d) (%d+) ()')\n"
    "  if tell and tonumber(life) <= tonumber(ARGV[3]) then\n"
    "    redis.call('HDEL', KEYS[1], r[2][i])\n"
    "    gone = gone + 1\n"
    "    if tell == '1' and ARGV[5] == '1' then\n"
    "      redis.call(ARGV[6], ARGV[1], string.sub(v, at))\n"
    "      redis.call('HSET', KEYS[2], r[2][i], ARGV[3])\n"
    "      told = told + 1\n"
    "    end\n"
    "  end\n"
    "end\n"
    "if told > 0 then redis.call('PEXPIRE', KEYS[2], '" DAY "') end\n"
    "return r[1] .. ' ' .. gone\n";

const char fwi_redis_script_return[] =
    "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])\n"
    "return redis.call('HGET', KEYS[2], ARGV[1]) or '0'\n";

const char fwi_redis_script_forget[] =
    "local f = redis.call('HGET', KEYS[2], ARGV[1]) or ''\n"
    "if tonumber(string.match(f, '^%d+') or '0') <= tonumber(ARGV[2]) then\n"
    "  redis.call('ZREM', KEYS[1], ARGV[1])\n"
    "  redis.call('HDEL', KEYS[2], ARGV[1])\n"
    "end\n"
    "redis.call('DEL', KEYS[3] .. ARGV[1])\n"
    "return '1'\n";

void fwi_redis_eval_words(fwi_redis_words *w, const char *script, const char *n_keys)
{
    fwi_redis_word(w, "EVAL", 4);
    fwi_redis_word(w, script, strlen(script));
    fwi_redis_word(w, n_keys, strlen(n_keys));
}
