#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools/secp256k1.sh: unpacks the libsecp256k1 that cmake/secp256k1.lock pins into build/secp256k1/SHA-256/ (headers, the
# static library, licence), which cmake/secp256k1.cmake links. The package comes from the mirror of this machine's own apt
# configuration, or from INPUTS (image/archive.sh), and stays in the user's cache folder; nothing is installed.
# Where it cannot be had the build goes on with the installed libsecp256k1, which signs the same bytes more slowly.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=image/packages.sh
. image/packages.sh

if [ "${1:-}" = fetch ]; then # LOCK: this script's own second half, with a limit on its time
  fetch_packages "$2"
  exit
fi
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
part=
trap 'rm -rf "$work" ${part:+"$part"}' EXIT
grep "_$architecture\\.deb\$" cmake/secp256k1.lock >"$work/lock" || { echo "secp256k1: none is pinned for $architecture"; exit 0; }
read -r hash _ _ path <"$work/lock"
version=${path##*-dev_} version=${version%_*}
out=build/secp256k1/$hash
if (cd "$out" 2>/dev/null && sha256sum --quiet --check SHA256SUMS >/dev/null 2>&1); then
  echo "secp256k1: $version is unpacked"
  exit
fi

# Not longer than this for 1.2 MB: a mirror that stalls must not stop a build that can do without.
package=$cache/packages/$hash.deb
if ! timeout 300 tools/secp256k1.sh fetch "$work/lock" || [ "$(hash_of "$package")" != "$hash" ]; then
  installed=$(dpkg-query -W -f '${Version}' libsecp256k1-dev 2>/dev/null || true)
  rm -f "$package" # a wrong one would stand in the way for ever
  echo "secp256k1: WARNING: $version cannot be had; the build links the installed $installed, which signs more slowly" >&2
  exit 0
fi
part=$out.part.$$
dpkg-deb -x "$package" "$work/root"
mkdir -p "$part/include"
cp "$work"/root/usr/include/secp256k1*.h "$part/include/"
cp "$work"/root/usr/lib/*/libsecp256k1.a "$work"/root/usr/lib/*/pkgconfig/libsecp256k1.pc "$work/root/usr/share/doc/libsecp256k1-dev/copyright" "$part/"
echo "$version" >"$part/version"
(cd "$part" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) >"$work/sums"
mv "$work/sums" "$part/SHA256SUMS"
rm -rf "$out"
mv "$part" "$out"
echo "secp256k1: unpacked $version"
