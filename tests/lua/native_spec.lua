-- The C library's own functions, as fanwire.native has them.
local native = require("fanwire").native

describe("native:", function()
  it("error numbers have names and sentences", function()
    local n = 0
    for name, number in pairs(native) do
      if type(name) == "string" and name:find("^FW_ERR_") then
        n = n + 1
        assert.equal(name, native.fw_err_name(number))
        assert.is_string(native.fw_strerror(number))
      end
    end
    assert.equal(16, n)
  end)

  it("what is no handle is an error, and no crash", function()
    for name, f in pairs(native) do
      if type(f) == "function" and name ~= "fw_options_new" then
        for _, bad in ipairs{"x", 5, true, {}, print} do
          pcall(f, bad)
          pcall(f, bad, bad, bad)
          pcall(f, nil, bad, nil, bad)
        end
        pcall(f)
      end
    end
  end)

  it("a finished event says so, and giving back twice does no harm", function()
    local options = native.fw_options_new()
    assert(native.fw_options_set(options, "listen", "off"))
    assert(native.fw_options_set(options, "events", "queued"))
    local hub = assert(native.fw_hub_new(options))
    assert(native.fw_hub_on(hub, native.FW_EVENT_LOG))
    assert(native.fw_hub_start(hub))
    local events = native.fw_hub_poll(hub, 10, 5000)
    local event = events[1][3]
    assert.equal(native.FW_EVENT_LOG, native.fw_event_kind(event))
    native.fw_events_done(hub, event)
    native.fw_events_done(hub, {event, event})
    assert.error_matches(function() native.fw_event_kind(event) end,
      "the event is finished")
    hub = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_false(pcall(native.fw_event_kind, event))
  end)
end)
