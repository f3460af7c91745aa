#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# image/build-programs.sh: init, redoubt-enclave and the certificate authorities' roots of the image, built in a root of
# pinned packages (image/inputs.lock). Prints the folder in the user's cache that holds them, named after a hash of what
# they are made of.
set -euo pipefail
# shellcheck source=image/packages.sh
. "$(dirname "$0")/packages.sh"

mkdir -p "$cache"
work=$(mktemp -d "$cache/programs-work.XXXXXX")
trap 'rm -rf "$work"' EXIT
# What is hashed is what is compiled, whoever edits the sources meanwhile.
mkdir "$work/source"
tar -C "$source_folder" -cf - CMakeLists.txt cmake src sdk/c image | tar -C "$work/source" -xf - --no-same-owner
cd "$work/source"

# The floors that redoubt-enclave stands on (tests/lint/floors.sh holds the sources to that list).
mapfile -t floors < <(sed -n 's/^redoubt_floor(enclave FLOORS \(.*\) EXCLUDE .*/enclave \1/p' src/CMakeLists.txt | tr ' ' '\n' | sed 's|^|src/|')
[ ${#floors[@]} -gt 1 ] || { echo "image: src/CMakeLists.txt lists no floors for the enclave" >&2; exit 1; }
key=$(find "${floors[@]}" src/CMakeLists.txt CMakeLists.txt cmake image/init image/inputs.lock image/packages.sh image/build-programs.sh \
  -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-32)
out=$cache/programs-$key
if [ -f "$out/redoubt-enclave" ]; then
  echo "$out"
  exit
fi

# Those of Amazon Trust Services (amazontrust.com), which certify AWS's endpoints; nobody else can vouch for them.
roots=(Amazon_Root_CA_1 Amazon_Root_CA_2 Amazon_Root_CA_3 Amazon_Root_CA_4 Starfield_Services_Root_Certificate_Authority_-_G2)

{
  exec 8>"$cache/programs.lock"
  flock 8
  if [ ! -f "$out/redoubt-enclave" ]; then
    new_root "$work/root" '*/linux-source-*'
    folder=${IMAGE_BUILD_FOLDER:-/build}/redoubt
    mkdir -p "$(dirname "$work/root$folder")"
    mv "$work/source" "$work/root$folder"
    cat >"$work/root$folder/build.sh" <<BUILD
# No name of a folder, and no build number, gets into what is built.
flags="-ffile-prefix-map=$folder=. -Wl,--build-id=none"
cmake -G Ninja -S . -B out -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O2 -DCMAKE_CXX_FLAGS="\$flags" -DCMAKE_C_FLAGS="\$flags" \
  -DREDOUBT_TESTS=OFF -DREDOUBT_BENCH=OFF >cmake.log || { cat cmake.log; exit 1; }
ninja -C out --quiet redoubt-enclave
strip --strip-all -o redoubt-enclave out/bin/redoubt-enclave
g++ -std=c++23 -Os -Wall -Wextra -Werror -fstack-protector-strong -fno-exceptions -fno-rtti -fno-threadsafe-statics \$flags -static \
  -nodefaultlibs image/init/init.cpp -o init -Wl,--start-group -lc -lgcc -lgcc_eh -Wl,--end-group -Wl,-z,relro,-z,now
strip --strip-all init
for name in ${roots[*]}; do cat "/usr/share/ca-certificates/mozilla/\$name.crt"; done >roots.pem
BUILD
    take_build_lock
    echo "image: building init and redoubt-enclave (some minutes)"
    in_root "$work/root" "$folder" bash -eu build.sh
    rm -rf "$out.part"
    mkdir "$out.part"
    for name in init redoubt-enclave roots.pem; do install -m 644 "$work/root$folder/$name" "$out.part/$name"; done
    mv "$out.part" "$out"
  fi
} >&2
echo "$out"
