// SPDX-License-Identifier: Apache-2.0
// JSON lines for CloudWatch Logs. What is logged is named member by member at each call: never an event, a body, a
// signature or a secret.
const kLevels = { DEBUG: 10, INFO: 20, WARNING: 30, ERROR: 40 };
// The names of the AWS sample's Python, and those that operators expect beside them.
const kNames = { ...kLevels, WARN: kLevels.WARNING, CRITICAL: kLevels.ERROR, FATAL: kLevels.ERROR, NOTSET: kLevels.DEBUG };

export const isLevel = (name) => Object.hasOwn(kNames, name.toUpperCase());

export class Log {
  #least;
  #always;

  // `always`: members of every line.
  constructor(level, always = {}, write = (line) => process.stdout.write(line)) {
    this.#least = kNames[level.toUpperCase()];
    this.#always = always;
    this.write = write;
  }

  setLevel(level) {
    this.#least = kNames[level.toUpperCase()];
  }

  #line(level, message, members) {
    if (kLevels[level] >= this.#least)
      this.write(JSON.stringify({ time: new Date().toISOString(), level, message, ...this.#always, ...members }) + "\n");
  }

  debug(message, members) {
    this.#line("DEBUG", message, members);
  }
  info(message, members) {
    this.#line("INFO", message, members);
  }
  warning(message, members) {
    this.#line("WARNING", message, members);
  }
  error(message, members) {
    this.#line("ERROR", message, members);
  }
}
