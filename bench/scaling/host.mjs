// SPDX-License-Identifier: Apache-2.0
// One host: a gateway on one thread before its enclaves, each of which has one processor and so signs on one thread. The
// rules are the gateway's (src/gateway/enclave_pool.cpp, router.cpp): the enclave with the fewest requests outstanding; 4,096
// at most, or short queues; a probe every 250 ms; an enclave that owes answers and says nothing for 700 ms is disconnected,
// and what it had goes to another one, on two enclaves at most; 504 at the deadline.
import { QueueBound, kLookUs } from './queue_bound.mjs';

const kSweepUs = 50_000, kProbeUs = 250_000, kSilentUs = 700_000, kMaxAttempts = 2, kMaxOutstanding = 4096;

// Processors that threads share; a thread has one for as long as one thing takes.
export class Cores {
  constructor(count) {
    this.free = count;
    this.waiting = [];
  }
  take(begin) {
    if (this.free === 0) return void this.waiting.push(begin);
    --this.free;
    begin();
  }
  give() {
    const next = this.waiting.shift();
    if (next) next();
    else ++this.free;
  }
}

// A thread that does one thing after the other, and takes a while to wake up when it has slept.
export class Thread {
  constructor(events, wakeUs, cores) {
    Object.assign(this, { events, wakeUs, cores, queue: [], next: 0, busy: false, stopped: false });
  }
  add(time, done) {
    this.queue.push({ time, done });
    if (this.busy || this.stopped) return;
    this.busy = true;
    this.events.after(this.wakeUs, () => this.#ready());
  }
  #ready() {
    if (this.stopped || this.next === this.queue.length) return void (this.busy = false);
    if (this.cores) this.cores.take(() => this.#begin());
    else this.#begin();
  }
  #begin() {
    const { time, done } = this.queue[this.next++];
    if (this.next > 4096) {
      this.queue.splice(0, this.next);
      this.next = 0;
    }
    this.events.after(time, () => {
      if (this.cores) this.cores.give();
      if (!this.stopped) done(); // else nobody is answered
      this.#ready();
    });
  }
  stop() {
    this.stopped = true;
  }
}

