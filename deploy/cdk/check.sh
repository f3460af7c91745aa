#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# deploy/cdk/check.sh: what must hold before a change of the app lands: its tests, and the command line's synthesis of each
# deployment without a network. After `tools/deps.sh deploy`.
set -euo pipefail
cd "$(dirname "$0")"
[ -d node_modules/aws-cdk-lib ] || { echo "check.sh: run tools/deps.sh deploy" >&2; exit 1; }
npm test
# Without a network where the machine lets us: synthesis must ask nobody.
alone=()
if unshare -rn true 2>/dev/null; then alone=(unshare -rn); fi
unset CDK_PREFIX CDK_DEPLOY_ACCOUNT CDK_DEPLOY_REGION CDK_APPLICATION_TYPE
for deployment in dev staging prod; do
  more=()
  [ $deployment != prod ] || more=(-c keyAdministrators=arn:aws:iam::111122223333:role/KeyAdmin)
  output=$(mktemp -d)
  "${alone[@]}" node_modules/.bin/cdk synth --quiet --build true --output "$output" -c "deployment=$deployment" -c prefix="$deployment" "${more[@]}" >"$output/log" 2>&1 ||
    { cat "$output/log" >&2; exit 1; }
  [ -s "$output/${deployment}NitroWalletEth.template.json" ] || { echo "check.sh: no template for $deployment" >&2; exit 1; }
  rm -rf "$output"
  echo "synthesised $deployment"
done
