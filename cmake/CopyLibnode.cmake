# Copies the unpacked libnode (FROM, SCRIPTS) to the directory TO, under the names by which it is loaded. What stands
# there already is left alone.
file(GLOB libraries "${FROM}/lib*.so.*")
foreach(library ${libraries})
  get_filename_component(name "${library}" NAME)
  # libuv.so.1 is a link to libuv.so.1.0.0: the file is taken under the shorter name, the longer one is left out.
  if(IS_SYMLINK "${library}" OR NOT name MATCHES "\\.so\\.[0-9]+\\.[0-9]")
    file(REAL_PATH "${library}" real)
    if("${real}" IS_NEWER_THAN "${TO}/${name}")
      file(COPY_FILE "${real}" "${TO}/${name}" ONLY_IF_DIFFERENT)
      file(TOUCH_NOCREATE "${TO}/${name}")
    endif()
  endif()
endforeach()
foreach(script acorn/dist/acorn.js acorn-walk/dist/walk.js cjs-module-lexer/lexer.js cjs-module-lexer/dist/lexer.js
    undici/undici-fetch.js)
  get_filename_component(directory "${script}" DIRECTORY)
  file(MAKE_DIRECTORY "${TO}/nodejs/${directory}")
  file(COPY_FILE "${SCRIPTS}/${script}" "${TO}/nodejs/${script}" ONLY_IF_DIFFERENT)
endforeach()
