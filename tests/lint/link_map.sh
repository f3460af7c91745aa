#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/lint/link_map.sh MAPFILE: the program of the enclave image links nothing that only development or the host has.
set -euo pipefail
map=${1:?usage: tests/lint/link_map.sh MAPFILE}
[ -s "$map" ] || { echo "link_map: $map is missing or empty; build redoubt-enclave first" >&2; exit 1; }
grep -q 'redoubt_enclave' "$map" || { echo "link_map: $map is not the enclave's link map" >&2; exit 1; }

# Folder names above the project may contain anything: they are taken out first.
root=$(cd "$(dirname "$0")/../.." && pwd)
if found=$(sed "s|$root/||g" "$map" | grep -niE 'software_?nsm|nsm_software|sqlite|libpq|spdlog|yaml-cpp|devcloud' | head -n 20); then
  echo "link_map: $map names what the enclave must not hold:" >&2
  echo "$found" >&2
  exit 1
fi
echo "link_map: $map names no software NSM, SQLite, libpq, logging library or devcloud"
