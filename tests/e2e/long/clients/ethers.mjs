// SPDX-License-Identifier: Apache-2.0
// ethers 6 as its users write it: a provider, its signer, and contracts. RPC_URL: the gateway's JSON-RPC.
import assert from "node:assert/strict";
import { Contract, ContractFactory, JsonRpcProvider, Signature, Transaction, parseEther, verifyAuthorization, verifyMessage, verifyTypedData } from "ethers";
import { abi, bytecode, domainOf, other, permitTypes, tomorrow } from "./token.mjs";

const chainId = 31337;
const provider = new JsonRpcProvider(process.env.RPC_URL, undefined, { cacheTimeout: -1, pollingInterval: 50 });
assert.equal((await provider.getNetwork()).chainId, BigInt(chainId));
const signer = await provider.getSigner();
const from = await signer.getAddress();
assert.ok((await provider.listAccounts()).some(({ address }) => address === from));

// Messages and typed data.
assert.equal(verifyMessage("héllo", await signer.signMessage("héllo")), from);
assert.equal(verifyMessage("old", await signer._legacySignMessage("old")), from);

// A plain transfer; nonce, gas and fees are nobody's but the gateway's and the node's.
const sent = await signer.sendTransaction({ to: other, value: parseEther("0.5") });
assert.equal((await sent.wait()).status, 1);
assert.equal(sent.from, from);

// A transaction that is only signed.
const fields = { type: 2, chainId, nonce: 77, to: other, value: 1, gasLimit: 21_000, maxFeePerGas: 3n, maxPriorityFeePerGas: 1n };
const parsed = Transaction.from(await signer.signTransaction(fields));
assert.equal(parsed.from, from);
assert.equal(parsed.unsignedHash, Transaction.from(fields).unsignedHash);

// A deployment, a transfer, a permit.
const token = await (await new ContractFactory(abi, bytecode, signer).deploy(1_000_000n)).waitForDeployment();
const address = await token.getAddress();
assert.equal((await (await token.transfer(other, 1234n)).wait()).status, 1);
assert.equal(await token.balanceOf(other), 1234n);
const permit = { owner: from, spender: other, value: 99n, nonce: 0n, deadline: BigInt(tomorrow) };
const signature = await signer.signTypedData(domainOf(chainId, address), permitTypes, permit);
assert.equal(verifyTypedData(domainOf(chainId, address), permitTypes, permit, signature), from);
const { v, r, s } = Signature.from(signature);
await (await token.permit(from, other, 99n, tomorrow, v, r, s)).wait();
assert.equal(await token.allowance(from, other), 99n);
// A revert is told as the node tells it.
await assert.rejects(token.permit.staticCall(from, other, 99n, tomorrow, v, r, s), (error) => error.code === "CALL_EXCEPTION" && /not the owner/.test(error.reason));
await assert.rejects(signer.sendTransaction({ to: other, value: parseEther("1000000") }), (error) => error.code === "INSUFFICIENT_FUNDS");

// EIP-7702: an authorization of another account, carried by this one.
const [, second] = await provider.send("eth_accounts", []);
const authorization = await provider.send("eth_signAuthorization", [second, { chainId, address, nonce: 0 }]);
const signed = { address, chainId: BigInt(authorization.chainId), nonce: BigInt(authorization.nonce),
  signature: Signature.from({ r: authorization.r, s: authorization.s, yParity: Number(authorization.yParity) }) };
assert.equal(verifyAuthorization({ address, chainId, nonce: 0n }, signed.signature).toLowerCase(), second);
const carried = await signer.sendTransaction({ type: 4, to: other, gasLimit: 200_000, authorizationList: [signed] });
assert.equal((await carried.wait()).status, 1);
assert.equal((await provider.getCode(second)).toLowerCase(), "0xef0100" + address.slice(2).toLowerCase());
assert.equal(await new Contract(second, abi, provider).answer(), 42n);

// A thousand at once, which ethers sends in batches of a hundred.
const messages = Array.from({ length: 1_000 }, (_, i) => `message ${i}`);
const signatures = await Promise.all(messages.map((message) => signer.signMessage(message)));
for (const i of [0, 1, 499, 999]) assert.equal(verifyMessage(messages[i], signatures[i]), from);
assert.equal(new Set(signatures).size, 1_000);

// What the gateway does not do is told so that ethers knows.
await assert.rejects(signer.unlock("password"), (error) => error.code === "UNSUPPORTED_OPERATION");
provider.destroy();
