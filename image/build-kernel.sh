#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# image/build-kernel.sh: the enclave's kernel from Debian's kernel source package and image/kernel/config-ARCH, built in a
# root of pinned packages (image/inputs.lock). Prints the folder in the user's cache that holds `kernel` and `config`,
# named after a hash of all that the kernel is made of: built once (5 to 10 minutes on two cores), then found there.
set -euo pipefail
# shellcheck source=image/packages.sh
. "$(dirname "$0")/packages.sh"

arch=$(uname -m)
if [ "$arch" != x86_64 ]; then
  echo "image: images are built on x86_64; image/inputs.lock pins no packages for $arch" >&2
  exit 1
fi
key=$(cat "$image/inputs.lock" "$image/kernel/config-$arch" "$image/build-kernel.sh" "$image/packages.sh" | sha256sum | cut -c1-32)
out=$cache/kernel-$key
if [ -f "$out/kernel" ]; then
  echo "$out"
  exit
fi

{
  mkdir -p "$cache"
  exec 8>"$cache/kernel.lock"
  flock 8
  if [ ! -f "$out/kernel" ]; then
    work=$(mktemp -d "$cache/kernel-work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    new_root "$work/root"
    folder=${IMAGE_BUILD_FOLDER:-/build}/linux
    mkdir -p "$work/root$folder"
    tar -xf "$work/root/usr/src/linux-source-6.12.tar.xz" -C "$work/root$folder" --strip-components=1 --no-same-owner
    cp "$image/kernel/config-$arch" "$work/root$folder/fragment"
    cat >"$work/root$folder/build.sh" <<BUILD
export KBUILD_BUILD_TIMESTAMP='1970-01-01 00:00:00 UTC' KBUILD_BUILD_USER=redoubt KBUILD_BUILD_HOST=redoubt KBUILD_BUILD_VERSION=1
make -s ARCH=x86_64 KCONFIG_ALLCONFIG=fragment allnoconfig
# What the fragment says must have come out: Kconfig drops silently what another option does not allow.
while read -r line; do
  case \$line in
    '# CONFIG_'*' is not set') name=\${line#\# }; ! grep -q "^\${name%% *}=" .config || { echo "image: \$line: it is set" >&2; exit 1; } ;;
    CONFIG_*) grep -qxF -- "\$line" .config || { echo "image: \$line: it is not so" >&2; exit 1; } ;;
  esac
done <fragment
make -s ARCH=x86_64 -j$(nproc) bzImage
BUILD
    take_build_lock
    echo "image: building the kernel (5 to 10 minutes, once)"
    in_root "$work/root" "$folder" bash -eu build.sh
    rm -rf "$out.part"
    mkdir "$out.part"
    install -m 644 "$work/root$folder/arch/x86/boot/bzImage" "$out.part/kernel"
    install -m 644 "$work/root$folder/.config" "$out.part/config"
    mv "$out.part" "$out"
  fi
} >&2
echo "$out"
