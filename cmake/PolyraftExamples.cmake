# Example programs: every .c and .cpp file of examples-c is one, in build/examples. A directory there holds what programs
# share: a library of which each takes what it uses.

file(GLOB polyraft_examples CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/examples-c/*.c"
  "${CMAKE_SOURCE_DIR}/examples-c/*.cpp")
file(GLOB polyraft_example_shared CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/examples-c/*/*.c")

if(polyraft_example_shared)
  add_library(polyraft-examples STATIC ${polyraft_example_shared})
  target_link_libraries(polyraft-examples PRIVATE polyraft-compile)
  target_include_directories(polyraft-examples PRIVATE "${CMAKE_SOURCE_DIR}/examples-c"
    "${CMAKE_SOURCE_DIR}/include/craft")
endif()

# The interface that an example uses.
set(polyraft_raft_client_library polyraft-libraft)
set(polyraft_step_loop_library polyraft-craft)
set(polyraft_step_uv_library polyraft-craft)

if(TARGET polyraft)
  foreach(example ${polyraft_examples})
    get_filename_component(name "${example}" NAME_WE)
    set(library polyraft)
    if(polyraft_${name}_library)
      set(library ${polyraft_${name}_library})
    endif()
    if(NOT TARGET ${library})
      message(STATUS "No ${library}: the example ${name} is not built")
      continue()
    endif()
    if(name STREQUAL "step_uv" AND NOT (Libuv_LIBRARY AND Libuv_INCLUDE_DIR))
      message(STATUS "No libuv (Debian: libuv1-dev): the example step_uv is not built")
      continue()
    endif()
    add_executable(${name} ${example})
    target_link_libraries(${name} PRIVATE polyraft-compile ${library}
      $<$<TARGET_EXISTS:polyraft-examples>:polyraft-examples>)
    if(name STREQUAL "step_uv")
      target_include_directories(step_uv PRIVATE "${Libuv_INCLUDE_DIR}")
      target_link_libraries(step_uv PRIVATE "${Libuv_LIBRARY}")
    endif()
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/examples")
  endforeach()
endif()
