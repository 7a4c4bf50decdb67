--[[
Plays lua-resty-websocket's server for the tests of fanwire.resty's attach(): its names,
arguments and returns, written anew, since Debian doesn't package it.

Used by the locations in test_attach.py as the original would be. Like that it never
takes turns: two light threads that write at once get "socket busy writing".
]]

local band, bor, bxor = bit.band, bit.bor, bit.bxor
local rshift = bit.rshift
local byte, char = string.byte, string.char

local GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
local KINDS = {[0] = "continuation", [1] = "text", [2] = "binary", [8] = "close",
  [9] = "ping", [10] = "pong"}

local Server = {_VERSION = "stand-in"}
local class = {__index = Server}

local function first(value)
  return type(value) == "table" and value[1] or value
end

-- What is wrong with the request, or nil and its key.
local function check_request()
  local headers = ngx.req.get_headers()
  local upgrade, key = first(headers.upgrade), first(headers["sec-websocket-key"])
  if ngx.headers_sent then
    return "response header already sent"
  elseif ngx.req.http_version() ~= 1.1 then
    return "bad http version"
  elseif not upgrade or upgrade:lower() ~= "websocket" then
    return 'bad "upgrade" request header: ' .. tostring(upgrade)
  elseif not key then
    return 'bad "sec-websocket-key" request header'
  end
  return nil, key
end

--- server:new{timeout = MS, max_payload_len = BYTES}: answers the handshake.
function Server:new(options)
  options = options or {}
  ngx.req.read_body()
  local fault, key = check_request()
  if fault then
    return nil, fault
  end
  ngx.header["Upgrade"] = "websocket"
  ngx.header["Sec-WebSocket-Accept"] = ngx.encode_base64(ngx.sha1_bin(key .. GUID))
  ngx.header["Content-Type"] = nil
  ngx.status = 101
  local ok, why = ngx.send_headers()
  if ok then
    ok, why = ngx.flush(true)
  end
  if not ok then
    return nil, "failed to send response header: " .. (why or "unknown")
  end
  local sock
  sock, why = ngx.req.socket(true)
  if not sock then
    return nil, why
  end
  if options.timeout then
    sock:settimeout(options.timeout)
  end
  local most = options.max_payload_len or 65535
  return setmetatable({sock = sock, send_masked = options.send_masked,
    max_recv_len = options.max_recv_len or most,
    max_send_len = options.max_send_len or most}, class)
end

function Server:set_timeout(ms)
  return self.sock:settimeout(ms)
end

-- --- reading ---

local function number(text)
  local n = 0
  for k = 1, #text do
    n = n * 256 + byte(text, k)
  end
  return n
end

local function unmask(text, mask)
  local whole = {}
  for k = 1, #text, 4096 do
    local piece = {byte(text, k, math.min(k + 4095, #text))}
    for j = 1, #piece do
      piece[j] = char(bxor(piece[j], byte(mask, (k + j - 2) % 4 + 1)))
    end
    whole[#whole + 1] = table.concat(piece)
  end
  return table.concat(whole)
end

-- opcode, payload, is it the last of its message; or nil and why.
local function read_frame(sock, most)
  local function take(n, what)
    if n == 0 then
      return ""
    end
    local got, why = sock:receive(n)
    if not got then
      error({why = "failed to " .. what .. ": " .. (why or "unknown")})
    end
    return got
  end
  local two = take(2, "receive the first 2 bytes")
  local opcode, length = band(byte(two, 1), 15), band(byte(two, 2), 127)
  if band(byte(two, 1), 0x70) ~= 0 then
    error({why = "bad RSV1, RSV2, or RSV3 bits"})
  elseif not KINDS[opcode] then
    error({why = "reserved frames"})
  elseif band(byte(two, 2), 0x80) == 0 then
    error({why = "frame unmasked"})
  end
  if length == 126 then
    length = number(take(2, "receive the 2 byte payload length"))
  elseif length == 127 then
    length = number(take(8, "receive the 8 byte payload length"))
  end
  if opcode >= 8 and length > 125 then
    error({why = "too long payload for control frame"})
  elseif length > most then
    error({why = "exceeding max payload len"})
  end
  local mask = take(4, "read masking-len and payload")
  return opcode, unmask(take(length, "read masking-len and payload"), mask),
    band(byte(two, 1), 0x80) ~= 0
end

--- data, kind, and "again" while the message goes on; a close frame's code is the third;
--- nil, nil, why. A time-out between frames isn't fatal, everything else is.
function Server:recv_frame()
  if self.fatal then
    return nil, nil, "fatal error already happened"
  end
  local fine, opcode, payload, last = pcall(read_frame, self.sock, self.max_recv_len)
  if not fine then
    local why = type(opcode) == "table" and opcode.why or error(opcode, 0)
    if not why:find(": timeout", 1, true) then
      self.fatal = true
    end
    return nil, nil, why
  end
  if opcode == 8 then
    if payload == "" then
      return "", "close", nil
    end
    return payload:sub(3), "close", number(payload:sub(1, 2))
  end
  return payload, KINDS[opcode], not last and "again" or nil
end

-- --- writing ---

local function head(last, opcode, length)
  local start = char(bor(last and 0x80 or 0, opcode))
  if length < 126 then
    return start .. char(length)
  elseif length < 65536 then
    return start .. char(126, rshift(length, 8), band(length, 255))
  end
  return start .. char(127, 0, 0, 0, 0, rshift(length, 24), band(rshift(length, 16), 255),
    band(rshift(length, 8), 255), band(length, 255))
end

-- Bytes sent, or nil and why; then it is over. As in the original the methods below call
-- this one, so that who replaces the method send_frame doesn't see what they send.
local function send_frame(self, last, opcode, data)
  if self.fatal then
    return nil, "fatal error already happened"
  end
  data = data == nil and "" or tostring(data)
  local sent, why
  if #data > self.max_send_len then
    why = "payload too big"
  elseif opcode >= 8 and #data > 125 then
    why = "too much payload for control frame"
  else
    sent, why = self.sock:send(head(last, opcode, #data) .. data)
    why = why and "failed to send frame: " .. why
  end
  if not sent then
    self.fatal = true
  end
  return sent, why
end

Server.send_frame = send_frame

function Server:send_continue(data)
  return send_frame(self, true, 0, data)
end

function Server:send_text(data)
  return send_frame(self, true, 1, data)
end

function Server:send_binary(data)
  return send_frame(self, true, 2, data)
end

function Server:send_ping(data)
  return send_frame(self, true, 9, data)
end

function Server:send_pong(data)
  return send_frame(self, true, 10, data)
end

function Server:send_close(code, reason)
  local payload
  if code then
    if type(code) ~= "number" or code > 0x7fff then
      return nil, "bad status code"
    end
    payload = char(band(rshift(code, 8), 255), band(code, 255)) .. (reason or "")
  end
  return send_frame(self, true, 8, payload)
end

return Server
