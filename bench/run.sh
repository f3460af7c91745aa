#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Signatures a second beside raw libsecp256k1, on this machine, in one run: the enclave's code alone for each kind of
# signature, what policies, principals and receipts cost, then the whole way over HTTPS. SECONDS_EACH: length of each window. `bench/run.sh --keys 1000000`
# creates a million keys first and signs with random ones of them; STORE=postgresql://… keeps them there (docs/performance.md).
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d "${TMPDIR:-/tmp}/redoubt-bench-XXXXXX")
up_pid=
finish() {
    [ -z "$up_pid" ] || { kill -TERM "$up_pid" 2>/dev/null || true; wait "$up_pid" 2>/dev/null || true; }
    rm -rf "$folder"
}
trap finish EXIT
build/release/bin/redoubt up --quiet --data-dir "$folder" --listen 127.0.0.1:0 --enclaves "${ENCLAVES:-1}" \
    ${STORE:+--store "$STORE"} --ready-file "$folder/bench.json" >"$folder/up.out" &
up_pid=$!
for _ in $(seq 1 600); do
    grep -q '^ready ' "$folder/up.out" 2>/dev/null && break
    kill -0 "$up_pid" 2>/dev/null || { echo "redoubt up ended early" >&2; exit 1; }
    sleep 0.1
done
build/release/bin/ethereum_bench
echo
build/release/bin/policy_bench
echo
build/release/bin/request_signature_bench
echo
build/release/bin/receipt_bench
echo
build/release/bin/sign_bench --ready-file "$folder/bench.json" --seconds "${SECONDS_EACH:-5}" "$@"
