# What `cmake --install` places, and how other builds find it: pkg-config `polyraft`, CMake package `polyraft`.
# Nothing in the tree names the prefix: it can be moved.

include(CMakePackageConfigHelpers)

# include/craft goes with its library only: a program that found the header alone could not be linked.
install(DIRECTORY "${CMAKE_SOURCE_DIR}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING
        PATTERN "*.h" PATTERN "*.hpp" PATTERN "craft" EXCLUDE)

# pkg-config finds the prefix from where its file lies.
file(RELATIVE_PATH POLYRAFT_PREFIX_FROM_PKGCONFIG "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" POLYRAFT_PREFIX_FROM_PKGCONFIG "${POLYRAFT_PREFIX_FROM_PKGCONFIG}")
configure_file("${CMAKE_SOURCE_DIR}/cmake/polyraft.pc.in" "${CMAKE_BINARY_DIR}/polyraft.pc" @ONLY)
configure_file("${CMAKE_SOURCE_DIR}/cmake/polyraft-libraft.pc.in" "${CMAKE_BINARY_DIR}/polyraft-libraft.pc" @ONLY)
configure_package_config_file("${CMAKE_SOURCE_DIR}/cmake/polyraftConfig.cmake.in"
  "${CMAKE_BINARY_DIR}/polyraftConfig.cmake" INSTALL_DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/polyraft")
write_basic_package_version_file("${CMAKE_BINARY_DIR}/polyraftConfigVersion.cmake" COMPATIBILITY SameMinorVersion)

if(TARGET polyraft)
  install(TARGETS polyraft EXPORT polyraftTargets LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(FILES "${POLYRAFT_LIBRARY_DIR}/libeasyraft.so" DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(EXPORT polyraftTargets NAMESPACE polyraft:: DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/polyraft")
  install(FILES "${CMAKE_BINARY_DIR}/polyraft.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
  install(FILES "${CMAKE_BINARY_DIR}/polyraftConfig.cmake" "${CMAKE_BINARY_DIR}/polyraftConfigVersion.cmake"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/polyraft")
endif()
if(TARGET polyraft-libraft)
  install(TARGETS polyraft-libraft EXPORT polyraftTargets LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(FILES "${CMAKE_BINARY_DIR}/polyraft-libraft.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endif()
if(TARGET polyraft-craft AND TARGET polyraft-node)
  configure_file("${CMAKE_SOURCE_DIR}/cmake/polyraft-craft.pc.in" "${CMAKE_BINARY_DIR}/polyraft-craft.pc" @ONLY)
  install(DIRECTORY "${CMAKE_SOURCE_DIR}/include/craft" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  install(TARGETS polyraft-craft EXPORT polyraftTargets LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(FILES "${CMAKE_BINARY_DIR}/polyraft-craft.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
  install(FILES "${POLYRAFT_PRIVATE_DIR}/craft.cjs" DESTINATION "${CMAKE_INSTALL_LIBDIR}/polyraft")
endif()
if(TARGET polyraft-engine)
  install(FILES "${POLYRAFT_PRIVATE_DIR}/engine.cjs" DESTINATION "${CMAKE_INSTALL_LIBDIR}/polyraft")
endif()
install(FILES "${polyraft_command_bundle}" DESTINATION "${CMAKE_INSTALL_LIBDIR}/polyraft")
install(PROGRAMS "${CMAKE_BINARY_DIR}/bin/polyraft" DESTINATION "${CMAKE_INSTALL_BINDIR}")
foreach(module polyraft-addon polyraft-node)
  if(TARGET ${module})
    install(TARGETS ${module} LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/polyraft")
  endif()
endforeach()
if(TARGET polyraft-libnode)
  install(DIRECTORY "${POLYRAFT_PRIVATE_DIR}/" DESTINATION "${CMAKE_INSTALL_LIBDIR}/polyraft"
    FILES_MATCHING PATTERN "*.so.*" PATTERN "*.js")
endif()
install(FILES "${CMAKE_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
