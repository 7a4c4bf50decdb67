---@meta fanwire.resty
-- What `require "fanwire.resty"` offers in nginx, with types; see fanwire.lua beside it.
-- What the functions do is told in docs/openresty.md.

---@class fanwire.resty
---@field version string
local resty = {}

---@class fanwire.resty.Options: fanwire.HubOptions
---@field concurrency? integer   handlers that may be in the middle of something (1000)
---@field wake_dir? string       where a Unix socket may lie for a moment ("/tmp")

---@class fanwire.resty.Handlers
---@field connect? fun(request: fanwire.Request): string|fanwire.Refuse|nil
---@field open? fun(session: fanwire.Session)
---@field message? fun(session: fanwire.Session, data: string, binary: boolean)
---@field join? fun(session: fanwire.Session, room: string): boolean|fanwire.Refuse|nil
---@field publish? fanwire.OnPublish
---@field refresh? fanwire.OnRefresh
---@field sub_refresh? fanwire.OnSubRefresh
---@field rpc? fanwire.OnRpc
---@field leave? fun(session: fanwire.Session, room: string)
---@field close? fun(session: fanwire.Session, code: integer, reason: string)
---@field room_message? fanwire.OnRoomMessage
---@field room_reset? fanwire.OnRoomReset
---@field room_join? fanwire.OnMember
---@field room_leave? fanwire.OnMember
---@field node_up? fanwire.OnNode
---@field node_down? fanwire.OnNode
---@field backplane_up? fun()
---@field backplane_down? fun(reason: string)

---@class fanwire.resty.Attachment
---@field user? string
---@field rooms? string[]

---In init_worker_by_lua. false: this process is no worker.
---@param options fanwire.resty.Options
---@param handlers? fanwire.resty.Handlers
---@return fanwire.Hub|false|nil
---@return string? why
---@return fanwire.ErrorName? name
function resty.start(options, handlers) end

---@param websocket table   of resty.websocket.server:new()
---@param how? fanwire.resty.Attachment
---@return fanwire.Session?
---@return string? why
---@return fanwire.ErrorName? name
function resty.attach(websocket, how) end

---@return fanwire.Hub?
---@return string? why
---@return fanwire.ErrorName? name
function resty.hub() end

---@param room string
---@param data fanwire.Data
---@param how? fanwire.Sending
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function resty.publish(room, data, how) end

---To those in the room who are on this node.
---@param room string
---@param data fanwire.Data
---@param how? fanwire.Sending
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function resty.send_here(room, data, how) end

---Waits for its answer, as the three below do.
---@param room string
---@param how? fanwire.PresenceQuery
---@return fanwire.Members?
---@return integer|string|nil total   or why
---@return integer|fanwire.ErrorName|nil cursor   or the error's name
function resty.presence(room, how) end

---@return fanwire.Node[]?
---@return string? why
---@return fanwire.ErrorName? name
function resty.nodes() end

---@param room string
---@param how? fanwire.HistoryQuery
---@return fanwire.Kept?
---@return string? position   or why
---@return fanwire.ErrorName? name
function resty.history(room, how) end

---@param room string
---@return true?
---@return string? position   or why
---@return fanwire.ErrorName? name
function resty.forget(room) end

---@param user string
---@param data fanwire.Data
---@param how? fanwire.Sending
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function resty.send_user(user, data, how) end

---@param data fanwire.Data
---@param how? fanwire.Sending
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function resty.send_all(data, how) end

resty.broadcast = resty.send_all

---@param node string   16 hexadecimal digits
---@param data fanwire.Data
---@param how? fanwire.Sending
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function resty.send_node(node, data, how) end

---@param name string
---@return fanwire.Room?
---@return string? why
---@return fanwire.ErrorName? error_name
function resty.room(name) end

---@param name string
---@return fanwire.User?
---@return string? why
---@return fanwire.ErrorName? error_name
function resty.user(name) end

---@param id string
---@return fanwire.SessionHandle|fanwire.Session?
---@return string? why
---@return fanwire.ErrorName? error_name
function resty.session(id) end

---@return fanwire.Session[]?
---@return string? why
---@return fanwire.ErrorName? name
function resty.sessions() end

---@return boolean
function resty.running() end

---@return string? node   16 hexadecimal digits
---@return string? why
---@return fanwire.ErrorName? name
function resty.node() end

---@return string?
---@return string? why
---@return fanwire.ErrorName? name
function resty.node_name() end

---@return string[]?
---@return string? why
---@return fanwire.ErrorName? name
function resty.urls() end

---@return string?
---@return string? why
---@return fanwire.ErrorName? name
function resty.http_address() end

---@return table<string, number>?
---@return string? why
---@return fanwire.ErrorName? name
function resty.stats() end

---@return string?
---@return string? why
---@return fanwire.ErrorName? name
function resty.metrics() end

local fanwire = require "fanwire"
resty.message = fanwire.message
resty.refuse = fanwire.refuse
resty.name_check = fanwire.name_check
resty.is_retriable = fanwire.is_retriable
resty.options = fanwire.options

return resty
