# Tests of the Lua package: `lua.install` puts it and the library into a prefix of its own,
# and the same specs run there in each Lua.
set(lua_prefix ${CMAKE_BINARY_DIR}/lua-prefix)

# The interpreters, by their names in the tests: what for, and where Debian has them.
set(lua_names ${FW_LUA_VERSIONS})
list(TRANSFORM lua_names REPLACE "(.+)" "\\1=lua\\1=lua\\1")
if("5.1" IN_LIST FW_LUA_VERSIONS)
  list(APPEND lua_names luajit=luajit=luajit2)
endif()
set(missing)
foreach(entry ${lua_names})
  string(REPLACE "=" ";" entry ${entry})
  list(GET entry 0 name)
  list(GET entry 1 program)
  list(GET entry 2 package)
  find_program(FW_LUA_${name} NAMES ${program})
  if(NOT FW_LUA_${name})
    list(APPEND missing "${program} (package ${package})")
  endif()
endforeach()
if(missing)
  list(JOIN missing ", " missing)
  message(FATAL_ERROR "The tests of the Lua package need ${missing}. `./run deps` installs "
    "it; FW_LUA=OFF builds and tests without Lua")
endif()

set(install "'${CMAKE_COMMAND}' --install '${CMAKE_BINARY_DIR}' --prefix '${lua_prefix}'")
fw_add_test(lua.install lua 60 sh -c
  "rm -rf '${lua_prefix}' && ${install} --component lib && ${install} --component lua")
set_tests_properties(lua.install PROPERTIES FIXTURES_SETUP lua)

foreach(entry ${lua_names})
  string(REGEX REPLACE "=.*" "" name ${entry})
  set(command ${FW_LUA_${name}} ${in_tests}/lua/run.lua ${lua_prefix})
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

# --- the packages of Debian: nothing of them is different under a sanitizer -------------------
find_program(FW_DPKG_DEB NAMES dpkg-deb)
if(FW_DPKG_DEB AND NOT FW_SANITIZE)
  # By `./run test --all` alone: they are built once more, for the prefix of packages. With
  # FW_RELEASES=1 also on bare releases, which takes half an hour each, and root.
  fw_add_test(packaging.debs packaging 1200 ${FW_PYTHON3} -B
    ${in_tests}/packaging/check_debs.py --all-only ${CMAKE_BINARY_DIR} ${CMAKE_COMMAND})
  set_tests_properties(packaging.debs PROPERTIES SKIP_RETURN_CODE 77)
  foreach(release bookworm trixie)
    fw_add_test(packaging.${release} packaging 7200 ${FW_PYTHON3} -B
      ${in_tests}/packaging/check_debian.py --all-only ${release})
    set_tests_properties(packaging.${release} PROPERTIES
      RUN_SERIAL ON SKIP_RETURN_CODE 77)
  endforeach()
endif()
# LuaRocks' package, on the library of this build.
find_program(FW_LUAROCKS NAMES luarocks)
if(FW_LUAROCKS AND NOT FW_SANITIZE)
  fw_add_test(packaging.rock packaging 120 ${FW_PYTHON3} -B
    ${in_tests}/packaging/check_rock.py ${CMAKE_BINARY_DIR} ${CMAKE_COMMAND})
endif()
