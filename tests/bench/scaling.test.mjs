// SPDX-License-Identifier: Apache-2.0
// The simulation behind docs/scaling.md beside what queueing theory and the rules that it copies say.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Events, quantile, Random } from '../../bench/scaling/engine.mjs';
import { hosts_for, zone_loss } from '../../bench/scaling/fleet.mjs';
import { che_hits, lru_hits } from '../../bench/scaling/keys.mjs';
import { outage, start_all } from '../../bench/scaling/kms.mjs';
import { capacity, closed_loop, open_loop } from '../../bench/scaling/pool.mjs';
import { QueueBound } from '../../bench/scaling/queue_bound.mjs';

const source = (name) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
const costs = { enclave_us: 100, gateway_us: 10, refuse_us: 5, wake_us: 0 };
const s = 1e6;
const near = (value, wanted, share) => assert.ok(Math.abs(value - wanted) <= share * wanted, `${value} is not about ${wanted}`);

test('events happen in the order of their times, and those of one time as they were planned', () => {
  const events = new Events(), seen = [];
  for (const [at, name] of [[5, 'c'], [1, 'a'], [5, 'd'], [3, 'b']]) events.after(at, () => seen.push(`${name}${events.now}`));
  events.after(2, () => events.after(0, () => seen.push('between')));
  events.run();
  assert.deepEqual(seen, ['a1', 'between', 'b3', 'c5', 'd5']);
});

test('chance is even, and the same for the same seed alone', () => {
  const draw = (seed) => {
    const random = new Random(seed);
    return Array.from({ length: 20_000 }, () => random.uniform());
  };
  const numbers = draw(1);
  assert.deepEqual(draw(1), numbers);
  assert.notDeepEqual(draw(2).slice(0, 5), numbers.slice(0, 5));
  near(numbers.reduce((a, b) => a + b) / numbers.length, 0.5, 0.02);
  for (let tenth = 0; tenth < 10; ++tenth) near(numbers.filter((x) => Math.floor(10 * x) === tenth).length, 2000, 0.1);
});

test('one enclave waits as Pollaczek and Khinchin say of requests at random times that take as long each', () => {
  const use = 0.7;
  const seen = open_loop({ ...costs, gateway_us: 0.001 }, 3, { enclaves: 1, rate: use * 10_000, seconds: 20 });
  const mean = seen.took.reduce((sum, { took }) => sum + took, 0) / seen.took.length;
  near(mean, 100 * (1 + use / (2 * (1 - use))), 0.05);
  assert.equal(seen.statuses[200], seen.sent);
});

test('clients that wait for answers get as many as the slowest thread gives, and as the processors have time for', () => {
  const rate = (clients, processors) => closed_loop(costs, 4, { enclaves: 1, clients, seconds: 2, processors, clientUs: 50 }).statuses[200] / 2;
  near(rate(1, 2), 1e6 / 160, 0.02);
  near(rate(32, 4), 1e6 / 100, 0.02);
  near(rate(32, 1), 1e6 / 160, 0.02);
});

test('a frozen enclave is noticed within 0.7 to 1 s, loses nothing, and gets nothing more', () => {
  const seen = open_loop(costs, 5, { enclaves: 3, rate: 10_000, seconds: 4, happen: (host, events) => events.after(s, () => host.freeze(1)) });
  assert.equal(seen.statuses[200], seen.sent);
  const late = seen.took.filter(({ took }) => took > 0.1 * s);
  assert.ok(late.length > 0 && late.length < 100, `${late.length} waited`);
  for (const { began, took } of late) assert.ok(began <= 2 * s && took <= 1.0 * s);
  assert.ok(Math.max(...late.map(({ took }) => took)) >= 0.7 * s);
});

test('with one enclave and no other its requests are refused when it is given up', () => {
  const seen = open_loop(costs, 6, { enclaves: 1, rate: 1000, seconds: 3, happen: (host, events) => events.after(s, () => host.freeze(0)) });
  near(seen.statuses[503], 2000, 0.1);
  assert.equal(seen.statuses[200] + seen.statuses[503], seen.sent);
});

test('more than 4,096 do not wait, and with short queues who is let in is answered soon', () => {
  const over = (shortQueues) => open_loop(costs, 7, { enclaves: 1, rate: 15_000, seconds: 6, shortQueues });
  const long = over(false), short = over(true);
  near(long.ms(0.5, 4 * s), 409.6, 0.05);
  assert.ok(short.ms(0.99, 4 * s) < 3, `${short.ms(0.99, 4 * s)}`);
  near(short.statuses[503] / short.sent, 1 / 3, 0.1);
});

