# libnode: Node as a shared library, with its headers. Gives the target Libnode::Libnode and
#   Libnode_RELOCATED    true for the tree that scripts/setup unpacked: it travels with what is built
#   Libnode_LIBRARY_DIR  the directory of libnode.so
#   Libnode_SCRIPT_DIR   relocated only: the directory of the JavaScript files that Debian's libnode reads at its start

set(Libnode_ROOT "${CMAKE_SOURCE_DIR}/.cache/libnode" CACHE PATH "where libnode was unpacked")

if(EXISTS "${Libnode_ROOT}/complete")
  find_library(Libnode_LIBRARY node PATHS "${Libnode_ROOT}/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}"
    "${Libnode_ROOT}/usr/lib" NO_DEFAULT_PATH)
  find_path(Libnode_INCLUDE_DIR node.h PATHS "${Libnode_ROOT}/usr/include/node" NO_DEFAULT_PATH)
  find_path(Libuv_INCLUDE_DIR uv.h PATHS "${Libnode_ROOT}/usr/include" NO_DEFAULT_PATH)
  set(Libnode_RELOCATED TRUE)
  set(Libnode_SCRIPT_DIR "${Libnode_ROOT}/usr/share/nodejs")
else()
  find_library(Libnode_LIBRARY node)
  find_path(Libnode_INCLUDE_DIR node.h PATH_SUFFIXES node nodejs/src)
  find_path(Libuv_INCLUDE_DIR uv.h PATH_SUFFIXES node)
  set(Libnode_RELOCATED FALSE)
endif()

# By its run-time name: the link without a number is in the development package only.
find_library(Libuv_LIBRARY NAMES libuv.so.1 PATHS "${Libnode_ROOT}/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}")

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libnode REQUIRED_VARS Libnode_LIBRARY Libnode_INCLUDE_DIR Libuv_LIBRARY
  Libuv_INCLUDE_DIR)
mark_as_advanced(Libnode_LIBRARY Libnode_INCLUDE_DIR Libuv_LIBRARY Libuv_INCLUDE_DIR)

if(Libnode_FOUND AND NOT TARGET Libnode::Libnode)
  get_filename_component(Libnode_LIBRARY_DIR "${Libnode_LIBRARY}" DIRECTORY)
  add_library(Libnode::Libnode SHARED IMPORTED)
  set_target_properties(Libnode::Libnode PROPERTIES
    IMPORTED_LOCATION "${Libnode_LIBRARY}"
    INTERFACE_LINK_LIBRARIES "${Libuv_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${Libnode_INCLUDE_DIR};${Libuv_INCLUDE_DIR}")
endif()
