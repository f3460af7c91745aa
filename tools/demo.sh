#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The README's story on this machine: start everything, create a key in the enclave, sign over HTTPS, let an independent
# client check it and a real node mine it, and show what KMS was asked. Leaves nothing running.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d "${TMPDIR:-/tmp}/redoubt-demo-XXXXXX")
up_pid=
finish() {
    if [ -n "$up_pid" ]; then
        kill -TERM "$up_pid" 2>/dev/null || true
        wait "$up_pid" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap finish EXIT

echo "== 1. The whole system on this machine, without AWS: redoubt up"
build/release/bin/redoubt up --data-dir "$folder" --listen 127.0.0.1:0 --ready-file "$folder/demo.json" >"$folder/up.out" &
up_pid=$!
for _ in $(seq 1 600); do
    grep -q '^ready ' "$folder/up.out" 2>/dev/null && break
    kill -0 "$up_pid" 2>/dev/null || { echo "redoubt up ended early; see above" >&2; exit 1; }
    sleep 0.1
done
grep '^ready ' "$folder/up.out"

echo
echo "== 2. A key, drawn inside the enclave; its statement is verified against the pinned PCR0 and PCR16"
export REDOUBT_READY_FILE="$folder/demo.json"
build/release/bin/redoubt key create

echo
echo "== 3. A transaction, signed over HTTPS; checked by ethers, mined by anvil"
tools/node tests/e2e/demo.mjs
