--[[
fork(), for the tests of what a child inherits; luv has none.

LuaJIT calls it through its FFI. The others load C's fork as if it were a function of Lua:
it ignores the state that it is given, and the number that it returns, taken for a number
of results, is of no account in a call that wants none. Who is who is told by the process'
id.
]]

local uv = require "luv"

local fork

local ok, ffi = pcall(require, "ffi")
if ok then
  ffi.cdef "int fork(void);"
  fork = ffi.C.fork
else
  fork = assert(package.loadlib("libc.so.6", "fork"))
end

--- In the child true, in the parent false.
return function()
  local me = uv.os_getpid()
  fork()
  return uv.os_getpid() ~= me
end
