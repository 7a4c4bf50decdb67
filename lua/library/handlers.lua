---@meta
-- What the handlers of a hub are called with and may return: see library/fanwire.lua.

---What a join handler returns; false refuses, as fanwire.refuse() does.
---@alias fanwire.Verdict boolean|fanwire.Refuse|nil

---@alias fanwire.OnConnect fun(request: fanwire.Request): string|fanwire.Refuse|nil
---@alias fanwire.OnMessage fun(session: fanwire.Session, data: string, binary: boolean)
---@alias fanwire.OnJoin fun(session: fanwire.Session, room: string): fanwire.Verdict
---@alias fanwire.Reply string|table|fanwire.Refuse|nil
---The text that a client gave is JSON.
---@alias fanwire.OnRpc fun(s: fanwire.Session, name: string, data: string): fanwire.Reply
---@alias fanwire.OnLeave fun(session: fanwire.Session, room: string)
---@alias fanwire.OnClose fun(session: fanwire.Session, code: integer, reason: string)
---With the position of a message in a room with history.
---@alias fanwire.OnRoomMessage fun(r: string, data: string, binary: boolean, p: string?)
---@alias fanwire.OnRoomReset fun(room: string, position: string)
---@alias fanwire.OnMember fun(room: string, member: fanwire.Member)
---@alias fanwire.OnNode fun(node: fanwire.Node)
