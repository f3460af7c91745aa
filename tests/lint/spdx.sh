#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/lint/spdx.sh [ROOT]: every source file says its licence in its first three lines.
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"

mapfile -d '' files < <(find . \( -path ./.git -o -path ./build -o -path ./deploy/cdk/build -o -name node_modules \) -prune -o -type f \
  \( -name '*.cpp' -o -name '*.h' -o -name '*.sh' -o -name '*.mjs' -o -name '*.js' -o -name '*.ts' -o -name '*.cmake' \
  -o -name CMakeLists.txt -o -name Makefile -o -path './tools/*' -o -path './.ci/*' \) \
  ! -name '*.json' ! -name '*.md' -print0)

[ ${#files[@]} -gt 0 ] || { echo "spdx: there are no files" >&2; exit 1; }
without=$(printf '%s\0' "${files[@]}" | xargs -0 awk '
  FNR == 1 { if (file != "" && !found) print file; file = FILENAME; found = 0 }
  FNR <= 3 && /SPDX-License-Identifier: Apache-2.0/ { found = 1 }
  FNR == 3 { nextfile }
  END { if (file != "" && !found) print file }')
empty=$(find "${files[@]}" -maxdepth 0 -empty)
for file in $without $empty; do
  echo "$file: no line \"SPDX-License-Identifier: Apache-2.0\" among the first three" >&2
done
echo "spdx: ${#files[@]} files checked, $(wc -w <<<"$without $empty") without the line"
[ -z "$without$empty" ]
