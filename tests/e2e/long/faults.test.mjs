// SPDX-License-Identifier: Apache-2.0
// Faults of AWS, one after another, and what a client of the gateway sees: signing with open vaults goes on until the
// lease ends, then stops with a clear code, and comes back when the fault is lifted (docs/devcloud.md, "Faults").
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { keyPolicy, setKeyPolicy } from "../cloud.mjs";
import { sleep, until, up } from "../lib.mjs";

const leaseSeconds = 10;
let system, ready;

before(async () => {
  system = await up({ extra: ["--vault-lease-seconds", String(leaseSeconds)] });
  ready = system.ready();
});
after(async () => {
  await system?.stop();
  system?.remove();
});

async function faults(...rules) {
  const answer = await fetch(`${ready.devcloud.kms}/redoubt/faults`, { method: "PUT", body: JSON.stringify(rules) });
  assert.equal(answer.status, 200, await answer.clone().text());
}
const lift = () => faults();
const met = async () => (await (await fetch(`${ready.devcloud.kms}/redoubt/faults`)).json()).reduce((sum, rule) => sum + rule.met, 0);

const transaction = { type: "0x2", chainId: "0x1", nonce: "0x0", gas: "0x5208", maxFeePerGas: "0x2", maxPriorityFeePerGas: "0x1",
  to: "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23", value: "0x1" };
const sign = () => system.json("POST", `/v1/keys/${ready.key_id}/sign-transaction`, { transaction });
// With a key that a KMS ciphertext in Secrets Manager holds.
const signReference = () => system.json("POST", "/sign_hash", { hash: "0x" + "11".repeat(32), secret_id: ready.secret_id });
const works = (call = sign) => until("signing works", async () => (await call()).status === 200, 20_000);

// Every vault signature until the lease's end is good, and every one after it is refused with one of these.
async function outlive(rules, statuses, codes) {
  await lift();
  await works();
  await faults(...rules);
  const started = Date.now();
  let good = 0, refused;
  while (Date.now() - started < (leaseSeconds + 8) * 1000) {
    const answer = await sign();
    if (answer.status === 200) {
      assert.equal(refused, undefined, "no signature after a refusal");
      ++good;
    } else {
      assert.ok(statuses.includes(answer.status), `${answer.status} ${JSON.stringify(answer.body)}`);
      assert.ok(codes.includes(answer.body.code), JSON.stringify(answer.body));
      refused ??= Date.now() - started;
      if (Date.now() - started > refused + 2500) break;
    }
    await sleep(100);
  }
  assert.ok(good > 0, "it went on at first");
  assert.notEqual(refused, undefined, "it stopped");
  assert.ok(refused < (leaseSeconds + 3) * 1000, `it stopped after ${refused} ms`);
  assert.ok(await met() > 0, "the fault was met");
  await lift();
  const lifted = Date.now();
  await works();
  return { good, refused, back: Date.now() - lifted };
}

const open = ["vault_closed", "kms_throttled", "kms_unavailable", "kms_timeout", "kms_reply_invalid", "kms_denied", "kms_refused",
  "credentials_expired", "enclave_unavailable", "record_invalid"];
const kmsFaults = {
  throttling: { fault: "throttling" },
  "server error 500": { fault: "server_error", status: 500 },
  "server error 503": { fault: "server_error", status: 503 },
  "a cut connection": { fault: "cut" },
  "an answer cut in its middle": { fault: "cut", after_bytes: 120 },
  "a region that is down": { fault: "region_down", region: "us-east-1" },
  "another key's id": { fault: "wrong_key_id" },
  "an altered envelope": { fault: "forged_reply", form: "cms_altered" },
  "a plaintext beside the envelope": { fault: "forged_reply", form: "plaintext_present" },
  "a reply that is no JSON": { fault: "forged_reply", form: "not_json" },
  "expired credentials": { fault: "expired_credentials" },
  "a clock that is an hour ahead": { fault: "clock_skew", ms: 3_600_000 },
};

// What each does to a call that needs KMS now: the status and codes a client sees.
const expected = {
  throttling: [503, ["kms_throttled"]],
  "server error 500": [503, ["kms_unavailable"]],
  "server error 503": [503, ["kms_unavailable"]],
  "a cut connection": [503, ["kms_unavailable"]],
  "an answer cut in its middle": [502, ["kms_reply_invalid"]],
  "a region that is down": [503, ["kms_unavailable"]],
  "another key's id": [502, ["kms_reply_invalid"]],
  "an altered envelope": [502, ["kms_reply_invalid"]],
  "a plaintext beside the envelope": [502, ["kms_reply_invalid"]],
  "a reply that is no JSON": [502, ["kms_reply_invalid"]],
  "expired credentials": [503, ["credentials_expired"]],
  "a clock that is an hour ahead": [502, ["kms_refused"]],
};

