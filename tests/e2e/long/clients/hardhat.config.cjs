// SPDX-License-Identifier: Apache-2.0
// Accounts of Hardhat's that are the node's: "remote". RPC_URL: the gateway's JSON-RPC.
module.exports = {
  solidity: "0.8.26",
  networks: { gateway: { url: process.env.RPC_URL, accounts: "remote", chainId: 31337 } },
};
