// SPDX-License-Identifier: Apache-2.0
// The whole path against the real processes: HTTPS client → gateway → enclave → attested KMS → signature → a real node.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import { after, before, test } from "node:test";
import { Interface, JsonRpcProvider, Transaction, computeAddress, recoverAddress } from "ethers";
import { storeReferenceKey } from "./cloud.mjs";
import { keyTests } from "./keys.mjs";
import { anvil, request, until, up } from "./lib.mjs";

// The AWS sample's published test key and signatures (eth-account 0.5.9).
const goldenKey = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";
const goldenAddress = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23";
const golden = [
  {
    payload: { value: 0.01, to: "0xa5D3241A1591061F2a4bB69CA0215F66520E67cf", nonce: 0, type: 2, chainId: 4, gas: 100000,
      maxFeePerGas: 100000000000, maxPriorityFeePerGas: 3000000000 },
    signed: "0x02f873048084b2d05e0085174876e800830186a094a5d3241a1591061f2a4bb69ca0215f66520e67cf872386f26fc1000080c001a0e8c684356fdce00c6ec284b66d1698ca7b5fdbda27475a85d0bdb3f0eeb10ea0a04b12a3276ccd66f232e728e69d691b3b42a95377055ace63be984ce46229f69f",
    hash: "0xe7eb30b75689d5daf42443ed2adfbac3adc4b22f5b8c0a85b62b5459e7aa16a4",
  },
  {
    payload: { value: 0.01, to: "0xa5D3241A1591061F2a4bB69CA0215F66520E67cf", nonce: 0, gasPrice: 20000000000, gas: 21000 },
    signed: "0xf86b808504a817c80082520894a5d3241a1591061f2a4bb69ca0215f66520e67cf872386f26fc10000801ba0b811ad4e1570b541ee3cfe20ba92fd8e1278e0ee29deb9900795ff1fe69f66eda04e67f0262b18bd01642d532ab7ed582eea55abcc29fd4bfa2908a606ef99ea18",
  },
  {
    payload: { value: 0.01, to: "0xa5D3241A1591061F2a4bB69CA0215F66520E67cf", nonce: 0, gasPrice: 20000000000, gas: 21000,
      chainId: 1 },
    signed: "0xf86b808504a817c80082520894a5d3241a1591061f2a4bb69ca0215f66520e67cf872386f26fc100008025a0b3e6c0f006fe21bac8ba95acce89421314418f8ff232bbd88232f398080eafc8a03e9bf71869a50b5f31520426f7c3ebd293daaab6286eb68570512ef48c26d63d",
  },
];

let system, ready;
before(async () => {
  system = await up({ enclaves: 2, extra: ["--deletion-wait-seconds", "1"] });
  ready = system.ready();
});
after(async () => {
  await system?.stop();
  system?.remove();
});

const transaction = { type: "0x2", chainId: "0x7a69", nonce: "0x0", gas: "0x5208", maxFeePerGas: "0x77359400",
  maxPriorityFeePerGas: "0x3b9aca00", to: "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23", value: "0x1" };

test("golden vectors come out byte for byte for each stored form of a reference key", async () => {
  const forms = { "hex 64": goldenKey, "hex 66": "0x" + goldenKey, "raw 32": Buffer.from(goldenKey, "hex") };
  for (const [form, plaintext] of Object.entries(forms)) {
    const secret_id = await storeReferenceKey(ready, `golden/${form.replace(" ", "-")}`, Buffer.from(plaintext));
    for (const { payload, signed, hash } of golden)
      for (const target of ["/", "/sign_transaction", "/some/path/of/the/first/generation"]) {
        const answer = await system.json("POST", target, { transaction_payload: payload, secret_id });
        assert.equal(answer.status, 200, `${form} ${JSON.stringify(answer.body)}`);
        assert.equal(answer.body.transaction_signed, signed, form);
        if (hash) assert.equal(answer.body.transaction_hash, hash);
      }
  }
});

