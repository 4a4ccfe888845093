#!/usr/bin/env bash
# The tests of raft_step under valgrind: valgrind.sh DIRECTORY, where test-craft and craft_cluster lie. Fails on an
# error of memory, and on memory that is definitely lost. With POLYRAFT_TEST_FULL=1, where valgrind is installed; else
# it exits with 77.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly skipped=77

[ -n "${POLYRAFT_TEST_FULL:-}" ] || exit "$skipped"
if ! command -v valgrind >/dev/null; then
  echo 'valgrind is not installed'
  exit "$skipped"
fi

check() {
  valgrind --quiet --error-exitcode=1 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
    --num-callers=30 --suppressions="$here/valgrind.supp" "$@"
}

# Left out: other programs, and what steps tens of thousands of times.
check "$1/test-craft" --gtest_brief=1 \
  --gtest_filter='-Programs.*:*Coexistence*:Threads.AStackOf256KibIsEnough:Threads.AlsoForRaftsOfAnotherThread'
check "$1/craft_cluster" --seeds 1-5
