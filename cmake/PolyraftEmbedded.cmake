# libpolyraft-node.so: Node and V8 inside the host's process. The libraries load it on demand; nothing links to it.

file(GLOB polyraft_embedded_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src-native/runtime/embedded*.cc")

if(Libnode_FOUND AND NOT POLYRAFT_SANITIZE)
  add_library(polyraft-node MODULE ${polyraft_embedded_sources} ${polyraft_addon_sources})
  target_link_libraries(polyraft-node PRIVATE polyraft-compile Libnode::Libnode)
  target_include_directories(polyraft-node SYSTEM PRIVATE "${polyraft_node_addon_api}")
  target_link_directories(polyraft-node PRIVATE "${Libnode_LIBRARY_DIR}")
  target_compile_definitions(polyraft-node PRIVATE NAPI_VERSION=8 NODE_ADDON_API_DISABLE_DEPRECATED
    NODE_GYP_MODULE_NAME=polyraft NAPI_DISABLE_CPP_EXCEPTIONS
    NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS POLYRAFT_LINKED_BINDING)
  target_compile_options(polyraft-node PRIVATE -fno-rtti)
  # DT_RPATH, unlike DT_RUNPATH, is used for what libnode itself needs, too.
  target_link_options(polyraft-node PRIVATE -Wl,--disable-new-dtags -Wl,--allow-shlib-undefined)
  set_target_properties(polyraft-node PROPERTIES OUTPUT_NAME polyraft-node
    LIBRARY_OUTPUT_DIRECTORY "${POLYRAFT_PRIVATE_DIR}" BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "\$ORIGIN")
  polyraft_version_script(polyraft-node polyraft-node.map)

  if(Libnode_RELOCATED)
    # The unpacked libnode, the libraries unpacked with it and its scripts travel beside the plugin.
    file(GLOB polyraft_libnode_files "${Libnode_LIBRARY_DIR}/*.so.*")
    add_custom_target(polyraft-libnode ALL
      COMMAND ${CMAKE_COMMAND} -D "FROM=${Libnode_LIBRARY_DIR}" -D "SCRIPTS=${Libnode_SCRIPT_DIR}"
        -D "TO=${POLYRAFT_PRIVATE_DIR}" -P "${CMAKE_SOURCE_DIR}/cmake/CopyLibnode.cmake"
      COMMENT "Placing libnode beside the library" VERBATIM)
    add_dependencies(polyraft-node polyraft-libnode)
  endif()
endif()
