# Packages of the distribution, and node_modules. Sourced by scripts/setup.

# Commands and headers that a build needs, each with the Debian package that has it.
readonly required_commands='cmake:cmake ninja:ninja-build g++:g++ clang-format:clang-format openssl:openssl'
readonly required_headers='gtest/gtest.h:libgtest-dev nlohmann/json.hpp:nlohmann-json3-dev'
readonly oldest_node='18.20.0'

node_is_new_enough() {
  command -v node >/dev/null || return 1
  local version
  version="$(node --version)"
  [ "$(printf '%s\n' "$oldest_node" "${version#v}" | sort -V | head -n 1)" = "$oldest_node" ]
}

header_exists() {
  [ -e "/usr/include/$1" ] || [ -e "/usr/local/include/$1" ]
}

missing_packages() {
  local pair
  for pair in $required_commands; do
    command -v "${pair%%:*}" >/dev/null || printf '%s ' "${pair##*:}"
  done
  for pair in $required_headers; do
    header_exists "${pair%%:*}" || printf '%s ' "${pair##*:}"
  done
  if ! command -v node >/dev/null; then
    printf 'nodejs npm '
  elif ! command -v npm >/dev/null; then
    printf 'npm '
  fi
}

# Installs distribution packages, or says how to, where this user may not.
apt_install() {
  command -v apt-get >/dev/null || fail "these are missing, please install them: $*"
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      as_root=(sudo)
    else
      fail "these packages are missing and this user may not install them; please run once:
    sudo apt-get update && sudo apt-get install -y --no-install-recommends $*"
    fi
  fi
  say "installing with apt: $*"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300)
  if ! "${apt[@]}" install --no-install-recommends "$@" >/dev/null 2>&1; then
    quietly "${apt[@]}" update
    quietly "${apt[@]}" install --no-install-recommends "$@"
  fi
}

# For the test of the page, which is skipped without it. What cannot be installed is not tried again in this tree.
install_browser() {
  local stamp="$cache_dir/browser-missing"
  [ -z "${CHROMIUM:-}" ] && [ ! -e "$stamp" ] || return 0
  ! command -v chromium chromium-browser google-chrome >/dev/null || return 0
  (apt_install chromium) && return 0
  say "the page will not be tested in a browser (rm $stamp has the next run try again)"
  touch "$stamp"
}

install_packages() {
  local missing
  read -r -a missing <<<"$(missing_packages)"
  [ "${#missing[@]}" -eq 0 ] || apt_install "${missing[@]}"
  node_is_new_enough ||
    fail "Node $oldest_node or newer is needed, $(command -v node) is $(node --version); please put a newer one on PATH"
}

# True when every package of the lock file stands in node_modules at its version. Optional packages (other
# platforms) may be absent.
node_modules_are_current() {
  [ -f node_modules/.package-lock.json ] || return 1
  node -e '
    const { readFileSync } = require("node:fs");
    const packages = (file) => JSON.parse(readFileSync(file, "utf8")).packages;
    const wanted = packages("package-lock.json");
    const found = packages("node_modules/.package-lock.json");
    const stale = Object.entries(wanted).some(([name, entry]) => {
      if (name === "" || (found[name] === undefined && (entry.optional || entry.devOptional || entry.peer))) return false;
      return found[name]?.version !== entry.version;
    });
    process.exit(stale ? 1 : 0);
  '
}

install_node_modules() {
  node_modules_are_current && return 0
  say 'installing node_modules (npm ci)'
  quietly npm ci --no-audit --no-fund
}