export class Host {
  // costs: µs { gatewayIn, gatewayOut, refuse, enclave, wake }, and by how much of it each takes more or less: spread
  constructor(events, random, costs, { enclaves, shortQueues = false, deadlineUs = 10_000_000, cores }) {
    Object.assign(this, { events, random, costs, shortQueues, deadlineUs });
    this.gateway = new Thread(events, costs.wake, cores);
    this.deadlines = [];
    this.enclaves = Array.from({ length: enclaves }, () => ({
      thread: new Thread(events, costs.wake, cores), waiting: new Set(), usable: true, probing: false, heardAt: 0, bound: new QueueBound(),
      measuredAt: 0, measuredBehind: 0,
    }));
    events.every(kSweepUs, () => this.#sweep());
    events.every(kProbeUs, () => this.#watch());
    if (shortQueues) events.every(kLookUs, () => this.#measure());
  }

  // `answered(status)`; nothing is answered by a host that is dead.
  request(answered) {
    const job = { answered, began: this.events.now, attempts: 0, lost: false, done: false };
    this.deadlines.push(job);
    this.gateway.add(this.#cost(this.costs.gatewayIn), () => this.#forward(job));
  }

  freeze(index) {
    this.enclaves[index].thread.stop();
  }
  // Its process ends, and the connection with it; what it had goes to others. After a while another one is in its place.
  replace(index, afterUs) {
    const { cores, wake } = { cores: this.gateway.cores, wake: this.costs.wake };
    this.enclaves[index].thread.stop();
    this.#disconnect(this.enclaves[index]);
    this.events.after(afterUs, () => Object.assign(this.enclaves[index],
      { thread: new Thread(this.events, wake, cores), usable: true, probing: false, bound: new QueueBound(), measuredAt: 0 }));
  }

  #sweep() {
    let ended = 0;
    for (const job of this.deadlines) {
      if (!job.done && this.events.now < job.began + this.deadlineUs) break;
      this.#end(job, 504);
      ++ended;
    }
    this.deadlines.splice(0, ended);
  }
  #cost(time) {
    return time * this.random.around(this.costs.spread);
  }
  #full(enclave) {
    return enclave.waiting.size >= kMaxOutstanding || (this.shortQueues && enclave.waiting.size >= enclave.bound.limit());
  }

  #pick(again) {
    let best;
    for (const enclave of this.enclaves) {
      if (!enclave.usable) continue;
      if (!best || (this.#full(best) !== this.#full(enclave) ? this.#full(best) : best.waiting.size > enclave.waiting.size)) best = enclave;
    }
    if (!best) return undefined;
    if (this.#full(best) && !(again && best.waiting.size < kMaxOutstanding)) {
      if (this.shortQueues)
        for (const enclave of this.enclaves)
          if (enclave.usable && (enclave === best || (!enclave.bound.crowded && this.#full(enclave)))) enclave.bound.turnedAway(this.events.now);
      return null;
    }
    ++best.bound.letIn;
    return best;
  }

  #forward(job) {
    if (job.done) return;
    const enclave = this.#pick(job.lost);
    if (!enclave) return this.gateway.add(this.#cost(this.costs.refuse), () => this.#end(job, 503));
    ++job.attempts;
    this.#heard(enclave);
    enclave.waiting.add(job);
    enclave.thread.add(this.#cost(this.costs.enclave), () => {
      if (!enclave.waiting.delete(job)) return;
      enclave.heardAt = this.events.now;
      this.gateway.add(this.#cost(this.costs.gatewayOut), () => this.#end(job, 200));
    });
  }
  // Silence counts from when answers are due.
  #heard(enclave) {
    if (enclave.waiting.size === 0) enclave.heardAt = this.events.now;
  }
  #end(job, status) {
    if (job.done) return;
    job.done = true;
    job.answered(status, this.events.now - job.began);
  }

  #watch() {
    for (const enclave of this.enclaves) {
      if (!enclave.usable) continue;
      if (enclave.waiting.size > 0 && this.events.now - enclave.heardAt > kSilentUs) {
        this.#disconnect(enclave);
        continue;
      }
      if (enclave.probing) continue;
      enclave.probing = true;
      this.#probe(enclave, () => (enclave.probing = false));
    }
  }
  #disconnect(enclave) {
    enclave.usable = false;
    const lost = [...enclave.waiting];
    enclave.waiting.clear();
    for (const job of lost) {
      job.lost = true;
      if (job.attempts < kMaxAttempts) this.#forward(job);
      else this.#end(job, 503);
    }
  }
  // A probe is a signature of its own, and takes its turn.
  #probe(enclave, done) {
    this.#heard(enclave);
    const probe = { done: true, attempts: kMaxAttempts };
    enclave.waiting.add(probe);
    enclave.thread.add(this.#cost(this.costs.enclave), () => {
      if (!enclave.waiting.delete(probe)) return;
      enclave.heardAt = this.events.now;
      done();
    });
  }
  #measure() {
    const { now } = this.events;
    for (const enclave of this.enclaves) {
      if (!enclave.usable) continue;
      const ahead = enclave.waiting.size;
      enclave.bound.look(now, ahead);
      if (enclave.measuredAt !== 0) {
        enclave.bound.waits(enclave.measuredBehind, now - enclave.measuredAt);
        continue;
      }
      if (!enclave.bound.matters(ahead)) continue;
      enclave.measuredAt = now;
      enclave.measuredBehind = ahead;
      this.#probe(enclave, () => {
        enclave.measuredAt = 0;
        enclave.bound.probed(ahead, this.events.now - now);
      });
    }
  }
}
