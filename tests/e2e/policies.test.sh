#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The policies of examples/policies are policies, and decide their requests as the files say; a file that expects
# something else makes `redoubt policy test` fail. No gateway or enclave runs for any of it.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
redoubt="${REDOUBT_BIN:-$root/build/release/bin}/redoubt"
examples=$root/examples/policies
folder=$(mktemp -d "${TMPDIR:-/tmp}/redoubt-policies-XXXXXX")
trap 'rm -rf "$folder"' EXIT
fail() { echo "policies: $*" >&2; exit 1; }
# The command's exit code, with its output in $folder/out.
run() { local code=0; "$redoubt" policy "$@" >"$folder/out" 2>&1 || code=$?; echo "$code"; }

found=0
for policy in "$examples"/*.policy.json; do
    name=$(basename "$policy" .policy.json)
    requests=$examples/$name.requests.json
    [ -f "$requests" ] || fail "$name has no requests"
    [ "$(run check "$policy" --json)" = 0 ] || fail "$name: $(cat "$folder/out")"
    grep -q '"valid":true,"digest":"[0-9a-f]\{64\}"' "$folder/out" || fail "$name: no digest"
    [ "$(run test "$policy" "$requests")" = 0 ] || fail "$name: $(cat "$folder/out")"
    grep -q '^ok    .*: allowed by rule' "$folder/out" && grep -q '^ok    .*: denied' "$folder/out" ||
        fail "$name: its requests show only one of the two decisions"
    # The other way round nothing is as expected.
    sed 's/"expect": "allow"/"expect": "DENY"/; s/"expect": "deny"/"expect": "allow"/; s/"DENY"/"deny"/; s/, "rule": "[^"]*"//; /^ *"rule": "[^"]*",$/d' \
        "$requests" >"$folder/turned.json"
    [ "$(run test "$policy" "$folder/turned.json")" = 1 ] || fail "$name: expectations are not compared"
    grep -q '^0 of [0-9]* requests decided as expected$' "$folder/out" || fail "$name: $(tail -1 "$folder/out")"
    found=$((found + 1))
done
[ "$found" -ge 5 ] || fail "there are only $found examples"

payouts=$examples/payouts
# One broken expectation, one rule that is not the one that decides, one request that is none.
sed '0,/"expect": "allow"/s//"expect": "deny"/; 0,/"rule": "payout",/s///' "$payouts.requests.json" >"$folder/broken.json"
[ "$(run test "$payouts.policy.json" "$folder/broken.json")" = 1 ] || fail "a broken expectation passes"
grep -q '^FAIL  a supplier is paid: allowed by rule payout; expected: denied$' "$folder/out" || fail "$(cat "$folder/out")"
[ "$(grep -c ^FAIL "$folder/out")" = 1 ] || fail "one broken expectation fails more than itself"
sed '0,/"rule": "payout"/s//"rule": "large-payout"/' "$payouts.requests.json" >"$folder/rule.json"
[ "$(run test "$payouts.policy.json" "$folder/rule.json" --json)" = 1 ] || fail "another rule passes"
grep -q '"failed":1}' "$folder/out" || fail "$(cat "$folder/out")"
sed '0,/"nonce": 7/s//"nonce": 7, "gasprice": 1/' "$payouts.requests.json" >"$folder/malformed.json"
[ "$(run test "$payouts.policy.json" "$folder/malformed.json")" = 1 ] || fail "a request that is none passes"
grep -q 'request a supplier is paid' "$folder/out" || fail "it is not said which request is none"

# Reasons: the field, the limit.
[ "$(run test "$payouts.policy.json" "$payouts.requests.json")" = 0 ]
grep -A1 '^ok    a stranger is not' "$folder/out" | grep -q 'rule payout: a condition does not hold: call.to' || fail "no reason"
grep -A9 "^ok    then the day's limit is reached" "$folder/out" | grep -q 'the limit a-day of rule payout has no room: 20000000000 of 20000000000 used' || fail "no limit"

# A policy with a member that no enclave knows is none; what is wide open is warned of.
sed '0,/"version": 1,/s//"version": 1, "colour": "red",/' "$payouts.policy.json" >"$folder/unknown.json"
[ "$(run check "$folder/unknown.json")" = 1 ] || fail "an unknown member passes"
printf '{"redoubt_policy":1,"rules":[{"effect":"allow","name":"open"}]}' >"$folder/open.json"
[ "$(run check "$folder/open.json")" = 0 ] || fail "the open policy is refused"
grep -q '^warning: .*\[open\]$' "$folder/out" || fail "the open policy is not warned of"
[ "$(run check "$folder/open.json" --strict)" = 1 ] || fail "--strict passes warnings"

# Differences are told by name, whatever the spelling.
sed 's/"at_most": "5000000000"/"at_most": "6000000000"/; s/"version": 1,/"version": 2,/' "$payouts.policy.json" >"$folder/new.json"
[ "$(run diff "$payouts.policy.json" "$folder/new.json")" = 1 ] || fail "a change is no difference"
grep -q '^- rules\[payout\].conditions.call.amount.at_most: "5000000000"$' "$folder/out" || fail "$(cat "$folder/out")"
grep -q '^+ rules\[payout\].conditions.call.amount.at_most: "6000000000"$' "$folder/out" || fail "$(cat "$folder/out")"
grep -q '^2 of ada (ed25519), bob (ecdsa-p256-sha256) may change the policy' "$folder/out" || fail "$(cat "$folder/out")"
tr -d '\n' <"$payouts.policy.json" >"$folder/same.json"
[ "$(run diff "$payouts.policy.json" "$folder/same.json")" = 0 ] || fail "white space is a difference"
sed 's/"version": 2,/"version": 1,/' "$folder/new.json" >"$folder/stale.json"
[ "$(run diff "$payouts.policy.json" "$folder/stale.json")" = 1 ] && grep -q 'the new version must be above 1' "$folder/out" || fail "a version that does not grow goes unnoticed"

# A policy to start from, of keys as OpenSSL makes them; and a change of it, signed by both owners.
openssl genpkey -algorithm ed25519 -out "$folder/app.pem" 2>/dev/null
openssl pkey -in "$folder/app.pem" -pubout -out "$folder/app.pub.pem" 2>/dev/null
openssl genpkey -algorithm ed25519 -out "$folder/ada.pem" 2>/dev/null
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$folder/bob.pem" 2>/dev/null
to=0x2c7536E3605D9C16a7a3D7b1898e529396a65c23
for template in payments payouts batcher; do
    [ "$(run init --template $template --principal "app:$folder/app.pub.pem" --owner "ada:$folder/ada.pem" --owner "bob:$folder/bob.pem" \
        --threshold 2 --to $to --token $to --out "$folder/$template.json")" = 0 ] || fail "$(cat "$folder/out")"
    [ "$(run check "$folder/$template.json")" = 0 ] || fail "$(cat "$folder/out")"
done
sed 's/"version": 1,/"version": 2,/; s/"1000000000000000000"/"2000000000000000000"/' "$folder/payments.json" >"$folder/payments2.json"
"$redoubt" manifest init --kms-key arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab --out "$folder/manifest.json" >/dev/null
change=(--from "$folder/payments.json" --key-id key-00112233445566778899aabbccddeeff --manifest "$folder/manifest.json")
[ "$(run sign "$folder/payments2.json" "${change[@]}" --owner ada --owner-key "$folder/ada.pem" --valid-hours 1 --out "$folder/change.json")" = 0 ] || fail "$(cat "$folder/out")"
grep -q 'signed by 1 of 2, more signatures are needed' "$folder/out" || fail "$(cat "$folder/out")"
[ "$(run sign "$folder/payments2.json" "${change[@]}" --owner bob --owner-key "$folder/ada.pem" --add-to "$folder/change.json")" = 1 ] || fail "ada signs as bob"
[ "$(run sign "$folder/payments2.json" "${change[@]}" --owner ada --owner-key "$folder/ada.pem" --add-to "$folder/change.json")" = 1 ] || fail "ada signs twice"
[ "$(run sign "$folder/payments2.json" "${change[@]}" --owner bob --owner-key "$folder/bob.pem" --add-to "$folder/change.json")" = 0 ] || fail "$(cat "$folder/out")"
grep -q 'signed by 2 of 2;' "$folder/out" || fail "$(cat "$folder/out")"
[ "$(run sign "$folder/payments.json" "${change[@]}" --owner ada --owner-key "$folder/ada.pem" --valid-hours 1)" != 0 ] || fail "a change to the same policy is signed"
echo "policies: $found examples decide as their files say"
