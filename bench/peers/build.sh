#!/usr/bin/env bash
# Builds the peers of the benchmark and its measurement of the machine's limits into .cache/bench-peers, as far as
# their toolchains are there. What cannot be built is said, and its reason is kept for the benchmark's table, in
# .cache/bench-peers/peers.json: [{"name", "program", "arguments", "version", "missing"}], `missing` null or the reason.
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
source "$project_root/bench/peers/craft/library.sh"

readonly out="$cache_dir/bench-peers"
readonly oldest_go='1.26'
readonly go_missing="Go $oldest_go or newer is missing; see https://go.dev/doc/install"
rows=()

# One row of peers.json: name, program, reason or nothing, arguments.
add_row() {
  local version=''
  if [ -z "$3" ]; then version="$(echo version | "$2" "${@:4}")"; fi
  rows+=("$(node -e '
    const [version, name, program, missing, ...args] = process.argv.slice(1);
    const row = missing === "" ? { version: version.replace(/^version /, ""), missing: null } : { version: null, missing };
    console.log(JSON.stringify({ name, program, arguments: args, ...row }));
  ' "$version" "$@")")
  if [ -n "$3" ]; then say "$1 is left out: $3"; fi
}

# Runs a build; prints nothing when it worked, else the reason that the row has. Its output goes to standard error.
reason_of() {
  local what="$1"
  shift
  quietly "$@" || printf '%s does not build here; its output is above' "$what"
}

go_is_new_enough() {
  command -v go >/dev/null || return 1
  local version
  version="$(GOTOOLCHAIN=local go env GOVERSION)"
  version="${version#go}"
  [ "$(printf '%s\n' "$oldest_go" "${version%% *}" | sort -V | head -n 1)" = "$oldest_go" ]
}

build_go() {
  local name="$1"
  if go_is_new_enough; then
    reason_of "$name" env GOTOOLCHAIN=local GOFLAGS=-mod=readonly go build -C "bench/peers/$name" -trimpath -buildvcs=false -o "$out/$name-peer" .
  else
    printf '%s' "$go_missing"
  fi
}

build_c() {
  local program="$1"
  shift
  quietly "${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra "$@" -o "$program.new"
  mv "$program.new" "$program"
}

build_craft() {
  local flags=()
  if ! craft_find_library "$out/craft-library"; then
    printf '%s' "$craft_missing"
    return
  fi
  read -r -a flags <<<"$craft_flags"
  reason_of craft build_c "$out/craft-peer" "-DCRAFT_VERSION=\"$craft_version\"" bench/peers/craft/*.c "${flags[@]}"
}

one_at_a_time bench-peers
mkdir -p "$out"
build_c "$out/limits" bench/limits/*.c -lpthread

etcd_missing="$(build_go etcd)"
hashicorp_missing="$(build_go hashicorp)"
craft_missing_reason="$(build_craft)"
add_row etcd "$out/etcd-peer" "$etcd_missing"
add_row etcd-easyraft "$out/etcd-peer" "$etcd_missing" -easyraft
add_row hashicorp "$out/hashicorp-peer" "$hashicorp_missing"
add_row craft "$out/craft-peer" "$craft_missing_reason"

(
  IFS=,
  printf '[%s]\n' "${rows[*]}"
) >"$out/peers.json.new"
mv "$out/peers.json.new" "$out/peers.json"
