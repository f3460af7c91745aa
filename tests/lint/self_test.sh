#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/lint/self_test.sh: the checks of this folder find what they are there for.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
expect() { # STATUS WHAT COMMAND…
  local wanted=$1 what=$2 got=0
  shift 2
  "$@" >"$work/output" 2>&1 || got=1
  if [ "$got" != "$wanted" ]; then
    echo "self_test: $what: expected $wanted, got $got" >&2
    cat "$work/output" >&2
    failures=$((failures + 1))
  fi
}

tree=$work/tree
fresh() {
  rm -rf "$tree"
  mkdir -p "$tree"/src/{base,nitro,wire,enclave,gateway,devcloud,cli}
  cat >"$tree/src/CMakeLists.txt" <<'LIST'
redoubt_floor(base LIBS openssl)
redoubt_floor(nitro FLOORS base EXCLUDE software_nsm.cpp)
redoubt_floor(wire FLOORS base)
redoubt_floor(enclave FLOORS wire nitro base EXCLUDE main_dev.cpp)
redoubt_floor(gateway FLOORS wire base)
redoubt_floor(devcloud FLOORS nitro base LIBS sqlite)
LIST
  echo '#include "base/bytes.h"' >"$tree/src/wire/frame.h"
  echo '#include "nitro/software_nsm.h"' >"$tree/src/enclave/main_dev.cpp"
  echo '#include "devcloud/devcloud.h"' >"$tree/src/cli/main.cpp"
}
fresh; expect 0 "a good tree" "$here/floors.sh" "$tree"
refuse() { # FILE INCLUDE WHAT
  fresh
  echo "#include \"$2\"" >"$tree/src/$1"
  expect 1 "$3" "$here/floors.sh" "$tree"
}
refuse base/a.h wire/frame.h "a floor on one above it"
refuse gateway/a.cpp enclave/server.h "gateway on enclave"
refuse enclave/a.cpp gateway/pool.h "enclave on gateway"
refuse gateway/a.cpp devcloud/devcloud.h "gateway on devcloud"
refuse enclave/a.cpp nitro/software_nsm.h "the software NSM in the enclave"
refuse devcloud/a.cpp nitro/software_nsm.h "the software NSM in devcloud"
refuse wire/a.cpp frame.h "a header without its floor"
fresh; sed -i 's/gateway FLOORS/gateway FLOORS devcloud/' "$tree/src/CMakeLists.txt"; expect 1 "devcloud in a list" "$here/floors.sh" "$tree"
fresh; sed -i 's/gateway FLOORS/gateway FLOORS enclave/' "$tree/src/CMakeLists.txt"; expect 1 "enclave in gateway's list" "$here/floors.sh" "$tree"

spdx=$work/spdx
mkdir -p "$spdx"
printf '#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n' >"$spdx/a.sh"
expect 0 "files with the line" "$here/spdx.sh" "$spdx"
printf '\n\n\n// SPDX-License-Identifier: Apache-2.0\n' >"$spdx/b.cpp"
expect 1 "the line too late" "$here/spdx.sh" "$spdx"

map=$work/enclave.map
echo 'src/libredoubt_enclave.a(server.cpp.o)' >"$map"
expect 0 "a good map" "$here/link_map.sh" "$map"
expect 1 "another program's map" "$here/link_map.sh" "$map" redoubt_kmstool
for name in 'libredoubt_nsm_software.a(software_nsm.cpp.o)' /usr/lib/libsqlite3.a libpq.a libspdlog.a libnghttp2.a libjemalloc_pic.a 'src/libredoubt_http2.a(session.cpp.o)' 'libredoubt_devcloud.a(kms.cpp.o)' \
  'libredoubt_nitrosim.a(vhost_user.cpp.o)' 'src/libredoubt_host.a(keeper.cpp.o)' src/libredoubt_image.a \
  .text._ZN7redoubt4host6KeeperC2Ev .text._ZNK7redoubt5image3Eif6kernelEv .text._ZN7redoubt8nitrosim8NitroSimD1Ev; do
  printf 'src/libredoubt_enclave.a(server.cpp.o)\nLOAD %s\n' "$name" >"$map"
  expect 1 "a map with $name" "$here/link_map.sh" "$map"
done
: >"$map"; expect 1 "an empty map" "$here/link_map.sh" "$map"
expect 1 "no map" "$here/link_map.sh" "$work/none.map"

image=$work/image-tree
copies() { # LINE…: of the image's programs
  rm -rf "$image"
  mkdir -p "$image"/{image,src/enclave,docs}
  # shellcheck disable=SC2016 # the script's own words
  printf 'tar -C "$source_folder" -cf - CMakeLists.txt src image | tar -C out -xf -\ncmake -DREDOUBT_TESTS=OFF\n' >"$image/image/build-programs.sh"
  cat >"$image/CMakeLists.txt" <<'LIST'
cmake_minimum_required(VERSION 3.25)
project(image LANGUAGES CXX)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
add_subdirectory(src)
LIST
  { echo 'add_executable(redoubt-enclave enclave/main.cpp)'; printf '%s\n' "$@"; } >"$image/src/CMakeLists.txt"
  echo 'int main() {}' >"$image/src/enclave/main.cpp"
  echo 'int other;' >"$image/docs/other.cpp"
}
copies; expect 0 "an image of what is copied" "$here/image_sources.sh" "$image"
copies 'target_sources(redoubt-enclave PRIVATE ../docs/other.cpp)'; expect 1 "a source that is not copied" "$here/image_sources.sh" "$image"
copies 'add_custom_command(OUTPUT made.cpp COMMAND cp ../docs/other.cpp made.cpp DEPENDS ../docs/other.cpp)' 'target_sources(redoubt-enclave PRIVATE made.cpp)'
expect 1 "a source made of one that is not copied" "$here/image_sources.sh" "$image"
copies; sed -i 's/-cf -/-c -f -/' "$image/image/build-programs.sh"; expect 1 "a list that cannot be read" "$here/image_sources.sh" "$image"

mkdir -p "$work/locks/cmake" "$work/locks/image"
echo 'aa 1 debian pool/x-dev_2_amd64.deb' | tee "$work/locks/cmake/secp256k1.lock" >"$work/locks/image/inputs.lock"
expect 0 "one library in both locks" "$here/curve_library.sh" "$work/locks"
echo 'bb 1 debian pool/x-dev_3_amd64.deb' >"$work/locks/image/inputs.lock"
expect 1 "another library in the image's lock" "$here/curve_library.sh" "$work/locks"

echo "self_test: $failures checks failed to see what they are for"
[ "$failures" -eq 0 ]
