#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# image/lock.sh inputs|qemu: writes image/inputs.lock or image/qemu.lock anew: the Debian packages that an image is
# built with, or that QEMU runs from, each as SHA-256, size, repository and path. Versions are the newest that the
# mirror of this machine's apt configuration has now. A new inputs.lock makes new images, with another PCR0.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=image/packages.sh
. ./packages.sh

kernel=linux-source-6.12
case ${1:-} in
  inputs)
    suites=(bookworm bookworm-updates bookworm-security trixie-backports) # of the last one what asks for it alone
    packages=(dash bash coreutils sed grep mawk findutils diffutils tar gzip xz-utils bzip2 util-linux perl-base base-files
      make gcc g++ binutils cmake ninja-build pkg-config bc bison flex libelf-dev
      libssl-dev libsecp256k1-dev/trixie-backports libsqlite3-dev libpq-dev nlohmann-json3-dev libyaml-cpp-dev libcli11-dev zlib1g-dev ca-certificates)
    alone=("$kernel") # without what it suggests for building by hand
    ;;
  qemu)
    suites=(trixie trixie-updates trixie-backports)
    packages=(qemu-system-x86/trixie-backports qemu-system-common/trixie-backports qemu-system-data/trixie-backports
      seabios/trixie-backports libc6)
    alone=()
    ;;
  *) echo "usage: image/lock.sh inputs|qemu" >&2; exit 2 ;;
esac

state=$(mktemp -d)
trap 'rm -rf "$state"' EXIT
mkdir -p "$state"/{lists/partial,cache/archives/partial,etc/preferences.d,etc/apt.conf.d,parts}
: >"$state/status"
for suite in "${suites[@]}"; do
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(repository "$(repository_of_suite "$suite")") $suite main"
done >"$state/etc/sources.list"
options=(-o "Dir::State=$state" -o "Dir::State::Lists=$state/lists" -o "Dir::State::status=$state/status" -o "Dir::Cache=$state/cache"
  -o "Dir::Etc::sourcelist=$state/etc/sources.list" -o "Dir::Etc::sourceparts=$state/parts" -o "Dir::Etc::preferences=$state/none"
  -o "Dir::Etc::preferencesparts=$state/etc/preferences.d" -o APT::Architecture=amd64 -o APT::Architectures::=amd64
  -o APT::Sandbox::User=root -o Acquire::Languages=none -o Debug::NoLocking=1)
apt-get -q "${options[@]}" update </dev/null >&2

# The URIs that apt would fetch; size and hash are taken from the package lists, which are signed.
{
  apt-get "${options[@]}" -y --no-install-recommends --print-uris install "${packages[@]}" </dev/null
  for package in "${alone[@]}"; do apt-get "${options[@]}" --print-uris download "$package" </dev/null; done
} >"$state/uris"
mapfile -t chosen < <(sed -n "s/^'\([^']*\)' .*/\1/p" "$state/uris" | sort -u)
[ ${#chosen[@]} -gt 0 ] || { echo "image/lock.sh: apt named no package" >&2; cat "$state/uris" >&2; exit 1; }
# shellcheck disable=SC2016 # apt's own name
apt-get "${options[@]}" indextargets --format '$(FILENAME)' 'Created-By: Packages' | while read -r list; do
  /usr/lib/apt/apt-helper "${options[@]}" cat-file "$list"
done | awk '
  /^Filename: /{ file = $2 } /^Size: /{ size = $2 } /^SHA256: /{ hash = $2 }
  /^$/ { if (file != "") print hash, size, file; file = "" }
  END { if (file != "") print hash, size, file }' | sort -u -k3 >"$state/known"

{
  echo "# Made by image/lock.sh $1: SHA-256, size, repository and path of each Debian package. Do not edit."
  for uri in "${chosen[@]}"; do
    path=pool/${uri#*/pool/}
    # A URI writes some characters as %xx.
    path=$(printf '%b' "${path//%/\\x}")
    line=$(awk -v path="$path" '$3 == path' "$state/known")
    [ -n "$line" ] || { echo "image/lock.sh: no list names $path" >&2; exit 1; }
    read -r hash size _ <<<"$line"
    case $path in pool/updates/*) which=debian-security ;; *) which=debian ;; esac
    echo "$hash $size $which $path"
  done | sort -k4
} >"$state/lock"
mv "$state/lock" "$1.lock"
chmod 644 "$1.lock"
echo "image/$1.lock: $(grep -vc '^#' "$1.lock") packages"
