# Debian's packages, one of each component, by `cpack -G DEB`; and what Debian wants of a
# package besides the files that any prefix gets. CMakeLists.txt includes it. The Python
# package isn't among them: pip installs that.
set(here ${CMAKE_CURRENT_LIST_DIR})
set(docs ${PROJECT_SOURCE_DIR}/docs)

set(CPACK_GENERATOR DEB)
# Nobody's address: whoever hands packages on says who answers for them.
if(NOT CPACK_PACKAGE_CONTACT)
  set(CPACK_PACKAGE_CONTACT "the fanwire authors <fanwire@fanwire.invalid>")
endif()
set(CPACK_SET_DESTDIR ON) # some files are in /etc, whatever the prefix
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL lib dev server)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_PACKAGE_SOURCE fanwire)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1) # of this version's packages; ./changelog has both
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/capi)
# For who links with the library. cpack warns that Lua's modules have no soname: nobody
# links with them.
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)

set(CPACK_DEBIAN_LIB_PACKAGE_NAME libfanwire0) # the number is the SOVERSION
set(CPACK_DEBIAN_LIB_PACKAGE_SECTION libs)
# libwebsockets loads it when a loop begins, so the linker doesn't know of it.
set(CPACK_DEBIAN_LIB_PACKAGE_DEPENDS libwebsockets-evlib-uv)
# For ldconfig, once for all that is installed; cpack's own scripts call it, too.
set(CPACK_DEBIAN_LIB_PACKAGE_CONTROL_EXTRA ${here}/triggers)
set(CPACK_DEBIAN_DEV_PACKAGE_NAME libfanwire-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_SERVER_PACKAGE_NAME fanwired)
set(CPACK_DEBIAN_SERVER_PACKAGE_SECTION net)
set(CPACK_DEBIAN_SERVER_PACKAGE_SUGGESTS "redis-server, nginx")
if(FW_LUA)
  list(APPEND CPACK_COMPONENTS_ALL lua)
  set(CPACK_DEBIAN_LUA_PACKAGE_NAME lua-fanwire)
  set(CPACK_DEBIAN_LUA_PACKAGE_SECTION interpreters)
  set(CPACK_DEBIAN_LUA_PACKAGE_SUGGESTS lua-cjson)
  list(TRANSFORM FW_LUA_VERSIONS REPLACE "(.+)" "lua\\1-fanwire"
    OUTPUT_VARIABLE provided)
  list(JOIN provided ", " CPACK_DEBIAN_LUA_PACKAGE_PROVIDES)
endif()

# The service and its configuration name files below /usr and /etc, so they are for a
# distribution's package alone; others take docs/deploy as examples.
if(FW_DISTRIBUTION)
  set(CPACK_DEBIAN_SERVER_PACKAGE_CONTROL_EXTRA
    ${here}/conffiles ${here}/postinst ${here}/prerm ${here}/postrm)
  install(FILES ${docs}/deploy/fanwired.ini
    DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/fanwire COMPONENT server)
  install(FILES ${docs}/deploy/fanwired.service ${docs}/deploy/fanwired.socket
    DESTINATION lib/systemd/system COMPONENT server)
  install(FILES ${docs}/deploy/fanwired@.service
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/fanwired/examples COMPONENT server)

  # Compressed, as its policy says, and without the time, so that each build makes the same.
  function(fw_install_compressed file name destination)
    set(made ${PROJECT_BINARY_DIR}/packaging/${name}.gz)
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/packaging)
    execute_process(COMMAND gzip -9nc ${file} OUTPUT_FILE ${made}
      COMMAND_ERROR_IS_FATAL ANY)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    install(FILES ${made} DESTINATION ${CMAKE_INSTALL_DATADIR}/${destination}
      COMPONENT ${ARGN})
  endfunction()
  fw_install_compressed(${docs}/man/fanwired.8 fanwired.8 man/man8 server)
  fw_install_compressed(${docs}/man/fanwire-bench.1 fanwire-bench.1 man/man1 server)
  fw_install_compressed(${docs}/man/fanwire.7 fanwire.7 man/man7 dev)
  foreach(component ${CPACK_COMPONENTS_ALL})
    string(TOUPPER ${component} upper)
    set(doc doc/${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
    install(FILES ${PROJECT_SOURCE_DIR}/LICENSE RENAME copyright
      DESTINATION ${CMAKE_INSTALL_DATADIR}/${doc} COMPONENT ${component})
    fw_install_compressed(${PROJECT_SOURCE_DIR}/CHANGELOG.md changelog ${doc}
      ${component})
    fw_install_compressed(${here}/changelog changelog.Debian ${doc} ${component})
  endforeach()
endif()

include(CPack)
cpack_add_component(lib DESCRIPTION "The library.")
cpack_add_component(dev DEPENDS lib DESCRIPTION "What programs in C are built with.")
cpack_add_component(server DEPENDS lib DESCRIPTION "A WebSocket server without code.")
if(FW_LUA)
  cpack_add_component(lua DEPENDS lib DESCRIPTION "The module for Lua and LuaJIT.")
endif()
