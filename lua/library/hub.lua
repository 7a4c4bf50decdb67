---@meta
-- The hub and the emitter of fanwire.lua in this folder.

---@class fanwire.Hub
local Hub = {}

---@overload fun(self, event: "connect", handler: fanwire.OnConnect): fanwire.Hub
---@overload fun(self, event: "open", handler: fun(session: fanwire.Session)): fanwire.Hub
---@overload fun(self, event: "message", handler: fanwire.OnMessage): fanwire.Hub
---@overload fun(self, event: "join", handler: fanwire.OnJoin): fanwire.Hub
---@overload fun(self, event: "publish", handler: fanwire.OnPublish): fanwire.Hub
---@overload fun(self, event: "refresh", handler: fanwire.OnRefresh): fanwire.Hub
---@overload fun(self, event: "sub_refresh", handler: fanwire.OnSubRefresh): fanwire.Hub
---@overload fun(self, event: "rpc", handler: fanwire.OnRpc): fanwire.Hub
---@overload fun(self, event: "leave", handler: fanwire.OnLeave): fanwire.Hub
---@overload fun(self, event: "close", handler: fanwire.OnClose): fanwire.Hub
---@overload fun(self, event: "room_message", handler: fanwire.OnRoomMessage): fanwire.Hub
---@overload fun(self, event: "room_reset", handler: fanwire.OnRoomReset): fanwire.Hub
---@overload fun(self, event: "room_join", handler: fanwire.OnMember): fanwire.Hub
---@overload fun(self, event: "room_leave", handler: fanwire.OnMember): fanwire.Hub
---@overload fun(self, event: "node_up", handler: fanwire.OnNode): fanwire.Hub
---@overload fun(self, event: "node_down", handler: fanwire.OnNode): fanwire.Hub
---@overload fun(self, event: "backplane_up", handler: fun()): fanwire.Hub
---@overload fun(self, event: "backplane_down", handler: fun(reason: string)): fanwire.Hub
function Hub:on(event, handler) end

---@param options fanwire.Options
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:configure(options) end

---@param name string
---@return string?
---@return string? why
---@return fanwire.ErrorName? error_name
function Hub:option(name) end

---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:run() end

---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:start() end

---@param timeout? number   seconds
---@param max? integer      events
---@return integer?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:poll(timeout, max) end

---@return integer?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:fd() end

---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:stop() end

---@param timeout? number   seconds; drain.timeout if left out
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:drain(timeout) end

---@param timeout? number   seconds; drain.timeout if left out
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:close(timeout) end

---@param room string
---@param data fanwire.Data
---@param how? fanwire.Sending
---@param on_answer? fanwire.OnAnswer   (true, position)
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:publish(room, data, how, on_answer) end

---To those in the room who are on this node.
---@param room string
---@param data fanwire.Data
---@param how? fanwire.Sending
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:send_here(room, data, how) end

---@param room string
---@param how? fanwire.HistoryQuery
---@param on_page fanwire.OnHistory
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:history(room, how, on_page) end

---@param room string
---@param on_answer? fanwire.OnAnswer   (true, position)
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:forget(room, on_answer) end

---@param room string
---@param how? fanwire.PresenceQuery
---@param on_page fanwire.OnPresence
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:presence(room, how, on_page) end

---@param on_nodes fanwire.OnNodes
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:nodes(on_nodes) end

---@param user string
---@param data fanwire.Data
---@param how? fanwire.Sending
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:send_user(user, data, how) end

---@param data fanwire.Data
---@param how? fanwire.Sending
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:send_all(data, how) end

---@param data fanwire.Data
---@param how? fanwire.Sending
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:broadcast(data, how) end

---@param node string
---@param data fanwire.Data
---@param how? fanwire.Sending
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:send_node(node, data, how) end

---@param name string
---@return fanwire.Room?
---@return string? why
---@return fanwire.ErrorName? error_name
function Hub:room(name) end

---@param name string
---@return fanwire.User?
---@return string? why
---@return fanwire.ErrorName? error_name
function Hub:user(name) end

---@param id string
---@return fanwire.SessionHandle|fanwire.Session?
---@return string? why
---@return fanwire.ErrorName? error_name
function Hub:session(id) end

---@return fanwire.Session[]
function Hub:sessions() end

---@param attachment fanwire.Attachment
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:attach(attachment) end

---@return boolean
function Hub:running() end

---@return string? node   16 hexadecimal digits
---@return string? why
---@return fanwire.ErrorName? name
function Hub:node() end

---@return string?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:node_name() end

---@return string[]
function Hub:urls() end

---@return string?
function Hub:http_address() end

---@return table<string, number>?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:stats() end

---@return string?
---@return string? why
---@return fanwire.ErrorName? name
function Hub:metrics() end

---@class fanwire.Emitter
local Emitter = {}

---@param room string
---@param data fanwire.Data
---@param how? fanwire.Sending
---@return integer? nodes
---@return string? why
---@return fanwire.ErrorName? name
function Emitter:publish(room, data, how) end

---@param user string
---@param data fanwire.Data
---@param how? fanwire.Sending
---@return integer? nodes
---@return string? why
---@return fanwire.ErrorName? name
function Emitter:send_user(user, data, how) end

---@param user string
---@param code? integer 1000 if left out
---@param reason? string
---@return integer? nodes
---@return string? why
---@return fanwire.ErrorName? name
function Emitter:disconnect_user(user, code, reason) end

---@param data fanwire.Data
---@param how? fanwire.Sending
---@return integer? nodes
---@return string? why
---@return fanwire.ErrorName? name
function Emitter:send_all(data, how) end

function Emitter:close() end
