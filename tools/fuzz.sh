#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools/fuzz.sh [SECONDS [TARGET…]]: builds the fuzz targets and runs each (or those named, without "fuzz_") for some seconds (60).
# tests/fuzz/corpus/NAME holds a target's seeds, tests/fuzz/NAME.dict its words; what it learns is kept in build/fuzz/corpus/NAME.
# A finding is left in build/fuzz/findings and named on the last lines.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -eq 0 ] || shift

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  for source in tests/fuzz/*.cpp; do
    [ ! -f "$source" ] || names+=("$(basename "$source" .cpp)")
  done
fi
if [ ${#names[@]} -eq 0 ]; then
  echo "fuzz: no targets in tests/fuzz"
  exit 0
fi
tools/deps.sh fuzz
tools/build fuzz "${names[@]/#/fuzz_}"

run_one() {
  local name=$1 seconds=$2 learned=build/fuzz/corpus/$1 log=build/fuzz/logs/$1.txt
  local -a folders=("$learned") options=()
  mkdir -p "$learned" build/fuzz/findings build/fuzz/logs
  [ ! -d "tests/fuzz/corpus/$name" ] || folders+=("tests/fuzz/corpus/$name")
  [ ! -f "tests/fuzz/$name.dict" ] || options+=("-dict=tests/fuzz/$name.dict")
  if "build/fuzz/bin/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/findings/$name-" "${options[@]}" "${folders[@]}" </dev/null >"$log" 2>&1; then
    echo "fuzz: $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $seconds s, nothing found"
  else
    echo "fuzz: $name FAILED; the log's end ($log):"
    tail -n 40 "$log"
    return 1
  fi
}
export -f run_one
echo "fuzz: ${#names[@]} targets, $seconds s each, $(nproc) at a time"
printf '%s\n' "${names[@]}" | xargs -I{} -P "$(nproc)" bash -c 'run_one "$1" "$2"' _ {} "$seconds"
