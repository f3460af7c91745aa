// SPDX-License-Identifier: Apache-2.0
// What `make bench` measures: a row each, told by what it does otherwise than the usual one. See system.mjs for `system`. A row of mode
// "open" asks `times` the rate of a closed loop that is measured before it, with as many requests in flight as `capacity` says.

// One key, whose policy has ten rules and lets `host` sign, over HTTP/2 with 4 × 100 requests in flight: 100 is the least that RFC 9113
// (section 6.5.2) wants a server to take from one connection.
const usual = { group: "", system: {}, protocol: "h2", connections: 4, streams: 100, operation: "v1-sign-transaction", rules: 10, principal: "host", keys: 1, pick: "first",
  mode: "closed" };
const row = (id, title, changes = {}) => ({ ...usual, id, title, ...changes });
const http1 = { protocol: "http/1.1", streams: 1 };
const unverified = { verify: false };

// Both with verification before release, which production has on, and without.
const twice = (id, title, changes) => [row(id, title, { ...changes, system: { ...changes.system } }),
  row(`${id}-unverified`, title, { ...changes, system: { ...changes.system, ...unverified } })];

export const rows = [
  ...twice("h2", "HTTP/2, 4 connections × 100 streams", { group: "front" }),
  ...twice("session", "HMAC session", { group: "principals", principal: "session" }), // right after what it is compared with
  ...twice("h1-64", "HTTP/1.1, 64 connections", { group: "front", ...http1, connections: 64 }),
  ...twice("batch", "JSON-RPC, batches of 100, HTTP/1.1, 4 connections", { group: "front", ...http1, connections: 4, operation: "rpc-batch", batch: 100 }),
  ...twice("tls-enclave", "TLS inside the enclave, HTTP/1.1, 64 connections", { group: "front", ...http1, connections: 64, principal: "anyone", system: { tls: true } }),

  row("h1-1", "HTTP/1.1, 1 connection", { group: "connections", ...http1, connections: 1 }),
  row("h1-16", "HTTP/1.1, 16 connections", { group: "connections", ...http1, connections: 16 }),
  row("h1-256", "HTTP/1.1, 256 connections", { group: "connections", ...http1, connections: 256 }),
  row("h2-1x1", "HTTP/2, 1 connection, 1 stream", { group: "connections", connections: 1, streams: 1 }),
  row("h2-1x16", "HTTP/2, 1 connection × 16 streams", { group: "connections", connections: 1, streams: 16 }),
  row("h2-1x64", "HTTP/2, 1 connection × 64 streams", { group: "connections", connections: 1, streams: 64 }),
  row("h2-4x32", "HTTP/2, 4 connections × 32 streams", { group: "connections", streams: 32 }),
  row("h2-16x16", "HTTP/2, 16 connections × 16 streams", { group: "connections", connections: 16, streams: 16 }),
  row("h2-64x1", "HTTP/2, 64 connections, 1 stream each", { group: "connections", connections: 64, streams: 1 }),
  row("rpc-64", "JSON-RPC, single calls, HTTP/1.1, 64 connections", { group: "connections", ...http1, connections: 64, operation: "rpc" }),
  row("rpc-h2", "JSON-RPC, single calls, HTTP/2, 4 × 100", { group: "connections", operation: "rpc" }),

  ...twice("p256", "P-256 signature on each request", { group: "principals", principal: "p256" }),
  ...twice("ed25519", "Ed25519 signature on each request", { group: "principals", principal: "ed25519" }),

  row("rules-0", "the open policy", { group: "rules", rules: 0, system: { open: true } }),
  row("rules-1", "1 rule", { group: "rules", rules: 1 }),
  row("rules-100", "100 rules", { group: "rules", rules: 100 }),
  row("no-receipts", "no log of receipts", { group: "rules", system: { receipts: false } }),

  row("keys-1k", "1,000 keys, uniform", { group: "keys", keys: 1_000, pick: "uniform" }),
  row("keys-10k", "10,000 keys, uniform", { group: "keys", keys: 10_000, pick: "uniform" }),
  row("keys-10k-zipf", "10,000 keys, Zipf", { group: "keys", keys: 10_000, pick: "zipf" }),

  row("enclaves-2", "2 enclaves", { group: "enclaves", system: { enclaves: 2 } }),
  row("enclaves-4", "4 enclaves", { group: "enclaves", system: { enclaves: 4 } }),

  row("load-70", "HTTP/2, 70 % of what 4 × 32 requests in flight come to", { group: "constant", mode: "open", times: 0.7, capacity: { connections: 4, streams: 32 } }),
  row("load-70-h1", "HTTP/1.1, 64 connections, 70 %", { group: "constant", mode: "open", times: 0.7, ...http1, connections: 64 }),
  row("overload", "HTTP/2, 64 connections, twice what 4 × 32 requests in flight come to, short queues, enclaves after all others", {
    group: "constant", mode: "open", times: 2, capacity: { connections: 4, streams: 32 },
    connections: 64, streams: 128, // twice what may be under way at an enclave: else the rest waits in the generator
    settle_s: 4, // until the gateway has learnt how long requests take, and what came before is gone
    system: { shed: true } }),

  row("handshakes", "full handshakes", { group: "handshakes", mode: "handshakes", resumed: false, ...http1 }),
  row("handshakes-resumed", "resumed handshakes", { group: "handshakes", mode: "handshakes", resumed: true, ...http1 }),

  // Last: for minutes after so many keys were made the disk is busy with them.
  row("keys-1m", "1,000,000 keys, uniform", { group: "keys", keys: 1_000_000, pick: "uniform" }),
  row("keys-1m-one", "one key of 1,000,000", { group: "keys" }),
  row("keys-1m-zipf", "1,000,000 keys, Zipf", { group: "keys", keys: 1_000_000, pick: "zipf" }),
];

// Making a million keys takes minutes: only with --keys-1m.
export const optional = new Set(["keys-1m-one", "keys-1m", "keys-1m-zipf"]);
// What --quick runs: each way through harness and load generator once.
export const quick = new Set(["h2", "h1-64", "batch", "tls-enclave", "session", "p256", "rules-0", "no-receipts", "keys-1k", "load-70", "handshakes-resumed"]);