test("a secret that changes is used at once", async () => {
  const other = crypto.randomBytes(32);
  const body = { hash: "0x" + "11".repeat(32), secret_id: ready.secret_id };
  const address = (answer) => {
    const { r, s, v } = answer.body.signature;
    return recoverAddress(body.hash, { r, s, v });
  };
  assert.equal(address(await system.json("POST", "/sign_hash", body)), ready.secret_address);
  await storeReferenceKey(ready, ready.secret_id, other);
  assert.equal(address(await system.json("POST", "/sign_hash", body)), computeAddress("0x" + other.toString("hex")));
});

test("the rest of the AWS sample's surface answers as its clients expect", async () => {
  assert.deepEqual((await system.json("GET", "/health")).body, { status: "healthy" });
  const made = await system.json("POST", "/generate_key", { key_id: ready.reference_kms_key_arn });
  assert.equal(made.status, 200);
  assert.match(made.body.address, /^0x[0-9a-fA-F]{40}$/);
  assert.ok(Buffer.from(made.body.encrypted_key, "base64").length > 100);
  const signers = new Set();
  for (let i = 0; i < 40; ++i) { // numbers with leading zeros among them
    const hash = crypto.createHash("sha256").update(String(i)).digest("hex");
    const signed = await system.json("POST", "/sign_hash", { hash: i % 2 ? "0x" + hash : hash, secret_id: ready.secret_id });
    assert.deepEqual([signed.status, Object.keys(signed.body.signature)], [200, ["r", "s", "v"]]);
    const { r, s, v } = signed.body.signature;
    for (const number of [r, s]) assert.match(number, /^0x[0-9a-f]{64}$/);
    assert.ok(v === 27 || v === 28);
    signers.add(recoverAddress("0x" + hash, { r, s, v }));
  }
  assert.equal(signers.size, 1);
  const refusals = [
    ["/generate_key", {}, 400, "Missing 'key_id' field"],
    ["/generate_key", { key_id: ready.kms_key_arn }, 403],
    ["/generate_key", { key_id: "arn:aws:kms:us-east-1:999999999999:key/11111111-2222-3333-4444-555555555555" }, 403],
    ["/sign_hash", { hash: "0x1234", secret_id: ready.secret_id }, 400, "Hash must be 32 bytes (64 hex chars)"],
    ["/", { secret_id: ready.secret_id }, 400, "transaction_payload or secret_id are missing"],
    ["/sign_transaction", {}, 400, "transaction_payload or secret_id are missing"],
    ["/", { transaction_payload: golden[1].payload, secret_id: "no-such-secret" }, 404],
  ];
  for (const [target, body, status, error] of refusals) {
    const answer = await system.json("POST", target, body);
    assert.equal(answer.status, status, `${target} ${JSON.stringify(answer.body)}`);
    if (error) assert.equal(answer.body.error, error);
    assert.match(answer.body.code, /^[a-z_]+$/);
  }
  const legacy = await system.request("POST", "/anything", JSON.stringify({ secret_id: ready.secret_id }));
  assert.equal(legacy.status, 404);
  assert.equal(legacy.body, "transaction_payload or encrypted_key are missing");
});

test("ETH with more than 18 decimals is refused, not cut", async () => {
  const secret_id = await storeReferenceKey(ready, "golden/decimals", Buffer.from(goldenKey));
  for (const value of ["0.0000000000000000001", "1.1234567890123456789", "1e-19"]) {
    const answer = await system.json("POST", "/", { transaction_payload: { ...golden[2].payload, value }, secret_id });
    assert.equal(answer.status, 400);
    assert.equal(answer.body.code, "precision_lost");
  }
  const exact = await system.json("POST", "/",
    { transaction_payload: { ...golden[2].payload, value: "0.000000000000000001" }, secret_id });
  assert.equal(Transaction.from(exact.body.transaction_signed).value, 1n);
  assert.equal(Transaction.from(exact.body.transaction_signed).from, goldenAddress);
});

