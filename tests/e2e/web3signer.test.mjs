// SPDX-License-Identifier: Apache-2.0
// web3signer's eth1 routes as its API document states them, against a real enclave.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Transaction, computeAddress, keccak256, recoverAddress, verifyMessage, verifyTypedData } from "ethers";
import { until, up } from "./lib.mjs";

const other = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23";
let system, raw, plain;
before(async () => {
  system = await up();
  raw = (await system.json("POST", "/v1/keys", { raw_signing: true })).body;
  plain = (await system.json("POST", "/v1/keys", {})).body;
});
after(async () => {
  await system?.stop();
  system?.remove();
});

const get = (path) => system.request("GET", path);
const post = (path, body, headers) => system.request("POST", path, typeof body === "string" ? body : JSON.stringify(body), headers);
const call = (method, params, id = 1) => post("/", { jsonrpc: "2.0", id, method, params });

test("upcheck and healthcheck", async () => {
  const up = await get("/upcheck");
  assert.deepEqual([up.status, up.body], [200, "OK"]);
  assert.match(up.headers["content-type"], /^text\/plain/);
  const health = await until("the keys are counted", async () => {
    const answer = await get("/healthcheck");
    return JSON.parse(answer.body).checks.some(({ data }) => data?.["keys-loaded"] > 0) && answer;
  });
  assert.equal(health.status, 200);
  const { status, outcome, checks } = JSON.parse(health.body);
  assert.deepEqual([status, outcome], ["UP", "UP"]);
  assert.deepEqual(checks.find(({ id }) => id === "keys-check"), { id: "keys-check", status: "UP", data: { "keys-loaded": 3, "error-count": 0 } });
});

test("public keys are 64 bytes each, and those of the store's keys", async () => {
  const { status, body } = await get("/api/v1/eth1/publicKeys");
  assert.equal(status, 200);
  const keys = JSON.parse(body);
  for (const key of keys) assert.match(key, /^0x[0-9a-f]{128}$/);
  assert.deepEqual(keys.map((key) => computeAddress("0x04" + key.slice(2))), [system.ready().address, raw.address, plain.address]);
});

test("sign answers r, s and v over the data's keccak256, as text", async () => {
  const data = "0x" + Buffer.from("no prefix").toString("hex");
  for (const identifier of [raw.public_key, raw.public_key.slice(2), "0x" + raw.public_key.slice(2).toUpperCase()]) {
    const { status, headers, body } = await post(`/api/v1/eth1/sign/${identifier}`, { data });
    assert.equal(status, 200, body);
    assert.match(headers["content-type"], /^text\/plain/);
    assert.match(body, /^0x[0-9a-f]{128}(1b|1c)$/);
    assert.equal(recoverAddress(keccak256(data), body), raw.address);
  }
});

test("sign refuses unknown keys, bodies that are not understood, and keys that sign no bytes", async () => {
  const at = (key) => `/api/v1/eth1/sign/${key}`;
  const status = async (path, body, headers) => (await post(path, body, headers)).status;
  assert.equal(await status(at("0x" + "12".repeat(64)), { data: "0x00" }), 404);
  assert.equal(await status(at("0x12"), { data: "0x00" }), 404);
  for (const body of ["", "{", {}, { data: "00" }, { data: "0x0" }, { data: "0x00", type: "x" }, { data: null }]) assert.equal(await status(at(raw.public_key), body), 400, body);
  const refused = await post(at(plain.public_key), { data: "0x00" });
  assert.deepEqual([refused.status, JSON.parse(refused.body).code], [403, "raw_signing_refused"]);
  assert.equal((await get(at(raw.public_key))).status, 405);
  assert.equal((await get("/api/v1/eth2/publicKeys")).status, 404);
});

test("reload is accepted, and told of", async () => {
  assert.equal(JSON.parse((await get("/reload")).body).status, "idle");
  const { status, body } = await post("/reload", "", { "content-type": null });
  assert.deepEqual([status, JSON.parse(body).status], [202, "accepted"]);
  const told = await until("it is done", async () => {
    const answer = JSON.parse((await get("/reload")).body);
    return answer.status === "completed" && answer;
  });
  assert.ok(Date.now() - Date.parse(told.lastOperationTime) < 60_000);
  assert.equal(told.lastError, null);
});

test("its JSON-RPC signs, with its codes and statuses", async () => {
  const accounts = JSON.parse((await call("eth_accounts", [])).body).result;
  assert.ok(accounts.includes(plain.address.toLowerCase()));
  const result = async (method, params) => {
    const answer = await call(method, params);
    assert.equal(answer.status, 200, answer.body);
    return JSON.parse(answer.body).result;
  };
  assert.equal(verifyMessage("hi", await result("eth_sign", [plain.address, "0x6869"])), plain.address);
  const types = { A: [{ name: "b", type: "string" }] }, message = { b: "c" }, domain = { name: "D" };
  const typed = { types: { EIP712Domain: [{ name: "name", type: "string" }], ...types }, primaryType: "A", domain, message };
  assert.equal(verifyTypedData(domain, types, message, await result("eth_signTypedData", [plain.address, JSON.stringify(typed)])), plain.address);
  const transaction = { from: plain.address, to: other, nonce: "0x1", gas: "0x5208", gasPrice: "0x3", value: "0x1", chainId: "0x539" };
  const parsed = Transaction.from(await result("eth_signTransaction", [transaction]));
  assert.deepEqual([parsed.from, parsed.chainId, parsed.type], [plain.address, 1337n, 0]);
  assert.equal(await result("health_status", []), "OK");
  const refused = async (body) => {
    const answer = await post("/", body);
    return [answer.status, JSON.parse(answer.body).error.code];
  };
  assert.deepEqual(await refused('['), [400, -32700]);
  assert.deepEqual(await refused({ jsonrpc: "2.0", id: 1 }), [400, -32600]);
  assert.deepEqual(await refused({ jsonrpc: "2.0", id: 1, method: "eth_sign", params: [] }), [400, -32602]);
  assert.deepEqual(await refused({ jsonrpc: "2.0", id: 1, method: "no_such", params: [] }), [200, -32601]);
  const unknown = JSON.parse((await call("eth_sign", [other, "0x00"])).body);
  assert.equal(unknown.error.code, -32000);
  assert.match(unknown.error.message, /^No unlocked account matches the Sender/);
});
