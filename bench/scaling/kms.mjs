// SPDX-License-Identifier: Apache-2.0
// Enclaves and KMS: who asks how often, and what happens when KMS throttles, denies or is away. The rules are those of
// src/gateway/enclave_pool.cpp (vaults are opened one after the other; after a failure it waits 250 ms, twice as long each
// time, 10 s at most; looked at every 250 ms) and src/enclave/vaults.cpp (in its lease's last quarter an enclave asks once a
// second; a denial closes the vault at once, everything else lets the lease run on; a call without an answer takes 5 s).
import { Events, Random, quantile } from './engine.mjs';

const kWatchMs = 250, kFirstPauseMs = 250, kLongestPauseMs = 10_000, kCallTimeoutMs = 5_000;

// So many calls in each second, as AWS counts them; the rest is throttled at once.
class Quota {
  constructor(perSecond) {
    Object.assign(this, { perSecond, second: -1, used: 0, calls: 0, throttled: 0, most: 0 });
  }
  take(nowMs) {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.second) Object.assign(this, { second, used: 0, asked: 0 });
    ++this.calls;
    this.most = Math.max(this.most, ++this.asked);
    if (this.used === this.perSecond) {
      ++this.throttled;
      return false;
    }
    ++this.used;
    return true;
  }
}

// Enclaves that all start within a second, each with so many vaults to open. Times are ms.
export function start_all(seed, { enclaves, vaults, perSecond, kmsMs }) {
  const events = new Events(), random = new Random(seed);
  const quota = new Quota(perSecond);
  const first = [], all = [];
  for (let i = 0; i < enclaves; ++i) {
    let left = vaults, pause = 0, signs = false;
    const round = () => {
      let failed = 0, open = left;
      const one = () => {
        if (open-- === 0) {
          left = failed;
          if (left === 0) return void all.push(events.now);
          pause = Math.min(Math.max(2 * pause, kFirstPauseMs), kLongestPauseMs);
          return events.after(Math.ceil(pause / kWatchMs) * kWatchMs, round);
        }
        events.after(kmsMs * random.around(0.3), () => {
          if (!quota.take(events.now)) ++failed;
          else if (!signs) {
            signs = true;
            first.push(events.now);
          }
          one();
        });
      };
      one();
    };
    events.after(1000 * random.uniform(), round);
  }
  events.run(3_600_000);
  return { signs: Math.max(...first), open: all.length === enclaves ? Math.max(...all) : NaN, calls: quota.calls, throttled: quota.throttled, most: quota.most };
}

// KMS gives no answer for a while, in which leases run on. `together`: all vaults were opened within the same minute.
export function outage(seed, { enclaves, leaseS, outageS, together, denies = false, from = 2 * leaseS }) {
  const events = new Events(), random = new Random(seed);
  const down = () => events.now >= from && events.now < from + outageS;
  const closed = [], reopened = [];
  let calls = 0;
  for (let i = 0; i < enclaves; ++i) {
    let until = 0, pause = 0;
    const open = () => {
      until = events.now + leaseS;
      if (closed.length > reopened.length && lost) reopened.push(events.now);
      lost = false;
      pause = 0;
      events.after(leaseS * 0.75, renew);
    };
    let lost = false;
    const close = () => {
      closed.push(events.now);
      lost = true;
      events.after(kFirstPauseMs / 1000, again);
    };
    const again = () => {
      if (events.now >= from) ++calls;
      if (!down()) return open();
      pause = Math.min(Math.max(2 * pause, kFirstPauseMs), kLongestPauseMs);
      events.after((denies ? 0 : kCallTimeoutMs / 1000) + pause / 1000, again);
    };
    const renew = () => {
      if (events.now >= until) return close();
      if (events.now >= from) ++calls;
      if (!down()) {
        until = events.now + leaseS;
        return events.after(leaseS * 0.75, renew);
      }
      if (denies) return close();
      events.after(Math.max(1, kCallTimeoutMs / 1000), renew);
    };
    // Where in its cycle it is when the outage begins: anywhere, or all about the same.
    const phase = together === undefined ? random.uniform() : together + random.uniform() * (60 / (0.75 * leaseS));
    events.after(from - ((phase % 1) * 0.75 * leaseS), open);
  }
  events.run(from + outageS + 2 * leaseS);
  const seconds = closed.map((at) => at - from);
  return {
    share: closed.length / enclaves, first: Math.min(...seconds), median: quantile(seconds, 0.5), last: Math.max(...seconds),
    back: reopened.length > 0 ? Math.max(...reopened) - from - outageS : NaN, calls,
  };
}