test("a vault key signs each transaction type, ethers recovers the sender, and a real node mines them", async () => {
  const node = await anvil();
  try {
    const provider = new JsonRpcProvider(node.url, 31337, { staticNetwork: true, cacheTimeout: -1, pollingInterval: 50 });
    await provider.send("anvil_setBalance", [ready.address, "0x56bc75e2d63100000"]);
    const accessList = [{ address: goldenAddress, storageKeys: ["0x" + "00".repeat(31) + "07"] }];
    const types = [
      { type: "0x2", maxFeePerGas: "3000000000", maxPriorityFeePerGas: 1000000000 },
      { type: 0, gasPrice: "0x77359400" },
      { type: "0x1", gasPrice: 2000000000, accessList, gas: "0xffff" },
      { maxFeePerGas: "0x77359400", maxPriorityFeePerGas: "0x1", accessList, gasLimit: 90000 },
      { gasPrice: "0x77359400", chainId: "0x7a69", to: null, data: "0x6001600c60003960016000f300", gas: 100000 },
    ];
    for (const [nonce, fields] of types.entries()) {
      const wanted = { chainId: 31337, nonce, to: goldenAddress, value: 12345, ...fields };
      if (wanted.gas === undefined && wanted.gasLimit === undefined) wanted.gas = 21000;
      if (wanted.to === null) delete wanted.value;
      const answer = await system.json("POST", `/v1/keys/${ready.key_id}/sign-transaction`, { transaction: wanted });
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      const parsed = Transaction.from(answer.body.raw_transaction);
      assert.equal(parsed.from, ready.address);
      assert.equal(parsed.hash, answer.body.hash);
      assert.equal(parsed.signature.r, answer.body.r);
      assert.equal(parsed.signature.s, answer.body.s);
      assert.equal(parsed.signature.yParity, answer.body.y_parity);
      assert.equal(BigInt(answer.body.transaction.chainId), 31337n);
      assert.equal(answer.body.transaction.from, ready.address);
      const receipt = await (await provider.broadcastTransaction(answer.body.raw_transaction)).wait();
      assert.equal(receipt.status, 1);
      assert.equal(receipt.from, ready.address);
    }
    provider.destroy();
  } finally {
    await node.stop();
  }
});

test("the same request gives the same bytes from every enclave", async () => {
  const bodies = await Promise.all(Array.from({ length: 40 }, () =>
    system.json("POST", `/v1/keys/${ready.key_id}/sign-transaction`, { transaction })));
  assert.ok(bodies.every(({ status }) => status === 200));
  assert.equal(new Set(bodies.map(({ body }) => body.raw_transaction)).size, 1);
});

test("keys are created, shown and listed; the shown form is attested for the caller's nonce", async () => {
  const nonce = crypto.randomBytes(16).toString("hex");
  const made = await system.json("POST", "/v1/keys", { nonce });
  assert.equal(made.status, 201);
  const statement = JSON.parse(Buffer.from(made.body.statement, "base64"));
  assert.equal(statement.address, made.body.address);
  assert.equal(statement.nonce, nonce);
  assert.equal(statement.exportable, false);
  assert.equal(computeAddress("0x04" + made.body.public_key.slice(2)), made.body.address);
  const shown = await system.json("GET", `/v1/keys/${made.body.key_id}?nonce=${nonce}`);
  assert.equal(shown.status, 200);
  assert.equal(shown.body.address, made.body.address);
  assert.ok(shown.body.attestation);
  const listed = [];
  for (let after = ""; ;) {
    const page = await system.json("GET", `/v1/keys?limit=1${after && "&after=" + after}`);
    assert.equal(page.status, 200);
    listed.push(...page.body.keys);
    if (!page.body.next) break;
    after = page.body.next;
  }
  assert.ok(listed.some((key) => key.key_id === made.body.key_id && key.address === made.body.address));
  assert.ok(listed.some((key) => key.key_id === ready.key_id));
});

