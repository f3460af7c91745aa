#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# /usr/lib/redoubt/logs (redoubt-logs.service): copies what the units say from the journal into $LOGS_DIRECTORY/UNIT.log, a line
# a message. A file beyond 16 MiB becomes UNIT.log.1 in place of the one before, so a unit takes 32 MiB and what is said in a
# round. The journal's cursor is kept in $STATE_DIRECTORY: nothing is copied twice, nor lost while this does not run (as long
# as the journal still has it).
set -euo pipefail
readonly units=(redoubt-gateway redoubt-watchdog redoubt-vsock-proxy redoubt-lifecycle) most=$((16 << 20)) pause=2
logs=${LOGS_DIRECTORY:-/var/log/redoubt} state=${STATE_DIRECTORY:-/var/lib/redoubt-logs}

copy() {
  local unit=$1 file=$logs/$1.log
  if [ "$(stat -c %s "$file" 2>/dev/null || echo 0)" -gt "$most" ]; then mv "$file" "$file.1"; fi
  # The first time from this boot's beginning: what led to a failure at the start is what one looks for.
  journalctl --quiet --no-pager --boot --output=cat --unit="$unit.service" --cursor-file="$state/$unit.cursor" \
    >>"$file" 2>"$state/said" || true # it ends with 1 also where there is nothing new; what goes wrong it says
  [ ! -s "$state/said" ] || cat "$state/said" >&2
}

trap 'last=1' TERM INT
last=
while :; do
  for unit in "${units[@]}"; do copy "$unit"; done # what fails is tried again in the next round
  [ -z "$last" ] || exit 0
  sleep "$pause" &
  wait $! || true
done
