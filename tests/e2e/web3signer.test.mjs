// SPDX-License-Identifier: Apache-2.0
// web3signer's eth1 routes as its API document states them, against a real enclave.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, test } from "node:test";
import { Transaction, computeAddress, keccak256, recoverAddress, verifyMessage, verifyTypedData } from "ethers";
import { anvil, request, until, up } from "./lib.mjs";
import { ownGateway } from "./own_gateway.mjs";

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

test("what it drops of a transaction is signed or refused here", async () => {
  const sign = async (more) => {
    const { status, body } = await call("eth_signTransaction", [{ from: plain.address, to: other, nonce: "0x1", gas: "0x5208", value: "0x1", chainId: "0x539", ...more }]);
    const { result, error } = JSON.parse(body);
    return result ? Transaction.from(result) : [status, error.code, error.data.code];
  };
  const accessList = [{ address: other, storageKeys: ["0x" + "00".repeat(31) + "07"] }];
  const listed = await sign({ type: "0x1", gasPrice: "0x3", accessList });
  assert.deepEqual([listed.type, listed.chainId, listed.accessList], [1, 1337n, accessList]);
  const authorization = JSON.parse((await call("eth_signAuthorization", [plain.address, { chainId: "0x539", address: other, nonce: "0x0" }])).body).result;
  const delegating = await sign({ maxFeePerGas: "0x3", maxPriorityFeePerGas: "0x1", authorizationList: [authorization] });
  assert.deepEqual([delegating.type, delegating.authorizationList.map(({ address }) => address)], [4, [other]]);
  assert.deepEqual(await sign({ gasPrice: "0x3", privateFor: ["A1aVtMxLCUHmBVHXoZzzBgPbW/wj5axDpW9X8l91SGo="] }), [400, -32602, "unknown_field"]);
});

test("it sends with the nonces that were left out, and everything that it does not know goes to the node", async () => {
  const node = await anvil(1337);
  const gateway = await ownGateway(system, ["--node", `1337=${node.url}`]);
  try {
    const ask = async (method, params) => {
      const answer = await request(gateway.ready, "POST", "/", JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));
      return { status: answer.status, ...JSON.parse(answer.body) };
    };
    const result = async (method, ...params) => {
      const answer = await ask(method, params);
      assert.deepEqual([answer.status, answer.error], [200, undefined], method);
      return answer.result;
    };
    await result("anvil_setBalance", plain.address, "0x56bc75e2d63100000");
    const sent = [];
    for (let i = 0; i < 2; ++i) sent.push(await result("eth_sendTransaction", { from: plain.address, to: other, value: "0x5", gas: "0x5208", gasPrice: "0x77359400" }));
    for (const [nonce, hash] of sent.entries()) {
      const mined = await until("it is mined", () => result("eth_getTransactionReceipt", hash));
      assert.deepEqual([mined.status, mined.from], ["0x1", plain.address.toLowerCase()]);
      assert.equal(Number((await result("eth_getTransactionByHash", hash)).nonce), nonce);
    }
    assert.equal(BigInt(await result("eth_getBalance", other, "latest")), 10n);
    assert.equal(await result("eth_chainId"), "0x539");
    // The node's refusals are the node's, with the status of every answer that is none of the request's form.
    const unknown = await ask("eth_noSuchMethod", []);
    assert.deepEqual([unknown.status, unknown.error.code], [200, -32601]);
    const stranger = await ask("eth_sendTransaction", [{ from: other, to: other, gas: "0x5208", gasPrice: "0x77359400" }]);
    assert.deepEqual([stranger.status, stranger.error.code], [200, -32000]);
    assert.match(stranger.error.message, /^No unlocked account matches the Sender/);
  } finally {
    await gateway.stop();
    await node.stop();
  }
});

test("a reload that fails says so, and harms nothing", async () => {
  const certificate = `${system.folder}/tls/own.pem`;
  fs.copyFileSync(`${system.folder}/tls/gateway.pem`, certificate);
  const gateway = await ownGateway(system, ["--certificate", certificate], ["--certificate"]);
  try {
    fs.writeFileSync(certificate, "no certificate");
    const reload = () => request(gateway.ready, "POST", "/reload", undefined, {});
    assert.equal((await reload()).status, 202);
    const told = await until("it is done", async () => {
      const answer = JSON.parse((await request(gateway.ready, "GET", "/reload")).body);
      return answer.status === "failed" && answer;
    });
    assert.ok(told.lastError.length > 0);
    assert.equal((await request(gateway.ready, "GET", "/upcheck")).status, 200, "it serves with what it had");
    fs.copyFileSync(`${system.folder}/tls/gateway.pem`, certificate);
    assert.equal((await reload()).status, 202);
    await until("the next one is well", async () => JSON.parse((await request(gateway.ready, "GET", "/reload")).body).status === "completed");
  } finally {
    await gateway.stop();
  }
});

test("healthcheck is 503 while no enclave signs, and upcheck is not", async () => {
  const pids = system.ready().pids.enclaves;
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  try {
    const down = await until("it says so", async () => {
      const answer = await get("/healthcheck");
      return answer.status === 503 && answer;
    }, 20_000);
    const { status, outcome, checks } = JSON.parse(down.body);
    assert.deepEqual([status, outcome, checks.find(({ id }) => id === "enclave-check").status], ["DOWN", "DOWN", "DOWN"]);
    assert.equal((await get("/upcheck")).body, "OK");
  } finally {
    for (const pid of pids) process.kill(pid, "SIGCONT");
  }
  await until("it is up again", async () => (await get("/healthcheck")).status === 200, 20_000);
});
