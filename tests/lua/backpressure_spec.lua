-- Handlers that are slower than their clients: what clients send waits where it is, in
-- their own buffers, and nobody pays for it but they.
local fanwire = require "fanwire"
local support = require "support"
local uv = require "luv"

local CLIENTS = tonumber(os.getenv("FW_LUA_FLOOD_CLIENTS") or "40")

describe("back-pressure:", function()
  after_each(support.end_all)

  it("a blocking handler delays no fan-out and no heartbeat", function()
    local options = {redis_url = support.redis(), redis_required = true,
      heartbeat_interval = "200ms", heartbeat_timeout = "5s"}
    local other = support.started(nil, options)
    local members, closes, blocked, hub = {}, support.seen(), false, nil
    hub = support.started({
      open = function(s) s:join("r", function() s:send("in") end) end,
      message = function()
        -- Nothing polls a hub in here: what members hear, C has sent them.
        for i = 1, 100 do
          assert(other:publish("r", "node " .. i))
          assert(hub:publish("r", "own " .. i))
        end
        for _, member in ipairs(members) do
          local before = member.pings
          support.wait(function() return #member.received == 200 end, "200 messages",
            false)
          support.wait(function() return member.pings >= before + 2 end, "pings", false)
        end
        blocked = true
      end,
      close = function(_, code) closes(code) end,
    }, options)
    support.wait(function() return other:stats().fanwire_redis_up == 1 end)
    for i = 1, 3 do
      members[i] = support.client(hub)
      assert.equal("in", (members[i]:receive()))
    end
    support.client(hub):send("block")
    support.wait(function() return blocked end)
    for _, member in ipairs(members) do
      local next_of = {node = 1, own = 1}
      for _, message in ipairs(member.received) do
        local from, i = message[1]:match("^(%a+) (%d+)$")
        assert.equal(next_of[from], tonumber(i))
        next_of[from] = next_of[from] + 1
      end
    end
    assert.equal(0, hub:stats().fanwire_heartbeat_timeouts_total)
    assert.equal(0, #closes)
  end)

  it("a hub that isn't polled pushes back and nothing is lost", function()
    local seen, closes = support.seen(), support.seen()
    local hub = support.started({
      message = function(_, data) seen(tonumber(data:sub(1, 8))) end,
      close = function(_, code) closes(code) end,
    }, {events_per_session = 16, events_max_bytes = "1MiB"})
    local client = support.client(hub)
    local before, filling = support.own("VmRSS"), (" "):rep(100000)
    local sent, still_ms = 0, 0
    -- As much as both sockets' buffers take, and nothing more for a while.
    while still_ms < 300 do
      if client.tcp:write_queue_size() == 0 then
        client:send(string.format("%08d", sent) .. filling)
        sent, still_ms = sent + 1, 0
        assert(sent < 1000, "a hundred megabytes are in: nothing pushes back")
      else
        uv.sleep(5)
        still_ms = still_ms + 5
      end
      uv.run("nowait")
    end
    local stats = hub:stats()
    assert.is_true(stats.fanwire_events_bytes < 4 * 2 ^ 20)
    assert.is_true(support.own("VmRSS") - before < 24 * 1024 * support.SLOW)
    assert.equal(1, stats.fanwire_sessions)
    support.wait(function() return #seen == sent end, "all that was sent")
    for i = 1, sent do
      assert.equal(i - 1, seen[i])
    end
    assert.equal(0, #closes)
    assert.equal(0, hub:stats().fanwire_events_dropped_total)
  end)

  it("a session that waits for its handler is not judged by the heartbeat", function()
    local seen, closes = support.seen(), support.seen()
    local hub = support.started({message = function(_, data) seen(data) end,
      close = function(_, code) closes(code) end},
      {heartbeat_interval = "100ms", heartbeat_timeout = "2s", events_per_session = 2})
    local client, other = support.client(hub), support.client(hub)
    for i = 1, 10 do
      client:send(tostring(i))
    end
    -- Nobody polls, so its queue stays full; the other one's pings tell the time.
    support.wait(function() return other.pings >= 25 end, "25 pings", false)
    assert.equal(0, hub:stats().fanwire_heartbeat_timeouts_total)
    support.wait(function() return seen[10] end)
    for i = 1, 10 do
      assert.equal(tostring(i), seen[i])
    end
    assert.equal(0, #closes)
  end)

  it("a publisher over the inbox is told to try again", function()
    local hub = support.started(nil,
      {inbox_max_bytes = "64KiB", message_max_bytes = "1MiB"})
    local data, name, why = ("x"):rep(60000), nil, nil
    for _ = 1, 100000 do
      local ok
      ok, why, name = hub:publish("r", data)
      if not ok then
        break
      end
    end
    assert.equal("FW_ERR_BUSY", name, why)
    assert.is_true(fanwire.is_retriable(name))
    support.wait(function() return hub:stats().fanwire_inbox_bytes == 0 end)
    assert.is_true(hub:publish("r", "again"))
  end)

  if support.can_yield then
    it("a flood of sleeping handlers keeps order, sessions and memory", function()
      local handled, wrong, closes = {}, support.seen(), support.seen()
      local function sleep(ms)
        local co, timer = coroutine.running(), uv.new_timer()
        timer:start(ms, 0, function()
          timer:close()
          assert(coroutine.resume(co))
        end)
        coroutine.yield()
      end
      local hub = support.started({
        message = function(s, data)
          local n, expected = tonumber(data:sub(1, 8)), handled[s.id] or 0
          if n ~= expected then
            wrong(n, expected)
          end
          sleep(200)
          if (handled[s.id] or 0) ~= expected then
            wrong(n, handled[s.id])
          end
          handled[s.id] = expected + 1
        end,
        close = function(_, code) closes(code) end,
      }, {events_per_session = 8, heartbeat_interval = "1s", heartbeat_timeout = "10s",
        log_level = "error", drain_timeout = "1s",
        runner = function(f) assert(coroutine.resume(coroutine.create(f))) end})
      local clients, filling = {}, ("."):rep(1000)
      for i = 1, CLIENTS do
        clients[i] = {support.client(hub), 0}
        -- the kernel's memory isn't the question
        clients[i][1].tcp:send_buffer_size(65536)
      end
      local function least()
        for _, client in ipairs(clients) do
          -- As fast as it is taken, but no more than the sockets hold; and not one client
          -- for so long that the others answer no pings.
          for _ = 1, 100 do
            if client[1].tcp:write_queue_size() > 0 then
              break
            end
            client[1]:send(string.format("%08d", client[2]) .. filling)
            client[2] = client[2] + 1
          end
        end
        local fewest, n = math.huge, 0
        for _, count in pairs(handled) do
          fewest, n = math.min(fewest, count), n + 1
        end
        return n == CLIENTS and fewest or 0
      end
      support.wait(function() return least() >= 2 end, "two turns each")
      local full = support.own("VmRSS")
      support.wait(function() return least() >= 6 end, "four more turns")
      local grown = support.own("VmRSS") - full
      assert.same({}, {wrong[1], closes[1]})
      local stats = hub:stats()
      assert.equal(0, stats.fanwire_heartbeat_timeouts_total)
      assert.equal(0, stats.fanwire_events_dropped_total)
      assert.equal(CLIENTS, stats.fanwire_sessions)
      -- What one read of a socket may bring beyond the limit, and some. TSan's own memory
      -- grows with time.
      if not (os.getenv("LD_PRELOAD") or ""):find("tsan") then
        local bound = (CLIENTS * 128 + 8192) * support.SLOW
        assert.is_true(grown < bound, grown .. " KiB more")
      end
    end)
  end
end)
