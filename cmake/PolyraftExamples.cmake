# Example programs: every .c file of examples-c is a program; what stands in examples-c/common is linked to each.

file(GLOB polyraft_examples CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/examples-c/*.c")
file(GLOB polyraft_example_common CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/examples-c/common/*.c")
if(TARGET polyraft)
  foreach(example ${polyraft_examples})
    get_filename_component(name "${example}" NAME_WE)
    add_executable(${name} ${example} ${polyraft_example_common})
    target_link_libraries(${name} PRIVATE polyraft-compile polyraft)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/examples")
  endforeach()
endif()
