#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# EC2 user data of a Redoubt host (docs/packages.md). Whoever launches it puts lines KEY='value' in front of this file, behind a
# first line #!/bin/bash; a key that is not given has the default here, and "-" means: it must be given. Values have no
# newline and no single quote. Run again, it changes only what differs. A step that fails ends it with exit code 1, a
# line "REDOUBT USER DATA FAILED" on the console, and a failure signal where one is asked for.
#
#   REGION            -     AWS region of the host and its KMS keys
#   PACKAGE_URL             s3://… of the package redoubt (.rpm or .deb); none: the machine image has it
#   PACKAGE_SHA256          its SHA-256, needed with the URL (as for each URL below)
#   IMAGE_URL               s3://… of the package redoubt-image, or of the .eif itself; none: the machine image has it
#   IMAGE_SHA256
#   MANIFEST_URL      -     s3://… of the manifest
#   MANIFEST_SHA256   -
#   CLIENTS_URL             s3://… of the clients document; needed where LISTEN is not the loopback
#   CLIENTS_SHA256
#   TLS_SECRET              ARN of a secret: the certificate chain and then its key, PEM; or
#   CERTIFICATE_AUTHORITY   ARN of the ACM private CA that certifies a key made on this host, for
#   SERVER_NAME             the DNS name that clients call
#   LISTEN                  tcp:0.0.0.0:8443
#   STORE                   /var/lib/redoubt/store.db
#   ENCLAVES, ENCLAVE_MEMORY, ENCLAVE_CPUS   1, 256 (MiB each), 2 (each)
#   GATEWAY_OPTIONS, WATCHDOG_OPTIONS        further options of these programs, separated by spaces
#   PROXY_LISTEN, KMS_HOST, KMS_PORT         8000, kms.REGION.amazonaws.com, 443
#   LOG_GROUP               CloudWatch log group; none: the journal alone, and no metrics in CloudWatch
#   METRICS_NAMESPACE       Redoubt
#   GROUP                   name of the Auto Scaling group: the metrics' dimension
#   TERMINATION_HOOK        the group's lifecycle hook for terminations: drain before it ends, for
#   DRAIN_SECONDS           60
#   SIGNAL_STACK, SIGNAL_RESOURCE   whom cfn-signal tells how it went
#   HEALTH                  /healthz (vaults open), /health (an enclave is connected) or "none": what must answer 200 in the end
#   HEALTH_SECONDS          300
#   IMDS, ENCLAVE_ENDPOINT  http://169.254.169.254, vsock:@CID@:5000: otherwise where stand-ins play AWS's part
set -euo pipefail
: "${REGION:=}" "${PACKAGE_URL:=}" "${PACKAGE_SHA256:=}" "${IMAGE_URL:=}" "${IMAGE_SHA256:=}" "${MANIFEST_URL:=}" "${MANIFEST_SHA256:=}"
: "${CLIENTS_URL:=}" "${CLIENTS_SHA256:=}" "${TLS_SECRET:=}" "${CERTIFICATE_AUTHORITY:=}" "${SERVER_NAME:=}" "${LISTEN:=tcp:0.0.0.0:8443}"
: "${STORE:=/var/lib/redoubt/store.db}" "${ENCLAVES:=1}" "${ENCLAVE_MEMORY:=256}" "${ENCLAVE_CPUS:=2}" "${GATEWAY_OPTIONS:=}"
: "${WATCHDOG_OPTIONS:=}" "${PROXY_LISTEN:=8000}" "${KMS_HOST:=kms.$REGION.amazonaws.com}" "${KMS_PORT:=443}" "${LOG_GROUP:=}"
: "${METRICS_NAMESPACE:=Redoubt}" "${GROUP:=}" "${TERMINATION_HOOK:=}" "${DRAIN_SECONDS:=60}" "${SIGNAL_STACK:=}" "${SIGNAL_RESOURCE:=}"
: "${HEALTH:=/healthz}" "${HEALTH_SECONDS:=300}" "${IMDS:=http://169.254.169.254}" "${ENCLAVE_ENDPOINT:=vsock:@CID@:5000}"
export AWS_DEFAULT_REGION=$REGION AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=8 PATH=$PATH:/opt/aws/bin
umask 077
etc=/etc/redoubt share=/usr/share/redoubt/host state=/var/lib/redoubt-setup step=begin
work=$(mktemp -d)

