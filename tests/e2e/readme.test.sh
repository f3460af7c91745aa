#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The README's five-minute tour works as written: its commands, in a folder and on a port of this test's own.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d "${TMPDIR:-/tmp}/redoubt-tour-XXXXXX")
up_pid=
finish() {
    if [ -n "$up_pid" ]; then kill -TERM "$up_pid" 2>/dev/null || true; wait "$up_pid" 2>/dev/null || true; fi
    rm -rf "$folder"
}
trap finish EXIT

tour=$(sed -n '/^## Five minutes/,/^## /p' "$root/README.md" | sed -n '/^```sh$/,/^```$/p' | grep -v '^```')
[ "$(grep -c . <<<"$tour")" -ge 6 ] || { echo "readme: the tour was not found" >&2; exit 1; }
start=$(grep 'redoubt up' <<<"$tour" | sed 's/&.*//')
rest=$(grep -v 'redoubt up\|^make build' <<<"$tour")
# A port that the kernel gives to nobody who asks for any: below its range for that (32768 and up).
port=$((20000 + RANDOM % 12000))
while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((20000 + RANDOM % 12000)); done
here() { sed "s#/tmp/redoubt#$folder/data#g; s#127.0.0.1:8443#127.0.0.1:$port#g; s#build/release/bin#${REDOUBT_BIN:-$root/build/release/bin}#g"; }

cd "$root"
eval "$(here <<<"$start") --listen 127.0.0.1:$port >$folder/up.out &"
up_pid=$!
for _ in $(seq 1 300); do
    grep -q '^ready ' "$folder/up.out" && break
    kill -0 "$up_pid" || { echo "readme: redoubt up ended" >&2; exit 1; }
    sleep 0.1
done
grep "^ready https://127.0.0.1:$port$" "$folder/up.out"
bash -euo pipefail -c "$(here <<<"$rest")" | tee "$folder/tour.out"
grep -q '^address ' "$folder/tour.out"
grep -q '"raw_transaction":"0x02f8' "$folder/tour.out"
echo "readme: the tour works"
