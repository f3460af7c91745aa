// SPDX-License-Identifier: Apache-2.0
// Every alarm and notification that the stacks can raise, by name, and the runbook that says what to do about it:
// docs/runbooks/RUNBOOK.md. test/alarms.test.ts fails for a name without a file, and for a file without a name.

export interface AlarmName {
  readonly runbook: string; // docs/runbooks/RUNBOOK.md
  readonly summary: string; // one sentence, as the notification says it
  readonly urgency: "page" | "ticket";
}

const alarm = (runbook: string, urgency: AlarmName["urgency"], summary: string): AlarmName => ({ runbook, urgency, summary });

export const alarmNames = {
  // The KMS keys, seen by CloudTrail in the keys' account.
  KeyPolicyChanged: alarm("key-policy-changed", "page", "Somebody called PutKeyPolicy on a key of Redoubt's."),
  KeyGrantCreated: alarm("key-grant-created", "page", "Somebody asked for a grant on a key of Redoubt's. Its policy denies that."),
  KeyDisabled: alarm("key-disabled", "page", "Somebody disabled a key of Redoubt's: vaults close when their leases end."),
  KeyDeletionScheduled: alarm("key-deletion-scheduled", "page", "A key of Redoubt's is scheduled for deletion: with it goes every key that it wraps."),
  KeyWatchWeakened: alarm("key-watch-weakened", "page", "Somebody changed the trail, rules, alarms or functions that watch Redoubt's keys."),
  KeyEventsNotDelivered: alarm("key-events-not-delivered", "ticket", "Notifications about Redoubt's keys could not be delivered."),
  AttestedCallsFromUnknownModule: alarm("attested-calls-from-unknown-module", "page",
    "An enclave that no receipt log knows had KMS open or make a data key."),
  AttestedCallsNotCompared: alarm("attested-calls-not-compared", "page", "Attested calls were not compared with the receipt logs."),

  // The canary: a Lambda that tries what must not work.
  UnattestedUseWorks: alarm("unattested-use-works", "page", "KMS opened or made a data key without an attestation: the key's policy does not hold."),
  CanaryNotRun: alarm("canary-not-run", "ticket", "The canary that tries the keys without an attestation has not run, or could not tell."),

  // The service, from the gateways' metrics and the load balancer's.
  ErrorBudgetBurnsFast: alarm("error-budget-burns-fast", "page", "Requests fail at over 14.4 times the rate that the error budget allows."),
  ErrorBudgetBurns: alarm("error-budget-burns", "ticket", "Requests have failed for hours at over 6 times the rate that the error budget allows."),
  NoEnclaveUsable: alarm("no-enclave-usable", "page", "A gateway has no enclave that can sign."),
  EnclaveInDebugMode: alarm("enclave-in-debug-mode", "page", "An enclave runs in debug mode: its host can read every key in it."),
  VaultClosed: alarm("vault-closed", "page", "An enclave closed a vault: KMS denied the renewal of its lease, or gave none."),
  HostsUnhealthy: alarm("hosts-unhealthy", "ticket", "The load balancer has found a host unhealthy for minutes."),
  NoHealthyHost: alarm("no-healthy-host", "page", "The load balancer has no healthy host in a zone: nothing signs there."),
  LoadBalancerResets: alarm("load-balancer-resets", "ticket", "The load balancer or its targets reset many connections."),
  MetricsMissing: alarm("metrics-missing", "ticket", "No gateway has told its metrics: the alarms above are blind."),
} as const satisfies Record<string, AlarmName>;

export type AlarmKey = keyof typeof alarmNames;

// Where runbooks are read: a folder of the project's pages, or of a copy that the operators keep.
export const defaultRunbooks = "docs/runbooks";

export function runbookUrl(key: AlarmKey, base = defaultRunbooks): string {
  return `${base.replace(/\/+$/, "")}/${alarmNames[key].runbook}.md`;
}

export function alarmDescription(key: AlarmKey, base = defaultRunbooks): string {
  return `${alarmNames[key].summary} Runbook: ${runbookUrl(key, base)}`;
}