say() { echo "redoubt user data: $*"; }
die() { echo "redoubt user data: $*" >&2; exit 1; }
finish() {
  local code=$?
  trap - EXIT
  rm -rf "$work"
  if [ "$code" != 0 ]; then
    code=1
    # The instance's console is what one can read of a host that never came up.
    echo "REDOUBT USER DATA FAILED at: $step" | tee /dev/console >&2 || true
  fi
  if [ -n "$SIGNAL_STACK" ]; then
    cfn-signal --stack "$SIGNAL_STACK" --resource "$SIGNAL_RESOURCE" --region "$REGION" --exit-code "$code" || code=1
  fi
  exit "$code"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# put FILE MODE OWNER: standard input becomes FILE, if it is not that already; which has_changed then tells.
put() {
  local new=$work/put name=$1
  cat >"$new"
  if cmp -s "$new" "$1"; then return; fi
  install -D -m "$2" -o "${3%:*}" -g "${3#*:}" "$new" "$name.new"
  mv -f "$name.new" "$name"
  say "wrote $name"
  touch "$work/changed.$(basename "$name")"
}
has_changed() { local name; for name in "$@"; do [ ! -e "$work/changed.$name" ] || return 0; done; return 1; }

fetch() { # URL SHA256 FILE
  [[ $2 =~ ^[0-9a-f]{64}$ ]] || die "$1 needs its SHA-256"
  case $1 in s3://*) aws s3 cp --only-show-errors "$1" "$3" ;; *) die "$1 is no s3:// address" ;; esac
  echo "$2  $3" | sha256sum --check --status || die "$1 is not the file of SHA-256 $2"
}

# install_package URL SHA256 NAME: once, as long as the hash stays the same.
install_package() {
  [ "$(cat "$state/$3" 2>/dev/null || true)" != "$2" ] || return 0
  local file
  file=$work/$(basename "$1")
  fetch "$1" "$2" "$file"
  case $file in
    *.rpm) rpm -U --replacepkgs --oldpackage "$file" ;;
    *.deb) DEBIAN_FRONTEND=noninteractive dpkg --force-confold -i "$file" ;;
    *.eif) install -D -m 644 "$file" /usr/share/redoubt/redoubt.eif.new && mv -f /usr/share/redoubt/redoubt.eif.new /usr/share/redoubt/redoubt.eif ;;
    *) die "$1 is no .rpm, .deb or .eif" ;;
  esac
  say "installed $(basename "$1")"
  mkdir -p "$state"
  echo "$2" >"$state/$3"
  touch "$work/changed.$3"
}

step="variables"
for name in REGION MANIFEST_URL MANIFEST_SHA256; do [ -n "${!name}" ] || die "$name is missing"; done
[ -n "$TLS_SECRET" ] || [ -n "$CERTIFICATE_AUTHORITY" ] || [ -s $etc/tls/gateway.key ] || die "TLS_SECRET or CERTIFICATE_AUTHORITY is missing"
[[ $LISTEN =~ ^tcp:127\. ]] || [ -n "$CLIENTS_URL" ] || die "CLIENTS_URL is missing: the gateway listens beyond the loopback"
[[ "$ENCLAVES $ENCLAVE_MEMORY $ENCLAVE_CPUS $DRAIN_SECONDS $HEALTH_SECONDS" =~ ^[0-9]+(\ [0-9]+){4}$ ]] || die "numbers are expected for enclaves and seconds"

