# libpolyraft-craft.so: raft_step. It runs the core in a bare V8 isolate on the calling thread, which the plugin
# libpolyraft-node.so has: without libnode there is none.

file(GLOB polyraft_craft_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src-native/craft/*.cc")

# What sanitizers see is this library; V8 lies in the plugin, which has none, and is taken from the plain build.
set(polyraft_plain_private "${CMAKE_SOURCE_DIR}/build/lib/polyraft")
if(NOT Libnode_FOUND)
  message(STATUS "No libnode: libpolyraft-craft (raft_step) is not built")
elseif(POLYRAFT_SANITIZE STREQUAL "thread")
  # It sees none of the locks that V8 takes for the rafts of an isolate.
  message(STATUS "libpolyraft-craft is not built with the thread sanitizer")
elseif(POLYRAFT_SANITIZE AND NOT EXISTS "${polyraft_plain_private}")
  message(STATUS "No plain build in build/: libpolyraft-craft is not built with a sanitizer")
else()
  set(polyraft_craft_library_dir "${POLYRAFT_LIBRARY_DIR}")
  if(POLYRAFT_SANITIZE)
    set(polyraft_craft_library_dir "${CMAKE_BINARY_DIR}/craft")
    file(MAKE_DIRECTORY "${polyraft_craft_library_dir}")
    file(CREATE_LINK "${polyraft_plain_private}" "${polyraft_craft_library_dir}/polyraft" SYMBOLIC)
  else()
    set(polyraft_craft_bundle "${POLYRAFT_PRIVATE_DIR}/craft.cjs")
    add_custom_command(OUTPUT "${polyraft_craft_bundle}"
      COMMAND "${CMAKE_SOURCE_DIR}/node_modules/.bin/esbuild" src-ts/facade/craft.ts --bundle --platform=neutral
        --target=node18 --format=cjs --charset=utf8 --log-level=warning --legal-comments=none
        "--outfile=${polyraft_craft_bundle}"
      WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}"
      DEPENDS ${polyraft_engine_scripts} "${CMAKE_SOURCE_DIR}/package-lock.json"
      COMMENT "Bundling craft.cjs" VERBATIM)
    add_custom_target(polyraft-craft-bundle ALL DEPENDS "${polyraft_craft_bundle}")
  endif()

  add_library(polyraft-craft SHARED ${polyraft_craft_sources}
    "${CMAKE_SOURCE_DIR}/src-native/runtime/library_files.cc"
    "${CMAKE_SOURCE_DIR}/src-native/runtime/plugin_library.cc")
  target_link_libraries(polyraft-craft PRIVATE polyraft-compile)
  target_include_directories(polyraft-craft INTERFACE
    "$<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include/craft>"
    "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/craft>")
  set_target_properties(polyraft-craft PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
    LIBRARY_OUTPUT_DIRECTORY "${polyraft_craft_library_dir}")
  polyraft_version_script(polyraft-craft craft.map)
  # Threads that made an isolate end it when they end.
  target_link_options(polyraft-craft PRIVATE -Wl,-z,nodelete)
  foreach(part polyraft-craft-bundle polyraft-node)
    if(TARGET ${part})
      add_dependencies(polyraft-craft ${part})
    endif()
  endforeach()
endif()
