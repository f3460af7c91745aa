// SPDX-License-Identifier: Apache-2.0
// A folder for what an asset is made of: CDK copies it at once, and it is gone when the process ends.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "redoubt-cdk-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
