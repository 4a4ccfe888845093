# libnode, for the embedded runtime. Sourced by scripts/setup after setup-packages.sh.
#
# The system's libnode-dev is used where it is installed or apt can install it. It conflicts with NodeSource's
# nodejs; beside that one, Debian's packages are unpacked into .cache/libnode, nothing is installed. Without
# either the library is built with the process runtime only.

readonly libnode_tree="$cache_dir/libnode"

# Shared libraries that libnode needs, each with the Debian package that has it.
package_of_library() {
  case "$1" in
    libcares.so.*) echo libc-ares2 ;;
    libuv.so.*) echo libuv1 ;;
    libnghttp2.so.*) echo libnghttp2-14 ;;
    libbrotli*) echo libbrotli1 ;;
    libicu*.so.*) echo "libicu$(echo "$1" | sed 's/.*\.so\.//')" ;;
    libssl.so.3 | libcrypto.so.3) echo libssl3 ;;
    *) return 1 ;;
  esac
}

system_has_libnode() {
  [ -e /usr/include/node/node.h ] || [ -e /usr/include/nodejs/src/node.h ] || return 1
  compgen -G '/usr/lib/*/libnode.so' >/dev/null || compgen -G '/usr/lib/libnode.so' >/dev/null
}

# True when apt would add libnode-dev without taking anything away.
apt_can_add_libnode() {
  command -v apt-get >/dev/null || return 1
  local plan
  plan="$(apt-get -s install --no-install-recommends libnode-dev 2>/dev/null)" || return 1
  ! grep -q '^Remv' <<<"$plan"
}

# Unpacks the named packages into $1.
unpack_packages() {
  local target="$1" downloads
  shift
  downloads="$(mktemp -d "$cache_dir/download.XXXXXX")"
  chmod 755 "$downloads"
  (cd "$downloads" && quietly apt-get -q download "$@") || {
    rm -rf "$downloads"
    return 1
  }
  local package
  for package in "$downloads"/*.deb; do
    dpkg-deb -x "$package" "$target"
  done
  rm -rf "$downloads"
}

libnode_library_dir() {
  dirname "$(compgen -G "$1/usr/lib/*/libnode.so" | head -n 1)"
}

fetch_libnode() {
  local fresh="$libnode_tree.new" library_dir main_package missing library
  rm -rf "$fresh"
  mkdir -p "$fresh"
  main_package="$(apt-cache depends libnode-dev 2>/dev/null | sed -n 's/^ *Depends: \(libnode[0-9]*\)$/\1/p')"
  [ -n "$main_package" ] || return 1
  unpack_packages "$fresh" libnode-dev "$main_package" libuv1-dev node-acorn node-cjs-module-lexer node-undici ||
    return 1
  library_dir="$(libnode_library_dir "$fresh")"
  # A library that this system does not have is unpacked too.
  missing="$(LD_LIBRARY_PATH="$library_dir" ldd "$library_dir/libnode.so" | sed -n 's/^\s*\(\S*\) => not found.*/\1/p' |
    while read -r library; do package_of_library "$library"; done | sort -u)"
  if [ -n "$missing" ]; then
    # shellcheck disable=SC2086 # one word a package
    unpack_packages "$fresh" $missing || return 1
  fi
  ! LD_LIBRARY_PATH="$library_dir" ldd "$library_dir/libnode.so" | grep 'not found' >&2 || return 1
  rm -rf "$libnode_tree"
  mv "$fresh" "$libnode_tree"
  touch "$libnode_tree/complete"
}

install_libnode() {
  [ ! -e "$libnode_tree/complete" ] || return 0
  system_has_libnode && return 0
  if [ "$(id -u)" -eq 0 ] && apt_can_add_libnode; then
    apt_install libnode-dev
    return 0
  fi
  if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    say 'no libnode here: the library is built with the process runtime only'
    return 0
  fi
  say "fetching Debian's libnode for the embedded runtime into .cache/libnode (nothing is installed)"
  if ! fetch_libnode; then
    [ "$(id -u)" -ne 0 ] || { quietly apt-get -q update && fetch_libnode; } ||
      say 'libnode cannot be fetched: the library is built with the process runtime only'
  fi
}
