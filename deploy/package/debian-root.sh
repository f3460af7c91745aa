#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# deploy/package/debian-root.sh: a clean Debian 12 with systemd, as a cloud's Debian image has it, from this machine's own mirrors,
# for tests of the packages. Prints the tar file in the user's cache folder; one older than a week is made anew. Needs root.
set -euo pipefail
source_folder=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=image/packages.sh
. "$source_folder/image/packages.sh" # the cache folder, and the mirrors

packages=systemd,systemd-sysv,ca-certificates,curl,openssl
command -v mmdebstrap >/dev/null || { echo "package: mmdebstrap is missing; run tools/deps.sh package" >&2; exit 1; }
file=$cache/debian-root-$({ echo "$packages"; cat "$0"; } | sha256sum | cut -c1-16).tar
mkdir -p "$cache"
exec 8>"$cache/debian-root.lock"
flock 8
if [ -z "$(find "$file" -mtime -7 2>/dev/null)" ]; then
  echo "package: making a Debian root under $cache (a minute or two)" >&2
  list=$(mktemp --suffix .list)
  trap 'rm -f "$list" "$file.part"' EXIT
  {
    echo "deb $(repository debian) bookworm main"
    echo "deb $(repository debian-security) bookworm-security main"
  } >"$list"
  mmdebstrap --quiet --mode=root --format=tar --variant=minbase --include="$packages" bookworm "$file.part" "$list" >&2
  mv "$file.part" "$file"
fi
echo "$file"
