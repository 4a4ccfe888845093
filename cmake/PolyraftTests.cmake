# Native tests: every directory of test/native is one GoogleTest program.
#   test/native/<room>/*.cc, *.c          the tests
#   test/native/<room>/programs/*.c, *.cc one program each, started by the tests as a host process of its own
# Two macros, strings, tell the tests where what was built lies: POLYRAFT_BUILD_DIR (this build tree) and
# POLYRAFT_PROGRAM_DIR (the room's programs). The room `bridge` is linked with what libpolyraft.so hides, `engine` with the
# plain part of the addon; the others use what is built from outside, `survival` all of it.

enable_testing()
find_package(GTest REQUIRED)
include(GoogleTest)

# What nearly every test includes is read by the compiler once a build and not once a file (half of the time of the
# sanitizers' builds). The program itself is nothing but the owner of it, with the flags that tests have. In the build
# with the address sanitizer tests are compiled without it: it looks at what they test.
file(WRITE "${CMAKE_BINARY_DIR}/test-headers.cc" "")
add_executable(test-headers "${CMAKE_BINARY_DIR}/test-headers.cc")
target_link_libraries(test-headers PRIVATE polyraft-compile GTest::gtest GTest::gtest_main)
set(polyraft_test_options -O0)
if(POLYRAFT_SANITIZE STREQUAL "address")
  list(APPEND polyraft_test_options -fno-sanitize=all)
endif()
target_compile_options(test-headers PRIVATE ${polyraft_test_options})
target_precompile_headers(test-headers PRIVATE <gtest/gtest.h> <chrono> <filesystem> <functional> <map> <mutex>
  <string> <thread> <vector>)

