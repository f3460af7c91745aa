#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# deploy/package/stage.sh OUTPUT-FOLDER: lays out what the packages hold, OUTPUT-FOLDER/redoubt and OUTPUT-FOLDER/redoubt-image,
# as it will lie under / (docs/packages.md). From the environment:
#   REDOUBT=FILE   the program `redoubt` (default: build/release/bin/redoubt)
#   EIF=FILE       the enclave image (default: build/image/redoubt.eif); where there is none, no redoubt-image is laid out
#   SOURCE_DATE_EPOCH  time of every file (default: that of the last commit, else 1)
#
# The program gets its own loader, C library and every other library that it needs, in /usr/lib/redoubt, so that the
# host's are of no consequence: it is built on Debian 12 (glibc 2.36) and runs on Amazon Linux 2023 (2.34). Only the copy
# of the program is changed (interpreter, library path); the libraries are Debian's files, byte for byte.
set -euo pipefail
[ $# = 1 ] || { echo "usage: deploy/package/stage.sh OUTPUT-FOLDER" >&2; exit 2; }
source_folder=$(cd "$(dirname "$0")/../.." && pwd)
deploy=$source_folder/deploy
program=${REDOUBT:-$source_folder/build/release/bin/redoubt}
image=${EIF:-$source_folder/build/image/redoubt.eif}
out=$(realpath -m "$1")
private=/usr/lib/redoubt
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$source_folder" log -1 --format=%ct 2>/dev/null || echo 1)}
fail() { echo "package: $*" >&2; exit 1; }
[ -x "$program" ] || fail "there is no program $program; run make build"
umask 022
rm -rf "$out/redoubt" "$out/redoubt-image"
root=$out/redoubt
documents=$root/usr/share/doc/redoubt
mkdir -p "$root"{/usr/bin,/usr/share/man/man1,/usr/share/bash-completion/completions,/usr/lib/systemd/system} \
  "$root"{/usr/lib/sysusers.d,/usr/share/redoubt/host,/etc/redoubt/tls,"$private"} "$documents/libraries"

# The program, and what the loader finds for it here: lines "SONAME => FILE (address)", and the loader itself.
install -m 755 "$program" "$root/usr/bin/redoubt"
strip --strip-all "$root/usr/bin/redoubt"
interpreter=$(patchelf --print-interpreter "$program")
loader=$(basename "$interpreter")
patchelf --set-interpreter "$private/$loader" --force-rpath --set-rpath "$private" "$root/usr/bin/redoubt"
mapfile -t found < <(ldd "$program" | sed -n 's/^\t\(\S*\) => \(\/\S*\) (0x[0-9a-f]*)$/\1 \2/p')
! ldd "$program" | grep -q 'not found' || fail "a library of $program is not there"
[ ${#found[@]} -gt 0 ] || fail "$program has no libraries"
found+=("$loader $interpreter")

# Which of Debian's packages a file belongs to. Folders such as /lib are links, and dpkg knows files by either name.
owner_of() {
  local file name
  file=$(realpath "$1")
  for name in "$file" "${file#/usr}" "$1"; do
    dpkg-query -S "$name" 2>/dev/null | sed -n '1s/:.*//p' | grep . && return
  done
  fail "no installed package has $1: its licence is unknown"
}
# The libsecp256k1 that the build unpacked for itself is not the installed one.
pinned=$(sed -n "s/^\([0-9a-f]*\) .*_$(dpkg --print-architecture)\.deb\$/\1/p" "$source_folder/cmake/secp256k1.lock")
unpacked=$source_folder/build/secp256k1/$pinned
copy_licence() { # PACKAGE
  local from=/usr/share/doc/$1/copyright
  [ "$1" != libsecp256k1-dev ] || [ ! -f "$unpacked/copyright" ] || from=$unpacked/copyright
  [ -f "$from" ] || fail "package $1 has no copyright file"
  install -m 644 "$from" "$documents/libraries/$1.copyright"
}
version_of() {
  if [ "$1" = libsecp256k1-dev ] && [ -f "$unpacked/version" ]; then
    cat "$unpacked/version"
  else
    dpkg-query -W -f '${Version}\n' "$1" | head -1
  fi
}

{
  cat <<'TEXT'
Libraries that come with the program redoubt, as Debian built them. Each one's licence is in PACKAGE.copyright.

In /usr/lib/redoubt (file, SHA-256, Debian package, version):
TEXT
  for line in "${found[@]}"; do
    read -r name file <<<"$line"
    mode=644
    [ "$name" != "$loader" ] || mode=755 # the kernel starts it
    install -m "$mode" "$(realpath "$file")" "$root$private/$name"
    package=$(owner_of "$file")
    copy_licence "$package"
    echo "$name $(sha256sum <"$file" | cut -d' ' -f1) $package $(version_of "$package")"
  done | sort
  printf '\nPart of the program itself (Debian package, version):\n'
  for package in libssl-dev libnghttp2-dev libsecp256k1-dev libcli11-dev nlohmann-json3-dev "libstdc++-$(g++ -dumpversion | cut -d. -f1)-dev"; do
    copy_licence "$package"
    echo "$package $(version_of "$package")"
  done
} >"$documents/libraries/README"

# What describes it: made by the program, so that it is true of this one.
"$program" man >"$root/usr/share/man/man1/redoubt.1"
gzip -9n "$root/usr/share/man/man1/redoubt.1"
"$program" completion >"$root/usr/share/bash-completion/completions/redoubt"
install -m 644 "$source_folder/LICENSE" "$documents/copyright"

# Units, their configuration, and the scripts that they run.
install -m 644 "$deploy"/systemd/*.service "$root/usr/lib/systemd/system/"
install -m 644 "$deploy/systemd/sysusers.conf" "$root/usr/lib/sysusers.d/redoubt.conf"
install -m 644 "$deploy"/systemd/etc/* "$root/etc/redoubt/"
install -m 755 "$deploy/host/logs.sh" "$root$private/logs"
install -m 755 "$deploy/host/lifecycle.sh" "$root$private/lifecycle"
install -m 644 "$deploy/host/nsswitch.conf" "$root$private/nsswitch.conf"
install -m 644 "$deploy"/host/{allocator.yaml,prometheus.yaml,cloudwatch-agent.json} "$root/usr/share/redoubt/host/"
chmod 750 "$root/etc/redoubt/tls" # the group is set where the package is installed

if [ -f "$image" ]; then
  root_of_image=$out/redoubt-image
  mkdir -p "$root_of_image/usr/share/redoubt" "$root_of_image/usr/share/doc/redoubt-image"
  "$program" eif verify "$image" >/dev/null || fail "$image is no enclave image"
  install -m 644 "$image" "$root_of_image/usr/share/redoubt/redoubt.eif"
  "$program" eif describe "$image" >"$root_of_image/usr/share/redoubt/redoubt.json"
  install -m 644 "$source_folder/LICENSE" "$root_of_image/usr/share/doc/redoubt-image/copyright"
  # What is linked into the image's program; the kernel's licence (GPL-2.0) with where its source is.
  cat "$deploy/package/image-licences.txt" >>"$root_of_image/usr/share/doc/redoubt-image/copyright"
else
  echo "package: there is no enclave image $image (make eif builds it): redoubt-image is left out" >&2
fi
find "$out" -exec touch --no-dereference --date "@$epoch" {} +
