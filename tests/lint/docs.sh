#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/lint/docs.sh REDOUBT [ROOT]: what the documentation says is there. Links and anchors lead somewhere; commands and
# options that it shows exist in the program REDOUBT; each alarm has a runbook, and each runbook an alarm; tests that the
# threat model names are tests. ROOT is another tree to check, for docs_self_test.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
redoubt=${1:?usage: docs.sh REDOUBT [ROOT]}
exec "$here/../../tools/node" "$here/docs.mjs" "$(realpath "$redoubt")" "$(realpath "${2:-$here/../..}")"