for (const [what, rule] of Object.entries(kmsFaults))
  test(`KMS with ${what}: a call that needs it gets a clear code, and the next one without the fault succeeds`, async () => {
    const needsKms = () => system.json("POST", "/generate_key", { key_id: ready.reference_kms_key_arn });
    await lift();
    await works(needsKms);
    await faults({ service: "kms", ...rule });
    const answer = await needsKms();
    const [status, codes] = expected[what];
    assert.ok(codes.includes(answer.body.code) && answer.status === status, `${answer.status} ${JSON.stringify(answer.body)}`);
    assert.ok(await met() > 0);
    await lift();
    await works(needsKms);
  });

test("latency of KMS delays the call that needs it and nobody else", async () => {
  await lift();
  await works();
  await faults({ service: "kms", fault: "latency", ms: 1500 });
  const started = Date.now();
  const slow = system.json("POST", "/generate_key", { key_id: ready.reference_kms_key_arn });
  const quick = await sign();
  assert.equal(quick.status, 200);
  assert.ok(Date.now() - started < 1000, "a vault's key signs meanwhile");
  assert.equal((await slow).status, 200);
  assert.ok(Date.now() - started >= 1500);
  await lift();
});

test("faults of Secrets Manager meet reference keys and leave vault keys alone", async () => {
  const cases = [[{ fault: "throttling" }, [502, 503]], [{ fault: "server_error", status: 503 }, [502, 503]], [{ fault: "cut" }, [502, 503]],
    [{ fault: "region_down", region: "us-east-1" }, [502, 503]]];
  for (const [rule, statuses] of cases) {
    await lift();
    await works(signReference);
    await faults({ service: "secretsmanager", ...rule });
    const answer = await signReference();
    assert.ok(statuses.includes(answer.status), `${JSON.stringify(rule)}: ${answer.status} ${JSON.stringify(answer.body)}`);
    assert.match(answer.body.code, /^aws_/, JSON.stringify(answer.body));
    assert.equal((await sign()).status, 200);
    await lift();
    await works(signReference);
  }
});

for (const what of ["throttling", "a region that is down", "a plaintext beside the envelope", "expired credentials"])
  test(`KMS with ${what}: open vaults sign until the lease ends, then not, and again when it is lifted`, async (t) => {
    const { good, refused, back } = await outlive([{ service: "kms", ...kmsFaults[what] }], [502, 503, 504], open);
    t.diagnostic(`${good} signatures, stopped after ${refused} ms, back after ${back} ms`);
  });

test("when the key policy stops allowing the measured pair, every signature is refused within a lease, and again when it allows it", async (t) => {
  const health = async () => (await system.request("GET", "/healthz")).status;
  await lift();
  await works();
  await until("the gateway is healthy", async () => (await health()) === 200);
  const right = await keyPolicy(ready, ready.kms_key_arn);
  const other = "00".repeat(47) + "01";
  for (const wrong of [right.replaceAll(ready.pcr0, other), right.replaceAll(ready.pcr16, other)]) {
    assert.notEqual(wrong, right);
    await setKeyPolicy(ready, ready.kms_key_arn, wrong);
    const started = Date.now();
    let refused;
    while (refused === undefined || Date.now() - started < refused + 2500) {
      assert.ok(Date.now() - started < (leaseSeconds + 4) * 1000, "it goes on signing");
      const answer = await sign();
      if (answer.status === 200) assert.equal(refused, undefined, "no signature after a refusal");
      else {
        refused ??= Date.now() - started;
        assert.deepEqual([answer.status, answer.body.code], [502, "kms_denied"], JSON.stringify(answer.body));
      }
      await sleep(50);
    }
    assert.ok(refused < (leaseSeconds + 1) * 1000, `it stopped after ${refused} ms`);
    await until("/healthz says so", async () => (await health()) === 503);
    await setKeyPolicy(ready, ready.kms_key_arn, right);
    const allowed = Date.now();
    await works();
    await until("the gateway is healthy", async () => (await health()) === 200, 20_000);
    t.diagnostic(`stopped after ${refused} ms, back after ${Date.now() - allowed} ms`);
  }
});
