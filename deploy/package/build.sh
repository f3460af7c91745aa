#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# deploy/package/build.sh [OUTPUT-FOLDER]: the packages redoubt and, where there is an enclave image, redoubt-image, as .deb and
# .rpm, with SHA256SUMS; the default folder is build/package (docs/packages.md). From the environment, beside what stage.sh
# takes: RELEASE (1), the packages' release number, and COMPRESSION (xz; gzip is faster).
# The same files at the same SOURCE_DATE_EPOCH give the same packages.
set -euo pipefail
source_folder=$(cd "$(dirname "$0")/../.." && pwd)
out=$(realpath -m "${1:-$source_folder/build/package}")
for program in patchelf rpmbuild cpack; do
  command -v "$program" >/dev/null || { echo "package: $program is missing; run tools/deps.sh package" >&2; exit 1; }
done
if [ -z "${REDOUBT:-}" ]; then
  "$source_folder/tools/build" release redoubt >&2
fi
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$source_folder" log -1 --format=%ct 2>/dev/null || echo 1)}
umask 022
mkdir -p "$out"
"$source_folder/deploy/package/stage.sh" "$out/stage"
version=$(sed -n 's/^project(redoubt VERSION \([0-9.]*\).*/\1/p' "$source_folder/CMakeLists.txt")
rm -rf "$out/cpack"
log=$out/cpack.log
if ! { cmake -S "$source_folder/deploy/package" -B "$out/cpack" -DSTAGE="$out/stage" -DREDOUBT_VERSION="$version" -DRELEASE="${RELEASE:-1}" \
  -DCOMPRESSION="${COMPRESSION:-xz}" &&
  cpack -G "DEB;RPM" --config "$out/cpack/CPackConfig.cmake" -B "$out/cpack"; } >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
rm -f "$out"/redoubt*.{deb,rpm}
mv "$out"/cpack/redoubt*.{deb,rpm} "$out/"
(cd "$out" && sha256sum redoubt*.{deb,rpm} >SHA256SUMS && cat SHA256SUMS)
