// SPDX-License-Identifier: Apache-2.0
// Many hosts: what they use of what there is, and what clients notice when a zone is lost.
import { Events, Random, quantile } from './engine.mjs';
import { capacity } from './pool.mjs';

export const kEnclaves = 2; // of a host
export const kUse = 0.5; // of what a host can do, in everyday use: with two enclaves one of them can be missed

// What AWS gives a m6i.2xlarge and its disk: Gbit/s that it can always have, MB/s of gp3 without more being paid for.
const kNetworkGbit = 3.125, kDiskMb = 125;

export function hosts_for(c, rate) {
  return Math.ceil(rate / (kUse * capacity(c, kEnclaves)));
}

// Shares of each thing that has an end, by name, at `rate` signatures a second over so many hosts.
export function used(c, p, { rate, hosts }) {
  const each = rate / hosts;
  const kms = (hosts * kEnclaves) / (0.75 * c.lease_s);
  return {
    "an enclave's thread": (each / kEnclaves) * c.enclave_us / 1e6,
    "the gateway's thread": each * c.gateway_us / 1e6,
    'the network of a host': each * (c.request_bytes + c.reply_bytes) * 8 / (kNetworkGbit * 1e9),
    'the disk of a host, receipts': each * c.receipt_bytes / (kDiskMb * 1e6),
    'the KMS quota, leases': kms / p.kms_quota,
  };
}

// A zone is gone, and nobody says so. Each client has a connection to a random host; one that waits for longer than
// `timeoutMs` connects again, and reaches a balancer and a host that are there only by chance until the load balancer's health
// checks have failed three times, ten seconds apart. When each has been answered again, in ms.
export function zone_loss(seed, { clients, zones, timeoutMs }) {
  const events = new Events(), random = new Random(seed);
  const back = [];
  const foundOut = 20_000 + 10_000 * random.uniform();
  let attempts = 0;
  const there = () => events.now >= foundOut || (random.uniform() < 1 - 1 / zones && random.uniform() < 1 - 1 / zones);
  for (let i = 0; i < clients; ++i) {
    if (random.uniform() >= 1 / zones) continue;
    const again = () => {
      ++attempts;
      if (there()) back.push(events.now);
      else events.after(timeoutMs, again);
    };
    events.after(timeoutMs, again);
  }
  events.run();
  return { hit: back.length / clients, foundOut, attempts: attempts / back.length, median: quantile(back, 0.5), p99: quantile(back, 0.99), last: Math.max(...back) };
}
