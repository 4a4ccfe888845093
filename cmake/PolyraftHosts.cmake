# Host programs that are driven from outside: the scenarios' (build/test/scenario) and the benchmark's (build/bench).

function(polyraft_host name directory)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE polyraft-compile polyraft polyraft-examples)
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}/examples-c")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/${directory}")
endfunction()

if(TARGET polyraft AND TARGET polyraft-examples)
  file(GLOB polyraft_scenario_host CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/test/scenario/host/*.c")
  polyraft_host(scenario_host test/scenario ${polyraft_scenario_host})
  polyraft_host(bench_host bench "${CMAKE_SOURCE_DIR}/bench/host.c")
endif()
