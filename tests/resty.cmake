# Tests of fanwire.resty: nginx with its Lua module, and in its workers the package of this
# build tree.
if(FW_SANITIZE)
  return()
endif()
find_program(FW_NGINX NAMES nginx PATHS /usr/sbin REQUIRED)
file(GLOB files CONFIGURE_DEPENDS resty/test_*.py)
foreach(file ${files})
  get_filename_component(name ${file} NAME_WE)
  string(REPLACE test_ "" name ${name})
  fw_add_test(resty.${name} resty 240 ${pytest} ${file})
endforeach()
