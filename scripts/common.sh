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

# Prints the usage and ends when the arguments behind it ask for it.
help_if_asked() {
  local usage="$1" argument
  shift
  for argument in "$@"; do
    case "$argument" in
      -h | --help)
        printf '%s\n' "$usage"
        exit 0
        ;;
    esac
  done
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

# Counts of passed and failed checks. A script counts, then closes with the sum.
count_passed=0
count_failed=0

count_reset() {
  count_passed=0
  count_failed=0
}

count_add() {
  count_passed=$((count_passed + $1))
  count_failed=$((count_failed + $2))
}

# Runs a command as one check with this name; its output appears when it fails.
count_command() {
  local name="$1" log
  shift
  log="$(mktemp)"
  if "$@" >"$log" 2>&1; then
    count_add 1 0
    say "$name: passed"
  else
    count_add 0 1
    cat "$log"
    say "$name: FAILED (${1##*/})"
  fi
  rm -f "$log"
}

# Prints the sum, or with `--counts FILE` writes it there for the script that has called; fails when a check has failed.
count_close() {
  if [ "${1:-}" = --counts ]; then
    printf '%s %s\n' "$count_passed" "$count_failed" >"$2"
  else
    printf '%s passed, %s failed\n' "$count_passed" "$count_failed"
  fi
  [ "$count_failed" -eq 0 ]
}
