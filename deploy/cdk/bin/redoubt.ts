#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { App } from "aws-cdk-lib";

import { build } from "../lib/app";
import { ConfigError } from "../lib/checks";

try {
  build(new App());
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.error(`redoubt: ${error.message}`);
  process.exitCode = 1;
}
