# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Copies the gateway's log of receipts to a bucket that this host cannot read or list (lib/user_data.ts puts this between a
# host's settings and its user data): every ten minutes what has grown, and the rest when the gateway stops.
mkdir -p /usr/local/libexec /etc/systemd/system/redoubt-gateway.service.d
declare -p REGION RECEIPTS_BUCKET >/etc/redoubt-receipts.conf
cat >/usr/local/libexec/redoubt-receipts <<'SCRIPT'
#!/bin/bash
set -euo pipefail
. /etc/redoubt-receipts.conf
from=/var/lib/redoubt/receipts stamp=/var/lib/redoubt-receipts
[ -d $from ] || exit 0
exec 9>$stamp.lock
flock 9
t=$(curl -fsS --max-time 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
id=$(curl -fsS --max-time 5 -H "X-aws-ec2-metadata-token: $t" http://169.254.169.254/latest/meta-data/instance-id)
touch $stamp.new
since=()
[ ! -e $stamp ] || since=(-newer $stamp)
# What the gateway could put there besides, a link or a pipe, is not followed: this reads as root.
find $from -maxdepth 1 -type f -name '*.log' "${since[@]}" -printf '%f\n' | while read -r name; do
  aws s3 cp --region "$REGION" --only-show-errors "$from/$name" "s3://$RECEIPTS_BUCKET/receipts/$id/$name"
done
mv $stamp.new $stamp
SCRIPT
chmod 755 /usr/local/libexec/redoubt-receipts
printf '[Service]\nExecStopPost=-+/usr/local/libexec/redoubt-receipts\n' >/etc/systemd/system/redoubt-gateway.service.d/receipts.conf
printf '[Service]\nType=oneshot\nExecStart=/usr/local/libexec/redoubt-receipts\n' >/etc/systemd/system/redoubt-receipts.service
printf '[Timer]\nOnActiveSec=10min\nOnUnitActiveSec=10min\n[Install]\nWantedBy=timers.target\n' >/etc/systemd/system/redoubt-receipts.timer
systemctl daemon-reload
systemctl enable --now redoubt-receipts.timer
