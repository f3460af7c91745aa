// SPDX-License-Identifier: Apache-2.0
// The Lambda function of deploy/lambda before the running stack: the AWS sample's test events of both generations.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Wallet, recoverAddress } from "ethers";
import { golden, goldenAddress, goldenKey, hash, lambdaWorld, legacy, plain, setKey, to } from "./lambda.mjs";

let world, system, ready, start, held, keys, newName;
before(async () => {
  world = await lambdaWorld();
  ({ system, ready, start, held, keys, newName } = world);
});
after(() => world?.end());

for (const [form, env] of Object.entries({ "a key encrypted to the enclave": { KEY_RAW_SIGNING: "true" }, "a reference key, allowed by its flag": plain }))
  test(`the AWS sample's test events of both generations work with ${form}`, async () => {
    const lambda = await start(env);
    const set = await lambda.ok(setKey());
    assert.deepEqual([set.ARN, set.address], [lambda.secret, goldenAddress]);
    assert.ok(set.VersionId);
    for (const { payload, signed, hash: transactionHash } of golden) {
      const answer = await lambda.ok({ operation: "sign_transaction", transaction_payload: payload });
      assert.deepEqual(Object.keys(answer), ["transaction_signed", "transaction_hash"]);
      assert.equal(answer.transaction_signed, signed);
      if (transactionHash) assert.equal(answer.transaction_hash, transactionHash);
    }
    const got = await lambda.ok({ operation: "get_key" });
    if (env === plain) assert.equal(got, await held(lambda.secret));
    else assert.deepEqual([got.address, got.key_id, got.state], [goldenAddress, set.key_id, "enabled"]);

    for (const given of [hash, hash.slice(2)]) {
      const { signature } = await lambda.ok({ operation: "sign_hash", hash: given });
      assert.equal(recoverAddress(hash, signature), goldenAddress);
    }
    assert.ok(await lambda.ok({ operation: "sign_hash", hash, expected_address: goldenAddress }));
    await lambda.refused("address_mismatch", { operation: "sign_hash", hash, expected_address: "0x" + "00".repeat(20) });

    const secret_name = newName();
    const made = await lambda.ok({ operation: "generate_key", secret_name });
    assert.equal(made.secret_name, secret_name);
    const { signature } = await lambda.ok({ operation: "sign_hash", hash, secret_id: secret_name, expected_address: made.address });
    assert.equal(recoverAddress(hash, signature), made.address);
    await lambda.refused("key_exists", { operation: "generate_key", secret_name });
    assert.notEqual(made.address, goldenAddress);
    assert.ok(!(lambda.logs() + system.logs()).includes(goldenKey));
  });

test("a key encrypted to the enclave is never given to KMS or Secrets Manager, and its secret only names it", async () => {
  const events = async () => (await (await fetch(`${ready.devcloud.kms}/redoubt/events?limit=1000`)).json()).filter((event) => event.eventName === "Encrypt").length;
  const [lambda, wallet, before] = [await start(), Wallet.createRandom(), await events()];
  const { key_id } = await lambda.ok(setKey(wallet.privateKey));
  assert.equal(await events(), before);
  assert.deepEqual(JSON.parse(await held(lambda.secret)), { redoubt_key: 1, key_id, address: wallet.address });
  assert.equal((await lambda.ok({ operation: "get_key" })).raw_signing, false);
  await lambda.refused("raw_signing_refused", { operation: "sign_hash", hash });
});

