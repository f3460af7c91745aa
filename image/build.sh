#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# image/build.sh [OUTPUT-FOLDER]: builds the enclave image: redoubt.eif, redoubt-dev.eif and, beside each, its measurements
# (NAME.json); the default folder is build/image. From the environment:
#   KERNEL=FILE              a kernel of another origin instead of the one that build-kernel.sh makes, such as AWS's own; a file
#                            nsm.ko beside it goes into the image, for a kernel that has the NSM driver as a module
#   INPUTS=FILE or FOLDER    image/archive.sh's archive of the pinned packages: no network is used
#   DEVELOPMENT_ROOTS=FILE   the certificate authorities (PEM) that redoubt-dev.eif trusts, such as tls/ca.pem of `redoubt up`'s
#                            folder; without it one is made, once, in OUTPUT-FOLDER/development/
#   DEVELOPMENT_SUFFIX=NAME  the DNS suffix of its endpoints (default: devcloud.internal)
#   REDOUBT=FILE             the program `redoubt` (default: build/release/bin/redoubt, which is built)
set -euo pipefail
# shellcheck source=image/packages.sh
. "$(dirname "$0")/packages.sh"
out=$(realpath -m "${1:-$source_folder/build/image}")

roots=${DEVELOPMENT_ROOTS:+$(realpath "$DEVELOPMENT_ROOTS")}
kernel=${KERNEL:+$(realpath "$KERNEL")}
[ -z "$kernel" ] || [ -f "$kernel" ] || { echo "image: there is no kernel $kernel" >&2; exit 1; }
[ -n "$kernel" ] || kernel=$("$image/build-kernel.sh")/kernel
programs=$("$image/build-programs.sh")
if [ -z "${REDOUBT:-}" ]; then
  "$source_folder/tools/build" release redoubt >&2
  export REDOUBT=$source_folder/build/release/bin/redoubt
fi

parts=$out/parts
mkdir -p "$parts"
cp "$kernel" "$parts/kernel"
cp "$image/kernel/cmdline-$(uname -m)" "$parts/cmdline"
sed -n 's/^project(redoubt VERSION \([0-9.]*\).*/\1/p' "$source_folder/CMakeLists.txt" >"$parts/version"
cp "$programs"/{init,redoubt-enclave,roots.pem} "$parts/"
cd "$parts" # the lists name files without a folder, whose name may have spaces

module=
if [ -n "${KERNEL:-}" ] && [ -f "$(dirname "$kernel")/nsm.ko" ]; then
  cp "$(dirname "$kernel")/nsm.ko" .
  module='file /nsm.ko 0400 nsm.ko'
fi
"$source_folder/tools/node" "$image/cpio.mjs" ramdisk-0.cpio <<LIST
dir /dev 0755
node /dev/console 0600 5 1
dir /proc 0555
file /init 0500 init
$module
LIST
"$source_folder/tools/node" "$image/cpio.mjs" ramdisk-1.cpio <<LIST
dir /etc 0755
dir /etc/redoubt 0755
file /etc/redoubt/roots.pem 0444 roots.pem
file /redoubt-enclave 0555 redoubt-enclave
LIST

if [ -z "$roots" ]; then
  roots=$out/development/ca.pem
  if [ ! -f "$roots" ]; then
    mkdir -p "$out/development"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj '/CN=Redoubt development CA' \
      -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -keyout "$out/development/ca.key" -out "$roots.part" 2>/dev/null
    mv "$roots.part" "$roots"
  fi
fi

assemble() { # NAME [ROOTS SUFFIX]
  "$image/assemble.sh" "$parts" "$out/$1.eif.part" "${@:2}" >"$out/$1.json.part"
  mv "$out/$1.eif.part" "$out/$1.eif"
  mv "$out/$1.json.part" "$out/$1.json"
  echo "$out/$1.eif: $(stat -c %s "$out/$1.eif") bytes"
  cat "$out/$1.json"
}
assemble redoubt
assemble redoubt-dev "$roots" "${DEVELOPMENT_SUFFIX:-devcloud.internal}"
