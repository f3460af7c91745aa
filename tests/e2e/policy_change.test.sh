#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A key's policy from the first to the second version, against a running system: shown to whom it names, changed by as
# many owners as it demands, once, and with a time lock only later.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
redoubt="${REDOUBT_BIN:-$root/build/release/bin}/redoubt"
folder=$(mktemp -d "${TMPDIR:-/tmp}/redoubt-policy-XXXXXX")
up_pid=
finish() {
    if [ -n "$up_pid" ]; then kill -TERM "$up_pid" 2>/dev/null || true; wait "$up_pid" 2>/dev/null || true; fi
    rm -rf "$folder"
}
trap finish EXIT
fail() { echo "policy_change: $*" >&2; [ ! -f "$folder/out" ] || cat "$folder/out" >&2; exit 1; }
# The command must end with the code given; its output is in $folder/out.
expect() { local want=$1 code=0; shift; "$redoubt" "$@" >"$folder/out" 2>&1 || code=$?; [ "$code" = "$want" ] || fail "$* ended with $code, not $want"; }
said() { grep -q -- "$1" "$folder/out" || fail "not said: $1"; }

cd "$folder"
"$redoubt" up --data-dir "$folder/data" --listen 127.0.0.1:0 --quiet >"$folder/up.out" 2>"$folder/up.err" &
up_pid=$!
for _ in $(seq 1 300); do
    grep -q '^ready ' "$folder/up.out" && break
    kill -0 "$up_pid" || fail "redoubt up ended: $(tail -3 "$folder/up.err")"
    sleep 0.1
done
grep -q '^ready ' "$folder/up.out" || fail "redoubt up is not ready after 30 seconds"
export REDOUBT_READY_FILE=$folder/data/ready.json

openssl genpkey -algorithm ed25519 -out app.pem 2>/dev/null
openssl genpkey -algorithm ed25519 -out ada.pem 2>/dev/null
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out bob.pem 2>/dev/null
expect 0 policy init --principal app:app.pem --owner ada:ada.pem --owner bob:bob.pem --threshold 2 \
    --to 0x2c7536E3605D9C16a7a3D7b1898e529396a65c23 --out v1.json
# The second version allows more, and has a time lock for what comes after it.
sed 's/"version": 1,/"version": 2, "time_lock_seconds": 3600,/; s/"1000000000000000000"/"2000000000000000000"/' v1.json >v2.json
sed 's/"version": 2,/"version": 3,/; s/"2000000000000000000"/"3000000000000000000"/' v2.json >v3.json
digest() { "$redoubt" policy check "$1" | sed -n 's/^digest *//p'; }
expect 0 key create --policy v1.json --json
key=$(sed -n 's/.*"key_id":"\([^"]*\)".*/\1/p' out)

expect 1 policy show "$key"
said 'sign the request'
expect 0 policy show "$key" --as app:app.pem --json
cp out shown.json
expect 0 policy diff shown.json v1.json

sign() { # FROM TO OWNER OPTION…
    local from=$1 to=$2 owner=$3
    shift 3
    expect 0 policy sign "$to" --from "$from" --key-id "$key" --manifest data/manifest.json --owner "$owner" --owner-key "$owner.pem" "$@"
}
sign v1.json v2.json ada --valid-hours 1 --out change.json
expect 1 policy apply "$key" v2.json --authorization change.json
said 'fewer owners have signed'
sign v1.json v2.json bob --add-to change.json
expect 1 policy apply "$key" v3.json --authorization change.json # another policy than the one that was signed
expect 0 policy apply "$key" v2.json --authorization change.json
said "policy      $(digest v2.json)"
expect 1 policy apply "$key" v2.json --authorization change.json # once
expect 0 policy show "$key" --as app:app.pem --json
cp out shown.json
expect 0 policy diff shown.json v2.json

sign v2.json v3.json bob --valid-hours 1 --out later.json
sign v2.json v3.json ada --add-to later.json
expect 0 policy apply "$key" v3.json --authorization later.json
said "policy      $(digest v2.json)"
said "on: $(digest v3.json)"
expect 0 policy show "$key" --as app:app.pem
said "another policy decides: $(digest v3.json)"
said '"version": 2'
# An older version is no way back.
expect 2 policy sign v1.json --from v2.json --key-id "$key" --manifest data/manifest.json --owner ada --owner-key ada.pem --valid-hours 1
said 'the new version must be above 2'
echo "policy_change: changed at once, and with a time lock"
