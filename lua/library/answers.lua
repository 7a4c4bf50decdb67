---@meta
-- What is asked and what is answered: history and presence; see fanwire.lua beside it.

---@class fanwire.KeptMessage
---@field data string
---@field binary boolean
---@field position string

---@class fanwire.HistoryQuery
---@field since? string      a position; the beginning if left out
---@field limit? integer     100 if left out, at most 10000
---@field reverse? boolean   from there, or from the end, backwards

---@alias fanwire.Kept fanwire.KeptMessage[]
---@alias fanwire.OnHistory fun(messages: fanwire.Kept?, position: string?, name: any)

---@class fanwire.Member
---@field session string   its id
---@field user? string
---@field node string      the name of its node
---@field info string      what set_info has said of it

---@class fanwire.PresenceQuery
---@field limit? integer    about so many a page, 1000 if left out, at most 10000
---@field cursor? integer   of the page before

---@alias fanwire.Members fanwire.Member[]
---@alias fanwire.OnPresence fun(members: fanwire.Members?, total: any, cursor: any)

---@class fanwire.Node
---@field number string    16 hexadecimal digits
---@field name string
---@field facts? string    JSON: version, sessions, uptime, metrics; handlers get none

---@alias fanwire.OnNodes fun(nodes: fanwire.Node[]?, why: string?, name: any)
