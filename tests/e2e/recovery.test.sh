#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The drill of docs/disaster-recovery.md works as it stands there: its commands, in folders and on a port of this test's own.
# A host is lost with its store, and another one signs the same from the backup; while the KMS key is gone nothing signs.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=${REDOUBT_BIN:-$root/build/release/bin}
export PATH=/usr/bin:$PATH # awscli as tools/deps.sh installs it
folder=$(mktemp -d "${TMPDIR:-/tmp}/redoubt-drill-XXXXXX")
finish() {
    local pid
    for pid in $(jobs -p); do kill -TERM "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done
    rm -rf "$folder"
}
trap finish EXIT
fail() { echo "recovery: $*" >&2; exit 1; }
command -v sqlite3 >/dev/null || fail "sqlite3 is missing: make deps"
port=$((20000 + RANDOM % 12000))
while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((20000 + RANDOM % 12000)); done

drill=$(awk '/^## / { here = $0 == "## The drill" } /^```/ { code = here && $0 == "```sh"; next } here && code' "$root/docs/disaster-recovery.md")
[ "$(grep -c . <<<"$drill")" -ge 30 ] || fail "the drill was not found"
grep -q 'redoubt up' <<<"$drill" || fail "the drill starts nothing"
drill=$(sed -e "s#/tmp/redoubt#$folder/data#g" -e "s#127\\.0\\.0\\.1:8443#127.0.0.1:$port#g" -e "s#redoubt up #&--listen 127.0.0.1:$port #" \
    -e "s#^redoubt #$bin/redoubt #" <<<"$drill")

# AWS's command line, as devcloud's administrator.
# shellcheck disable=SC2317,SC2329 # the drill calls it
aws() {
    local ready=$folder/data/ready.json
    of() { sed -n "s#.*\"$1\":\"\\([^\"]*\\)\".*#\\1#p" "$ready"; }
    AWS_ACCESS_KEY_ID=$(of access_key_id) AWS_SECRET_ACCESS_KEY=$(of secret_access_key) AWS_DEFAULT_REGION=$(of region) AWS_EC2_METADATA_DISABLED=true AWS_PAGER='' \
        command aws --endpoint-url "$(of kms)" "$@" >>"$folder/aws.out"
}
mkdir "$folder/work" && cd "$folder/work"
echo "$drill" >"$folder/drill"
# shellcheck disable=SC1091
. "$folder/drill"
[ "$(grep -cE '^(key|address|commitment|policy) ' before.txt)" = 4 ] || fail "key create shows otherwise: $(cat before.txt)"
grep -q '"signature":"0x[0-9a-f]\{130\}"' after.json || fail "no signature: $(cat after.json)"
[ -s again.json ] || fail "nothing signed after the KMS key was back"
grep -q PendingDeletion "$folder/aws.out" || fail "the key's deletion was not scheduled"
echo "recovery: the restored store signs the same, and nothing signs without the KMS key"
