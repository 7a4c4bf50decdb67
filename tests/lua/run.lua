--[[
Runs busted with the package of an installation (or build tree):

  lua5.4 tests/lua/run.lua PREFIX [arguments of busted]

PREFIX has share/lua/X.Y and lib/lua/X.Y; of a build tree it is lua/X.Y itself.
]]

local prefix = table.remove(arg, 1)
local here = arg[0]:match("^(.*)/[^/]*$") or "."
local version = _VERSION:match("%d.%d")

package.path = table.concat({
  prefix .. "/share/lua/" .. version .. "/?.lua",
  prefix .. "/share/lua/" .. version .. "/?/init.lua",
  prefix .. "/?.lua", prefix .. "/?/init.lua", here .. "/?.lua", package.path}, ";")
package.cpath = table.concat({
  prefix .. "/lib/lua/" .. version .. "/?.so", prefix .. "/?.so", package.cpath}, ";")

FANWIRE_PREFIX = prefix -- for tests that start programs
if arg[1] == nil then
  arg[1] = here
end
arg[#arg + 1] = "--output=TAP"
require "busted.runner"{standalone = false}
