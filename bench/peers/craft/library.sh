# Where Debian's C-Raft is. Sourced by bench/peers/build.sh.
#
# Installed packages are taken; else the packages are downloaded by apt-get and unpacked below the cache, which needs no
# rights and installs nothing. Sets craft_flags (for compiler and linker) and craft_version, or craft_missing.

craft_flags=''
craft_version=''
craft_missing=''
readonly craft_hint='C-Raft is missing; on Debian: sudo apt-get install libraft-dev libuv1-dev'

# The version that a raft.pc names, in a directory or where pkg-config looks.
craft_library_version() {
  sed -n 's/^Version: *//p' "$1/pkgconfig/raft.pc"
}

craft_find_installed() {
  command -v pkg-config >/dev/null && pkg-config --exists raft libuv || return 1
  craft_version="$(pkg-config --modversion raft)"
  craft_flags="$(pkg-config --cflags --libs raft libuv)"
}

# The packages and what of their dependencies they link, whatever this release calls those.
craft_packages() {
  apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
    libraft-dev libuv1-dev 2>/dev/null | grep -E '^(libraft|libuv1|liblz4)' | cut -d: -f1 | sort -u
}

craft_download() {
  local directory="$1" packages package
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
  mapfile -t packages < <(craft_packages)
  [ "${#packages[@]}" -gt 0 ] || return 1
  rm -rf "$directory.new"
  mkdir -p "$directory.new"
  (cd "$directory.new" && quietly apt-get -q download "${packages[@]}") || return 1
  for package in "$directory.new"/*.deb; do
    dpkg-deb -x "$package" "$directory.new" || return 1
    rm "$package"
  done
  rm -rf "$directory"
  mv "$directory.new" "$directory"
}

craft_find_library() {
  local directory="$1" libraries
  craft_find_installed && return 0
  if [ ! -d "$directory" ] && ! craft_download "$directory"; then
    craft_missing="$craft_hint"
    return 1
  fi
  libraries="$(dirname "$(find "$directory" -name libraft.so -print -quit)")"
  if [ ! -f "$libraries/pkgconfig/raft.pc" ]; then
    craft_missing="$craft_hint ($directory has no libraft.so: remove it to try again)"
    return 1
  fi
  craft_version="$(craft_library_version "$libraries")"
  # Directories with spaces are not supported here: the flags are split at them.
  craft_flags="-isystem $directory/usr/include -L$libraries -Wl,-rpath,$libraries -lraft -luv -lpthread"
}
