// SPDX-License-Identifier: Apache-2.0
// viem's wallet and public clients as their users write them. RPC_URL: the gateway's JSON-RPC.
import assert from "node:assert/strict";
import { createPublicClient, createWalletClient, getAddress, hexToNumber, http, parseEther, parseSignature, parseTransaction, recoverTransactionAddress,
  verifyMessage, verifyTypedData } from "viem";
import { recoverAuthorizationAddress } from "viem/utils";
import { foundry } from "viem/chains";
import { abi, bytecode, domainOf, other, permitTypes, tomorrow } from "./token.mjs";

const transport = http(process.env.RPC_URL, { batch: { batchSize: 1_000 }, retryCount: 0 });
const node = createPublicClient({ chain: foundry, transport, pollingInterval: 50, cacheTime: 0 });
const anyone = createWalletClient({ chain: foundry, transport });
const [account, second] = await anyone.getAddresses();
assert.deepEqual(await anyone.requestAddresses(), await anyone.getAddresses());
const wallet = createWalletClient({ account, chain: foundry, transport });
const mined = async (hash) => {
  const receipt = await node.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, "success");
  assert.equal(getAddress(receipt.from), account);
  return receipt;
};

const message = "héllo";
assert.ok(await verifyMessage({ address: account, message, signature: await wallet.signMessage({ message }) }));
await mined(await wallet.sendTransaction({ to: other, value: parseEther("0.5") }));

const serialized = await wallet.signTransaction({ type: "eip1559", nonce: 77, to: other, value: 1n, gas: 21_000n, maxFeePerGas: 3n, maxPriorityFeePerGas: 1n });
assert.equal(await recoverTransactionAddress({ serializedTransaction: serialized }), account);
assert.equal(parseTransaction(serialized).nonce, 77);

const { contractAddress: address } = await mined(await wallet.deployContract({ abi, bytecode, args: [1_000_000n] }));
await mined(await wallet.writeContract({ address, abi, functionName: "transfer", args: [other, 1234n] }));
const read = (functionName, args) => node.readContract({ address, abi, functionName, args });
assert.equal(await read("balanceOf", [other]), 1234n);
const typed = { domain: domainOf(foundry.id, address), types: permitTypes, primaryType: "Permit",
  message: { owner: account, spender: other, value: 99n, nonce: 0n, deadline: BigInt(tomorrow) } };
const signature = await wallet.signTypedData(typed);
assert.ok(await verifyTypedData({ ...typed, address: account, signature }));
const { r, s, v } = parseSignature(signature);
await mined(await wallet.writeContract({ address, abi, functionName: "permit", args: [account, other, 99n, BigInt(tomorrow), Number(v), r, s] }));
assert.equal(await read("allowance", [account, other]), 99n);
await assert.rejects(node.simulateContract({ account, address, abi, functionName: "permit", args: [account, other, 99n, BigInt(tomorrow), Number(v), r, s] }),
  /not the owner's permit/);

// EIP-7702. viem asks no JSON-RPC account for an authorization; the node's method is asked for it here.
const nonce = await node.getTransactionCount({ address: second });
const told = await wallet.request({ method: "eth_signAuthorization", params: [second, { chainId: foundry.id, address, nonce }] });
const authorization = { address: told.address, chainId: hexToNumber(told.chainId), nonce: hexToNumber(told.nonce), r: told.r, s: told.s,
  yParity: hexToNumber(told.yParity) };
assert.equal(await recoverAuthorizationAddress({ authorization }), second);
await mined(await wallet.sendTransaction({ to: other, gas: 200_000n, authorizationList: [authorization] }));
assert.equal(await node.readContract({ address: second, abi, functionName: "answer" }), 42n);

// One batch of a thousand.
const signatures = await Promise.all(Array.from({ length: 1_000 }, (_, i) => wallet.signMessage({ message: `message ${i}` })));
assert.equal(new Set(signatures).size, 1_000);
assert.ok(await verifyMessage({ address: account, message: "message 999", signature: signatures[999] }));
