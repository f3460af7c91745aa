#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# image/qemu-root.sh: QEMU 11, which boots enclave images on a machine without Nitro, unpacked from Debian's packages
# (image/qemu.lock) into the user's cache folder. Prints the program's path: a script that runs it by the loader and
# libraries of its own root, as this machine's may be older. Installs nothing.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=image/packages.sh
. ./packages.sh

mkdir -p "$cache"
exec 8>"$cache/qemu.lock"
flock 8
root=$cache/qemu-$(cat qemu.lock packages.sh qemu-root.sh | sha256sum | cut -c1-16)
if [ ! -x "$root/bin/qemu" ]; then
  echo "image: unpacking QEMU under $cache" >&2
  fetch_packages qemu.lock
  rm -rf "$root" "$root".part
  unpack_root qemu.lock "$root.part/root"
  mkdir "$root.part/bin"
  cat >"$root.part/bin/qemu" <<'WRAPPER'
#!/bin/sh
root=$(dirname "$(dirname "$(readlink -f "$0")")")/root/usr
exec "$root/lib64/ld-linux-x86-64.so.2" --library-path "$root/lib/x86_64-linux-gnu" \
  "$root/bin/qemu-system-x86_64" -L "$root/share/qemu" -L "$root/share/seabios" "$@"
WRAPPER
  chmod 755 "$root.part/bin/qemu"
  mv "$root.part" "$root"
fi
echo "$root/bin/qemu"
