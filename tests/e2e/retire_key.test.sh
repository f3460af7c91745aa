#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# deploy/cleanup/retire-key.sh against a running system: it takes a key out of service and back, and schedules a deletion
# only after the days that it says, never of a key that wraps a vault, unless that vault is named.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=${REDOUBT_BIN:-$root/build/release/bin}
export PATH=/usr/bin:$PATH # awscli as tools/deps.sh installs it
folder=$(mktemp -d "${TMPDIR:-/tmp}/redoubt-retire-XXXXXX")
up_pid=
finish() {
    if [ -n "$up_pid" ]; then kill -TERM "$up_pid" 2>/dev/null || true; wait "$up_pid" 2>/dev/null || true; fi
    rm -rf "$folder"
}
trap finish EXIT
fail() { echo "retire_key: $*" >&2; [ ! -f "$folder/out" ] || cat "$folder/out" >&2; exit 1; }

"$bin/redoubt" up --data-dir "$folder/data" --listen 127.0.0.1:0 --quiet >"$folder/up.out" 2>"$folder/up.err" &
up_pid=$!
for _ in $(seq 1 300); do
    grep -q '^ready ' "$folder/up.out" && break
    kill -0 "$up_pid" || fail "redoubt up ended: $(tail -3 "$folder/up.err")"
    sleep 0.1
done
export REDOUBT_READY_FILE=$folder/data/ready.json
of() { sed -n "s#.*\"$1\":\"\\([^\"]*\\)\".*#\\1#p" "$REDOUBT_READY_FILE"; }
AWS_ENDPOINT_URL=$(of kms) AWS_ACCESS_KEY_ID=$(of access_key_id) AWS_SECRET_ACCESS_KEY=$(of secret_access_key)
export AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_EC2_METADATA_DISABLED=true AWS_PAGER=''
key=$(of kms_key_arn) unused=$(of reference_kms_key_arn)
expect() { # CODE TEXT ARGUMENT…
    local want=$1 text=$2 code=0
    shift 2
    "$root/deploy/cleanup/retire-key.sh" "$@" >"$folder/out" 2>&1 || code=$?
    [ "$code" = "$want" ] || fail "$* ended with $code, not $want"
    grep -q -- "$text" "$folder/out" || fail "not said: $text"
}
state() { aws --endpoint-url "$AWS_ENDPOINT_URL" --region us-east-1 --output text kms describe-key --key-id "$1" --query KeyMetadata.KeyState; }

"$bin/redoubt" vault list >"$folder/vaults"
vault=$(sed -n 's/^\(vault-[0-9a-f]*\) .*/\1/p' "$folder/vaults")
[ -n "$vault" ] || fail "no vault"
all=(--vaults "$folder/vaults")

expect 2 'retire-key.sh disable' nothing
expect 1 'full ARN' disable "${key##*/}"
expect 1 'disable it first' schedule "$key" "${all[@]}" --confirm "$key"
expect 0 'Wait 30 days' disable "$key"
[ "$(state "$key")" = Disabled ] || fail "the key is $(state "$key")"
expect 1 'not yet for 30 days' schedule "$key" "${all[@]}" --confirm "$key"
export DISABLED_DAYS=0
expect 1 'which vaults are there' schedule "$key" --confirm "$key"
head -1 "$folder/vaults" >"$folder/half"
expect 1 'no whole output' schedule "$key" --vaults "$folder/half" --confirm "$key"
expect 1 "$vault is wrapped under this key" schedule "$key" "${all[@]}" --confirm "$key"
expect 1 "is wrapped under this key" schedule "$key" "${all[@]}" --lose "$vault-other" --confirm "$key"
expect 1 'with --confirm' schedule "$key" "${all[@]}" --lose "$vault"
expect 1 'with --confirm' schedule "$key" "${all[@]}" --lose "$vault" --confirm "$unused"
[ "$(state "$key")" = Disabled ] || fail "a refusal scheduled a deletion"
expect 0 "to be lost: $vault" schedule "$key" "${all[@]}" --lose "$vault" --confirm "$key"
[ "$(state "$key")" = PendingDeletion ] || fail "the key is $(state "$key")"
expect 0 enabled keep "$key"
[ "$(state "$key")" = Enabled ] || fail "the key is $(state "$key")"
# A key that wraps no vault needs no --lose; one that somebody else disabled begins its days anew.
expect 0 disabled disable "$unused"
expect 0 scheduled schedule "$unused" "${all[@]}" --confirm "$unused"
expect 0 enabled keep "$unused"
aws --endpoint-url "$AWS_ENDPOINT_URL" --region us-east-1 kms disable-key --key-id "$unused"
expect 1 'since when the key is disabled' schedule "$unused" "${all[@]}" --confirm "$unused"
echo "retire_key: nothing is scheduled that a list, a day or a confirmation speaks against"
