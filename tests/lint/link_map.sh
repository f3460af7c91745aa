#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/lint/link_map.sh MAPFILE [LIBRARY]: a program that runs in an enclave links nothing that only development or the host
# has. LIBRARY is one that it must link, so that the map is known to be its own: redoubt_enclave.
set -euo pipefail
map=${1:?usage: tests/lint/link_map.sh MAPFILE [LIBRARY]}
library=${2:-redoubt_enclave}
[ -s "$map" ] || { echo "link_map: $map is missing or empty; build its program first" >&2; exit 1; }
grep -q "$library" "$map" || { echo "link_map: $map does not name $library" >&2; exit 1; }

# Floors by their libraries, and by their namespaces where a section bears a mangled name.
# Folder names above the project may contain anything: they are taken out first.
root=$(cd "$(dirname "$0")/../.." && pwd)
if found=$(sed "s|$root/||g" "$map" | grep -niE 'software_?nsm|nsm_software|sqlite|libpq|spdlog|prometheus|yaml-cpp|nghttp2|jemalloc|devcloud|redoubt_(nitrosim|host|image|http2)([^a-z]|$)|7redoubt(8nitrosim|4host|5image|5http2)' | head -n 20); then
  echo "link_map: $map names what the enclave must not hold:" >&2
  echo "$found" >&2
  exit 1
fi
echo "link_map: $map names no software NSM, SQLite, libpq, logging or metrics library, HTTP/2, jemalloc, devcloud, Nitro simulator, watchdog or image tool"
