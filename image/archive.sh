#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# image/archive.sh OUTPUT.tar: packs what an image is made of beside this source tree: every Debian package that
# image/inputs.lock pins, the kernel's source among them, each under its SHA-256. `make eif INPUTS=OUTPUT.tar` builds
# from it without a network, also when mirrors no longer have these versions. The same lock gives the same archive.
set -euo pipefail
# shellcheck source=image/packages.sh
. "$(dirname "$0")/packages.sh"
[ $# = 1 ] || { echo "usage: image/archive.sh OUTPUT.tar" >&2; exit 2; }

fetch_packages "$image/inputs.lock"
work=$(mktemp -d "$cache/archive.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/packages"
cp "$image/inputs.lock" "$work/"
while read -r hash _; do
  ln "$cache/packages/$hash.deb" "$work/packages/" # the cache's own file: nothing is copied
  [ "$(hash_of "$work/packages/$hash.deb")" = "$hash" ] || { echo "image: $cache/packages/$hash.deb changed; remove it" >&2; exit 1; }
done < <(grep -v '^#' "$image/inputs.lock")
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --hard-dereference --format=ustar \
  -C "$work" -cf "$1.part" inputs.lock packages
mv "$1.part" "$1"
echo "$1: $(grep -vc '^#' "$image/inputs.lock") packages, SHA-256 $(hash_of "$1")"
