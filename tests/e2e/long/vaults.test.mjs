// SPDX-License-Identifier: Apache-2.0
// What must hold while several ask for the same at once, and when a client's token comes again after its key was deleted: every
// key that was acknowledged is there after a restart of everything, and signs in every enclave.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { redoubt, run, until, up } from "../lib.mjs";

let system;
before(async () => {
  system = await up({ enclaves: 3, extra: ["--deletion-wait-seconds", "1"] });
});
after(async () => {
  await system?.stop();
  system?.remove();
});

const post = (target, body = {}) => system.json("POST", target, body);
const many = (count, make) => Promise.all(Array.from({ length: count }, (_, i) => make(i)));
const sign = (id) => post(`/v1/keys/${id}/sign-message`, { text: "hello" });
const outcomes = (answers) => [...new Set(answers.map(({ status, body }) => `${status}${body.code ? " " + body.code : ""}`))].sort();
const listed = async (query = "") => (await system.json("GET", `/v1/keys?limit=1000${query}`)).body.keys;

test("many at once with one token make one vault, and keys that are then made in any enclave outlive it", async () => {
  const made = [];
  for (let round = 0; round < 4; ++round) {
    // An enclave makes one vault at a time; whoever comes meanwhile is told to come again.
    const create = async () => {
      for (;;) {
        const answer = await post("/v1/vaults", { client_token: `crowd.${round}`, nonce: "00" });
        if (answer.status !== 429) return answer;
        assert.equal(answer.body.code, "too_many_requests");
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    const answers = await many(12, create);
    assert.deepEqual(outcomes(answers), ["200", "201"], JSON.stringify(answers.map(({ body }) => body.code ?? body.vault_commitment)));
    assert.equal(answers.filter(({ status }) => status === 201).length, 1);
    assert.equal(new Set(answers.map(({ body }) => body.vault_commitment)).size, 1, "whatever enclave answers, it is one vault");
    for (const { body } of answers) assert.equal(JSON.parse(Buffer.from(body.statement, "base64")).vault_commitment, answers[0].body.vault_commitment);
    const keys = await many(60, () => post("/v1/keys"));
    assert.deepEqual(outcomes(keys), ["201"]);
    made.push(...keys.map(({ body }) => body));
    assert.deepEqual(outcomes(await many(60, (i) => sign(keys[i].body.key_id))), ["200"]);
  }
  await system.stop();
  system = await up({ dataDir: system.folder, enclaves: 3 });
  const signed = await many(made.length, (i) => sign(made[i].key_id));
  assert.deepEqual(outcomes(signed), ["200"]);
  signed.forEach(({ body }, i) => assert.equal(body.address, made[i].address));
});

test("a rotation passes over a key whose time has come, and counts what it moved", async () => {
  const doomed = (await post("/v1/keys")).body;
  assert.equal((await post(`/v1/keys/${doomed.key_id}/schedule-deletion`)).status, 200);
  await until("the key's time has come", async () => (await sign(doomed.key_id)).status === 404);
  const { vault_id: from } = doomed;
  const left = (await listed(`&vault_id=${from}`)).length;
  const started = Date.now();
  const { code, stdout, stderr } = await run(redoubt, ["vault", "rotate", from, "--ready-file", system.readyFile, "--json"]);
  assert.equal(code, 0, stderr);
  assert.ok(JSON.parse(stdout).keys_moved <= left, `${stdout} of ${left}`);
  assert.ok(Date.now() - started < 15_000);
});

test("a token whose key was deleted makes a key that every enclave signs with, or none", async () => {
  const first = (await post("/v1/keys", { client_token: "again" })).body;
  const retry = async (what) => {
    const { status, body } = await post("/v1/keys", { client_token: "again" });
    if (status === 409) return assert.equal(body.code, "conflict", `${what}: ${JSON.stringify(body)}`);
    assert.equal(status, 201, `${what}: ${JSON.stringify(body)}`);
    assert.notEqual(body.address, first.address);
    for (let i = 0; i < 3; ++i) assert.deepEqual(outcomes(await many(30, () => sign(body.key_id))), ["200"], what);
  };
  const remove = async () => {
    const { status } = await post(`/v1/keys/${first.key_id}/schedule-deletion`);
    if (status === 404) return;
    assert.equal(status, 200);
    await until("the store has deleted the key", async () => (await listed()).every(({ key_id }) => key_id !== first.key_id), 20_000);
  };
  await remove();
  await retry("in enclaves that know of the deletion");
  await remove();
  const [old] = system.ready().pids.enclaves;
  process.kill(old, "SIGKILL");
  await until("the enclave is back", async () => !system.ready().pids.enclaves.includes(old) &&
    (await system.json("GET", "/v1/vaults")).body.vaults.every(({ enclaves_open: open }) => open === 3), 20_000);
  await retry("with an enclave that was started again since");
});
