#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# image/assemble.sh PARTS OUTPUT.eif [DEVELOPMENT-ROOTS.pem [ENDPOINT-SUFFIX]]: puts an image file together from the folder
# PARTS that image/build.sh makes (kernel, cmdline, ramdisk-0.cpio, ramdisk-1.cpio), and prints its measurements (JSON, as
# nitro-cli's). With development roots it becomes a development image: one more ramdisk makes redoubt-enclave trust
# these certificate authorities instead of Amazon's, and call kms.REGION.ENDPOINT-SUFFIX (default: devcloud.internal).
# Its PCR0 and PCR2 are therefore others than the production image's. REDOUBT names the program `redoubt`.
set -euo pipefail
image=$(cd "$(dirname "$0")" && pwd)
if [ $# -lt 2 ] || [ $# -gt 4 ]; then
  echo "usage: image/assemble.sh PARTS OUTPUT.eif [DEVELOPMENT-ROOTS.pem [ENDPOINT-SUFFIX]]" >&2
  exit 2
fi
parts=$1 output=$2 roots=${3:-} suffix=${4:-devcloud.internal}
redoubt=${REDOUBT:-$image/../build/release/bin/redoubt}

ramdisks=(--ramdisk "$parts/ramdisk-0.cpio" --ramdisk "$parts/ramdisk-1.cpio")
name=redoubt
if [ -n "$roots" ]; then
  name='redoubt-dev'
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  grep -q '^-----BEGIN CERTIFICATE-----' "$roots" || { echo "image: $roots holds no certificate (PEM)" >&2; exit 1; }
  cp "$roots" "$work/roots.pem" # under a name without spaces, whatever its own is
  printf '%s\n' "$suffix" >"$work/endpoint-suffix"
  "$image/../tools/node" "$image/cpio.mjs" "$work/ramdisk-2.cpio" <<LIST
dir /etc 0755
dir /etc/redoubt 0755
dir /etc/redoubt/development 0755
file /etc/redoubt/development/endpoint-suffix 0444 $work/endpoint-suffix
file /etc/redoubt/development/roots.pem 0444 $work/roots.pem
LIST
  ramdisks+=(--ramdisk "$work/ramdisk-2.cpio")
fi
# The command reports to people first: the JSON begins with its brace.
env -u SOURCE_DATE_EPOCH "$redoubt" eif build --kernel "$parts/kernel" --cmdline "$(cat "$parts/cmdline")" "${ramdisks[@]}" --name "$name" \
  --version "$(cat "$parts/version")" --output "$output" | sed -n '/^{/,$p'
