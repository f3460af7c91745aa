#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# image/reproduce.sh [IMAGE.eif]: builds the image twice, kernel included, each time from nothing in a fresh root, the second
# time under another folder, and compares every byte; then that a change of any part changes PCR0. With IMAGE.eif, a
# published image, its kernel, command line and ramdisks are compared too. About twice the time of `make eif`.
# INPUTS and REDOUBT as for image/build.sh.
set -euo pipefail
# shellcheck source=image/packages.sh
. "$(dirname "$0")/packages.sh"
[ -z "${KERNEL:-}" ] || { echo "image: a kernel of another origin cannot be built again: unset KERNEL" >&2; exit 2; }
published=${1:+$(realpath "$1")}
if [ -z "${REDOUBT:-}" ]; then
  "$source_folder/tools/build" release redoubt >&2
  export REDOUBT=$source_folder/build/release/bin/redoubt
fi

fetch_packages "$image/inputs.lock"
mkdir -p "$cache"
work=$(mktemp -d "$cache/reproduce.XXXXXX")
trap 'rm -rf "$work"' EXIT
for which in first second; do
  # A cache of its own, which holds nothing but the packages.
  mkdir -p "$work/$which/redoubt"
  ln -s "$cache/packages" "$work/$which/redoubt/packages"
  folder=/build
  [ $which = first ] || folder=/another/folder
  began=$SECONDS
  XDG_CACHE_HOME=$work/$which IMAGE_BUILD_FOLDER=$folder DEVELOPMENT_ROOTS=$([ $which = first ] || echo "$work/first/out/development/ca.pem") \
    "$image/build.sh" "$work/$which/out" >"$work/$which.log" 2>&1 || { cat "$work/$which.log" >&2; exit 1; }
  echo "$which build: $((SECONDS - began)) s, SHA-256 $(hash_of "$work/$which/out/redoubt.eif")"
done

failed=
same() { # NAME FILE FILE
  if cmp "$2" "$3"; then echo "same: $1"; else echo "DIFFERENT: $1" >&2; failed=1; fi
}
a=$work/first/out b=$work/second/out
for name in parts/kernel parts/init parts/redoubt-enclave parts/ramdisk-0.cpio parts/ramdisk-1.cpio redoubt.eif redoubt-dev.eif redoubt.json redoubt-dev.json; do
  same "$name" "$a/$name" "$b/$name"
done

pcr0() { sed -n 's/.*"PCR0": *"\([0-9a-f]*\)".*/\1/p' "$1"; }
original=$(pcr0 "$a/redoubt.json")
[ ${#original} = 96 ] || { echo "image: there is no PCR0 in $a/redoubt.json" >&2; exit 1; }
[ "$original" != "$(pcr0 "$a/redoubt-dev.json")" ] || { echo "DIFFERENT PCR0 wanted: redoubt-dev.eif" >&2; failed=1; }
for part in kernel cmdline ramdisk-0.cpio ramdisk-1.cpio; do
  rm -rf "$work/changed"
  cp -r "$a/parts" "$work/changed"
  # One bit of the part's middle byte; the command line, a text, stays one.
  at=$(($(stat -c %s "$work/changed/$part") / 2))
  byte=$(od -An -tu1 -j "$at" -N 1 "$work/changed/$part")
  printf '%b' "\\0$(printf %o $((byte ^ 1)))" | dd of="$work/changed/$part" bs=1 seek="$at" conv=notrunc status=none
  "$image/assemble.sh" "$work/changed" "$work/changed.eif" >"$work/changed.json"
  changed=$(pcr0 "$work/changed.json")
  if [ ${#changed} = 96 ] && [ "$changed" != "$original" ]; then
    echo "another PCR0: one bit of $part"
  else
    echo "SAME PCR0: one bit of $part" >&2
    failed=1
  fi
done

if [ -n "$published" ]; then
  "$REDOUBT" eif extract "$published" --directory "$work/published"
  same "kernel of $published" "$a/parts/kernel" "$work/published/kernel"
  same "command line of $published" "$a/parts/cmdline" "$work/published/cmdline"
  for i in 0 1; do same "ramdisk $i of $published" "$a/parts/ramdisk-$i.cpio" "$work/published/ramdisk-$i"; done
  [ ! -e "$work/published/ramdisk-2" ] || { echo "DIFFERENT: $published has more than two ramdisks" >&2; failed=1; }
fi
[ -z "$failed" ] || exit 1
echo "reproduced; PCR0 $original"
