# Host programs that are driven from outside: the scenarios' (build/test/scenario), the C ABI's (build/test/abi) and the benchmark's (build/bench).

function(polyraft_host name directory)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE polyraft-compile polyraft polyraft-examples)
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}/examples-c")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/${directory}")
endfunction()

# What runs, without the tests: `demo-programs`, `bench-programs`.
function(polyraft_programs name)
  add_custom_target(${name})
  foreach(target ${ARGN} polyraft polyraft-engine polyraft-addon polyraft-node polyraft-libnode)
    if(TARGET ${target})
      add_dependencies(${name} ${target})
    endif()
  endforeach()
endfunction()

# Those of the libraft interface.
if(TARGET polyraft-libraft AND TARGET polyraft-examples)
  file(GLOB polyraft_libraft_host CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/test/libraft/host/*.c")
  add_executable(libraft_host ${polyraft_libraft_host} "${CMAKE_SOURCE_DIR}/test/scenario/host/machine.c"
    "${CMAKE_SOURCE_DIR}/test/scenario/host/host_lines.c")
  target_link_libraries(libraft_host PRIVATE polyraft-compile polyraft-libraft polyraft-examples)
  target_include_directories(libraft_host PRIVATE "${CMAKE_SOURCE_DIR}/examples-c" "${CMAKE_SOURCE_DIR}/test/scenario/host")
  set_target_properties(libraft_host PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/test/libraft")
  add_executable(bench_libraft_host "${CMAKE_SOURCE_DIR}/bench/libraft_host.c"
    "${CMAKE_SOURCE_DIR}/bench/times.c")
  target_link_libraries(bench_libraft_host PRIVATE polyraft-compile polyraft-libraft)
  set_target_properties(bench_libraft_host PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bench")
endif()

# What raft_step costs.
if(TARGET polyraft-craft AND TARGET polyraft-examples)
  add_executable(craft_bench "${CMAKE_SOURCE_DIR}/bench/craft/craft_bench.c" "${CMAKE_SOURCE_DIR}/bench/craft/memory_cluster.c")
  target_link_libraries(craft_bench PRIVATE polyraft-compile polyraft-craft)
  set_target_properties(craft_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bench")
endif()

if(TARGET polyraft AND TARGET polyraft-examples)
  file(GLOB polyraft_scenario_host CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/test/scenario/host/*.c")
  polyraft_host(scenario_host test/scenario ${polyraft_scenario_host})
  polyraft_host(linear_host test/linearizability "${CMAKE_SOURCE_DIR}/test/linearizability/host/linear_host.c")
  polyraft_host(abi_host test/abi "${CMAKE_SOURCE_DIR}/test/abi/host/abi_host.c")
  polyraft_host(binding_host_cpp test/bindings "${CMAKE_SOURCE_DIR}/test/bindings/cpp/host.cpp")
  polyraft_host(bench_host bench "${CMAKE_SOURCE_DIR}/bench/host.c"
    "${CMAKE_SOURCE_DIR}/bench/times.c")
  polyraft_programs(demo-programs kv_server kv_client)
  polyraft_programs(bench-programs bench_host bench_libraft_host craft_bench)
endif()

# libnode as a program (build/test/node/node), to run the bundles on the oldest Node that is at hand.
if(TARGET polyraft-node)
  add_executable(node_of_libnode "${CMAKE_SOURCE_DIR}/test/packaging/node/main.cc"
    "${CMAKE_SOURCE_DIR}/src-native/runtime/embedded_scripts.cc")
  target_link_libraries(node_of_libnode PRIVATE polyraft-compile Libnode::Libnode)
  target_compile_options(node_of_libnode PRIVATE -fno-rtti)
  # What is loaded into it takes Node's and libuv's functions from it; libnode finds its libraries beside itself.
  target_link_options(node_of_libnode PRIVATE -Wl,--disable-new-dtags -Wl,--allow-shlib-undefined -Wl,--no-as-needed)
  set_target_properties(node_of_libnode PROPERTIES OUTPUT_NAME node BUILD_WITH_INSTALL_RPATH ON
    RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/test/node" INSTALL_RPATH "${POLYRAFT_PRIVATE_DIR}")
  if(TARGET polyraft-libnode)
    add_dependencies(node_of_libnode polyraft-libnode)
    add_custom_command(TARGET node_of_libnode POST_BUILD COMMAND ${CMAKE_COMMAND} -E create_symlink
      "${POLYRAFT_PRIVATE_DIR}/nodejs" "${CMAKE_BINARY_DIR}/test/node/nodejs" VERBATIM)
  endif()
endif()
