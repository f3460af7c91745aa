// SPDX-License-Identifier: Apache-2.0
// What a key policy pins: pairs of an image's PCR0 and a manifest. The image's comes from the JSON that building it wrote
// (`make eif`, `redoubt eif build`, `nitro-cli build-enclave`), never from a host that runs it.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { fail, isOneOf, shape } from "./checks";
import { manifestPcr16 } from "./key_policy";

export interface MeasuredImage {
  readonly pcr0: string; // 96 hexadecimal digits, lower case
  readonly pcr16: string; // of an enclave with that manifest
  readonly pcr8?: string; // of a signed image
  readonly manifest: string; // absolute path
}

const mostPairs = 2; // what is rolled out, and what it replaces

function readText(setting: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    return fail(`${setting}: ${file} cannot be read: ${(error as Error).message}`);
  }
}

function readJson(setting: string, file: string): unknown {
  const text = readText(setting, file);
  try {
    return JSON.parse(text);
  } catch {
    return fail(`${setting}: ${file} is not JSON`);
  }
}

function measurement(file: string, name: string, value: unknown): string {
  if (typeof value !== "string" || !/^[0-9a-fA-F]{96}$/.test(value)) fail(`measurements: ${file} has no ${name} of 96 hexadecimal digits`);
  if (/^0+$/.test(value)) fail(`measurements: ${name} in ${file} is all zero, as it is of every enclave in debug mode: no key may be opened for it`);
  return value.toLowerCase();
}

function readImage(file: string): { pcr0: string; pcr8?: string } {
  const measured = (readJson("measurements", file) as { Measurements?: Record<string, unknown> } | null)?.Measurements;
  return {
    pcr0: measurement(file, "PCR0", measured?.["PCR0"]),
    ...(measured?.["PCR8"] === undefined ? {} : { pcr8: measurement(file, "PCR8", measured["PCR8"]) }),
  };
}

// The image that is rolled out first. One manifest serves for all images, or there is one for each.
export function readMeasurements(images: readonly string[], manifests: readonly string[]): MeasuredImage[] {
  if (images.length > mostPairs) fail(`measurements: ${images.length} images; at most ${mostPairs} are pinned at a time`);
  if (images.length === 0) {
    if (manifests.length > 0) fail("manifest: a manifest needs the image's measurements beside it (measurements)");
    return [];
  }
  if (manifests.length !== 1 && manifests.length !== images.length) {
    fail(`manifest: ${images.length} images need one manifest, or one each; ${manifests.length} are given`);
  }
  const pairs = images.map((image, i) => {
    const manifest = resolve(manifests[i] ?? manifests[0]!);
    return { ...readImage(resolve(image)), pcr16: manifestPcr16(readText("manifest", manifest)), manifest };
  });
  if (pairs.length > 1 && pairs[0]!.pcr0 === pairs[1]!.pcr0 && pairs[0]!.pcr16 === pairs[1]!.pcr16) {
    fail("measurements: the same image and manifest are given twice");
  }
  return pairs;
}

export interface ManifestKey {
  readonly arn: string;
  readonly purpose: "vault" | "reference";
}

// An enclave calls KMS in each key's own region.
export function manifestKeys(file: string): ManifestKey[] {
  const keys = (readJson("manifest", file) as { kms_keys?: unknown } | null)?.kms_keys;
  if (!Array.isArray(keys) || keys.length === 0) fail(`manifest: ${file} names no KMS key`);
  return keys.map((key: Record<string, unknown> | null) => ({
    arn: shape(`manifest ${file}`, String(key?.["arn"]), /^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[A-Za-z0-9-]+$/, "a KMS key's ARN"),
    purpose: isOneOf(`manifest ${file}`, String(key?.["purpose"]), ["vault", "reference"] as const),
  }));
}
