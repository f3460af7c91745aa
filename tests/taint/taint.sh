#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/taint/taint.sh PROGRAM: no branch and no address may depend on a secret, and the check must notice where one does.
set -euo pipefail
program=$1
suppressions=$(dirname "$0")/suppressions.txt
check=(valgrind -q --error-exitcode=9 --error-limit=no --num-callers=20 --suppressions="$suppressions")

"${check[@]}" "$program"

status=0
output=$("${check[@]}" "$program" mistakes 2>/dev/null) || status=$?
echo "$output"
if [ $status != 9 ] || [ "$output" != 'taint: 6 of 6 mistakes reported' ]; then
  echo "taint: the check does not notice mistakes (status $status)" >&2
  exit 1
fi
