#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/lint/docs_self_test.sh REDOUBT: docs.sh finds what it is there for: in a tree of this test's own, that is right and
# then wrong in one place.
# shellcheck disable=SC2016,SC1003,SC1111 # Markdown has backticks and curly quotes of its own
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
redoubt=$(realpath "${1:?usage: docs_self_test.sh REDOUBT}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
failures=0

fresh() {
  rm -rf "$tree"
  mkdir -p "$tree"/{docs/runbooks,deploy/observability,deploy/cdk/lib,tests/unit,tests/e2e}
  printf '# Title\n\n## A part: of it\n[itself](#a-part-of-it) [threats](docs/threat-model.md#element) `redoubt manifest init|check` `redoubt key record v2`\n' >"$tree/README.md"
  # shellcheck disable=SC2016
  printf '%s\n' '# Commands' '```sh' 'redoubt key create --label first \' '  --json' 'PCR16=$(redoubt manifest digest manifest.json --json)' \
    'redoubt watchdog --runner process --image x -- --no-option-of-ours' '```' >"$tree/docs/commands.md"
  printf '%s\n' 'groups:' '- rules:' '  - alert: RedoubtStoreFails' '    annotations:' '      runbook_url: "docs/runbooks/store-fails.md"' >"$tree/deploy/observability/alerts.yml"
  printf '%s\n' 'export const alarmNames = {' '  KeyDisabled: alarm("key-disabled", "page", "Somebody did."),' '};' >"$tree/deploy/cdk/lib/alarm_names.ts"
  local part name
  for name in 'store-fails RedoubtStoreFails' 'key-disabled KeyDisabled'; do
    { printf '# Runbook\n\n`%s`\n' "${name#* }"; for part in Meaning 'First look' 'Likely causes' Mend Escalate Test; do printf '\n## %s\nWords.\n' "$part"; done; } >"$tree/docs/runbooks/${name% *}.md"
  done
  printf '[a](store-fails.md) [b](key-disabled.md)\n' >"$tree/docs/runbooks/README.md"
  printf '%s\n' 'TEST(Suite, a_case) {' '}' 'TEST_F(Fixture, another_case) {' '}' >"$tree/tests/unit/a_test.cpp"
  printf '%s\n' 'test("it is so", () => {});' '// "it is not a test"' >"$tree/tests/e2e/a.test.mjs"
  {
    printf '# Threats\n\n1. First.\n2. Second.\n\n### Element\n| | threat | met by | proof | what remains |\n|---|---|---|---|---|\n'
    # shellcheck disable=SC2016
    printf '%s\n' '| S | a | invariant 1 | `tests/unit/a_test.cpp`: “Suite.a_case” | none known |' '| T | a | invariants 1 and 2 | `tests/e2e/a.test.mjs`: “it is so” | b |' \
      '| R | a | c | none: people | b |' '| I, D | a | c | `tests/unit/a_test.cpp`: “Fixture.another_case” | b |' '| E | a | c | none: people | b |'
  } >"$tree/docs/threat-model.md"
}
expect() { # STATUS WHAT [TEXT]
  local got=0
  "$here/docs.sh" "$redoubt" "$tree" >"$work/output" 2>&1 || got=1
  if [ "$got" != "$1" ] || { [ $# -gt 2 ] && ! grep -qF -- "$3" "$work/output"; }; then
    echo "docs_self_test: $2: wanted status $1${3:+ and \"$3\"}, got $got" >&2
    cat "$work/output" >&2
    failures=$((failures + 1))
  fi
}
refuse() { # FILE SED WHAT TEXT
  fresh
  cp "$tree/$1" "$work/before"
  sed -i "$2" "$tree/$1"
  if cmp -s "$work/before" "$tree/$1"; then echo "docs_self_test: $3: the tree was not changed" >&2; failures=$((failures + 1)); fi
  expect 1 "$3" "$4"
}

fresh; expect 0 "a right tree"
refuse README.md 's#docs/threat-model.md#docs/none.md#' "a link to no file" "docs/none.md"
refuse README.md 's/](#a-part-of-it)/](#another-part)/' "a link to no heading" "#another-part"
refuse README.md 's/#element/#elements/' "a link to no heading of another file" "#elements"
refuse README.md 's/init|check/init|chek/' "an unknown command in running text" "redoubt manifest chek"
refuse docs/commands.md 's/key create/key kreate/' "an unknown command" "redoubt key kreate"
refuse docs/commands.md 's/--label/--labels/' "an unknown option" "no option --labels"
refuse docs/commands.md 's/^  --json/  --jsonl/' "an unknown option on a continued line" "no option --jsonl"
refuse docs/commands.md 's/digest manifest.json --json/digest manifest.json --yaml/' "an unknown option in a substitution" "no option --yaml"
refuse docs/commands.md 's/--runner process/--runnner process/' "an unknown option before --" "no option --runnner"
refuse deploy/observability/alerts.yml 's/RedoubtStoreFails/RedoubtStoreFailed/' "an alert without a runbook" "RedoubtStoreFailed has no runbook"
refuse deploy/observability/alerts.yml 's#runbooks/store-fails.md#runbooks/key-disabled.md#' "an alert that leads to another runbook" "runbook_url"
refuse deploy/observability/alerts.yml '/runbook_url/d' "an alert that leads to no runbook" "runbook_url"
refuse deploy/cdk/lib/alarm_names.ts 's/key-disabled/key-gone/' "an alarm without a runbook" "KeyDisabled has no runbook"
refuse deploy/cdk/lib/alarm_names.ts '/KeyDisabled/d' "a list of no alarms" "names no alarm"
refuse docs/runbooks/store-fails.md '/^## Mend/d' "a runbook without a part" "in place of Meaning"
refuse docs/runbooks/store-fails.md 's/RedoubtStoreFails/another/' "a runbook that does not name its alarm" "does not name"
refuse docs/runbooks/README.md 's/(key-disabled.md)/(store-fails.md)/' "an index that leaves a runbook out" "does not lead to key-disabled.md"
fresh; cp "$tree/docs/runbooks/store-fails.md" "$tree/docs/runbooks/store.md"; expect 1 "a runbook of no alarm" "is no alarm's runbook"
refuse docs/threat-model.md 's/Suite.a_case/Suite.no_case/' "a test that is none" "no test “Suite.no_case”"
refuse docs/threat-model.md 's/“it is so”/“it is not a test”/' "a text that is no test" "no test “it is not a test”"
refuse docs/threat-model.md 's#tests/e2e/a#tests/e2e/b#' "a test in no file" "tests/e2e/b.test.mjs is not there"
refuse docs/threat-model.md 's/invariants 1 and 2/invariants 1 and 3/' "an invariant that is none" "no invariant 3"
refuse docs/threat-model.md 's/invariants 1 and 2/invariant 1/' "an invariant that meets nothing" "no threat is met by invariant 2"
refuse docs/threat-model.md '/^| I, D/d' "an element without a letter" "no row for D"
refuse docs/threat-model.md 's/none: people/people/' "a threat without proof" "proof is"
refuse docs/threat-model.md 's/| none known |/| |/' "a threat without what remains" "five cells"
fresh; got=0; "$here/docs.sh" /bin/true "$tree" >/dev/null 2>&1 || got=1
[ "$got" = 1 ] || { echo "docs_self_test: a program that is not redoubt passes" >&2; failures=$((failures + 1)); }

echo "docs_self_test: $failures checks failed to see what they are for"
[ "$failures" -eq 0 ]
