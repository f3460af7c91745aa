#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/lint/format.sh [--fix]: C++ sources are as .clang-format lays them out (clang-format 14, Debian 12's).
set -euo pipefail
cd "$(dirname "$0")/../.."
format=$(command -v clang-format-14 || command -v clang-format) || { echo "format: clang-format is missing: run make deps" >&2; exit 1; }
mode=(--dry-run -Werror)
[ "${1:-}" != --fix ] || mode=(-i)
folders=()
for folder in src tests bench; do [ ! -d $folder ] || folders+=("$folder"); done
mapfile -d '' files < <(find "${folders[@]}" -name node_modules -prune -o \( -name '*.cpp' -o -name '*.h' \) -print0)
printf '%s\0' "${files[@]}" | xargs -0 -n 20 -P "$(nproc)" "$format" "${mode[@]}"
echo "format: ${#files[@]} files"
