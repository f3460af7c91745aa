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
case ${allowed[enclave]:-} in *" gateway "* | *" http2 "*) echo "floors: enclave may not stand on gateway or http2" >&2; exit 1 ;; esac
case ${allowed[kmstool]:-} in *" gateway "* | *" host "* | *" store "* | *" doctor "* | *" http2 "*) echo "floors: kmstool may not stand on a host floor" >&2; exit 1 ;; esac
case ${allowed[gateway]:-} in *" enclave "*) echo "floors: gateway may not stand on enclave" >&2; exit 1 ;; esac

# One awk over all include lines: a shell loop takes half a minute for them.
lists=$(for floor in "${!allowed[@]}"; do echo "$floor${allowed[$floor]}"; done)
folders=$(cd src && echo */)
grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' src --include='*.h' --include='*.cpp' |
  LISTS=$lists FOLDERS=$folders awk -F: '
    BEGIN {
      count = split(ENVIRON["LISTS"], lines, "\n")
      for (i = 1; i <= count; ++i) {
        n = split(lines[i], words, " ")
        listed[words[1]] = 1
        for (j = 2; j <= n; ++j) { stands[words[1], words[j]] = 1; text[words[1]] = text[words[1]] " " words[j] }
      }
      count = split(ENVIRON["FOLDERS"], names, " ")
      for (i = 1; i <= count; ++i) { sub("/$", "", names[i]); folder[names[i]] = 1 }
    }
    {
      ++checked
      split($1, path, "/"); floor = path[2]
      split($0, quoted, "\""); header = quoted[2]
      target = header; sub("/.*", "", target)
      reason = ""
      if (header == "nitro/software_nsm.h") {
        if ($1 !~ "^src/cli/" && $1 !~ "^src/nitro/software_nsm[^/]*[.]cpp$" && $1 !~ "^src/(enclave|kmstool)/main_dev[.]cpp$")
          reason = "only the command line, the development programs and tests use the software NSM"
      } else if (floor == "cli" || target == floor) {
      } else if (!(target in folder)) {
        reason = "project headers are included as \"FLOOR/name.h\""
      } else if (!(floor in listed)) {
        reason = "src/CMakeLists.txt does not list the floor " floor
      } else if (!((floor, target) in stands)) {
        reason = floor " stands on:" text[floor] " and not on " target
      }
      if (reason != "") { print $1 ":" $2 ": \"" header "\": " reason > "/dev/stderr"; ++failures }
    }
    END {
      print "floors: " checked + 0 " includes checked, " failures + 0 " refused"
      exit !(checked > 0 && failures == 0)
    }'
