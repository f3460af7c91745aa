// SPDX-License-Identifier: Apache-2.0
// Clients of nodes, none of which knows Redoubt, against a gateway whose chain is a local node: each is a program of its own, trusts the
// gateway's certificate authority as its users would have it, and fails by itself where something is not as it expects.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { Transaction, verifyMessage } from "ethers";
import { anvil, request, root, run, until, up } from "../lib.mjs";
import { secondGateway } from "../second_gateway.mjs";

const folder = path.join(root, "tests/e2e/long/clients");
const cast = path.join(folder, "node_modules/@foundry-rs/cast-linux-amd64/bin/cast");
const other = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23";

let system, node, gateway, environment;
before(async () => {
  const installed = await run(path.join(root, "tools/deps.sh"), ["clients"]);
  assert.equal(installed.code, 0, installed.stderr);
  [node, system] = await Promise.all([anvil(), up()]);
  gateway = await secondGateway(system, ["--node", `31337=${node.url}`]);
  environment = { PATH: process.env.PATH, HOME: system.folder, RPC_URL: gateway.url.origin + "/rpc",
    NODE_EXTRA_CA_CERTS: system.ready().ca_cert, SSL_CERT_FILE: system.ready().ca_cert };
});
after(async () => {
  await gateway?.stop();
  await system?.stop();
  await node?.stop();
  system?.remove();
});

async function onNode(method, ...params) {
  const answer = await fetch(node.url, { method: "POST", headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }) });
  const { result, error } = await answer.json();
  assert.equal(error, undefined, `${method}: ${JSON.stringify(error)}`);
  return result;
}
// Accounts of the test's own would be the store's first two: every client gets two that are new and have money.
async function accounts() {
  const made = [];
  for (let i = 0; i < 2; ++i) made.push((await system.json("POST", "/v1/keys", {})).body.address);
  for (const address of made) await onNode("anvil_setBalance", address, "0x56bc75e2d63100000");
  return made;
}
async function passes(script) {
  for (const address of (await rpc("eth_accounts")).slice(0, 2)) await onNode("anvil_setBalance", address, "0x56bc75e2d63100000");
  const { code, stdout, stderr } = await run(path.join(root, "tools/node"), [path.join(folder, script)], { env: environment, cwd: folder });
  assert.equal(code, 0, stdout + stderr + gateway.log().split("\n").slice(-20).join("\n"));
}
async function rpc(method, ...params) {
  const answer = await request(gateway.ready, "POST", "/rpc", JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));
  const { result, error } = JSON.parse(answer.body);
  assert.equal(error, undefined, `${method}: ${JSON.stringify(error)}`);
  return result;
}

test("there are two accounts at the least", async () => {
  await accounts();
  assert.ok((await rpc("eth_accounts")).length >= 2);
});

test("an ethers 6 signer of a JSON-RPC provider deploys, transfers, permits, delegates, and signs a thousand messages", () => passes("ethers.mjs"));

test("Hardhat's remote accounts send, deploy and sign", () => passes("hardhat.mjs"));

test("cast sends with --unlocked, calls and signs", async () => {
  const [from] = await accounts();
  const ask = async (...args) => {
    const { code, stdout, stderr } = await run(cast, [args[0], "--rpc-url", environment.RPC_URL, ...args.slice(1)], { env: environment });
    assert.equal(code, 0, stdout + stderr);
    return stdout;
  };
  const paid = BigInt(await ask("balance", other));
  const receipt = JSON.parse(await ask("send", "--json", "--unlocked", "--from", from, "--value", "5", other));
  assert.equal(Number(receipt.status), 1);
  assert.equal(receipt.from.toLowerCase(), from.toLowerCase());
  assert.equal(BigInt(await ask("balance", other)), paid + 5n);
  const created = JSON.parse(await ask("send", "--json", "--unlocked", "--from", from, "--create", "0x600a600c600039600a6000f3602a60005260206000f3"));
  assert.equal(BigInt(await ask("call", created.contractAddress, "any()(uint256)")), 42n);
  assert.match(await ask("rpc", "web3_clientVersion"), /^"Redoubt/);
  const signature = JSON.parse(await ask("rpc", "personal_sign", "0x68", from));
  assert.equal(verifyMessage("h", signature), from);
});

test("a viem wallet client deploys, transfers, permits, delegates, and signs a batch of a thousand", async () => {
  // The second account has a delegation by now; viem's gets its nonce from the node.
  await passes("viem.mjs");
});

test("geth's external signer protocol: what it asks for comes in its form", async () => {
  const [address] = await accounts();
  const lower = address.toLowerCase();
  assert.match(await rpc("account_version"), /^\d+\.\d+\.\d+$/);
  assert.ok((await rpc("account_list")).includes(lower));
  const tx = { from: address, to: other, gas: "0x5208", maxFeePerGas: "0x77359400", maxPriorityFeePerGas: "0x3b9aca00", gasPrice: null, value: "0x1",
    nonce: "0x0", input: "0x", chainId: "0x7a69", accessList: [] };
  const { raw, tx: shown } = await rpc("account_signTransaction", tx);
  const parsed = Transaction.from(raw);
  assert.deepEqual([parsed.from, parsed.hash], [address, shown.hash]);
  assert.deepEqual([BigInt(shown.r), BigInt(shown.s), Number(shown.yParity)], [BigInt(parsed.signature.r), BigInt(parsed.signature.s), parsed.signature.yParity]);
  for (const quantity of [shown.r, shown.s, shown.v, shown.nonce]) assert.match(quantity, /^0x(0|[1-9a-f][0-9a-f]*)$/);
  assert.equal(await onNode("eth_sendRawTransaction", raw), shown.hash);
  await until("it is mined", async () => (await onNode("eth_getTransactionReceipt", shown.hash))?.status === "0x1");
  const signature = await rpc("account_signData", "text/plain", lower, "0x" + Buffer.from("geth").toString("hex"));
  assert.equal(verifyMessage("geth", signature), address);
  assert.equal(await rpc("account_ecRecover", "0x" + Buffer.from("geth").toString("hex"), signature), lower);
  const made = await rpc("account_new");
  assert.ok((await rpc("account_list")).includes(made.toLowerCase()));
});

test("nothing that the clients did was refused or failed in the gateway", () => {
  assert.ok(fs.existsSync(cast));
  assert.doesNotMatch(gateway.log() + system.logs(), /"level":"error"/);
});
