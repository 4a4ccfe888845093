#!/usr/bin/env bash
# What raft_step costs, beside the C library's in-memory fixture cluster: bench/craft/run.sh [--quick]. Builds what it
# runs. Everything is measured on one processor, and in its seconds.
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
source "$project_root/bench/peers/craft/library.sh"

readonly out="$cache_dir/bench-craft"
readonly starts=5
# The last of those that this process may use.
processor="$(taskset -pc $$ | sed 's/.*[^0-9]//')"

one_at_a_time bench-craft
mkdir -p "$out"
POLYRAFT_BUILD_TARGETS=bench-programs "$project_root/scripts/build"
program="$project_root/build/bench/craft_bench"
[ -x "$program" ] || fail 'raft_step was not built; it needs libnode'

echo 'raft_step:'
taskset -c "$processor" "$program" "$@"
echo "raft_init, $starts processes:"
for _ in $(seq "$starts"); do
  taskset -c "$processor" "$program" start
done

if craft_find_library "$cache_dir/bench-peers/craft-library"; then
  read -r -a flags <<<"$craft_flags"
  quietly "${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra -o "$out/fixture_bench" bench/craft/fixture_bench.c "${flags[@]}"
  echo "libraft $craft_version, fixture:"
  taskset -c "$processor" "$out/fixture_bench" "$@"
else
  say "the C library is left out: $craft_missing"
fi