test("a host that asks for an attestation decides nothing but the nonce", async () => {
  const answer = await system.json("GET", "/v1/attestation?nonce=0a0b0c");
  assert.equal(answer.status, 200);
  const document = Buffer.from(answer.body.attestation, "base64");
  assert.ok(document.includes(Buffer.from([0x0a, 0x0b, 0x0c])));
  assert.ok(document.includes(Buffer.from("identity")));
  const digest = crypto.createHash("sha256").update(answer.body.manifest).digest();
  assert.ok(document.includes(digest), "user_data holds the manifest's digest");
  for (const target of ["/v1/attestation", "/v1/attestation?nonce=", "/v1/attestation?nonce=zz",
    "/v1/attestation?nonce=00&user_data=00", "/v1/attestation?nonce=00&public_key=00", "/v1/attestation?user_data=00",
    "/v1/attestation?nonce=" + "00".repeat(513)]) {
    const refused = await system.json("GET", target);
    assert.equal(refused.status, 400, target);
  }
});

test("bad input gets a stable code, a sentence and the right status", async () => {
  const sign = `/v1/keys/${ready.key_id}/sign-transaction`;
  const cases = [
    ["POST", sign, "{", 400, "bad_json"],
    ["POST", sign, "", 415, "unsupported_media_type", { "content-type": null }],
    ["POST", sign, "", 400, "bad_json"],
    ["POST", sign, '{"transaction":{},"transaction":{}}', 400, "bad_json"],
    ["POST", sign, '{"transaction":{},"trans\\u0061ction":{}}', 400, "bad_json"],
    ["POST", sign, JSON.stringify({ transaction, extra: 1 }), 400, "unknown_field"],
    ["POST", sign, JSON.stringify({ transaction: { ...transaction, memo: "x" } }), 400, "unknown_field"],
    ["POST", sign, JSON.stringify({ transaction: { ...transaction, type: "0x6" } }), 400, "unsupported_transaction_type"],
    ["POST", sign, JSON.stringify({ transaction: { ...transaction, gas: 1, gasLimit: 2 } }), 400, "ambiguous_field"],
    ["POST", sign, JSON.stringify({ transaction: { ...transaction, from: goldenAddress } }), 400, "invalid_field"],
    ["POST", sign, JSON.stringify({ transaction: { ...transaction, to: goldenAddress.replace("2c7536E", "2c7536e") } }), 400,
      "invalid_field"],
    ["POST", sign, JSON.stringify({ transaction }), 415, "unsupported_media_type", { "content-type": "text/plain" }],
    ["POST", sign, "[".repeat(2000), 413, "too_large"],
    ["POST", sign, " ".repeat(2 * 1024 * 1024), 413, "too_large"],
    ["GET", sign, undefined, 405, "method_not_allowed"],
    ["DELETE", "/v1/keys", undefined, 405, "method_not_allowed"],
    ["GET", "/v1/nothing", undefined, 404, "not_found"],
    ["GET", "/nothing", undefined, 404, "not_found"],
    ["GET", "/v1/keys/key-" + "00".repeat(16), undefined, 404, "unknown_key"],
    ["POST", "/v1/keys/key-" + "00".repeat(16) + "/sign-transaction", JSON.stringify({ transaction }), 404, "unknown_key"],
    ["GET", "/v1/keys/nonsense", undefined, 404, "unknown_key"],
    ["POST", "/v1/keys", '{"exportable":"yes"}', 400, "invalid_field"],
    ["GET", "/" + "a".repeat(20000), undefined, 414, "uri_too_long"],
  ];
  for (const [method, target, body, status, code, headers] of cases) {
    const answer = await request(ready, method, target, body, headers).catch((error) => ({ error }));
    const what = `${method} ${target.slice(0, 60)} ${String(body).slice(0, 60)}`;
    assert.ok(!answer.error, `${what}: ${answer.error}`);
    assert.equal(answer.status, status, `${what}: ${answer.body}`);
    const parsed = JSON.parse(answer.body);
    assert.equal(parsed.code, code, what);
    assert.ok(parsed.error.length > 10, what);
  }
  assert.equal((await system.json("POST", sign, { transaction })).status, 200, "the service still works");
});

