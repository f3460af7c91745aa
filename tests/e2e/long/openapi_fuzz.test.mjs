// SPDX-License-Identifier: Apache-2.0
// Requests made of the API's description, valid, nearly valid and broken, to the real system: every answer is documented for
// its route, none takes long, nothing ends, and what the description takes is not called malformed.
// RUNS (20,000): requests. SEED: of an earlier run, which prints it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Transaction } from "ethers";
import { anvil, request, up } from "../lib.mjs";
import { Description } from "../openapi.mjs";
import { ownGateway } from "../own_gateway.mjs";
import { Random, Values, mutated, nothing, textOf } from "../schema_values.mjs";

const runs = Number(process.env.RUNS ?? 20_000);
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 32);
const atOnce = 16;

let system, node, gateway;
before(async () => {
  system = await up({ enclaves: 2 });
  node = await anvil();
  gateway = await ownGateway(system, ["--node", `31337=${node.url}`]); // so that /v1/transactions is there
});
after(async () => {
  await gateway?.stop();
  await node?.stop();
  if (system?.child.exitCode === null) assert.equal(await system.stop(), 0);
  system?.remove();
});

// What no schema can say: a valid request of these is refused with these codes of 400, because the secret is not one that was
// sealed to the enclave, or a rule holds between numbers.
const mayBe = {
  importKey: ["invalid_field"],
  signTransaction: ["bad_transaction"],
  createVault: ["invalid_field"],
  installTlsCertificate: ["invalid_field"],
  sendTransaction: ["missing_field", "invalid_field", "ambiguous_field", "bad_transaction"], // no chain, two chains, fees of two kinds
  scheduleDeletion: ["invalid_field"], // sooner than the manifest allows
};
// Those that cannot succeed here: nobody has signed, no key is exportable, no secret is sealed, no account has ether.
const neverDone = ["importKey", "adoptKey", "exportKey", "changePolicy", "openSession", "sendTransaction", "showTransaction", "replaceTransaction",
  "cancelTransaction", "installTlsCertificate"];

