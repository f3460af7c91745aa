#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/lint/tidy.sh [FOLDER…]: clang-tidy 19 with .clang-tidy over src (or some of its folders: src/base src/host).
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v run-clang-tidy-19 >/dev/null || { echo "tidy: clang-tidy-19 is missing: run tools/deps.sh lint" >&2; exit 1; }
[ -f build/release/compile_commands.json ] || { echo "tidy: run make build first" >&2; exit 1; }
folders=("$@")
[ ${#folders[@]} -gt 0 ] || folders=(src)
patterns=()
for folder in "${folders[@]}"; do patterns+=("$PWD/${folder%/}/.*\.cpp\$"); done
output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
# g++'s own warning options are unknown to clang, and its precompiled headers of no use.
run-clang-tidy-19 -quiet -p build/release -extra-arg=-Wno-unknown-warning-option -extra-arg=-Wno-ignored-gch "${patterns[@]}" >"$output" 2>/dev/null || status=$?
grep -v -E '^(\[|Enabled checks|Running clang-tidy|[0-9]+ warnings generated|$)' "$output" || true
echo "tidy: ${folders[*]}: $([ $status = 0 ] && echo clean || echo failed)"
exit $status
