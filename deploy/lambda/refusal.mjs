// SPDX-License-Identifier: Apache-2.0
// The one error that leaves this function: a code and a sentence that says what to change. Lambda's runtime shows
// `name` as errorType, `message` as errorMessage and the stack's lines as trace, to the caller and in the log; so the
// stack holds no more than the two.
export class Refusal extends Error {
  constructor(code, sentence) {
    super(sentence);
    this.name = code;
    this.stack = `${code}: ${sentence}`;
  }

  get code() {
    return this.name;
  }
}

export const refuse = (code, sentence) => {
  throw new Refusal(code, sentence);
};

// Anything else that is thrown is a fault of this function's, and its text may quote what it was given (JSON.parse
// does): the log gets its kind and where it was thrown, the caller neither.
export function asRefusal(error, log) {
  if (error instanceof Refusal) return error;
  const frames = String(error?.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line)).slice(0, 8);
  log.error("an unexpected error", { kind: String(error?.constructor?.name ?? typeof error), at: frames.map((line) => line.trim()) });
  return new Refusal("internal", "the function failed in a way that it does not foresee; its log has the place");
}
