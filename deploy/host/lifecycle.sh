#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# /usr/lib/redoubt/lifecycle (redoubt-lifecycle.service): asks the instance metadata (IMDSv2) every 5 s what the Auto Scaling group
# means to do with this instance. When it is to be terminated: waits DRAIN_SECONDS, in which the load balancer sends
# its last connections, stops the gateway (which answers what is under way), lets the log files be copied, and tells
# the group to go on. The group's hook has a time limit of its own: an instance that hangs is ended all the same.
# From the environment: REGION, GROUP, HOOK, DRAIN_SECONDS (60); IMDS (http://169.254.169.254).
set -euo pipefail
: "${REGION:?}" "${GROUP:?}" "${HOOK:?}" "${DRAIN_SECONDS:=60}" "${IMDS:=http://169.254.169.254}"
readonly pause=${POLL_SECONDS:-5}

metadata() { # PATH; nothing where there is no such item
  local token
  token=$(curl -fsS --max-time 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$IMDS/latest/api/token") || return 0
  curl -fsS --max-time 5 -H "X-aws-ec2-metadata-token: $token" "$IMDS/latest/meta-data/$1" 2>/dev/null || true
}

while [ "$(metadata autoscaling/target-lifecycle-state)" != Terminated ]; do sleep "$pause"; done
echo "this instance is to be terminated: draining for $DRAIN_SECONDS s"
sleep "$DRAIN_SECONDS"
systemctl stop redoubt-gateway.service
echo "the gateway has stopped"
sleep 10 # redoubt-logs and the CloudWatch agent take the last lines
instance=$(metadata instance-id)
aws autoscaling complete-lifecycle-action --region "$REGION" --auto-scaling-group-name "$GROUP" --lifecycle-hook-name "$HOOK" \
  --instance-id "${instance:?}" --lifecycle-action-result CONTINUE
echo "the Auto Scaling group has been told to go on"
