#!/usr/bin/env bash
# The installed tree: it can be moved, names no directory of the build machine, and is found by pkg-config and CMake.
# Usage: install.sh BUILD_DIRECTORY
set -euo pipefail

build="$(cd "$1" && pwd)"
source_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

problem() {
  echo "install: $*" >&2
  exit 1
}

free_port() {
  node -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}

cmake --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/moved"
tree="$work/moved"
libraries="$(dirname "$(find "$tree" -name libpolyraft.so)")"

for file in "$libraries"/lib{polyraft,easyraft}.so "$libraries"/polyraft/{engine.cjs,polyraft.node} \
  "$tree"/include/{polyraft.h,polyraft.hpp,easyraft.h,polyraft_codes.h}; do
  [ -e "$file" ] || problem "${file#"$tree"/} is missing"
done
if [ -e "$build/lib/polyraft/libpolyraft-node.so" ] && [ ! -e "$libraries/polyraft/libpolyraft-node.so" ]; then
  problem 'the embedded runtime is missing'
fi

if [ -e "$build/lib/libpolyraft-craft.so" ]; then
  for file in "$libraries"/libpolyraft-craft.so "$libraries"/polyraft/craft.cjs "$tree"/include/craft/raft.h; do
    [ -e "$file" ] || problem "${file#"$tree"/} is missing"
  done
elif [ -e "$tree/include/craft" ]; then
  problem 'include/craft is there without its library'
fi

for place in "$build" "$source_root" "$work/first"; do
  if named="$(grep -rlF "$place/" "$tree")"; then problem "$place is named in: $named"; fi
done

"$tree/bin/polyraft" --help >/dev/null || problem 'the polyraft command does not run'

# What a program exports into its process is the documented interface and nothing else.
unexpected="$(nm -D --defined-only "$libraries/libpolyraft.so" | awk '$2 != "A" { print $3 }' | grep -vE '^RAFT2?_' || true)"
[ -z "$unexpected" ] || problem "libpolyraft.so exports $unexpected"

if [ -e "$libraries/libpolyraft-craft.so" ]; then
  unexpected="$(nm -D --defined-only "$libraries/libpolyraft-craft.so" | awk '$2 != "A" { print $3 }' | grep -v '^raft_' || true)"
  [ -z "$unexpected" ] || problem "libpolyraft-craft.so exports $unexpected"
fi

unexpected="$(nm -D --defined-only "$libraries/libpolyraft-libraft.so" | awk '$2 != "A" { print $3 }' |
  grep -vE '^(raft_|is_raft_option@|(alloc|free)_raft_buffer@)' || true)"
[ -z "$unexpected" ] || problem "libpolyraft-libraft.so exports $unexpected"

cat >"$work/program.c" <<'PROGRAM'
#include <polyraft.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  char version[64] = "";
  RAFT_GetVersion(version, sizeof version);
  printf("%s\n", version);
  return strlen(version) > 0 ? 0 : 1;
}
PROGRAM

if command -v pkg-config >/dev/null; then
  export PKG_CONFIG_PATH="$libraries/pkgconfig"
  # shellcheck disable=SC2046 # several words
  cc -Wall -Werror "$work/program.c" -o "$work/program" $(pkg-config --cflags --libs polyraft)
else
  # shellcheck disable=SC2086 # several words
  cc -Wall -Werror "$work/program.c" -o "$work/program" -I"$tree/include" -L"$libraries" -lpolyraft
fi
LD_LIBRARY_PATH="$libraries" "$work/program" >/dev/null || problem 'a program linked by pkg-config does not run'

if [ -e "$libraries/libpolyraft-craft.so" ] && command -v pkg-config >/dev/null; then
  # shellcheck disable=SC2046 # several words
  cc -std=c11 -pedantic -Wall -Werror "$source_root/test/native/craft/programs/document.c" -o "$work/step" \
    $(pkg-config --cflags --libs polyraft-craft)
  [ "$(LD_LIBRARY_PATH="$libraries" "$work/step")" = 'leader, commit index 3' ] || problem 'raft_step does not run from the installed tree'
fi

# Programs of the libraft interface know nothing of this tree but its headers: as C11, by both names of the header, and as
# C++17.
document="$source_root/test/native/libraft/programs/document.c"
sed 's/<raft_c_if.h>/<raft_if.h>/' "$document" >"$work/other_name.c"
if command -v pkg-config >/dev/null; then
  strict=(-pedantic -Wall -Wextra -Werror)
  # shellcheck disable=SC2046 # several words
  {
    cc -std=c11 "${strict[@]}" "$document" -o "$work/letters_1" $(pkg-config --cflags --libs polyraft-libraft)
    cc -std=c11 "${strict[@]}" "$work/other_name.c" -o "$work/letters_2" $(pkg-config --cflags --libs polyraft-libraft)
    c++ -std=c++17 "${strict[@]}" -x c++ "$document" -x none -o "$work/letters_3" $(pkg-config --cflags --libs polyraft-libraft)
  }
  for number in 1 2 3; do
    counted="$(cd "$work" && printf 'Hello, libraft!\nhello\n' | LD_LIBRARY_PATH="$libraries" timeout 60 \
      "./letters_$number" --dir "letters-$number" --single --port "$(free_port)")" || problem "letters_$number does not run"
    [ "$counted" = "$(printf '12 letters\n17 letters')" ] || problem "letters_$number counted: $counted"
  done
fi

# A C++ compiler takes the headers too, and both generations of the interface.
for generation in 1 2; do
  echo "#include <easyraft.h>" | c++ -DEASYRAFT_API_VERSION="$generation" -x c++ -std=c++11 -Wall -Wextra -Wpedantic \
    -Werror -fsyntax-only -I"$tree/include" - || problem "easyraft.h does not compile as C++ (generation $generation)"
done

mkdir "$work/project"
cat >"$work/project/CMakeLists.txt" <<'PROJECT'
cmake_minimum_required(VERSION 3.16)
project(program C)
find_package(polyraft REQUIRED)
add_executable(program ../program.c)
target_link_libraries(program PRIVATE polyraft::polyraft)
add_executable(letters ../other_name.c)
target_link_libraries(letters PRIVATE polyraft::polyraft-libraft)
PROJECT
cmake -S "$work/project" -B "$work/project/build" -DCMAKE_PREFIX_PATH="$tree" >/dev/null
cmake --build "$work/project/build" >/dev/null
"$work/project/build/program" >/dev/null || problem 'a program built by CMake does not run'
counted="$(cd "$work" && echo 'abc' | timeout 60 "$work/project/build/letters" --single --port "$(free_port)")" ||
  problem 'a program with the libraft interface built by CMake does not run'
[ "$counted" = '3 letters' ] || problem "a program with the libraft interface counted: $counted"

# The C++ example, built as a project of its own by the documented way, and run: a cluster of one.
cmake -S "$source_root/examples-c/consumer" -B "$work/consumer" -DCMAKE_PREFIX_PATH="$tree" >/dev/null
cmake --build "$work/consumer" >/dev/null
counted="$(cd "$work" && printf 'a b a\nb a\n\n' | timeout 60 "$work/consumer/word_count" 1 "http://127.0.0.1:$(free_port)")" ||
  problem 'the C++ example does not run'
[ "$counted" = "$(printf 'a 3\nb 2')" ] || problem "the C++ example counted: $counted"
