// SPDX-License-Identifier: Apache-2.0
// JSON-RPC over HTTPS against a real enclave; the transactions' chain is not there (clients of nodes: long/clients.test.mjs).
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Signature, Transaction, verifyAuthorization, verifyMessage, verifyTypedData } from "ethers";
import { up } from "./lib.mjs";

const other = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23";
const typed = { domain: { name: "A", chainId: 5 }, types: { EIP712Domain: [{ name: "name", type: "string" }, { name: "chainId", type: "uint256" }],
  Mail: [{ name: "to", type: "address" }, { name: "text", type: "string" }] }, primaryType: "Mail", message: { to: other, text: "hello" } };

let system, address, lower;
before(async () => {
  system = await up();
  address = system.ready().address;
  lower = address.toLowerCase();
});
after(async () => {
  await system?.stop();
  system?.remove();
});

async function post(body, path = "/rpc/5") {
  const answer = await system.request("POST", path, typeof body === "string" ? body : JSON.stringify(body));
  return { status: answer.status, headers: answer.headers, body: answer.body === "" ? undefined : JSON.parse(answer.body) };
}
const call = (method, params = [], id = 1) => ({ jsonrpc: "2.0", id, method, params });
async function rpc(method, ...params) {
  const { body } = await post(call(method, params));
  assert.equal(body.error, undefined, `${method}: ${JSON.stringify(body.error)}`);
  return body.result;
}
async function fault(method, ...params) {
  const { body } = await post(call(method, params));
  assert.ok(body.error, `${method}: ${JSON.stringify(body)}`);
  return [body.error.code, body.error.data?.code];
}

test("every signing method's answer is a signature by the account, as ethers verifies it", async () => {
  assert.deepEqual(await rpc("eth_accounts"), [lower]);
  const text = "0x" + Buffer.from("héllo").toString("hex");
  for (const signature of [await rpc("personal_sign", text, lower), await rpc("eth_sign", lower, text), await rpc("account_signData", "text/plain", lower, text)]) {
    assert.equal(verifyMessage("héllo", signature), address);
    assert.equal(await rpc("personal_ecRecover", text, signature), lower);
  }
  const { EIP712Domain, ...types } = typed.types;
  for (const method of ["eth_signTypedData", "eth_signTypedData_v3", "eth_signTypedData_v4", "account_signTypedData"])
    for (const data of [typed, JSON.stringify(typed)])
      assert.equal(verifyTypedData(typed.domain, types, typed.message, await rpc(method, address, data)), address);
});

test("transactions of every type are signed as they were asked for", async () => {
  const fees = { maxFeePerGas: "0x3", maxPriorityFeePerGas: "0x1" };
  const accessList = [{ address: other, storageKeys: ["0x" + "00".repeat(31) + "07"] }];
  const signed = await rpc("eth_signAuthorization", address, { chainId: "0x5", contractAddress: other, nonce: "0x1" });
  assert.equal(verifyAuthorization({ chainId: 5, address: other, nonce: 1n }, Signature.from({ r: signed.r, s: signed.s, yParity: Number(signed.yParity) })), address);
  for (const [type, fields] of [[0, { gasPrice: "0x3" }], [1, { gasPrice: "0x3", accessList }], [2, { ...fees, accessList }],
    [3, { ...fees, maxFeePerBlobGas: "0x1", blobVersionedHashes: ["0x01" + "22".repeat(31)] }], [4, { ...fees, authorizationList: [signed] }]]) {
    const transaction = { from: lower, to: other, nonce: "0x7", gas: "0x5208", value: "0x1", data: "0x1234", ...fields };
    for (const parsed of [Transaction.from(await rpc("eth_signTransaction", transaction)), Transaction.from((await rpc("account_signTransaction", transaction)).raw)]) {
      assert.deepEqual([parsed.type, parsed.from, parsed.chainId, parsed.nonce, parsed.to, parsed.data], [type, address, 5n, 7, other, "0x1234"]);
      if (type === 1 || type === 2) assert.deepEqual(parsed.accessList, accessList);
      if (type === 4) assert.equal(parsed.authorizationList[0].address, other);
    }
  }
});

test("what would be another transaction than the client means is refused", async () => {
  const transaction = { from: lower, to: other, nonce: "0x7", gas: "0x5208", gasPrice: "0x3" };
  assert.deepEqual(await fault("eth_signTransaction", { ...transaction, chainId: "0x1" }), [-32602, "invalid_field"]);
  assert.deepEqual(await fault("eth_signTransaction", { ...transaction, maxFee: "0x1" }), [-32602, "unknown_field"]);
  assert.deepEqual(await fault("eth_signTransaction", { ...transaction, nonce: undefined }), [-32602, "missing_field"]);
  assert.deepEqual(await fault("eth_signTransaction", { ...transaction, from: other }), [-32000, "unknown_key"]);
  assert.deepEqual(await fault("personal_sign", "hello", lower), [-32602, "invalid_field"]);
  // No endpoint's chain: a null is none either.
  const { body } = await post(call("eth_signTransaction", [{ ...transaction, chainId: null }]), "/rpc");
  assert.equal(body.error.code, -32602);
});

