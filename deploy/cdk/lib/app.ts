// SPDX-License-Identifier: Apache-2.0
// The stacks of one deployment, with cdk-nag's rules for AWS solutions over all of them: a finding fails the synthesis.
import { type App, Tags, Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";

import { alarmTopic } from "./alarms";
import { fail } from "./checks";
import { type Config, contextVariables, readConfig } from "./config";
import { KeyStack } from "./keys";
import { keyProps, WalletStack, watchKeys } from "./stack";

// A variable that nobody reads is a mistake: somebody believes in a setting that has no effect.
function refuseUnknown(app: App): void {
  const known: ReadonlySet<string> = new Set(contextVariables);
  for (const name of Object.keys(app.node.getAllContext() as Record<string, unknown>)) {
    // CDK's own: feature flags, look-ups ("availability-zones:…"), aws:cdk:….
    if (name.includes(":") || name.startsWith("@") || name.startsWith("aws-cdk")) continue;
    if (!known.has(name)) fail(`${name}: no such context variable (docs/deploy.md lists them)`);
  }
}

export function build(app: App, environment: Readonly<Record<string, string | undefined>> = process.env): Config {
  refuseUnknown(app);
  const config = readConfig({ get: (name) => app.node.tryGetContext(name) as unknown, environment });
  const env = { ...(config.account === undefined ? {} : { account: config.account }), ...(config.region === undefined ? {} : { region: config.region }) };
  const stack = new WalletStack(app, config.stackName, {
    config,
    env,
    description: "Redoubt: a signing service in Nitro Enclaves",
    terminationProtection: config.deployment === "prod",
  });
  void stack;
  if (config.keyAccount !== undefined) {
    const keyStack = new KeyStack(app, `${config.stackName}Keys`, {
      env: { ...env, account: config.keyAccount },
      description: "Redoubt: the KMS keys of another account's signing service",
      keys: keyProps(config),
    });
    const topic = alarmTopic(keyStack, "Events", config.alarmEmail);
    watchKeys(keyStack, config, keyStack.keys, { topic, ...(config.runbooks === undefined ? {} : { runbooks: config.runbooks }) });
  }
  Tags.of(app).add("redoubt:deployment", config.deployment);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return config;
}
