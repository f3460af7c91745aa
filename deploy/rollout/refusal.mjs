// SPDX-License-Identifier: Apache-2.0
// Why a roll-out does not go on, for whoever runs it: one sentence, what it is about, and the program's exit code.
export class Refusal extends Error {
  constructor(code, sentence, detail) {
    super(detail === undefined ? sentence : `${sentence}: ${detail}`);
    this.exitCode = code;
  }
}

export const failed = (sentence, detail) => new Refusal(1, sentence, detail); // a check failed: nothing further was done
export const usage = (sentence, detail) => new Refusal(2, sentence, detail); // the plan, or the command, makes no sense
export const waits = (sentence, detail) => new Refusal(4, sentence, detail); // somebody else has to do something first
