// SPDX-License-Identifier: Apache-2.0
// The token, compiled, and what its permits are.
import fs from "node:fs";
import solc from "solc";

const source = fs.readFileSync(new URL("Token.sol", import.meta.url), "utf8");
const output = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources: { "Token.sol": { content: source } },
  settings: { evmVersion: "shanghai", outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } } } })));
const errors = (output.errors ?? []).filter(({ severity }) => severity === "error");
if (errors.length > 0) throw new Error(errors.map(({ formattedMessage }) => formattedMessage).join("\n"));
const { abi, evm } = output.contracts["Token.sol"].Token;

export { abi };
export const bytecode = "0x" + evm.bytecode.object;
export const permitTypes = { Permit: [{ name: "owner", type: "address" }, { name: "spender", type: "address" }, { name: "value", type: "uint256" },
  { name: "nonce", type: "uint256" }, { name: "deadline", type: "uint256" }] };
export const domainOf = (chainId, verifyingContract) => ({ name: "Redoubt test token", version: "1", chainId, verifyingContract });
export const other = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23";
export const tomorrow = Math.floor(Date.now() / 1000) + 86_400;
