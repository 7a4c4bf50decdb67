# Tests of the Python package: `python.wheel` makes one from this build, as it is (with its
# sanitizer, too), and installs it into an environment of its own; the others use that.
if(NOT FW_PYTHON_BUNDLE)
  message(FATAL_ERROR "The tests of the Python package need FW_PYTHON_BUNDLE=ON")
endif()
set(venv ${CMAKE_BINARY_DIR}/python-venv)
set(venv_pytest ${venv}/bin/python -m pytest -q -p no:cacheprovider --color=no)

# The interpreter isn't instrumented, so the sanitizer has to be there before it.
set(preload "")
if(FW_SANITIZE)
  foreach(pair address=asan undefined=ubsan thread=tsan)
    string(REPLACE "=" ";" pair ${pair})
    list(GET pair 0 sanitizer)
    list(GET pair 1 library)
    if(FW_SANITIZE MATCHES ${sanitizer})
      execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=lib${library}.so
        OUTPUT_VARIABLE file OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
      list(APPEND preload ${file})
    endif()
  endforeach()
  list(JOIN preload ":" preload)
endif()

function(fw_add_python_test name label seconds)
  if(FW_SANITIZE)
    list(PREPEND ARGN ${FW_PYTHON_EXECUTABLE} -B ${in_tests}/python/sanitized.py
      --preload ${preload} --reports ${CMAKE_BINARY_DIR}/python-reports/${name})
  endif()
  fw_add_test(${name} ${label} ${seconds} ${ARGN})
  set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED python)
endfunction()

fw_add_test(python.wheel python 240 ${FW_PYTHON_EXECUTABLE} -B
  ${in_tests}/packaging/make_venv.py --build-tree ${CMAKE_BINARY_DIR} ${venv})
set_tests_properties(python.wheel PROPERTIES FIXTURES_SETUP python)

file(GLOB files CONFIGURE_DEPENDS python/test_*.py)
foreach(file ${files})
  get_filename_component(name ${file} NAME_WE)
  string(REPLACE test_ "" name ${name})
  if(FW_SANITIZE MATCHES thread AND name STREQUAL fork)
    continue() # TSan dies of a thread that is started in a forked child
  endif()
  set(seconds 300)
  if(name STREQUAL soak)
    set(seconds 900) # ./run test --all lets it run for ten minutes
  endif()
  fw_add_python_test(python.${name} python ${seconds} ${venv_pytest} ${file})
endforeach()

# --- pip itself: nothing of it is different under a sanitizer --------------------------------
if(NOT FW_SANITIZE)
  # In one go, since they share the wheel that the first of them makes.
  fw_add_python_test(packaging.pip packaging 600 ${venv_pytest} ${in_tests}/packaging
    --ignore ${in_tests}/packaging/test_interpreters.py)
  fw_add_python_test(packaging.interpreters packaging 400 ${venv_pytest}
    ${in_tests}/packaging/test_interpreters.py)
  # They compile, each on all cores.
  set_tests_properties(packaging.pip PROPERTIES RESOURCE_LOCK load COST 400)
  set_tests_properties(packaging.interpreters PROPERTIES RESOURCE_LOCK load COST 100)
endif()
