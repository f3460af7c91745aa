#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/lint/floors.sh [ROOT]: a floor (folder of src/) includes only itself and the floors that src/CMakeLists.txt lists for it.
# ROOT is another tree to check, for this check's own test.
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"

# "redoubt_floor(net FLOORS base LIBS …)" → allowed[net]=" base "
declare -A allowed
while read -r -a words; do
  floor=${words[0]} list=" " collecting=
  for word in "${words[@]:1}"; do
    case $word in
      FLOORS) collecting=1 ;;
      LIBS | EXCLUDE) collecting= ;;
      *) [ -z "$collecting" ] || list+="$word " ;;
    esac
  done
  allowed[$floor]=$list
done < <(sed -n 's/^redoubt_floor(\([^)]*\)).*/\1/p' src/CMakeLists.txt)
[ ${#allowed[@]} -gt 0 ] || { echo "floors: src/CMakeLists.txt lists no floor" >&2; exit 1; }

# What holds whatever the lists say (design: one folder a floor; production cannot be weakened).
for floor in "${!allowed[@]}"; do
  case ${allowed[$floor]} in *" devcloud "*) echo "floors: $floor may not stand on devcloud" >&2; exit 1 ;; esac
done
case ${allowed[enclave]:-} in *" gateway "*) echo "floors: enclave may not stand on gateway" >&2; exit 1 ;; esac
case ${allowed[gateway]:-} in *" enclave "*) echo "floors: gateway may not stand on enclave" >&2; exit 1 ;; esac

failures=0 checked=0
while IFS=: read -r file line include; do
  checked=$((checked + 1))
  floor=${file#src/} floor=${floor%%/*}
  header=$(sed 's/^[^"]*"\([^"]*\)".*/\1/' <<<"$include")
  target=${header%%/*} reason=
  if [ "$header" = nitro/software_nsm.h ]; then
    case $file in
      src/cli/* | src/nitro/software_nsm*.cpp | src/enclave/main_dev.cpp) ;;
      *) reason="only the command line, the development enclave and tests use the software NSM" ;;
    esac
  elif [ "$floor" = cli ] || [ "$target" = "$floor" ]; then
    :
  elif [ ! -d "src/$target" ]; then
    reason="project headers are included as \"FLOOR/name.h\""
  elif [ -z "${allowed[$floor]+set}" ]; then
    reason="src/CMakeLists.txt does not list the floor $floor"
  else
    case ${allowed[$floor]} in
      *" $target "*) ;;
      *) reason="$floor stands on:${allowed[$floor]}and not on $target" ;;
    esac
  fi
  if [ -n "$reason" ]; then
    echo "$file:$line: \"$header\": $reason" >&2
    failures=$((failures + 1))
  fi
done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' src --include='*.h' --include='*.cpp')

echo "floors: $checked includes checked, $failures refused"
[ "$checked" -gt 0 ] && [ "$failures" -eq 0 ]
