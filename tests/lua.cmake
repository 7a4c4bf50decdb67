# Tests of the Lua package: `lua.install` puts it and the library into a prefix of its own,
# and the same specs run there in each Lua.
find_program(FW_LUA51 NAMES lua5.1 REQUIRED)
find_program(FW_LUAJIT NAMES luajit REQUIRED)
find_program(FW_LUA54 NAMES lua5.4 REQUIRED)
set(lua_prefix ${CMAKE_BINARY_DIR}/lua-prefix)

set(install "'${CMAKE_COMMAND}' --install '${CMAKE_BINARY_DIR}' --prefix '${lua_prefix}'")
fw_add_test(lua.install lua 60 sh -c
  "rm -rf '${lua_prefix}' && ${install} --component lib && ${install} --component lua")
set_tests_properties(lua.install PROPERTIES FIXTURES_SETUP lua)

foreach(pair 5.1=${FW_LUA51} luajit=${FW_LUAJIT} 5.4=${FW_LUA54})
  string(REPLACE "=" ";" pair ${pair})
  list(GET pair 0 name)
  list(GET pair 1 program)
  set(command ${program} ${in_tests}/lua/run.lua ${lua_prefix})
  if(FW_SANITIZE)
    if(NOT FW_PYTHON)
      message(FATAL_ERROR "The tests of the Lua package under a sanitizer need FW_PYTHON=ON")
    endif()
    # The interpreter isn't instrumented: as for Python, whose `preload` this is.
    list(PREPEND command ${FW_PYTHON3} -B ${in_tests}/python/sanitized.py
      --preload ${preload} --reports ${CMAKE_BINARY_DIR}/lua-reports/${name})
  endif()
  fw_add_test(lua.${name} lua 300 ${command})
  set_tests_properties(lua.${name} PROPERTIES FIXTURES_REQUIRED lua)
endforeach()