test("every answer is one that is documented for its route", async (t) => {
  t.diagnostic(`SEED=${seed}`);
  const random = new Random(seed);
  const { ready } = gateway;
  const description = new Description();
  const create = async (body) => {
    const answer = await request(ready, "POST", "/v1/keys", JSON.stringify(body));
    assert.equal(answer.status, 201, answer.body);
    return JSON.parse(answer.body);
  };
  const key = await create({ hd: true, raw_signing: true }); // nothing that changes a key is asked of this one
  const others = await Promise.all(Array.from({ length: 8 }, () => create({})));
  const vaults = [key.vault_id];
  const tokens = Array.from({ length: 6 }, (_, i) => `fuzz-${i}`);

  const values = new Values(description, random, {
    formats: {
      "client-token": () => random.pick(tokens),
      "idempotency-key": () => random.pick(tokens),
      "hd-path": () => random.pick(["m", "m/0", "m/44'/60'/0'/0/7", "m/2147483647h/1", textOf("^m(/(0|[1-9][0-9]{0,8})['h]?){0,15}$", random)]),
      "ethereum-address": () => "0x" + random.hex(20), // of one case: without a checksum
      "label": () => random.pick(["", "a", "ä 漢", "x".repeat(128)]),
      "tags": () => random.pick([{}, { team: "payments" }, Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`n${i}`, "v".repeat(i * 16)]))]),
      "solidity-function": () => random.pick(["transfer(address to, uint256 amount)", "f()", "g((uint8,bytes)[2][] x)"]),
      "unsigned-transaction": () => Transaction.from({ type: random.pick([1, 2]), chainId: 1 + random.below(1000), nonce: random.below(10), gasLimit: 21000,
        to: "0x" + random.hex(20), value: random.below(1000), data: "0x" + random.hex(random.below(100)) }).unsignedSerialized,
    },
    members: {
      from: () => (random.chance(0.5) ? key.address : nothing),
      vault_id: () => random.pick([...vaults, "vault-" + random.hex(16)]),
      sidecar: () => nothing,
    },
  });

  const counts = { valid: 0, changed: 0, broken: 0 };
  const done = {}, statuses = {}, slow = [], wrong = new Map();
  const pathOf = (each, kind) => {
    const changes = /\/(disable|enable|schedule-deletion|cancel-deletion|update|move|policy)$/.test(each.route);
    const id = each.route.startsWith("/v1/keys") ? (changes ? random.pick(others).key_id : key.key_id) : "tx-" + random.hex(16);
    const odd = ["key-", "key-" + "0".repeat(32), "key-" + random.hex(16).toUpperCase(), "%2e%2e", "..;", "key-%00", "a".repeat(3000), "-", random.hex(4)];
    return each.route.replace("{id}", () => (kind !== "valid" && random.chance(0.2) ? random.pick(odd) : id))
      .replace("{code}", () => (random.chance(0.7) ? "policy_denied" : textOf("^[a-z_]+$", random)));
  };
  const queryOf = (each, kind) => {
    const given = each.parameters.filter(({ in: where, required }) => where === "query" && (required || random.chance(0.3)));
    const parts = given.flatMap((parameter) => {
      const value = values.of(parameter.schema);
      return [value].flat().map((one) => [parameter.name, kind !== "valid" && random.chance(0.3) ? random.pick(["", "0", "-1", "\u0000", "zz", "%", "9".repeat(30)]) : String(one)]);
    });
    if (kind !== "valid" && random.chance(0.1)) parts.push(random.pick([["extra", "1"], ["nonce", "00"], ["limit", "1"], ["", ""]]));
    return parts.length ? "?" + parts.map(([name, value]) => `${name}=${random.chance(0.95) ? encodeURIComponent(value) : value.replace(/[^\x21-\x7e]/g, "")}`).join("&") : "";
  };
  const headersOf = (each, kind) => {
    const headers = {};
    if (kind === "valid") return headers;
    if (random.chance(0.1)) headers["content-type"] = random.pick(["text/plain", "application/json; charset=utf-8", "application/json;charset=latin1", "a", null]);
    if (random.chance(0.1)) headers["idempotency-key"] = random.pick([...tokens, '"fuzz-1"', "a b", "", "x".repeat(65)]);
    if (random.chance(0.1)) headers["signature-input"] = random.pick(["", "sig1=()", 'sig1=("@method");keyid="alice";created=1', "x".repeat(9000)]);
    if (random.chance(0.1)) headers["signature"] = random.pick(["", "sig1=:AAAA:", "sig1"]);
    if (random.chance(0.05)) headers["content-digest"] = random.pick(["sha-256=:AAAA:", "x"]);
    if (random.chance(0.05)) headers["x-request-id"] = random.pick(["a", "x".repeat(65), "a b"]);
    if (random.chance(0.05)) headers["accept"] = "text/html";
    return headers;
  };
  const bodyOf = (each, kind) => {
    if (!each.operation.requestBody) return kind === "broken" && random.chance(0.3) ? "{}" : undefined;
    let body = values.body(each);
    if (each.id === "signAuthorization") delete body.any_chain;
    else if (each.id !== "changePolicy") delete body.authorization; // the manifest names no owners who could authorise anything
    if (body.path !== undefined) delete body.transaction?.from; // it is not the root key's address that signs
    if (each.id === "derive" && body.count !== undefined) body.count = Math.min(body.count, 5);
    if (each.id === "derive" && body.first !== undefined && body.first > 2 ** 31 - 10) body.first = 2 ** 31 - 10;
    if (kind === "valid") return JSON.stringify(body);
    for (let i = 1 + random.below(2); i > 0; --i) body = mutated(body, random);
    const text = JSON.stringify(body) ?? "";
    if (kind === "changed") return text;
    return random.pick([
      () => text.slice(0, random.below(text.length + 1)),
      () => text + random.pick(["}", " {}", "\u0000", "x"]),
      () => text.replace(/"([a-z_]+)":/, '"$1":1,"$1":'),
      () => "[".repeat(random.below(2000)),
      () => "\ufeff" + text,
      () => Buffer.from(random.hex(random.below(200)), "hex"),
      () => `{"a":${"9".repeat(random.below(400))}}`,
      () => "",
      () => " ".repeat(1 + random.below(100_000)),
    ])();
  };
  const once = async () => {
    const each = random.pick(description.operations);
    const kind = random.pick(["valid", "valid", "changed", "changed", "broken"]);
    const target = pathOf(each, kind) + queryOf(each, kind), body = bodyOf(each, kind), headers = headersOf(each, kind);
    const what = `${kind} ${each.method} ${target.slice(0, 300)} ${JSON.stringify(headers).slice(0, 200)} ${String(body).slice(0, 1000)}`;
    const started = performance.now();
    const answer = await request(ready, each.method, target, body, headers).catch((error) => assert.fail(`${error.message}: ${what}`));
    if (performance.now() - started > 5_000) slow.push(what);
    ++counts[kind];
    (statuses[each.id] ??= {})[answer.status] = (statuses[each.id][answer.status] ?? 0) + 1;
    try {
      description.check(each, answer);
      assert.notEqual(answer.status, 500);
      if (kind === "valid" && answer.status === 400)
        assert.ok(mayBe[each.id]?.includes(JSON.parse(answer.body).code), "what the description takes is called malformed");
    } catch (error) {
      wrong.set(`${each.id} ${kind} ${answer.status}`, `${error.message}\nafter: ${what}`); // one of each kind
    }
    if (answer.status < 300) done[each.id] = (done[each.id] ?? 0) + 1;
    if (each.id === "createVault" && answer.status < 300) {
      const { vault_id } = JSON.parse(answer.body);
      if (!vaults.includes(vault_id)) vaults.push(vault_id);
    }
  };
  let left = runs;
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (left-- > 0) await once();
  }));

  t.diagnostic(`${JSON.stringify(counts)}; ${JSON.stringify(statuses)}`);
  assert.equal([...wrong.values()].join("\n\n"), "", `SEED=${seed}`);
  assert.deepEqual(slow, []);
  assert.deepEqual(system.ready().pids, ready.pids, "no process ended");
  assert.equal(gateway.child.exitCode, null, gateway.log());
  const total = Object.values(statuses).flatMap((counted) => Object.entries(counted));
  const sum = (keep) => total.reduce((all, [status, count]) => all + (keep(Number(status)) ? count : 0), 0);
  assert.ok(sum((status) => status >= 500) <= runs / 100, "the service was there all the while");
  if (runs >= 2_000)
    for (const { id } of description.operations)
      if (!neverDone.includes(id)) assert.ok(done[id] > 0, `${id} never succeeded: ${JSON.stringify(statuses[id])}`);
});
