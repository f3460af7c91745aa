#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/lint/curve_library.sh [ROOT]: the image links the same libsecp256k1 as the build does: the package that
# cmake/secp256k1.lock pins for amd64 is image/inputs.lock's. ROOT is another tree to check, for this check's own test.
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"
mapfile -t pinned < <(grep '_amd64\.deb$' cmake/secp256k1.lock)
[ ${#pinned[@]} = 1 ] || { echo "curve_library: cmake/secp256k1.lock pins ${#pinned[@]} packages for amd64" >&2; exit 1; }
grep -qxF -- "${pinned[0]}" image/inputs.lock || {
  echo "curve_library: image/inputs.lock has another libsecp256k1-dev than ${pinned[0]##*/}" >&2
  exit 1
}
echo "curve_library: ${pinned[0]##*/} in both locks"
