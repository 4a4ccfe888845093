# How everything is compiled: options, warnings, sanitizers, and the layout of the build tree, which is that of the
# installed one (lib/, lib/polyraft/) so that the library finds its parts in both in the same way.

option(POLYRAFT_TESTS "build the native tests" ON)
option(POLYRAFT_EXAMPLES "build the example programs" ON)
set(POLYRAFT_SANITIZE "" CACHE STRING "address (with undefined behaviour), thread, or empty")
set_property(CACHE POLYRAFT_SANITIZE PROPERTY STRINGS "" address thread)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "build type" FORCE)
endif()
# Assertions stay on in every build. Line numbers are enough to debug with, and build faster than all of it.
foreach(language C CXX)
  set(CMAKE_${language}_FLAGS_RELWITHDEBINFO "-O2 -g1")
  string(REPLACE "-DNDEBUG" "" CMAKE_${language}_FLAGS_RELEASE "${CMAKE_${language}_FLAGS_RELEASE}")
  if(POLYRAFT_SANITIZE)
    set(CMAKE_${language}_FLAGS_RELWITHDEBINFO "-O1 -g1")
  endif()
endforeach()

set(CMAKE_C_STANDARD 11)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

set(POLYRAFT_LIBRARY_DIR "${CMAKE_BINARY_DIR}/lib")
set(POLYRAFT_PRIVATE_DIR "${CMAKE_BINARY_DIR}/lib/polyraft")
file(MAKE_DIRECTORY "${POLYRAFT_PRIVATE_DIR}")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${POLYRAFT_LIBRARY_DIR}")

add_library(polyraft-compile INTERFACE)
target_compile_options(polyraft-compile INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
  # No path of the build machine in what is built.
  "-ffile-prefix-map=${CMAKE_SOURCE_DIR}=."
  # Instrumented code makes this warning see what is not there.
  $<$<BOOL:${POLYRAFT_SANITIZE}>:-Wno-maybe-uninitialized>
  -fno-strict-aliasing)
target_include_directories(polyraft-compile INTERFACE
  "${CMAKE_SOURCE_DIR}/include" "${CMAKE_SOURCE_DIR}/src-native")
target_compile_definitions(polyraft-compile INTERFACE _GNU_SOURCE POLYRAFT_VERSION="${PROJECT_VERSION}")
target_link_libraries(polyraft-compile INTERFACE Threads::Threads ${CMAKE_DL_LIBS})

# Sanitizers are for everything in the build, so that all programs start with the sanitizer's runtime.
if(POLYRAFT_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(POLYRAFT_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(POLYRAFT_SANITIZE)
  message(FATAL_ERROR "POLYRAFT_SANITIZE is '${POLYRAFT_SANITIZE}'; it can be address, thread or empty")
else()
  add_link_options(-Wl,--no-undefined)
endif()

# Exports of `target` are what the version script says, and nothing else.
function(polyraft_version_script target script)
  target_link_options(${target} PRIVATE "-Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/${script}")
  set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS "${CMAKE_SOURCE_DIR}/cmake/${script}")
endfunction()