keyTests(() => system);

test("a dead enclave costs at most a second of 503s, and comes back without a restart of the gateway", async () => {
  const before_ = system.ready().pids;
  for (const pid of before_.enclaves) process.kill(pid, "SIGKILL");
  const started = Date.now();
  const answer = await request(ready, "POST", `/v1/keys/${ready.key_id}/sign-transaction`, JSON.stringify({ transaction }));
  assert.ok(Date.now() - started < 1000, "answered within a second");
  assert.ok([200, 503].includes(answer.status), answer.body);
  if (answer.status === 503) {
    assert.equal(JSON.parse(answer.body).code, "enclave_unavailable");
    assert.ok(answer.headers["retry-after"]);
  }
  await until("signing works again", async () => {
    const next = await request(ready, "POST", `/v1/keys/${ready.key_id}/sign-transaction`, JSON.stringify({ transaction }));
    assert.ok([200, 503].includes(next.status), next.body);
    return next.status === 200;
  }, 10_000);
  await until("both enclaves are back", () => system.ready().pids.enclaves.every((pid) => pid > 0 &&
    !before_.enclaves.includes(pid)));
  assert.equal(system.ready().pids.gateway, before_.gateway);
  await until("healthy", async () => (await request(ready, "GET", "/healthz")).status === 200, 10_000);
});

test("pipelined and keep-alive requests are answered in order", async () => {
  const tls = await import("node:tls");
  const fs = await import("node:fs");
  const url = new URL(ready.gateway);
  const socket = tls.connect({ host: url.hostname, port: Number(url.port), ca: fs.readFileSync(ready.ca_cert) });
  let text = "";
  socket.on("data", (data) => (text += data));
  await new Promise((resolve) => socket.once("secureConnect", resolve));
  assert.equal(socket.getProtocol(), "TLSv1.3");
  const body = JSON.stringify({ transaction });
  const post = `POST /v1/keys/${ready.key_id}/sign-transaction HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${body.length}\r\n\r\n${body}`;
  const get = `GET /health HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`;
  socket.write((post + get).repeat(10));
  await until("twenty answers", () => text.split("HTTP/1.1 200").length === 21);
  const order = [...text.matchAll(/"raw_transaction"|"healthy"/g)].map(([what]) => what);
  assert.deepEqual(order, Array.from({ length: 20 }, (_, i) => (i % 2 ? '"healthy"' : '"raw_transaction"')));
  socket.destroy();
});

test("a reply that would be too long for the enclave's link is refused, and the link lives", async () => {
  const call = new Interface(["function f(string)"]).encodeFunctionData("f", ["\0".repeat(520_000)]);
  const transaction = { chainId: 1, nonce: 0, gas: 21000, gasPrice: 1, to: "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23" };
  const path = `/v1/keys/${ready.key_id}/sign-transaction`;
  const long = await system.json("POST", path, { function: "f(string)", transaction: { ...transaction, data: call } });
  assert.equal(long.status, 413, JSON.stringify(long.body).slice(0, 300));
  assert.equal(long.body.code, "too_large");
  const before = system.logs();
  assert.ok(!before.includes("what is no reply"), before.slice(-500));
  const without = await system.json("POST", path, { transaction: { ...transaction, data: call } });
  assert.equal(without.status, 200, JSON.stringify(without.body).slice(0, 300));
});
