// SPDX-License-Identifier: Apache-2.0
// What one host does under load, and when a part of it fails.
import { Events, Random, quantile } from './engine.mjs';
import { Cores, Host, Thread } from './host.mjs';

export function costs_of(c) {
  const gatewayIn = 0.4 * c.gateway_us; // the answer is the longer one
  return { gatewayIn, gatewayOut: c.gateway_us - gatewayIn, refuse: c.refuse_us - gatewayIn, enclave: c.enclave_us, wake: c.wake_us, spread: 0.1 };
}

// Signatures a second that it can do: a gateway's thread, or its enclaves' together.
export function capacity(c, enclaves) {
  return Math.min(1e6 / c.gateway_us, (enclaves * 1e6) / c.enclave_us);
}

function watcher(events) {
  const out = { took: [], statuses: {}, sent: 0 };
  out.answered = (status, took) => {
    out.statuses[status] = (out.statuses[status] ?? 0) + 1;
    if (status === 200) out.took.push({ began: events.now - took, took });
  };
  out.ms = (share, from = 0, to = Infinity) =>
    quantile(out.took.filter(({ began }) => began >= from && began < to).map(({ took }) => took), share) / 1000;
  return out;
}

// Clients who know nothing of each other: `rate` requests a second at random times. `happen(host, events)` plans what fails.
export function open_loop(c, seed, { enclaves, rate, seconds, shortQueues = false, happen = () => {} }) {
  const events = new Events(), random = new Random(seed);
  const host = new Host(events, random, costs_of(c), { enclaves, shortQueues });
  const seen = watcher(events);
  const next = () => {
    if (events.now >= seconds * 1e6) return;
    ++seen.sent;
    host.request(seen.answered);
    events.after(random.exponential(1e6 / rate), next);
  };
  events.after(random.exponential(1e6 / rate), next);
  happen(host, events);
  events.run((seconds + 11) * 1e6); // until the last deadline
  return seen;
}

// Clients each of whom asks again when he is answered, on the same processors as everything else: as the benches do. `turns`:
// as Node.js does it, which takes all answers that there are and sends what they led to at the turn's end.
export function closed_loop(c, seed, { enclaves, clients, seconds, processors, clientUs, turns = false, happen = () => {} }) {
  const events = new Events(), random = new Random(seed);
  const cores = new Cores(processors);
  const host = new Host(events, random, costs_of(c), { enclaves, cores });
  const generator = new Thread(events, c.wake_us, cores);
  const seen = watcher(events);
  let ready = 0; // clients that were answered, and whom no turn has taken yet
  const send = (began) => {
    if (events.now >= seconds * 1e6) return;
    ++seen.sent;
    host.request((status) => {
      seen.answered(status, events.now - began);
      ask();
    });
  };
  const turn = () => {
    const taken = ready, began = events.now;
    ready = 0;
    if (taken > 0)
      generator.add(taken * clientUs * random.around(0.1), () => {
        for (let i = 0; i < taken; ++i) send(began);
      });
  };
  const ask = () => {
    if (!turns) return generator.add(clientUs * random.around(0.1), () => send(events.now));
    if (ready++ === 0) generator.add(0, turn);
  };
  for (let i = 0; i < clients; ++i) ask();
  happen(host, events);
  events.run(seconds * 1e6);
  return seen;
}
