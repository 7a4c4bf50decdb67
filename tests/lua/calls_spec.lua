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
end)
