# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Aurora's password and roots for the gateway, put between a host's settings and its user data (lib/user_data.ts). RDS changes the
# password every seven days: it is fetched before each start of the gateway and every five minutes, and lies in memory alone.
mkdir -p /usr/local/libexec /etc/systemd/system/redoubt-gateway.service.d
declare -p REGION DATABASE_SECRET DATABASE_ROOTS_URL DATABASE_ROOTS_SHA256 >/etc/redoubt-database.conf
cat >/usr/local/libexec/redoubt-database <<'SCRIPT'
#!/bin/bash
set -euo pipefail
umask 077
. /etc/redoubt-database.conf
d=/run/redoubt-database
install -d -m 755 $d
if ! echo "$DATABASE_ROOTS_SHA256  $d/roots.pem" | sha256sum --check --status 2>/dev/null; then
  aws s3 cp --region "$REGION" --only-show-errors "$DATABASE_ROOTS_URL" $d/roots.new
  echo "$DATABASE_ROOTS_SHA256  $d/roots.new" | sha256sum --check --status
  chmod 644 $d/roots.new
  mv $d/roots.new $d/roots.pem
fi
aws secretsmanager get-secret-value --region "$REGION" --secret-id "$DATABASE_SECRET" --query SecretString --output text |
  python3 -c 'import json, sys; s = json.load(sys.stdin); print("*:*:*:%s:%s" % tuple(s[n].replace("\\", "\\\\").replace(":", "\\:") for n in ("username", "password")))' >$d/new
chown redoubt:redoubt $d/new
mv $d/new $d/passwords
SCRIPT
chmod 755 /usr/local/libexec/redoubt-database
printf '[Service]\nEnvironment=PGPASSFILE=/run/redoubt-database/passwords\nExecStartPre=+/usr/local/libexec/redoubt-database\n' >/etc/systemd/system/redoubt-gateway.service.d/database.conf
printf '[Service]\nType=oneshot\nExecStart=/usr/local/libexec/redoubt-database\n' >/etc/systemd/system/redoubt-database.service
printf '[Timer]\nOnActiveSec=5min\nOnUnitActiveSec=5min\n[Install]\nWantedBy=timers.target\n' >/etc/systemd/system/redoubt-database.timer
systemctl daemon-reload
systemctl enable --now redoubt-database.timer
