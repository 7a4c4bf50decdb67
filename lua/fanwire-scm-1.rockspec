-- The rock of the sources beside it: `luarocks make lua/fanwire-scm-1.rockspec`, in the
-- folder above. It takes the libfanwire that is installed (FANWIRE_DIR=PREFIX if that is
-- not in a usual place), and SWIG. `cmake -DFW_LUA=ON` needs no LuaRocks.
rockspec_format = "3.0"
package = "fanwire"
version = "scm-1"

source = {
  url = "git+file://.", -- `luarocks make` looks at what is here
}

description = {
  summary = "Many processes that act as one WebSocket server",
  detailed = [[
Rooms, users and messages over any number of processes and machines, with Redis between
them: libfanwire with the face of a Lua module. Sockets and fan-out stay in C.]],
  labels = { "websocket", "pubsub", "redis" },
  license = "MIT",
}

supported_platforms = { "linux" }

dependencies = {
  "lua >= 5.1, < 5.5", -- tried: all, and LuaJIT (which is 5.1)
  -- Tables go as JSON where lua-cjson is installed.
}

external_dependencies = {
  FANWIRE = { header = "fanwire/fanwire.h", library = "fanwire" },
}

build = {
  type = "command",
  build_command = [[
    swig -lua -w314,453 -Ibindings -I"$(FANWIRE_INCDIR)" -o native_wrap.c \
      bindings/fanwire.i &&
    $(CC) $(CFLAGS) -D_GNU_SOURCE -fvisibility=hidden -I"$(LUA_INCDIR)" -Ibindings \
      -I"$(FANWIRE_INCDIR)" $(LIBFLAG) -o native.so native_wrap.c \
      -L"$(FANWIRE_LIBDIR)" -Wl,-rpath,"$(FANWIRE_LIBDIR)" -lfanwire]],
  install_command = [[
    mkdir -p "$(LIBDIR)/fanwire" "$(LUADIR)/fanwire" &&
    cp native.so "$(LIBDIR)/fanwire/" && cp lua/fanwire/*.lua "$(LUADIR)/fanwire/" &&
    rm native_wrap.c native.so]],
}
