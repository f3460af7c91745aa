#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/lint/format.sh [--fix]: C++ sources are as .clang-format lays them out (clang-format 14, Debian 12's). A check
# looks only at files that changed since the last one that found nothing (build/format.checked).
set -euo pipefail
cd "$(dirname "$0")/../.."
format=$(command -v clang-format-14 || command -v clang-format) || { echo "format: clang-format is missing: run make deps" >&2; exit 1; }
mode=(--dry-run -Werror)
[ "${1:-}" != --fix ] || mode=(-i)
folders=()
for folder in src tests bench sdk/c; do [ ! -d $folder ] || folders+=("$folder"); done
mapfile -d '' files < <(find "${folders[@]}" -name node_modules -prune -o \( -name '*.cpp' -o -name '*.h' \) -print0)
stamp=build/format.checked
if [ "${#mode[@]}" -gt 1 ]; then
  mkdir -p build
  touch "$stamp.new"
  if [ -f "$stamp" ] && [ ! .clang-format -nt "$stamp" ] && [ ! tests/lint/format.sh -nt "$stamp" ]; then
    mapfile -d '' files < <(find "${files[@]}" -newer "$stamp" -print0)
  fi
fi
[ ${#files[@]} -eq 0 ] || printf '%s\0' "${files[@]}" | xargs -0 -n 20 -P "$(nproc)" "$format" "${mode[@]}"
[ "${#mode[@]}" -eq 1 ] || mv "$stamp.new" "$stamp"
echo "format: ${#files[@]} files"
