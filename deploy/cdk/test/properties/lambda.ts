// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { actions, all, allowed, statementsOf } from "../resources";
import { clientSecret, pcr0, region, variant, type Variant, variants } from "../variants";

const names = Object.keys(variants) as Variant[];
const signing = (name: Variant) => all(variant(name).template, "AWS::Lambda::Function").find(({ Properties }) => Properties.FunctionName.endsWith("-sign"))!.Properties;

test("the signing Lambda is in the network, and knows whom to call", () => {
  for (const name of names) {
    const { VpcConfig, Handler, Runtime, LoggingConfig, Environment, Architectures } = signing(name);
    assert.equal(VpcConfig.SecurityGroupIds.length, 1);
    assert.ok(VpcConfig.SubnetIds.length >= 2);
    assert.equal(Handler, "index.handler");
    assert.match(Runtime, /^nodejs2[24]\.x$/);
    assert.ok(LoggingConfig.LogGroup.Ref);
    assert.deepEqual(Architectures, [name === "graviton" ? "arm64" : "x86_64"]);
    assert.ok(Environment.Variables.SECRET_ARN);
    // It verifies TLS always: no variable of ours says otherwise.
    assert.equal(Environment.Variables.NITRO_SKIP_TLS_VERIFY, undefined);
  }
  const { Variables } = signing("dev").Environment;
  assert.equal(Variables.NITRO_INSTANCE_PRIVATE_DNS, "signer.example.internal");
  assert.equal(Variables.CLIENT_SECRET_ARN, clientSecret);
  assert.equal(Variables.EXPECTED_PCR0, pcr0);
  assert.equal(Variables.EXPECTED_PCR16, variant("dev").config.measured[0]!.pcr16);
  assert.equal(Variables.ALLOW_PLAINTEXT_SET_KEY, undefined);
  assert.ok(Variables.KEY_ARN);
  assert.match(JSON.stringify(signing("first").Environment.Variables.NITRO_INSTANCE_PRIVATE_DNS), /LoadBalancer/);
  assert.equal(signing("keyAccount").Environment.Variables.ALLOW_PLAINTEXT_SET_KEY, "true");
});

test("a CA of one's own comes to the Lambda as a layer", () => {
  variant("prod").template.resourceCountIs("AWS::Lambda::LayerVersion", 1);
  assert.equal(signing("prod").Layers.length, 1);
  assert.equal(signing("prod").Environment.Variables.NITRO_CA_CERT_PATH, "/opt/redoubt/ca.pem");
  assert.equal(signing("dev").Environment.Variables.NITRO_CA_CERT_PATH, undefined);
});

test("the Lambda's role keeps reference keys, and no more", () => {
  const network = ["AssignPrivateIpAddresses", "CreateNetworkInterface", "DeleteNetworkInterface", "DescribeNetworkInterfaces", "DescribeSubnets", "UnassignPrivateIpAddresses"].map((one) => `ec2:${one}`);
  const unique = (name: Variant) => [...new Set(allowed(variant(name).template, `${variant(name).config.stackName}-lambda-${region}`))];
  const base = [
    ...network, "kms:Decrypt", "kms:GenerateDataKey", "logs:CreateLogStream", "logs:PutLogEvents",
    "secretsmanager:CreateSecret", "secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage",
  ].sort();
  assert.deepEqual(unique("dev"), base);
  assert.deepEqual(unique("keyAccount"), [...base, "kms:Encrypt"].sort());
  const denied = statementsOf(variant("dev").template, `devNitroWalletEth-lambda-${region}`).filter(({ Effect }) => Effect === "Deny");
  assert.equal(denied.length, 1);
  assert.ok(actions(denied[0]!).includes("ec2:CreateNetworkInterface"), "the function's code may not do what Lambda does for it");
});

test("the canary runs outside of the network with a role of its own", () => {
  for (const name of ["first", "dev", "keyAccount"] as const) {
    const canary = all(variant(name).template, "AWS::Lambda::Function").find(({ Properties }) => Properties.FunctionName.endsWith("-canary"))!.Properties;
    assert.equal(canary.VpcConfig, undefined);
    assert.equal(canary.Handler, "canary.handler");
  }
});
