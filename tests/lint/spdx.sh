#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/lint/spdx.sh [ROOT]: every source file says its licence in its first three lines.
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"

failures=0 checked=0
while IFS= read -r -d '' file; do
  checked=$((checked + 1))
  if ! head -n 3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0'; then
    echo "$file: no line \"SPDX-License-Identifier: Apache-2.0\" among the first three" >&2
    failures=$((failures + 1))
  fi
done < <(find . \( -path ./.git -o -path ./build -o -name node_modules \) -prune -o -type f \
  \( -name '*.cpp' -o -name '*.h' -o -name '*.sh' -o -name '*.mjs' -o -name '*.js' -o -name '*.ts' -o -name '*.cmake' \
  -o -name CMakeLists.txt -o -name Makefile -o -path './tools/*' -o -path './.ci/*' \) \
  ! -name '*.json' ! -name '*.md' -print0)

echo "spdx: $checked files checked, $failures without the line"
[ "$checked" -gt 0 ] && [ "$failures" -eq 0 ]
