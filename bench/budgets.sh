#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/budgets.sh [--record]: instructions that the workloads of bench/budget.cpp take, beside bench/budgets.json; with
# --record they are the budgets from now on. Build first: tools/build release budget.
set -euo pipefail
cd "$(dirname "$0")/.."
exec tools/node bench/budgets.mjs "$@" build/release/bin/budget
