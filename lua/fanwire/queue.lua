--[[
A queue: first in, first out, of what isn't nil. For lists that table.remove() would move
at every step. Who makes one may keep fields of his own in it.
]]

local Queue = {}
Queue.__index = Queue

local queue = {}

function queue.new()
  return setmetatable({first = 1, last = 0}, Queue)
end

function Queue:push(item)
  self.last = self.last + 1
  self[self.last] = item
end

--- The next item, or nil.
function Queue:pop()
  local item = self[self.first]
  if item ~= nil then
    self[self.first] = nil
    self.first = self.first + 1
  end
  return item
end

--- What pop() would give.
function Queue:front()
  return self[self.first]
end

function Queue:is_empty()
  return self.first > self.last
end

return queue
