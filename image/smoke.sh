#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# image/smoke.sh [PARTS-FOLDER]: boots the parts that image/build.sh made (default: build/image/parts) in a virtual machine that
# has no NSM and no vsock. Kernel and init must come up, init must refuse to go on without randomness from an NSM, and
# the machine must end by itself. What the image does with both devices is tests/e2e/enclave/run.sh's subject.
set -euo pipefail
image=$(cd "$(dirname "$0")" && pwd)
parts=$(realpath "${1:-$image/../build/image/parts}")
qemu=$("$image/qemu-root.sh")
work=$(mktemp -d)
machine=
trap '[ -z "$machine" ] || kill -9 "$machine" 2>/dev/null || true; rm -rf "$work"' EXIT

cat "$parts/ramdisk-0.cpio" "$parts/ramdisk-1.cpio" >"$work/initrd"
# The keyboard's controller is what the kernel restarts a machine by (reboot=k), as on Nitro.
began=$(date +%s%3N)
"$qemu" -M microvm,acpi=off -m 128M -smp 2 -accel tcg,thread=multi -cpu max -kernel "$parts/kernel" -initrd "$work/initrd" \
  -append "$(cat "$parts/cmdline")" -nodefaults -device i8042 -display none -serial "file:$work/console" -no-reboot </dev/null &
machine=$!
for _ in $(seq 300); do
  kill -0 "$machine" 2>/dev/null || break
  sleep 0.1
done
if kill -0 "$machine" 2>/dev/null; then
  echo "image: the machine still runs after 30 s; its console:" >&2
  cat "$work/console" >&2
  exit 1
fi
wait "$machine" || { echo "image: QEMU failed" >&2; exit 1; }
machine=
if ! grep -q '^init: /dev/nsm cannot be opened (errno 2); the enclave ends' "$work/console"; then
  echo "image: init did not refuse to go on without an NSM; the console:" >&2
  cat "$work/console" >&2
  exit 1
fi
echo "image: booted, refused, ended in $(($(date +%s%3N) - began)) ms, 128 MiB"
