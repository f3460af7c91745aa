#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/lint/performance.sh: the report of docs/performance, its plots, and the figures in README.md and docs/ that name where they
# were measured are what docs/performance/results.json says; and what says something else is found.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
report() { "$root/tools/node" "$root/bench/report/report.mjs" "$@"; }
report --check "$root/docs/performance" "$root"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fresh() {
  rm -rf "$work/docs"
  mkdir -p "$work/docs"
  cp -r "$root/docs/performance" "$work/docs/"
  echo 'Signs at 0.0 %<!--measured rows.h2.of_sign_verify--> of the limit.' >"$work/README.md"
  report "$work/docs/performance" "$work" 2>/dev/null
}
refused() { # WHAT: the check does not pass
  ! report --check "$work/docs/performance" "$work" 2>/dev/null || { echo "performance: $1 goes unnoticed" >&2; exit 1; }
}
fresh
report --check "$work/docs/performance" "$work"
! grep -q 'at 0\.0 %' "$work/README.md" || { echo "performance: a figure in the text is not brought up to date" >&2; exit 1; }
sed -i 's/at [0-9.]* %/at 99.9 %/' "$work/README.md"; refused "a figure in the text that was not measured"
fresh; echo 'Fast.<!--measured rows.h2.of_sign_verify-->' >"$work/README.md"; refused "a comment without a figure"
fresh; echo '5 ms<!--measured rows.h2.nothing-->' >"$work/README.md"; refused "a figure that is not in the results"
fresh; sed -i '0,/%/s/%/% and more/' "$work/docs/performance/README.md"; refused "another report"
fresh; for plot in "$work"/docs/performance/*.svg; do echo '<!-- -->' >>"$plot"; break; done; refused "another plot"
fresh; sed -i '0,/"met": false/s//"met": true/; 0,/"met": null/s//"met": true/' "$work/docs/performance/results.json"; refused "a promise said to be kept"
echo "performance: the report is what results.json says"
