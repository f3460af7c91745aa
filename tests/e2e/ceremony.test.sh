#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The key ceremony works as docs/key-ceremony.md says: the commands of its numbered sections run as they stand there, with
# the KMS key in an account of devcloud that is not the host's. What is done between them by hand (hosts that are started
# with another manifest) is done here by `redoubt up`. In the end the first manifest's enclaves get nothing any more.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=${REDOUBT_BIN:-$root/build/release/bin}
export PATH=/usr/bin:$PATH # awscli as tools/deps.sh installs it
document=$root/docs/key-ceremony.md
folder=$(mktemp -d "${TMPDIR:-/tmp}/redoubt-ceremony-XXXXXX")
data=$folder/data
up_pid=
finish() {
    if [ -n "$up_pid" ]; then kill -TERM "$up_pid" 2>/dev/null || true; wait "$up_pid" 2>/dev/null || true; fi
    rm -rf "$folder"
}
trap finish EXIT
fail() { echo "ceremony: $*" >&2; exit 1; }
port=$((20000 + RANDOM % 12000))
while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((20000 + RANDOM % 12000)); done

# `redoubt up` is ready when a key signs; a system that waits for its owners to make the vault answers before.
start_hosts() { # STORE
    "$bin/redoubt" up --data-dir "$data" --store "$data/$1" --listen "127.0.0.1:$port" --vault-lease-seconds 10 --quiet >"$folder/up.out" 2>"$folder/up.err" &
    up_pid=$!
    for _ in $(seq 1 300); do
        if curl -sf --cacert "$data/tls/ca.pem" "https://127.0.0.1:$port/health" >/dev/null 2>&1; then return; fi
        kill -0 "$up_pid" 2>/dev/null || fail "redoubt up ended: $(tail -3 "$folder/up.err")"
        sleep 0.1
    done
    fail "no enclave is there after 30 seconds"
}
# Where devcloud is, from the command line of the gateway that up started last.
cloud() {
    local pid
    pid=$(sed -n 's/.*"child-started","child":"gateway","pid":"\([0-9]*\)".*/\1/p' "$folder/up.err" | tail -1)
    tr '\0' '\n' <"/proc/$pid/cmdline" | sed -n '/^--imds-endpoint$/{n;p}'
}
stop_hosts() {
    kill -TERM "$up_pid"
    wait "$up_pid" || fail "redoubt up ended with $?"
    up_pid=
}
restart_hosts() { # MANIFEST
    stop_hosts
    cp "$1" "$data/manifest.json"
    start_hosts ceremony.db
}

# The administrator of the key, in an account of his own.
admin_id=AKIACEREMONYADMIN000 admin_secret=$(openssl rand -hex 20)
key_account=222233334444
# shellcheck disable=SC2034 # the document's commands use them
KEY_ADMIN=arn:aws:iam::$key_account:user/KeyAdmin HOST_ROLE=arn:aws:iam::000000000000:role/redoubt-instance
aws() { # as the administrator, of devcloud
    AWS_ACCESS_KEY_ID=$admin_id AWS_SECRET_ACCESS_KEY=$admin_secret AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true AWS_PAGER='' \
        command aws --endpoint-url "$(cloud)" "$@"
}
redoubt() { "$bin/redoubt" "$@"; }
here=(--gateway "https://127.0.0.1:$port" --ca "$data/tls/ca.pem" --attestation-root "$data/attestation/root.pem")

# The commands of section N, for this machine: where the gateway is, and whom to trust in AWS's place.
section() {
    local text
    text=$(awk -v number="$1" '/^## / { here = $2 == number "." } /^```/ { code = here && $0 == "```sh"; next } here && code' "$document")
    [ -n "$text" ] || fail "section $1 has no commands"
    sed -e "/attestation verify .*--gateway/ s#--gateway #--root '$data/attestation/root.pem' --allow-other-root --ca '$data/tls/ca.pem' &#" \
        -e "/attestation verify attestation.bin/ s#attestation.bin#& --root '$data/attestation/root.pem' --allow-other-root#" \
        -e "/attestation verify/! s#--gateway #--attestation-root '$data/attestation/root.pem' --ca '$data/tls/ca.pem' &#" \
        -e "s#curl -sS#curl -sS --cacert '$data/tls/ca.pem'#" -e "s#signer\\.example:8443#127.0.0.1:$port#g" <<<"$text"
}
run() { # SECTION…
    local number
    for number in "$@"; do
        section "$number" >"$folder/section"
        echo "== $number. $(grep -c . "$folder/section") lines"
        # shellcheck disable=SC1091
        . "$folder/section"
    done
}

# A system whose data folder has the attestation root and the network's certificates; its own keys and store are not used.
start_hosts first.db
for _ in $(seq 1 300); do [ ! -s "$data/ready.json" ] || break; sleep 0.1; done
PCR0=$(sed -n 's/.*"pcr0":"\([^"]*\)".*/\1/p' "$data/ready.json")
put() { curl -sS --fail -X PUT "$(cloud)/redoubt/iam/accounts/$key_account$1" -d "$2"; }
put "" '{"access_keys":[]}'
put /users/KeyAdmin '{"access_keys":[{"access_key_id":"'"$admin_id"'","secret_access_key":"'"$admin_secret"'"}],"policies":{"make":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*"}]}}}'
mkdir "$folder/work" && cd "$folder/work"

run 1 2 3 4
case $KEY_ARN in arn:aws:kms:us-east-1:$key_account:key/*) ;; *) fail "the key is not in the key's account: $KEY_ARN" ;; esac
restart_hosts manifest.json
# Nobody makes a vault without the owners, and nothing was made by itself.
if redoubt vault create --client-token first "${here[@]}" --pcr0 "$PCR0" --pcr16 "$PCR16" >"$folder/alone" 2>&1; then fail "a vault was made without the owners"; fi
grep -q 'owner' "$folder/alone" || fail "no word of the owners: $(cat "$folder/alone")"
run 5 6 7 8
restart_hosts manifest-2.json
run 9 10 11
# The key is the one that was made; under the first manifest it opens no more.
KEY=$(sed -n 's/^key *//p' key.txt)
redoubt key show "$KEY" "${here[@]}" --pcr0 "$PCR0" --pcr16 "$PCR16_2" | grep -qF "$(sed -n 's/^address *//p' key.txt)" || fail "the key is not the one that was made"
restart_hosts manifest.json
if redoubt key show "$KEY" "${here[@]}" --pcr0 "$PCR0" --pcr16 "$PCR16" >"$folder/old" 2>&1; then fail "the first manifest still opens the vault"; fi
grep -q 'KMS' "$folder/old" || fail "the first manifest fails otherwise than at KMS: $(cat "$folder/old")"
echo "ceremony: the vault is made, witnessed, named by the manifest, and closed to the first manifest"
