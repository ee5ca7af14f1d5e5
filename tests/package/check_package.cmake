# Installs the tree built in `build` below `work`, moves it (a package must not know where it was installed),
# then configures, builds and runs the project `consumer`, which knows nothing but the prefix.

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    string(REPLACE ";" " " command "${ARGN}")
    message(FATAL_ERROR "${command}: status ${status}\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE ${work})
run(${CMAKE_COMMAND} --install ${build} --prefix ${work}/first)
file(RENAME ${work}/first ${work}/prefix)

if(program)
  run(${work}/prefix/bin/${program} --version)
  run(${work}/prefix/bin/${program} compare --force ${samples}/peers.json ${samples}/peers.json)
endif()

# One source that includes every installed header: none may need a file that is not installed.
file(GLOB_RECURSE headers RELATIVE ${work}/prefix/include/kmemlab ${work}/prefix/include/kmemlab/*.hpp)
if(NOT headers)
  message(FATAL_ERROR "no header was installed")
endif()
list(TRANSFORM headers REPLACE "(.+)" "#include \"\\1\"\n")
string(JOIN "" includes ${headers})
file(WRITE ${work}/all_headers.cpp "${includes}")

run(${CMAKE_COMMAND} -G ${generator} -S ${consumer} -B ${work}/build -D CMAKE_BUILD_TYPE=Release
    -D CMAKE_PREFIX_PATH=${work}/prefix -D CMAKE_CXX_COMPILER=${compiler} "-DCMAKE_CXX_FLAGS=${flags}"
    -D wanted_version=${version} -D all_headers=${work}/all_headers.cpp)
run(${CMAKE_COMMAND} --build ${work}/build)
run(${work}/build/consumer)
if(EXISTS ${work}/build/on_malloc)
  run(${work}/build/on_malloc)
endif()

# A version that was never promised is refused.
execute_process(COMMAND ${CMAKE_COMMAND} -G ${generator} -S ${consumer} -B ${work}/build-refused
                -D CMAKE_PREFIX_PATH=${work}/prefix -D CMAKE_CXX_COMPILER=${compiler}
                -D wanted_version=99.0 -D all_headers=${work}/all_headers.cpp
                RESULT_VARIABLE status OUTPUT_QUIET ERROR_VARIABLE output)
if(status EQUAL 0 OR NOT output MATCHES "compatible with requested version")
  message(FATAL_ERROR "find_package(kmemlab 99.0) was not refused:\n${output}")
endif()
