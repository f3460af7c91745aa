// SPDX-License-Identifier: Apache-2.0
// The tables of docs/scaling.md, from what was measured (scaling/constants.json), what is assumed of AWS
// (scaling/prices.json) and simulations, which are seeded: the same numbers each time. Without an option it prints them,
// --write puts them into the document, --check fails where the document has others.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { hosts_for, kEnclaves, kUse, used, zone_loss } from './scaling/fleet.mjs';
import { che_hits, lru_hits } from './scaling/keys.mjs';
import { outage, start_all } from './scaling/kms.mjs';
import { capacity, closed_loop, open_loop } from './scaling/pool.mjs';

const read = (name) => JSON.parse(readFileSync(new URL(`scaling/${name}.json`, import.meta.url), 'utf8'));
const values = (table) => Object.fromEntries(Object.entries(table).map(([name, { value }]) => [name, value]));
const constants = read('constants'), prices = read('prices');
const c = values(constants), p = values(prices);
const seed = 20261129;

function number(value, digits = 0) {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
const ms = (value) => number(value, value < 10 ? 1 : 0);
const percent = (share, digits = 0) => `${number(100 * share, digits)} %`;
const power = (value) => `10${[...String(Math.round(Math.log10(value)))].map((digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[digit]).join('')}`;
function table(heads, rows) {
  return [heads, heads.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}
const listed = (entries) => table(['', 'value', 'what', 'source'],
  Object.entries(entries).map(([name, { value, what, source }]) => [`\`${name}\``, number(value, value % 1 === 0 ? 0 : String(value).split('.')[1].length), what, source]));

const refused = (seen) => percent((seen.sent - (seen.statuses[200] ?? 0)) / seen.sent, 1);
const s = 1e6; // microseconds

const tables = {
  constants: () => listed(constants),
  assumptions: () => listed(prices),

  validation: () => table(['connections', 'measured, signatures/s', 'simulated', 'measured p99, ms', 'simulated'],
    [[1, '2,258 and 2,324', 1.3], [16, '6,558 and 5,957', '4.5 and 6.6'], [64, '5,246 and 7,064', '24.8 and 13.7']].map(([clients, rate, p99]) => {
      const seen = closed_loop(c, seed, { enclaves: 1, clients, seconds: 2, processors: 2, clientUs: c.client_us });
      return [clients, rate, number(seen.statuses[200] / 2), p99, ms(seen.ms(0.99))];
    })),

  frozen: () => {
    const seen = closed_loop(c, seed, { enclaves: 3, clients: 12, seconds: 14, processors: 2, clientUs: c.test_client_us, turns: true,
      happen: (host, events) => events.after(6 * s, () => host.freeze(1)) });
    const failed = seen.sent - seen.statuses[200];
    return table(['', 'signatures/s', 'failed', 'longest, ms', 'p99 before, ms', 'in the two seconds after', 'later'], [
      ['measured', '3,540', 0, 758, 8.9, 9.6, 9.7],
      ['simulated', number(seen.statuses[200] / 14), Object.keys(seen.statuses).length === 1 ? 0 : failed, ms(seen.ms(1)), ...[[0.5, 6], [6, 8], [8, 14]].map(([from, to]) => ms(seen.ms(0.99, from * s, to * s)))]]);
  },

  host: () => table(['enclaves', 'it can do, signatures/s', 'first limit', '50 %: p50, p99, ms', '70 %', '90 %'],
    [1, 2, 4].map((enclaves) => {
      const most = capacity(c, enclaves);
      const times = [0.5, 0.7, 0.9].map((use) => {
        const seen = open_loop(c, seed, { enclaves, rate: use * most, seconds: 2 });
        return `${number(seen.ms(0.5), 1)}, ${number(seen.ms(0.99), 1)}`;
      });
      return [enclaves, number(most), 1e6 / c.gateway_us < (enclaves * 1e6) / c.enclave_us ? "the gateway's thread" : "the enclaves' threads", ...times];
    })),

  overload: () => table(['enclaves', 'asked for, of what it can do', '`--short-queues`: refused', 'p50, p99, ms', 'without: refused', 'p50, p99, ms'],
    [[1, 0.7], [1, 1.2], [1, 2], [2, 0.7], [2, 1.05], [2, 1.2]].map(([enclaves, use]) => {
      const cells = [true, false].flatMap((shortQueues) => {
        const seen = open_loop(c, seed, { enclaves, rate: use * capacity(c, enclaves), seconds: 6, shortQueues });
        return [refused(seen), `${ms(seen.ms(0.5, 4 * s))}, ${ms(seen.ms(0.99, 4 * s))}`];
      });
      return [enclaves, percent(use), ...cells];
    })),

  failures: () => {
    const rows = [];
    for (const enclaves of [2, 4])
      for (const use of [0.45, 0.6])
        for (const [what, lasts, happen] of [
          ['freezes for good', 4, (host) => host.freeze(0)],
          ['is killed and replaced', c.restart_ms / 1000, (host) => host.replace(0, c.restart_ms * 1000)]]) {
          const seen = open_loop(c, seed, { enclaves, rate: use * capacity(c, enclaves), seconds: 2 + lasts + 1,
            happen: (host, events) => events.after(2 * s, () => happen(host)) });
          const during = [2 * s, (2 + lasts) * s];
          rows.push([`1 of ${enclaves} ${what}`, percent(use), percent(use * capacity(c, enclaves) / capacity(c, enclaves - 1)), refused(seen),
            ms(seen.ms(0.99, 0, 2 * s)), `${ms(seen.ms(0.5, ...during))}, ${ms(seen.ms(0.99, ...during))}`, ms(seen.ms(1))]);
        }
    return table(['', 'use before', 'of what the others can do', 'not answered', 'p99 before, ms', 'meanwhile: p50, p99', 'longest'], rows);
  },

  fleet: () => {
    const cases = [[1e4, hosts_for(c, 1e4)], [1e5, hosts_for(c, 1e5)], [100 * kUse * capacity(c, kEnclaves), 100]];
    const uses = cases.map(([rate, hosts]) => used(c, p, { rate, hosts }));
    const rows = [['hosts', ...cases.map(([, hosts]) => number(hosts))], ...Object.keys(uses[0]).map((name) => [name, ...uses.map((use) => percent(use[name], use[name] < 0.01 ? 3 : 1))])];
    rows.push(['receipts, TB a day', ...cases.map(([rate]) => number(rate * c.receipt_bytes * 86400 / 1e12, 2))]);
    rows.push(['network, Gbit/s', ...cases.map(([rate]) => number(rate * (c.request_bytes + c.reply_bytes) * 8 / 1e9, 2))]);
    rows.push(['KMS calls a second for one vault', ...cases.map(([, hosts]) => number(hosts * kEnclaves / (0.75 * c.lease_s), 3))]);
    return table(['signatures a second', ...cases.map(([rate]) => number(rate))], rows);
  },

  zone: () => {
    const lost = zone_loss(seed, { clients: 30_000, zones: 3, timeoutMs: 2000 });
    const first = `Of 30,000 clients ${percent(lost.hit)} have their connection into the zone that is lost. With a time-out of 2 s they are answered again after ${ms(lost.median / 1000)} s at the median, ${ms(lost.p99 / 1000)} s at p99 and ${ms(lost.last / 1000)} s at the latest, with ${number(lost.attempts, 1)} connections each; the load balancer had found out after ${ms(lost.foundOut / 1000)} s. What the two zones that are left have to do then:`;
    const rows = [0.4, 0.5, 0.6, 0.65, 0.7].map((use) => {
      const seen = open_loop(c, seed, { enclaves: kEnclaves, rate: 1.5 * use * capacity(c, kEnclaves), seconds: 4, shortQueues: true });
      return [percent(use), percent(1.5 * use), refused(seen), `${ms(seen.ms(0.5, 2 * s))}, ${ms(seen.ms(0.99, 2 * s))}`];
    });
    return `${first}\n\n${table(['use of three zones', 'of two', 'refused (`--short-queues`)', 'p50, p99, ms'], rows)}`;
  },

  rolling: () => table(['hosts at a time', '100 hosts take, hours', 'hosts more meanwhile', 'use of those in service', 'KMS calls in one second, at most'],
    [1, 10, 100].map((batch) => {
      const started = start_all(seed, { enclaves: batch * kEnclaves, vaults: 1, perSecond: p.kms_quota, kmsMs: c.kms_ms });
      return [batch, number((100 / batch) * 12 / 60, 1), batch, percent(kUse), number(started.most)];
    })),

  restart: () => table(['vaults', 'KMS calls a second for them', 'first signature of the last enclave, s', 'every vault open, s', 'calls', 'of them throttled'],
    [1, 8, 64].flatMap((vaults) => [p.kms_quota, 500, 50].map((perSecond) => {
      const done = start_all(seed, { enclaves: 100 * kEnclaves, vaults, perSecond, kmsMs: c.kms_ms });
      return [vaults, number(perSecond), number(done.signs / 1000, 1), number(done.open / 1000, 1), number(done.calls), percent(done.throttled / done.calls)];
    }))),

  outage: () => {
    const all = { enclaves: 100 * kEnclaves, leaseS: c.lease_s };
    const minutes = (value) => (Number.isFinite(value) ? number(value / 60, 1) : '');
    const row = (what, { share, first, median, last, back, calls }) => [what, percent(share, 1), minutes(first), minutes(median), minutes(last), Number.isFinite(back) ? number(back, 0) : '', number(calls)];
    return table(['KMS', 'enclaves that close', 'the first after, min', 'half of them', 'the last', 'all open again after its end, s', 'calls meanwhile and after'], [
      ...[5, 15, 20, 30, 60].map((m) => row(`gives no answer for ${m} min`, outage(seed, { ...all, outageS: 60 * m }))),
      row('the same for 20 min, all vaults opened in the same minute, 44 min before', outage(seed, { ...all, outageS: 1200, together: 0.975 })),
      row('denies for 2 h', outage(seed, { ...all, outageS: 7200, denies: true })),
    ]);
  },

  keys: () => table(['keys', 'uniform: found open', 'asked of the store a second at 10⁵ signatures/s', 'Zipf (s = 1): found open', 'asked of the store', 'PostgreSQL, GB', 'made at this rate by 10 gateways, hours'],
    [1e5, 1e6, 1e7, 1e8, 1e9].map((keys) => {
      const found = [0, 1].map((exponent) => che_hits({ keys, entries: c.cache_entries, s: exponent }));
      const [uniform, zipf] = found.flatMap((hits) => [[percent(hits, 1), number(1e5 * (1 - hits))]]);
      return [power(keys), ...uniform, ...zipf, number(keys * c.record_bytes / 1e9, 2), number(keys / (10 * c.create_per_second) / 3600, 1)];
    })),

  cache_check: () => table(['10⁶ keys, a cache of 10⁵', 'simulated, least recently used', 'computed'],
    [[0, 'uniform'], [0.8, 'Zipf, s = 0.8'], [1, 'Zipf, s = 1']].map(([exponent, name]) => [name,
      percent(lru_hits(seed, { keys: 1e6, entries: 1e5, requests: 6e5, s: exponent }), 1), percent(che_hits({ keys: 1e6, entries: 1e5, s: exponent }), 1)])),

  cost: () => {
    const per = (hour, rate) => hour / (rate * 3600) * 1e6;
    const most = capacity(c, kEnclaves);
    const bytes = (c.request_bytes + c.reply_bytes) * 1e6 / 1e9; // GB
    const ours = (use) => ({ host: per(p.P_host, use * most), other: bytes * p.P_nlcu });
    const dollars = (value) => number(value, value < 1 ? 4 : 2);
    const row = (what, host, calls, other) => [what, dollars(host), dollars(calls), dollars(other), dollars(host + calls + other)];
    const reference = per(p.P_reference_host, p.reference_rate);
    return table(['dollars for a million signatures', 'hosts', 'calls of AWS', 'load balancer', 'together'], [
      row(`Redoubt, hosts at ${percent(kUse)} of ${number(most)} a second`, ours(kUse).host, 0, ours(kUse).other),
      row('Redoubt, hosts at 5 %', ours(0.05).host, 0, ours(0.05).other),
      row('AWS KMS `Sign`', 0, 100 * p.P_kms_sign, 0),
      row(`the reference: ${p.reference_rate} a second of a host, a KMS and a Secrets Manager call each`, reference, 100 * (p.P_kms + p.P_secret_calls), 0),
    ]);
  },
};

function document(text) {
  for (const [name, make] of Object.entries(tables)) {
    const begin = `<!-- ${name}: made by bench/scaling_sim.mjs -->\n`, end = '\n<!-- end -->';
    const at = text.indexOf(begin), to = text.indexOf(end, at);
    if (at < 0 || to < 0) throw new Error(`docs/scaling.md has no place for the table ${name}`);
    text = text.slice(0, at + begin.length) + make() + text.slice(to);
  }
  return text;
}

const [option] = process.argv.slice(2);
const file = fileURLToPath(new URL('../docs/scaling.md', import.meta.url));
if (option === undefined) {
  for (const [name, make] of Object.entries(tables)) console.log(`## ${name}\n${make()}\n`);
} else if (option === '--write' || option === '--check') {
  const before = readFileSync(file, 'utf8'), after = document(before);
  if (option === '--write') writeFileSync(file, after);
  else if (before !== after) {
    const [was, is] = [before.split('\n'), after.split('\n')];
    const line = is.findIndex((each, index) => each !== was[index]);
    console.error(`docs/scaling.md:${line + 1}: is not what bench/scaling_sim.mjs --write makes of it\n- ${was[line]}\n+ ${is[line]}`);
    process.exitCode = 1;
  }
} else {
  console.error('usage: scaling_sim.mjs [--write|--check]');
  process.exitCode = 2;
}