file(GLOB polyraft_test_rooms CONFIGURE_DEPENDS LIST_DIRECTORIES true "${CMAKE_SOURCE_DIR}/test/native/*")
foreach(room_dir ${polyraft_test_rooms})
  get_filename_component(room "${room_dir}" NAME)
  file(GLOB tests CONFIGURE_DEPENDS "${room_dir}/*.cc" "${room_dir}/*.c")
  file(GLOB programs CONFIGURE_DEPENDS "${room_dir}/programs/*.cc" "${room_dir}/programs/*.c")
  if(NOT IS_DIRECTORY "${room_dir}" OR NOT tests)
    continue()
  endif()
  if(room MATCHES "^(embedded|survival|cpp)$" AND NOT TARGET polyraft-node)
    continue()
  endif()
  if(room STREQUAL "craft" AND NOT TARGET polyraft-craft)
    continue()
  endif()
  set(program_dir "${CMAKE_BINARY_DIR}/test/${room}")

  add_executable(test-${room} ${tests})
  target_link_libraries(test-${room} PRIVATE polyraft-compile GTest::gtest GTest::gtest_main)
  # What is tested is optimized; the tests themselves need not be.
  target_compile_options(test-${room} PRIVATE ${polyraft_test_options})
  list(FILTER tests EXCLUDE REGEX "\\.cc$")
  set_source_files_properties(${tests} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  target_precompile_headers(test-${room} REUSE_FROM test-headers)
  target_include_directories(test-${room} PRIVATE "${CMAKE_SOURCE_DIR}/test/native")
  target_compile_definitions(test-${room} PRIVATE
    POLYRAFT_BUILD_DIR="${CMAKE_BINARY_DIR}" POLYRAFT_PROGRAM_DIR="${program_dir}")
  set_target_properties(test-${room} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${program_dir}")
  if(room STREQUAL "bridge")
    if(TARGET polyraft-objects)
      target_link_libraries(test-${room} PRIVATE polyraft-objects polyraft-json)
    endif()
  elseif(room STREQUAL "examples")
    file(GLOB polyraft_example_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/examples-c/kv/*.c")
    set_source_files_properties(${polyraft_example_sources} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
    target_sources(test-${room} PRIVATE ${polyraft_example_sources})
    target_include_directories(test-${room} PRIVATE "${CMAKE_SOURCE_DIR}/examples-c")
  elseif(room STREQUAL "libraft")
    if(TARGET polyraft-libraft)
      target_link_libraries(test-${room} PRIVATE polyraft-libraft polyraft-json)
      add_dependencies(test-${room} polyraft-addon polyraft-engine)
    endif()
  elseif(room STREQUAL "craft")
    target_link_libraries(test-${room} PRIVATE polyraft-craft)
    target_compile_definitions(test-${room} PRIVATE POLYRAFT_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
      $<$<TARGET_EXISTS:polyraft-node>:POLYRAFT_WITH_ENGINE>)
    if(NOT TARGET polyraft-node)
      list(FILTER programs EXCLUDE REGEX "/(coexist|quiet)\\.c$")
    endif()
  elseif(room STREQUAL "engine")
    target_sources(test-${room} PRIVATE ${polyraft_plain_addon_sources})
  elseif(TARGET polyraft AND NOT room STREQUAL "embedded")
    target_link_libraries(test-${room} PRIVATE polyraft)
  endif()

  if(room MATCHES "^(survival|cpp)$")
    add_dependencies(test-${room} polyraft-node polyraft-engine)
  endif()

  foreach(program ${programs})
    get_filename_component(name "${program}" NAME_WE)
    add_executable(program-${room}-${name} ${program})
    if(room MATCHES "^(libraft|craft)$")
      # As a program of the system that it replaces is compiled: strictly, and with nothing of ours but its header.
      target_link_libraries(program-${room}-${name} PRIVATE polyraft-${room})
      target_compile_options(program-${room}-${name} PRIVATE -Wall -Wextra -pedantic -Werror)
      set_target_properties(program-${room}-${name} PROPERTIES C_EXTENSIONS OFF CXX_STANDARD 17)
    else()
      target_link_libraries(program-${room}-${name} PRIVATE polyraft-compile)
      if(TARGET polyraft AND NOT room STREQUAL "embedded")
        target_link_libraries(program-${room}-${name} PRIVATE polyraft)
      endif()
    endif()
    if(room STREQUAL "craft" AND name MATCHES "^(coexist|quiet)$")
      # They look at the process, too.
      set_target_properties(program-${room}-${name} PROPERTIES C_EXTENSIONS ON)
      if(name STREQUAL "coexist")
        target_link_libraries(program-${room}-${name} PRIVATE polyraft Threads::Threads)
        add_dependencies(program-${room}-${name} polyraft-engine)
      endif()
    endif()
    if(name STREQUAL "fake_engine")
      target_link_libraries(program-${room}-${name} PRIVATE polyraft-json)
    endif()
    set_target_properties(program-${room}-${name} PROPERTIES OUTPUT_NAME ${name}
      RUNTIME_OUTPUT_DIRECTORY "${program_dir}")
    add_dependencies(test-${room} program-${room}-${name})
  endforeach()

  if(room STREQUAL "craft" AND POLYRAFT_SANITIZE)
    # As one: each start of V8 costs a second there.
    add_test(NAME craft.All COMMAND test-craft --gtest_brief=1)
    set_tests_properties(craft.All PROPERTIES TIMEOUT 300 LABELS craft
      ENVIRONMENT "LSAN_OPTIONS=suppressions=${room_dir}/leaks.txt:print_suppressions=0")
    continue()
  endif()
  if(room STREQUAL "craft")
    add_test(NAME craft.Valgrind COMMAND bash "${room_dir}/valgrind.sh" "${program_dir}")
    set_tests_properties(craft.Valgrind PROPERTIES TIMEOUT 1200 LABELS craft SKIP_RETURN_CODE 77)
  endif()
  gtest_discover_tests(test-${room} TEST_PREFIX "${room}." DISCOVERY_MODE PRE_TEST PROPERTIES
    TIMEOUT 300 LABELS ${room})
endforeach()

# Five servers through raft_step's C header, by seed: a thousand of them, or with POLYRAFT_TEST_FULL=1 ten thousand.
if(TARGET polyraft-craft)
  file(GLOB polyraft_craft_cluster CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/test/native/craft/cluster/*.c")
  add_executable(craft_cluster ${polyraft_craft_cluster})
  target_link_libraries(craft_cluster PRIVATE polyraft-craft)
  target_compile_options(craft_cluster PRIVATE -Wall -Wextra -pedantic -Werror -Wshadow)
  set_target_properties(craft_cluster PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/test/craft")
  set(polyraft_craft_seeds "")
  if(POLYRAFT_SANITIZE)
    set(polyraft_craft_seeds --seeds 1-60)
  endif()
  add_test(NAME craft_cluster.IsSafe COMMAND craft_cluster ${polyraft_craft_seeds})
  add_test(NAME craft_cluster.DoesTheSameForASeed COMMAND craft_cluster --seeds 1-40 --twice)
  add_test(NAME craft_cluster.FindsWhatAProgramDoesWrong COMMAND craft_cluster --seeds 1-1000 --mutation all)
  set_tests_properties(craft_cluster.IsSafe craft_cluster.DoesTheSameForASeed craft_cluster.FindsWhatAProgramDoesWrong
    PROPERTIES TIMEOUT 3600 LABELS craft
    ENVIRONMENT "LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/test/native/craft/leaks.txt:print_suppressions=0")
endif()

if(TARGET polyraft AND TARGET polyraft-engine AND NOT POLYRAFT_SANITIZE)
  add_test(NAME packaging.InstalledTree
    COMMAND bash "${CMAKE_SOURCE_DIR}/test/packaging/install.sh" "${CMAKE_BINARY_DIR}")
endif()