test("an event is read strictly, and nothing of it is repeated in the refusal", async () => {
  const lambda = await start();
  const marker = "f00dfeed";
  const cases = [
    ["bad_request", []], ["bad_request", "set_key"], ["bad_request", null],
    ["missing_field", {}], ["invalid_field", { operation: marker }], ["invalid_field", { operation: ["set_key"] }], ["invalid_field", { operation: "constructor" }],
    ["missing_field", { operation: "set_key" }], ["invalid_field", setKey(marker)], ["invalid_field", setKey(123)], ["invalid_field", setKey(goldenKey + marker)],
    ["invalid_field", setKey(goldenKey + "\n")], ["unknown_field", setKey(goldenKey, { [marker]: 1 })], ["unknown_field", { operation: "get_key", eth_key: goldenKey }],
    ["key_invalid", setKey("00".repeat(32))], ["key_invalid", setKey("ff".repeat(32))],
    ["missing_field", { operation: "sign_transaction" }], ["invalid_field", { operation: "sign_transaction", transaction_payload: marker }],
    ["invalid_field", { operation: "sign_transaction", transaction_payload: [golden[0].payload] }],
    ["too_large", { operation: "sign_transaction", transaction_payload: { ...legacy, data: "0x" + "00".repeat(600_000) } }],
    ["precision_lost", { operation: "sign_transaction", transaction_payload: { ...legacy, value: 0.1234567890123456 } }],
    ["precision_lost", { operation: "sign_transaction", transaction_payload: { ...legacy, gasPrice: 2 ** 53 } }],
    ["missing_field", { operation: "generate_key" }], ["invalid_field", { operation: "generate_key", secret_name: "a b" + marker }],
    ["missing_field", { operation: "sign_hash" }], ["invalid_field", { operation: "sign_hash", hash: "0x1234" }],
    ["invalid_field", { operation: "sign_hash", hash, expected_address: goldenAddress.replace("E", "e") }], ["invalid_field", { operation: "sign_hash", hash, expected_address: "0x12" }],
  ];
  for (const [code, event] of cases) {
    const sentence = await lambda.refused(code, event);
    assert.ok(!sentence.includes(marker) && !sentence.includes(goldenKey), sentence);
  }
  assert.ok(!lambda.logs().includes(marker) && !lambda.logs().includes(goldenKey));
});

test("a payload means the same with a key of either form", async () => {
  const [vault, reference] = [await start(), await start(plain)];
  await vault.ok(setKey());
  await reference.ok(setKey());
  const dynamic = golden[0].payload;
  const payloads = [
    { ...dynamic, value: "1.000000000000000001" }, { ...dynamic, value: "1e-18" }, { ...dynamic, value: 1e-7 }, { ...dynamic, value: 0 }, { ...dynamic, value: "0.50" }, { ...dynamic, value: 1200 },
    { ...dynamic, nonce: "0x7", gas: "0x186a0", chainId: "0x4", type: "0x2" }, { ...dynamic, from: goldenAddress }, { ...dynamic, data: "c0ffee" }, { ...dynamic, data: "0xc0ffee", accessList: null },
    { ...dynamic, to: "", data: "0x6001600c60003960016000f300" }, { ...dynamic, to: null, data: "0x6001600c60003960016000f300" },
    { ...legacy, type: 0 }, { ...legacy, type: "0x0", chainId: null }, { ...legacy, type: 1, chainId: 1, accessList: [{ address: to, storageKeys: ["0x" + "01".repeat(32)] }] },
    // Refusals.
    { ...dynamic, value: "1e-19" }, { ...dynamic, value: -1 }, { ...dynamic, value: "0x1" }, { ...dynamic, value: " 1" }, { ...dynamic, value: "1e70" }, { ...dynamic, value: true }, { ...dynamic, value: undefined },
    { ...dynamic, nonce: "7" }, { ...dynamic, chainId: undefined }, { ...legacy, type: 1 }, { ...dynamic, from: to }, { ...dynamic, gasLimit: 21000 }, { ...dynamic, more: 1 }, { ...dynamic, type: 3 },
    { ...dynamic, gasPrice: 1 }, { ...legacy, accessList: [] }, { ...dynamic, to: to.toLowerCase().replace("a5", "A5") }, { ...dynamic, data: "0xabc" }, { ...dynamic, gas: undefined }, {},
  ];
  for (const transaction_payload of payloads) {
    const [a, b] = await Promise.all([vault, reference].map((lambda) => lambda.invoke({ operation: "sign_transaction", transaction_payload })));
    assert.deepEqual(a.result, b.result, JSON.stringify(transaction_payload) + JSON.stringify([a, b]));
    assert.equal(a.error?.errorType, b.error?.errorType, JSON.stringify(transaction_payload) + JSON.stringify([a, b]));
  }
});
