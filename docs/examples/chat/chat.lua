#!/usr/bin/env lua
--[[
A chat on as many nodes as you like: start this program several times with the same
redis.url and everybody can talk to everybody, wherever they are connected.

  lua chat.lua --listen ws://127.0.0.1:9090/ws --redis.url redis://127.0.0.1:6379

What it does with events is in chat_handlers.lua; this is the program around it: options,
the loop of luv, in which the hub is one more descriptor, signals, and the end.
]]
local fanwire = require "fanwire"
local uv = require "luv"

package.path = (arg[0]:match("^.*/") or "./") .. "?.lua;" .. package.path
local chat_handlers = require "chat_handlers"

local function now_ms()
  local seconds, microseconds = uv.gettimeofday()
  return seconds * 1000 + math.floor(microseconds / 1000)
end

local function fail(status, why)
  io.stderr:write("chat: ", why, "\n")
  os.exit(status)
end

local function print_help(options)
  local names = {}
  for name in pairs(options) do
    names[#names + 1] = name
  end
  table.sort(names)
  print([[
usage: chat [--OPTION VALUE | --OPTION=VALUE]...

A chat server. Nodes that share a redis.url are one chat. Every option can be
set by the environment too: FANWIRE_REDIS_URL is --redis.url. TERM and INT
close all sessions in good order. Options:
]])
  for _, name in ipairs(names) do
    print(("  --%-28s %s"):format(name, options[name].help))
  end
end

-- What the environment says and, over it, the command line.
local function read_options()
  local options = fanwire.options()
  -- A chat needs no long messages: 8 KiB of text, escaped, and its envelope. Its people
  -- hear who comes and goes.
  local chosen, given = { message_max_bytes = "64KiB", room_join_leave = "on" }, {}
  for name in pairs(options) do
    local key = name:gsub("%.", "_")
    chosen[key] = os.getenv("FANWIRE_" .. key:upper()) or chosen[key]
  end
  local i = 1
  while arg[i] do
    local name, value = arg[i]:match("^%-%-([^=]+)=?(.*)$")
    if name == "help" then
      print_help(options)
      os.exit(0)
    elseif not options[name] then
      fail(2, arg[i] .. ": not an option, see --help")
    elseif not arg[i]:find("=", 1, true) then
      i = i + 1
      value = arg[i] or fail(2, name .. ": a value is missing")
    end
    local key = name:gsub("%.", "_")
    if options[name].type == "list" and given[key] then
      value = given[key] .. "," .. value
    end
    given[key], chosen[key] = value, value
    i = i + 1
  end
  return chosen
end

-- When all is closed, uv.run() returns.
local function close_all()
  uv.walk(function(handle)
    if not handle:is_closing() then
      handle:close()
    end
  end)
end

-- What was asked for, or the end.
local function wanted(value, why, kind)
  return value or fail(kind == "FW_ERR_OPTION" and 2 or 1, why)
end

local function main()
  local hub = wanted(fanwire.hub(read_options()))
  local chat = chat_handlers{ fanwire = fanwire, now_ms = now_ms }
  chat.hub = hub
  for event, handler in pairs(chat.handlers) do
    hub:on(event, handler)
  end
  wanted(hub:start())
  for _, url in ipairs(hub:urls()) do
    print(("chat: node %s listens on %s"):format(hub:node_name(), url))
  end
  io.stdout:flush() -- whoever started us may wait for these lines

  uv.new_poll(hub:fd()):start("r", function() hub:poll(0) end)
  for _, signal in ipairs{ "sigterm", "sigint" } do
    uv.new_signal():start(signal, close_all)
  end
  uv.run()
  hub:close()
end

main()
