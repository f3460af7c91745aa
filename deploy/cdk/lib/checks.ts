// SPDX-License-Identifier: Apache-2.0
// Reading settings: what is wrong is said with the setting's name, and ends synthesis.

export class ConfigError extends Error {}

export function fail(message: string): never {
  throw new ConfigError(message);
}

export function isOneOf<T extends string>(name: string, value: string, allowed: readonly T[]): T {
  return allowed.find((one) => one === value) ?? fail(`${name}: "${value}" is none of ${allowed.join(", ")}`);
}

export function shape(name: string, value: string, pattern: RegExp, wanted: string): string {
  return pattern.test(value) ? value : fail(`${name}: "${value}" is not ${wanted}`);
}

// A JSON list (cdk.json), or text with commas (the command line).
export function list(name: string, value: unknown): string[] {
  if (value === undefined || value === "") return [];
  const parts = Array.isArray(value) ? value : String(value).split(",");
  return parts.map((part) => {
    const text = String(part).trim();
    return text === "" ? fail(`${name}: an entry is empty`) : text;
  });
}

export function wholeNumber(name: string, value: string | number, lowest: number, highest: number): number {
  const number = /^\d{1,9}$/.test(String(value)) ? Number(value) : NaN;
  if (!(number >= lowest && number <= highest)) fail(`${name}: "${value}" is no whole number from ${lowest} to ${highest}`);
  return number;
}

// "2-6", or "2" for 2-2.
export function range(name: string, value: string, lowest: number, highest: number): { min: number; max: number } {
  const parts = value.split("-");
  if (parts.length > 2) fail(`${name}: "${value}" is not MIN-MAX`);
  const min = wholeNumber(name, parts[0]!, lowest, highest);
  const max = wholeNumber(name, parts[1] ?? parts[0]!, lowest, highest);
  return max >= min ? { min, max } : fail(`${name}: "${value}" ends below its beginning`);
}

export function yesOrNo(name: string, value: unknown): boolean {
  if (value === true || value === "true") return true;
  if (value === false || value === "false") return false;
  return fail(`${name}: "${String(value)}" is neither true nor false`);
}
