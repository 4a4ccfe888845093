# Sourced by the scripts beside it: where the project is, and how they speak.
set -euo pipefail

project_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cache_dir="$project_root/.cache"
cd "$project_root"

say() { printf '%s\n' "polyraft: $*"; }
fail() {
  printf '%s\n' "polyraft: $*" >&2
  exit 1
}

# Runs a command quietly; its output appears only when it fails.
quietly() {
  local log
  log="$(mktemp)"
  if "$@" >"$log" 2>&1; then
    rm -f "$log"
  else
    local status=$?
    cat "$log" >&2
    rm -f "$log"
    printf '%s\n' "polyraft: this failed (status $status): $*" >&2
    return "$status"
  fi
}

# One build or set-up at a time in this tree; a second one waits for the first.
one_at_a_time() {
  mkdir -p "$cache_dir"
  exec 9>"$cache_dir/$1.lock"
  flock 9
}