step="AWS's own packages"
missing=()
[ -x /usr/bin/nitro-cli ] || missing+=(aws-nitro-enclaves-cli)
[ -z "$LOG_GROUP" ] || [ -x /opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl ] || missing+=(amazon-cloudwatch-agent)
[ ${#missing[@]} = 0 ] || dnf -q -y install "${missing[@]}" # from Amazon Linux's repository, which is in S3

step="the packages redoubt and redoubt-image"
[ -z "$PACKAGE_URL" ] || install_package "$PACKAGE_URL" "$PACKAGE_SHA256" redoubt
[ -z "$IMAGE_URL" ] || install_package "$IMAGE_URL" "$IMAGE_SHA256" redoubt-image
[ -x /usr/bin/redoubt ] || die "redoubt is not installed, and PACKAGE_URL is missing"
[ -f /usr/share/redoubt/redoubt.eif ] || die "there is no enclave image, and IMAGE_URL is missing"
redoubt eif verify /usr/share/redoubt/redoubt.eif >/dev/null || die "the enclave image is damaged"

step="the manifest and the clients"
if [ "$(sha256sum $etc/manifest.json 2>/dev/null | cut -d' ' -f1)" != "$MANIFEST_SHA256" ]; then
  fetch "$MANIFEST_URL" "$MANIFEST_SHA256" "$work/manifest"
  redoubt manifest check "$work/manifest"
  put $etc/manifest.json 644 root:root <"$work/manifest"
fi
if [ -n "$CLIENTS_URL" ]; then
  GATEWAY_OPTIONS="--clients $etc/clients.json${GATEWAY_OPTIONS:+ $GATEWAY_OPTIONS}"
  if [ "$(sha256sum $etc/clients.json 2>/dev/null | cut -d' ' -f1)" != "$CLIENTS_SHA256" ]; then
    fetch "$CLIENTS_URL" "$CLIENTS_SHA256" "$work/clients"
    put $etc/clients.json 640 root:redoubt <"$work/clients"
  fi
fi

step="the certificate"
certificate() { # CHAIN KEY: the key last, so that a run cut short is seen
  openssl x509 -noout -checkend 0 -in "$1" >/dev/null || die "the certificate has ended, or is none"
  [ "$(openssl x509 -noout -pubkey -in "$1")" = "$(openssl pkey -pubout -in "$2")" ] || die "certificate and key are not a pair"
  put $etc/tls/gateway.pem 644 root:root <"$1"
  put $etc/tls/gateway.key 640 root:redoubt <"$2"
}
if [ -n "$TLS_SECRET" ]; then
  aws secretsmanager get-secret-value --secret-id "$TLS_SECRET" --query SecretString --output text >"$work/tls"
  sed -n '/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p' "$work/tls" >"$work/chain"
  sed -n '/-BEGIN .*PRIVATE KEY-/,/-END .*PRIVATE KEY-/p' "$work/tls" >"$work/key"
  certificate "$work/chain" "$work/key"
elif [ -n "$CERTIFICATE_AUTHORITY" ] && ! openssl x509 -noout -checkend 2592000 -in $etc/tls/gateway.pem >/dev/null 2>&1; then
  [ -n "$SERVER_NAME" ] || die "SERVER_NAME is missing"
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/key" -subj "/CN=redoubt" \
    -addext "subjectAltName=DNS:$SERVER_NAME" -out "$work/csr" 2>/dev/null
  issued=$(aws acm-pca issue-certificate --certificate-authority-arn "$CERTIFICATE_AUTHORITY" --csr "fileb://$work/csr" \
    --template-arn "${CERTIFICATE_AUTHORITY%%:acm-pca:*}:acm-pca:::template/EndEntityServerAuthCertificate/V1" \
    --signing-algorithm SHA256WITHECDSA --validity Value=395,Type=DAYS --query CertificateArn --output text)
  aws acm-pca wait certificate-issued --certificate-authority-arn "$CERTIFICATE_AUTHORITY" --certificate-arn "$issued"
  aws acm-pca get-certificate --certificate-authority-arn "$CERTIFICATE_AUTHORITY" --certificate-arn "$issued" \
    --query '[Certificate,CertificateChain]' --output text | tr '\t' '\n' >"$work/chain"
  certificate "$work/chain" "$work/key"
fi

step="the configuration"
put $etc/gateway.conf 644 root:root <<CONF
LISTEN=$LISTEN
METRICS=tcp:127.0.0.1:9464
REGION=$REGION
STORE=$STORE
OPTIONS=$GATEWAY_OPTIONS
CONF
put $etc/watchdog.conf 644 root:root <<CONF
IMAGE=/usr/share/redoubt/redoubt.eif
ENCLAVES=$ENCLAVES
MEMORY=$ENCLAVE_MEMORY
CPUS=$ENCLAVE_CPUS
FIRST_CID=16
STATUS=tcp:127.0.0.1:9465
OPTIONS=$WATCHDOG_OPTIONS
CONF
put $etc/vsock-proxy.conf 644 root:root <<CONF
LISTEN=$PROXY_LISTEN
KMS_HOST=$KMS_HOST
KMS_PORT=$KMS_PORT
OPTIONS=
CONF
printf 'allowlist:\n- {address: %s, port: %s}\n' "$KMS_HOST" "$KMS_PORT" | put $etc/vsock-proxy.yaml 644 root:root
for ((cid = 16; cid < 16 + ENCLAVES; ++cid)); do echo "${ENCLAVE_ENDPOINT//@CID@/$cid}"; done | put $etc/enclaves 644 root:root
sed "s/@MEMORY_MIB@/$((ENCLAVES * ENCLAVE_MEMORY))/; s/@CPU_COUNT@/$((ENCLAVES * ENCLAVE_CPUS))/" $share/allocator.yaml |
  put /etc/nitro_enclaves/allocator.yaml 644 root:root
[ -z "$TERMINATION_HOOK" ] || put $etc/lifecycle.conf 644 root:root <<CONF
REGION=$REGION
GROUP=$GROUP
HOOK=$TERMINATION_HOOK
DRAIN_SECONDS=$DRAIN_SECONDS
IMDS=$IMDS
CONF
if [ -n "$LOG_GROUP" ]; then
  token=$(curl -fsS --retry 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$IMDS/latest/api/token")
  instance=$(curl -fsS --retry 5 -H "X-aws-ec2-metadata-token: $token" "$IMDS/latest/meta-data/instance-id")
  render() {
    sed "s|@REGION@|$REGION|; s|@LOG_GROUP@|$LOG_GROUP|; s|@NAMESPACE@|$METRICS_NAMESPACE|; s|@GROUP@|$GROUP|
      s|@INSTANCE@|$instance|; s|@GATEWAY_METRICS@|127.0.0.1:9464|" "$1"
  }
  render $share/prometheus.yaml | put $etc/prometheus.yaml 644 root:root
  render $share/cloudwatch-agent.json | put $etc/cloudwatch-agent.json 644 root:root
fi

step="the units"
unit() { # NAME WHAT-CHANGED…: enabled and running, and started anew if what it reads has changed
  local name=$1
  shift
  systemctl is-enabled --quiet "$name" || systemctl enable --quiet "$name"
  if ! systemctl is-active --quiet "$name"; then
    systemctl start "$name"
    say "started $name"
  elif has_changed "$@"; then
    systemctl restart "$name"
    say "restarted $name"
  fi
}
systemctl daemon-reload
unit nitro-enclaves-allocator allocator.yaml
unit redoubt-vsock-proxy vsock-proxy.conf vsock-proxy.yaml redoubt
# Its start waits until an enclave signs, which this script does below, with a limit.
systemctl is-enabled --quiet redoubt-watchdog || systemctl enable --quiet redoubt-watchdog
if ! systemctl is-active --quiet redoubt-watchdog; then
  systemctl start --no-block redoubt-watchdog
elif has_changed watchdog.conf redoubt; then
  systemctl restart --no-block redoubt-watchdog
fi
if systemctl is-active --quiet redoubt-gateway && has_changed clients.json enclaves && ! has_changed gateway.conf manifest.json gateway.pem redoubt; then
  systemctl reload redoubt-gateway
fi
unit redoubt-gateway gateway.conf manifest.json gateway.pem gateway.key redoubt
[ -z "$TERMINATION_HOOK" ] || unit redoubt-lifecycle lifecycle.conf
if [ -n "$LOG_GROUP" ]; then
  unit redoubt-logs redoubt
  if has_changed cloudwatch-agent.json prometheus.yaml || ! systemctl is-active --quiet amazon-cloudwatch-agent; then
    /opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s -c "file:$etc/cloudwatch-agent.json"
  fi
fi

step="waiting for the service ($HEALTH)"
if [ "$HEALTH" != none ]; then
  # From this host to itself: whose certificate it is does not matter here.
  port=${LISTEN##*:} deadline=$((SECONDS + HEALTH_SECONDS))
  until curl -ksf --max-time 5 -o /dev/null "https://127.0.0.1:$port$HEALTH"; do
    [ "$SECONDS" -lt "$deadline" ] || die "the gateway does not answer $HEALTH with 200: journalctl -u redoubt-gateway -u redoubt-watchdog"
    sleep 1
  done
fi
say "done, $(find "$work" -name 'changed.*' | wc -l) changed"
