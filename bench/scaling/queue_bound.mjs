// SPDX-License-Identifier: Apache-2.0
// How many requests may wait at one enclave with --short-queues: the rules of src/gateway/queue_bound.h.
const kLongUs = 200_000, kBurst = 64, kFew = 12, kFewRefused = 8, kCrowdedUs = 1_000_000, kLongestUs = 16_000_000, kMost = 65_536;
export const kQueue = 8;
export const kLookUs = 10_000;

export class QueueBound {
  constructor() {
    this.samples = [];
    this.taken = 0;
    this.each = 0; // µs that a request takes, as learnt
    this.slow = 0;
    this.crowded = false;
    this.letIn = this.turned = this.looks = this.idleLooks = 0;
    this.whileSince = this.calmSince = this.crowdedUntil = 0;
    this.crowdedFor = kCrowdedUs;
  }

  limit() {
    if (this.crowded) return kFew;
    const each = Math.max(this.each, this.slow);
    return each === 0 ? kMost : Math.min(kMost, Math.max(kBurst, Math.floor(kLongUs / each)));
  }
  matters(queued) {
    return this.crowded || this.slow !== 0 || queued >= kQueue;
  }
  probed(ahead, took) {
    if (took > kLongUs) return this.waits(ahead, took);
    this.slow = 0;
    if (ahead < kQueue) return;
    this.samples[this.taken++ % 8] = took / (ahead + 1);
    const known = [...this.samples].sort((a, b) => a - b);
    this.each = known[(known.length - 1) >> 1];
  }
  waits(ahead, time) {
    if (time > kLongUs) this.slow = time / (ahead + 1);
  }
  turnedAway(now) {
    ++this.turned;
    if (this.crowded) return;
    const soon = this.calmSince !== 0 && now - this.calmSince < this.crowdedFor;
    this.crowdedFor = soon ? Math.min(2 * this.crowdedFor, kLongestUs) : kCrowdedUs;
    this.crowded = true;
    this.crowdedUntil = now + this.crowdedFor;
    this.letIn = this.turned = this.looks = this.idleLooks = 0;
    this.whileSince = now;
  }
  look(now, queued) {
    if (!this.crowded) return;
    ++this.looks;
    if (queued < kQueue) ++this.idleLooks;
    if (now - this.whileSince < kCrowdedUs) return;
    const idle = 2 * this.idleLooks >= this.looks;
    const few = this.turned * kFewRefused < this.letIn + this.turned || this.turned === 0;
    this.letIn = this.turned = this.looks = this.idleLooks = 0;
    this.whileSince = now;
    if (!idle && (!few || now < this.crowdedUntil)) return;
    this.crowded = false;
    this.calmSince = now;
  }
}
