// SPDX-License-Identifier: Apache-2.0
// What a simulation needs: chance that is the same each time, events in their order, and quantiles.

// A generator of 32 bits by xorshift128, seeded by splitmix32: the same seed gives the same numbers everywhere.
export class Random {
  constructor(seed) {
    let state = seed >>> 0;
    const next = () => {
      state = (state + 0x9e3779b9) >>> 0;
      let mixed = state ^ (state >>> 16);
      mixed = Math.imul(mixed, 0x21f0aaad);
      mixed ^= mixed >>> 15;
      mixed = Math.imul(mixed, 0x735a2d97);
      return (mixed ^ (mixed >>> 15)) >>> 0;
    };
    this.state = [next(), next(), next(), next() | 1];
  }

  // 0 ≤ x < 1
  uniform() {
    const s = this.state;
    let t = s[3];
    const first = s[0];
    s[3] = s[2];
    s[2] = s[1];
    s[1] = first;
    t ^= t << 11;
    t ^= t >>> 8;
    s[0] = (t ^ first ^ (first >>> 19)) >>> 0;
    return s[0] / 2 ** 32;
  }
  below(n) {
    return Math.floor(this.uniform() * n);
  }
  exponential(mean) {
    return -mean * Math.log(1 - this.uniform());
  }
  // Around 1, by at most `spread` to either side.
  around(spread) {
    return 1 + spread * (2 * this.uniform() - 1);
  }
}

// Events by time, those of the same time in the order in which they were planned. Times are microseconds.
export class Events {
  constructor() {
    this.now = 0;
    this.heap = [];
    this.planned = 0;
  }

  after(delay, action) {
    const { heap } = this;
    const entry = { at: this.now + delay, order: this.planned++, action };
    let place = heap.length;
    heap.push(entry);
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (!before(entry, heap[above])) break;
      heap[place] = heap[above];
      place = above;
    }
    heap[place] = entry;
  }
  every(delay, action) {
    const again = () => {
      action();
      this.after(delay, again);
    };
    this.after(delay, again);
  }
  // Until then, or until nothing is planned any more.
  run(until = Infinity) {
    const { heap } = this;
    while (heap.length > 0 && heap[0].at <= until) {
      const first = heap[0], last = heap.pop();
      if (heap.length > 0) this.#sift(last);
      this.now = first.at;
      first.action();
    }
    if (until !== Infinity) this.now = until;
  }
  #sift(entry) {
    const { heap } = this;
    const { length } = heap;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= length) break;
      if (below + 1 < length && before(heap[below + 1], heap[below])) ++below;
      if (!before(heap[below], entry)) break;
      heap[place] = heap[below];
      place = below;
    }
    heap[place] = entry;
  }
}

function before(a, b) {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

// Of numbers in any order; `share` from 0 to 1.
export function quantile(numbers, share) {
  if (numbers.length === 0) return NaN;
  const sorted = Float64Array.from(numbers).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