test('the bounds are those of the gateway and the enclave', () => {
  const bound = source('src/gateway/queue_bound.h'), pool = source('src/gateway/enclave_pool.h'), router = source('src/gateway/router.h');
  assert.match(bound, /kLongUs = 200'000;/);
  assert.match(bound, /kBurst = 64, kFew = 12;/);
  assert.match(bound, /kFewRefused = 8;/);
  assert.match(bound, /kCrowdedUs = 1'000'000;/);
  assert.match(bound, /kLongestUs = 16'000'000;/);
  assert.match(bound, /kQueue = 8;/);
  assert.match(bound, /kEveryMs = 10;/);
  assert.match(pool, /max_outstanding = 4096;/);
  assert.match(pool, /kProbeMs = 250;/);
  assert.match(pool, /kSilentMs = 700;/);
  assert.match(pool, /kLongestPauseMs = 10'000;/);
  assert.match(router, /kMaxAttempts = 2;/);
  assert.match(source('src/gateway/router.cpp'), /kSweepMs = 50;/);
  assert.match(source('src/gateway/gateway.h'), /request_deadline_ms = 10'000;/);
  assert.match(source('src/enclave/vaults.cpp'), /until - now > lease \/ 4/);
  assert.match(source('src/aws/kms_client.h'), /timeout_ms = 5'000;/);
  const queue = new QueueBound();
  assert.equal(queue.limit(), 65_536);
  for (let i = 0; i < 8; ++i) queue.probed(99, 100_000); // 1 ms each
  assert.equal(queue.limit(), 200);
  queue.turnedAway(5);
  assert.equal(queue.limit(), 12);
  queue.turnedAway(6);
  queue.look(1_000_005, 100);
  assert.equal(queue.limit(), 12, 'all were refused meanwhile');
  queue.look(2_000_006, 0);
  assert.equal(queue.limit(), 200, 'nothing waits any more');
});

test('vaults are opened at the pace of calls, and at that of a quota where it is the lower', () => {
  const free = start_all(8, { enclaves: 10, vaults: 20, perSecond: 10_000, kmsMs: 10 });
  assert.equal(free.calls, 200);
  assert.equal(free.throttled, 0);
  assert.ok(free.open <= 1000 + 20 * 13);
  const scarce = start_all(8, { enclaves: 10, vaults: 20, perSecond: 10, kmsMs: 10 });
  assert.equal(scarce.calls - scarce.throttled, 200);
  assert.ok(scarce.open >= 19_000, `${scarce.open} ms`);
});

test('silence of less than a quarter of the lease closes nothing, a denial everything within three quarters', () => {
  const all = { enclaves: 500, leaseS: 1000 };
  assert.equal(outage(9, { ...all, outageS: 240 }).share, 0);
  near(outage(9, { ...all, outageS: 625 }).share, (625 - 250) / 750, 0.1);
  assert.equal(outage(9, { ...all, outageS: 1010 }).share, 1);
  const denied = outage(9, { ...all, outageS: 2000, denies: true });
  assert.equal(denied.share, 1);
  assert.ok(denied.last <= 751);
  near(denied.median, 375, 0.15);
});

test('what a cache is computed to hold is what a simulated one does', () => {
  for (const exponent of [0, 0.8, 1, 1.2])
    near(che_hits({ keys: 20_000, entries: 2000, s: exponent }), lru_hits(10, { keys: 20_000, entries: 2000, requests: 200_000, s: exponent }), 0.03);
  assert.equal(che_hits({ keys: 10, entries: 10, s: 1 }), 1);
});

test('of a lost zone a third of the clients hear, until it has been found out', () => {
  const lost = zone_loss(11, { clients: 30_000, zones: 3, timeoutMs: 1000 });
  near(lost.hit, 1 / 3, 0.05);
  assert.ok(lost.foundOut >= 20_000 && lost.foundOut <= 30_000);
  assert.ok(lost.last <= lost.foundOut + 1000);
  near(lost.attempts, 9 / 4, 0.05);
});

test('a host does what its first thread does', () => {
  assert.equal(capacity(costs, 2), 20_000);
  assert.equal(capacity(costs, 20), 100_000);
  assert.equal(hosts_for(costs, 100_000), 10);
  assert.equal(quantile([3, 1, 2], 0.5), 2);
});