test("a batch of a thousand signatures comes back in its order", async () => {
  const { status, body } = await post(Array.from({ length: 1_000 }, (_, i) => call("personal_sign", ["0x" + i.toString(16).padStart(4, "0"), lower], i)));
  assert.equal(status, 200);
  assert.deepEqual(body.map(({ id }) => id), Array.from({ length: 1_000 }, (_, i) => i));
  for (const i of [0, 500, 999]) assert.equal(verifyMessage(Buffer.from(i.toString(16).padStart(4, "0"), "hex"), body[i].result), address);
  assert.equal((await post(Array.from({ length: 1_001 }, (_, i) => call("eth_chainId", [], i)))).body.error.code, -32600);
});

test("a key that was disabled signs no longer, and is no account", async () => {
  const { body: made } = await system.json("POST", "/v1/keys", {});
  const account = made.address.toLowerCase();
  assert.ok((await rpc("eth_accounts")).includes(account));
  await rpc("personal_sign", "0x68", account);
  assert.equal((await system.json("POST", `/v1/keys/${made.key_id}/disable`, {})).status, 200);
  assert.ok(["key_disabled", "unknown_key"].includes((await fault("personal_sign", "0x68", account))[1]));
  assert.deepEqual(await fault("personal_sign", "0x68", account), [-32000, "unknown_key"]);
  assert.ok(!(await rpc("eth_accounts")).includes(account));
  assert.equal((await system.json("POST", `/v1/keys/${made.key_id}/enable`, {})).status, 200);
  await rpc("personal_sign", "0x68", account);
});

test("a policy's refusal says which code and why, in JSON-RPC's form", async () => {
  const policy = { redoubt_policy: 1, rules: [{ name: "messages", effect: "allow", principals: ["anyone"], operations: ["sign-message"] }] };
  const made = await system.json("POST", "/v1/keys", { policy });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  await rpc("personal_sign", "0x68", made.body.address);
  const transaction = { from: made.body.address, to: other, nonce: "0x7", gas: "0x5208", gasPrice: "0x3" };
  assert.deepEqual(await fault("eth_signTransaction", transaction), [-32003, "policy_denied"]);
});

test("the chain of the endpoint, health, versions, and what is not there", async () => {
  assert.equal(await rpc("eth_chainId"), "0x5");
  assert.equal(await rpc("net_version"), "5");
  assert.equal(await rpc("health_status"), "OK");
  assert.match(await rpc("web3_clientVersion"), /^Redoubt/);
  for (const method of ["eth_getBalance", "eth_sendRawTransaction", "admin_peers", "wallet_sendTransaction", "personal_unlockAccount"])
    assert.deepEqual(await fault(method), [-32601, "not_found"], method);
  assert.deepEqual(await fault("eth_sendTransaction", { from: lower, to: other }), [-32601, "not_found"]);
  assert.equal((await post(call("eth_chainId"), "/rpc/x")).status, 404);
});

test("a body that is no call is refused in words, by each path's statuses", async () => {
  for (const [body, code] of [["{", -32700], ['{"jsonrpc":"2.0","id":1,"id":2,"method":"eth_chainId"}', -32600], [{ ...call("eth_chainId"), extra: 1 }, -32600],
    [[], -32600], [call("eth_sign"), -32602]]) {
    const sent = typeof body === "string" ? body : JSON.stringify(body);
    const answer = await post(sent);
    assert.deepEqual([answer.status, answer.body.error.code], [200, code], sent);
  }
  const strict = await post({ ...call("eth_chainId"), extra: 1 }, "/");
  assert.deepEqual([strict.status, strict.body.error.code], [400, -32600]);
  assert.equal((await system.request("POST", "/rpc", JSON.stringify(call("eth_accounts")), { "content-type": "text/plain" })).status, 415);
  assert.equal((await post({ jsonrpc: "2.0", method: "eth_chainId" })).status, 204);
});

test("the AWS sample's clients are served on the same path as before", async () => {
  const payload = { value: 0.01, to: other, nonce: 0, type: 2, chainId: 4, gas: 100000, maxFeePerGas: 100000000000, maxPriorityFeePerGas: 3000000000 };
  const { status, body } = await post({ transaction_payload: payload, secret_id: "no-such-secret" }, "/");
  assert.deepEqual([status, body.code], [404, "secret_not_found"]);
  assert.equal((await post({}, "/")).status, 400);
});
