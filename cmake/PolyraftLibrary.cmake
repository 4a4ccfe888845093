# libpolyraft.so: the C interface, the host's end of the bridge, and what starts a runtime. No V8 and no Node in it.

file(GLOB polyraft_api_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src-native/api/*.cc")
# The other interfaces share C names with each other: each is a library of its own.
list(FILTER polyraft_api_sources EXCLUDE REGEX "/(libraft|craft)[^/]*\\.cc$")
file(GLOB polyraft_bridge_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src-native/bridge/*.cc")
file(GLOB polyraft_runtime_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src-native/runtime/*.cc")
list(FILTER polyraft_runtime_sources EXCLUDE REGEX "/embedded[^/]*\\.cc$")
set(polyraft_sources ${polyraft_api_sources} ${polyraft_bridge_sources} ${polyraft_runtime_sources})

if(polyraft_sources)
  # Compiled once, for the shared library and for tests of what it hides; JSON apart, as tests' programs read it, too.
  set(polyraft_json_source "${CMAKE_SOURCE_DIR}/src-native/api/json_object.cc")
  list(REMOVE_ITEM polyraft_sources "${polyraft_json_source}")
  add_library(polyraft-json OBJECT "${polyraft_json_source}")
  target_link_libraries(polyraft-json PUBLIC polyraft-compile PRIVATE nlohmann_json::nlohmann_json)
  add_library(polyraft-objects OBJECT ${polyraft_sources})
  target_link_libraries(polyraft-objects PUBLIC polyraft-compile)

  add_library(polyraft SHARED)
  target_link_libraries(polyraft PRIVATE polyraft-objects polyraft-json)
  target_include_directories(polyraft INTERFACE
    "$<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>" "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  set_target_properties(polyraft PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
  polyraft_version_script(polyraft polyraft.map)
  # Its threads live as long as the process, so dlclose must not unmap it.
  target_link_options(polyraft PRIVATE -Wl,-z,nodelete)
  # Programs of the system that it replaces load libeasyraft.so.
  add_custom_command(TARGET polyraft POST_BUILD
    COMMAND ${CMAKE_COMMAND} -E create_symlink libpolyraft.so libeasyraft.so
    WORKING_DIRECTORY "${POLYRAFT_LIBRARY_DIR}")
endif()
