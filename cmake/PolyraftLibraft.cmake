# libpolyraft-libraft.so: the libraft interface. It stands alone: the host's end of everything is in it, too.

file(GLOB polyraft_libraft_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src-native/api/libraft*.cc")

if(polyraft_libraft_sources AND TARGET polyraft-objects)
  # Compiled once, for the shared library and for tests of what it hides.
  add_library(polyraft-libraft-objects OBJECT ${polyraft_libraft_sources})
  target_link_libraries(polyraft-libraft-objects PUBLIC polyraft-compile)

  add_library(polyraft-libraft SHARED)
  target_link_libraries(polyraft-libraft PRIVATE polyraft-libraft-objects polyraft-objects polyraft-json)
  target_include_directories(polyraft-libraft INTERFACE
    "$<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include/libraft>"
    "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/libraft>")
  set_target_properties(polyraft-libraft PROPERTIES VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR})
  polyraft_version_script(polyraft-libraft libraft.map)
  target_link_options(polyraft-libraft PRIVATE -Wl,-z,nodelete)
endif()
