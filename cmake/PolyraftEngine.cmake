# The engine: one CommonJS file for both runtimes, and polyraft.node, its native half for the child process (the
# embedded runtime has the same source inside libpolyraft-node.so).

file(GLOB_RECURSE polyraft_engine_scripts CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src-ts/*.ts")
list(FILTER polyraft_engine_scripts EXCLUDE REGEX "\\.test\\.ts$")
set(polyraft_engine_entry "${CMAKE_SOURCE_DIR}/src-ts/bridge/main.ts")

if(EXISTS "${polyraft_engine_entry}")
  set(polyraft_engine_bundle "${POLYRAFT_PRIVATE_DIR}/engine.cjs")
  add_custom_command(OUTPUT "${polyraft_engine_bundle}"
    COMMAND "${CMAKE_SOURCE_DIR}/node_modules/.bin/esbuild" src-ts/bridge/main.ts --bundle --platform=node
      --target=node18 --format=cjs --charset=utf8 --log-level=warning --legal-comments=none
      "--define:process.env.POLYRAFT_ENGINE_VERSION=\"${PROJECT_VERSION}\"" "--outfile=${polyraft_engine_bundle}"
    WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}"
    DEPENDS ${polyraft_engine_scripts} "${CMAKE_SOURCE_DIR}/package-lock.json"
    COMMENT "Bundling engine.cjs" VERBATIM)
  add_custom_target(polyraft-engine ALL DEPENDS "${polyraft_engine_bundle}")
endif()

# The polyraft command: a bundle, and a script that finds it beside itself.
set(polyraft_command_bundle "${POLYRAFT_PRIVATE_DIR}/polyraft-cli.cjs")
add_custom_command(OUTPUT "${polyraft_command_bundle}"
  COMMAND "${CMAKE_SOURCE_DIR}/node_modules/.bin/esbuild" src-ts/cli/main.ts --bundle --platform=node
    --target=node18 --format=cjs --charset=utf8 --log-level=warning --legal-comments=none
    "--define:process.env.POLYRAFT_ENGINE_VERSION=\"${PROJECT_VERSION}\"" "--outfile=${polyraft_command_bundle}"
  WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}"
  DEPENDS ${polyraft_engine_scripts} "${CMAKE_SOURCE_DIR}/package-lock.json"
  COMMENT "Bundling polyraft-cli.cjs" VERBATIM)
add_custom_target(polyraft-command ALL DEPENDS "${polyraft_command_bundle}")
file(RELATIVE_PATH POLYRAFT_PRIVATE_FROM_BIN "/${CMAKE_INSTALL_BINDIR}" "/${CMAKE_INSTALL_LIBDIR}/polyraft")
configure_file("${CMAKE_SOURCE_DIR}/cmake/polyraft-command.in" "${CMAKE_BINARY_DIR}/bin/polyraft" @ONLY
  FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

file(GLOB polyraft_addon_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src-native/engine/*.cc")
# What of it knows neither Node nor libuv, for tests.
set(polyraft_plain_addon_sources ${polyraft_addon_sources})
list(FILTER polyraft_plain_addon_sources EXCLUDE REGEX "/(addon|addon_arguments|loop_handles)\\.cc$")
set(polyraft_node_api_headers "${CMAKE_SOURCE_DIR}/node_modules/node-api-headers/include")
set(polyraft_node_addon_api "${CMAKE_SOURCE_DIR}/node_modules/node-addon-api")
find_path(Libuv_INCLUDE_DIR uv.h PATH_SUFFIXES node)

if(polyraft_addon_sources)
  # Node exports N-API and libuv to the addon, so nothing is linked.
  add_library(polyraft-addon MODULE ${polyraft_addon_sources})
  target_link_libraries(polyraft-addon PRIVATE polyraft-compile)
  target_include_directories(polyraft-addon SYSTEM PRIVATE
    "${polyraft_node_api_headers}" "${polyraft_node_addon_api}" "${Libuv_INCLUDE_DIR}")
  target_compile_definitions(polyraft-addon PRIVATE NAPI_VERSION=8 NODE_ADDON_API_DISABLE_DEPRECATED
    NODE_GYP_MODULE_NAME=polyraft NAPI_DISABLE_CPP_EXCEPTIONS
    NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS)
  # Node itself has no sanitizer, so the addon has none either.
  target_compile_options(polyraft-addon PRIVATE -fno-exceptions -fno-sanitize=all)
  target_link_options(polyraft-addon PRIVATE -Wl,--unresolved-symbols=ignore-all -fno-sanitize=all)
  set_target_properties(polyraft-addon PROPERTIES PREFIX "" OUTPUT_NAME polyraft SUFFIX .node
    LIBRARY_OUTPUT_DIRECTORY "${POLYRAFT_PRIVATE_DIR}")
  polyraft_version_script(polyraft-addon addon.map)
endif()
