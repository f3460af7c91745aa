// SPDX-License-Identifier: Apache-2.0
// Hardhat with remote accounts, as its scripts write it. RPC_URL: the gateway's JSON-RPC.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { BrowserProvider, ContractFactory, verifyMessage } from "ethers";
import { abi, bytecode, other } from "./token.mjs";

process.env.HARDHAT_CONFIG = new URL("hardhat.config.cjs", import.meta.url).pathname;
process.env.HARDHAT_NETWORK = "gateway";
const { network } = createRequire(import.meta.url)("hardhat");
const accounts = await network.provider.request({ method: "eth_accounts" });
assert.ok(accounts.length > 1);

// Hardhat fills in `from`, gas and fees on the way.
const hash = await network.provider.send("eth_sendTransaction", [{ to: other, value: "0x1" }]);
const ethers = new BrowserProvider(network.provider, 31337, { pollingInterval: 50, cacheTimeout: -1 });
const receipt = await ethers.waitForTransaction(hash);
assert.equal(receipt.status, 1);
assert.equal(receipt.from.toLowerCase(), accounts[0]);

const signer = await ethers.getSigner(accounts[0]);
const token = await (await new ContractFactory(abi, bytecode, signer).deploy(1_000n)).waitForDeployment();
await (await token.transfer(other, 10n)).wait();
assert.equal(await token.balanceOf(other), 10n);
assert.equal(verifyMessage("hardhat", await signer.signMessage("hardhat")).toLowerCase(), accounts[0]);
ethers.destroy();
