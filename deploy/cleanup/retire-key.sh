#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Takes a KMS key out of service slowly, so that nobody destroys signing keys by accident. docs/clean-up.md says when.
#   retire-key.sh disable KEY_ARN                      disables it, and notes the day on the key; nothing is lost by that
#   retire-key.sh schedule KEY_ARN --vaults FILE …     schedules its deletion, 30 days ahead; see below
#   retire-key.sh keep KEY_ARN                         calls both off
# FILE is what `redoubt vault list` printed; one for each deployment that ever used the key. `schedule` refuses unless
#   - the key has been disabled, by this script, for 30 days (DISABLED_DAYS), in which somebody would have missed it;
#   - no vault of the lists is wrapped under it, but those that --lose VAULT_ID names, each by its id;
#   - --confirm KEY_ARN repeats the key.
# Run it as the key's administrator. AWS_ENDPOINT_URL, as AWS's own tools read it, leads elsewhere than to AWS.
set -euo pipefail
days=${DISABLED_DAYS:-30} window=30 tag=redoubt:disabled-since
die() { echo "retire-key: $*" >&2; exit 1; }
usage() { sed -n '4,6s/^# *//p' "$0" >&2; exit 2; }
kms() { aws ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} --region "$region" --output text kms "$@"; }

[ $# -ge 2 ] || usage
action=$1 key=$2
shift 2
[[ $key =~ ^arn:aws[a-z-]*:kms:([a-z0-9-]+):[0-9]{12}:key/[A-Za-z0-9-]+$ ]] || die "name the key by its full ARN, not by an alias or id: $key"
region=${BASH_REMATCH[1]}
lists=() lose=() confirm=
while [ $# -gt 0 ]; do
  case $1 in
    --vaults) lists+=("${2:?--vaults needs a file}") ;;
    --lose) lose+=("${2:?--lose needs a vault id}") ;;
    --confirm) confirm=${2:?--confirm needs the ARN} ;;
    *) usage ;;
  esac
  shift 2
done
state=$(kms describe-key --key-id "$key" --query KeyMetadata.KeyState)

case $action in
  disable)
    [ "$state" = Enabled ] || die "the key is $state, not Enabled"
    kms tag-resource --key-id "$key" --tags "TagKey=$tag,TagValue=$(date -u +%s)"
    kms disable-key --key-id "$key"
    echo "disabled. Its vaults close within a lease. Wait $days days, then: $0 schedule; or undo it: $0 keep"
    ;;
  keep)
    [ "$state" != PendingDeletion ] || kms cancel-key-deletion --key-id "$key" >/dev/null
    kms untag-resource --key-id "$key" --tag-keys "$tag"
    kms enable-key --key-id "$key"
    echo "enabled"
    ;;
  schedule)
    [ "$state" = Disabled ] || die "the key is $state: disable it first, and wait"
    since=$(kms list-resource-tags --key-id "$key" --query "Tags[?TagKey=='$tag'].TagValue")
    [[ $since =~ ^[0-9]+$ ]] || die "nobody knows since when the key is disabled: let '$0 keep' and '$0 disable' begin the $days days"
    [ $(($(date -u +%s) - since)) -ge $((days * 86400)) ] || die "the key has been disabled since $(date -u -d "@$since" +%F), not yet for $days days"
    [ ${#lists[@]} -gt 0 ] || die "which vaults are there? give --vaults FILE, as redoubt vault list printed it"
    for list in "${lists[@]}"; do
      grep -q '^The list is the gateway' "$list" || die "$list is no whole output of redoubt vault list"
      while read -r vault; do
        case " ${lose[*]-} " in *" $vault "*) echo "to be lost: $vault, and every key in it" ;; *) die "$vault is wrapped under this key ($list). Every key in it would be lost" ;; esac
      done < <(awk -v key="$key" '/^vault-/ { vault = $1 } $1 == "wrapped" && $3 == key { print vault }' "$list")
    done
    [ "$confirm" = "$key" ] || die "repeat the key's ARN with --confirm"
    kms schedule-key-deletion --key-id "$key" --pending-window-in-days "$window" --query DeletionDate
    echo "scheduled. Until then '$0 keep $key' calls it off; afterwards nobody can"
    ;;
  *) usage ;;
esac
