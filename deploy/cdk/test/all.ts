// SPDX-License-Identifier: Apache-2.0
// Every test file of this folder in one process: reading CDK's library takes seconds.
import { readdirSync } from "node:fs";
import { join } from "node:path";

for (const name of readdirSync(__dirname).filter((one) => one.endsWith(".test.js")).sort()) require(join(__dirname, name));
