#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/lint/image_sources.sh [ROOT]: the files that image/build-programs.sh takes along configure by themselves, with its
# options, and have all that redoubt-enclave is made of. ROOT is another tree to check, for this check's own test.
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"
script=image/build-programs.sh

# shellcheck disable=SC2016 # the script's own words
read -r -a list < <(sed -n 's/^tar -C "$source_folder" -cf - \(.*\) | tar .*/\1/p' "$script")
# Its flags are the shell's, with names that the image's root alone has; what decides on sources are the options.
mapfile -t options < <(grep -o -- '-DREDOUBT_[A-Z_]*=[A-Z]*' "$script" | sort -u)
if [ ${#list[@]} -lt 3 ] || [ ${#options[@]} -eq 0 ]; then
  echo "image_sources: $script no longer copies its sources as this check reads it" >&2
  exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/source"
tar -cf - "${list[@]}" | tar -C "$work/source" -xf - --no-same-owner
# Under another name the build's description is not made anew first, where a dry run would end.
if ! cmake -G Ninja -S "$work/source" -B "$work/out" -DCMAKE_BUILD_TYPE=Release "${options[@]}" >"$work/log" 2>&1 ||
  ! cp "$work/out/build.ninja" "$work/out/all.ninja" ||
  ! ninja -C "$work/out" -f all.ninja -n redoubt-enclave >>"$work/log" 2>&1 ||
  ! grep -q 'bin/redoubt-enclave$' "$work/log"; then
  cat "$work/log" >&2
  echo "image_sources: with nothing but ${list[*]} (copied by $script) redoubt-enclave cannot be built" >&2
  exit 1
fi
echo "image_sources: ${list[*]} are all that redoubt-enclave needs ($(grep -c '^\[' "$work/log") steps)"
