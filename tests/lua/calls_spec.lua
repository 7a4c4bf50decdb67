-- Clients of the Centrifuge protocol: what they say when they connect, and their calls.
local fanwire = require "fanwire"
local support = require "support"

describe("calls:", function()
  after_each(support.end_all)

  local function enter(hub, data)
    local client = support.client((hub:urls()[1]:gsub("/ws$", "/connection/websocket")))
    local said = data and '"data":' .. data or ""
    client:send(string.format('{"id":1,"connect":{%s}}', said))
    return client
  end

  it("the request has what the client said", function()
    local seen = support.seen()
    local hub = support.started{
      connect = function(request)
        seen(tostring(request.data))
        return "ann"
      end,
    }
    local client = enter(hub, '{"name": "ann"}')
    assert.is_truthy(client:receive():find('"ping":25', 1, true))
    support.client(hub)
    support.wait(function() return seen[2] end)
    assert.same({'{"name": "ann"}', "nil"}, {seen[1], seen[2]})
  end)

  it("a refused client of this protocol is told the status", function()
    local hub = support.started{
      connect = function() return fanwire.refuse(403, "not today") end,
    }
    assert.equal('{"id":1,"error":{"code":403,"message":"not today"}}',
      (enter(hub):receive()))
  end)

  it("a call is answered with what the handler returns", function()
    local hub = support.started({
      rpc = function(_, method, data)
        if method == "text" then
          return '{"a":1}'
        elseif method == "plain" then
          return "hello"
        elseif method == "none" then
          return nil
        end
        return data
      end,
    }, {client_insecure = true})
    local client = enter(hub)
    client:receive()
    for method, want in pairs{text = '{"a":1}', plain = '"hello"', none = "null",
      echo = "[1]"} do
      client:send(string.format('{"id":2,"rpc":{"method":"%s","data":[1]}}', method))
      assert.equal('{"id":2,"rpc":{"data":' .. want .. "}}", (client:receive()))
    end
  end)

  it("a call that fails is an error", function()
    local hub = support.started({
      rpc = function(_, method)
        if method == "refused" then
          return fanwire.refuse(404, "no such method")
        elseif method == "wrong" then
          return 7
        elseif method == "nil" then
          return nil, "why"
        end
        error "broken"
      end,
    }, {client_insecure = true})
    local client = enter(hub)
    client:receive()
    client:send '{"id":2,"rpc":{"method":"refused"}}'
    assert.equal('{"id":2,"error":{"code":404,"message":"no such method"}}',
      (client:receive()))
    for _, method in ipairs{"wrong", "nil", "broken"} do
      client:send(string.format('{"id":2,"rpc":{"method":"%s"}}', method))
      assert.equal('{"id":2,"error":{"code":500,"message":"the application failed"}}',
        (client:receive()))
    end
  end)

  it("what a client says in a room is decided by the handler", function()
    local seen = support.seen()
    local hub = support.started({
      publish = function(_, room, data, binary)
        seen(room .. " " .. data .. (binary and " binary" or ""))
        if data == "rude" then
          return false
        elseif data == '"wait"' then
          return fanwire.refuse(400, "wait")
        elseif data == "loud" then
          return '"quiet"'
        end
      end,
    }, {client_insecure = true, raw_mode = "rooms"})
    local raw, client = support.client(hub, "room=a"), enter(hub)
    client:receive()
    for _, said in ipairs{"hello", "rude", "loud", "there"} do
      raw:send(said)
    end
    for _, heard in ipairs{"hello", '"quiet"', "there"} do
      assert.equal(heard, (raw:receive()))
    end
    client:send '{"id":2,"publish":{"channel":"a","data":"wait"}}'
    assert.equal('{"id":2,"error":{"code":400,"message":"wait"}}', (client:receive()))
    client:send '{"id":3,"publish":{"channel":"a","data":1}}'
    assert.equal('{"id":3,"publish":{}}', (client:receive()))
    assert.equal("1", (raw:receive()))
    support.wait(function() return seen[6] end)
    assert.same({"a hello", "a rude", "a loud", "a there", 'a "wait"', "a 1"},
      {seen[1], seen[2], seen[3], seen[4], seen[5], seen[6]})
  end)

  -- By the openssl program.
  local secret = "a secret of the tests with 32 bytes"
  local function token(claims)
    return support.shell(string.format([[
      part() { openssl base64 -A | tr +/ -_ | tr -d =; }
      said=$(printf %%s '{"alg":"HS256"}' | part).$(printf %%s '%s' | part)
      printf %%s "$said.$(printf %%s "$said" |
        openssl dgst -sha256 -hmac '%s' -binary | part)"]], claims, secret))
  end

  -- Asks with a time that is over as soon as may be, and not before it is looked at.
  local function soon_over(ask)
    for _, seconds in ipairs{1, 2, 4, 8, 16} do
      local client, answer = ask(os.time() + seconds)
      if not answer:find('"code":109', 1, true) then
        assert.is_nil(answer:find('"error"', 1, true), answer)
        return client
      end
    end
    error("slower than 16 seconds")
  end

  it("who may stay is decided when the time is over", function()
    local seen, later = {}, os.time() + 3600
    local hub, lines = support.started({
      refresh = function(session)
        seen[session.user] = true
        if session.user == "carl" then
          return nil, "a mistake"
        end
        return session.user == "ann" and later or false
      end,
      sub_refresh = function(_, room)
        seen[room] = true
        return room == "$a" and later or fanwire.refuse()
      end,
    }, {token_hmac_secret = secret, heartbeat_interval = "1h", decision_timeout = "1m"})

    local function come(claims)
      local client = support.client((hub:urls()[1]:gsub("/ws$", "/connection/websocket")))
      client:send(string.format('{"id":1,"connect":{"token":"%s"}}', token(claims)))
      return client, (client:receive())
    end
    local function arrives(user)
      return soon_over(function(until_s)
        return come(string.format('{"sub":"%s","exp":%d}', user, until_s))
      end)
    end
    local function subscribes(client, user, room)
      soon_over(function(until_s)
        client:send(string.format(
          '{"id":2,"subscribe":{"channel":"%s","token":"%s"}}', room, token(string.format(
            '{"sub":"%s","channel":"%s","exp":%d}', user, room, until_s))))
        return client, (client:receive())
      end)
    end

    local dora = come('{"sub":"dora"}')
    subscribes(dora, "dora", "$a")
    subscribes(dora, "dora", "$b")
    local ended = dora:receive()
    assert.is_truthy(ended:find('"channel":"$b"', 1, true), ended)
    assert.is_truthy(ended:find('"code":2501', 1, true), ended)
    local ann, bob, carl = arrives("ann"), arrives("bob"), arrives("carl")
    assert.equal(3005, (bob:wait_closed()))
    support.wait(function() return seen.ann and seen.carl and seen["$a"] end)
    support.logged(lines, "a mistake")
    for _, stayed in ipairs{ann, carl, dora} do
      stayed:send '{"id":3,"rpc":{"method":"anything"}}'
      assert.is_truthy(stayed:receive():find('"id":3', 1, true))
    end
  end)
end)
