#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/e2e/enclave/run.sh [TEST…]: gets or builds what a boot of the real image needs (kernel and QEMU under the user's cache folder, the
# image under build/image), boots it in virtual machines and runs enclave.test.mjs (or the tests named) against it.
set -euo pipefail
cd "$(dirname "$0")/../../.."
image/build.sh
REDOUBT_QEMU=$(image/qemu-root.sh)
export REDOUBT_QEMU REDOUBT_EIF=${REDOUBT_EIF:-$PWD/build/image/redoubt.eif}
exec tools/node --test --test-concurrency=1 "${@:-tests/e2e/enclave/enclave.test.mjs}"
