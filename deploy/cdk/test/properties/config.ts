// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { App, Stack } from "aws-cdk-lib";
import { Annotations, Match } from "aws-cdk-lib/assertions";

import { build } from "../../lib/app";
import { readConfig } from "../../lib/config";
import { account, authority, type Context, environment, file, files, tlsSecret, whole } from "../variants";

const read = (context: Context, variables: Record<string, string> = environment) => readConfig({ get: (name) => (context as Record<string, unknown>)[name], environment: variables });
const refused = (context: Context, why: RegExp, variables: Record<string, string> = environment) => assert.throws(() => read({ ...whole, ...context }, variables), why);

test("the AWS sample's environment variables come before context", () => {
  const config = read({ prefix: "ctx", region: "us-west-2", account: "999988887777" }, { CDK_PREFIX: "env", CDK_DEPLOY_REGION: "eu-north-1", CDK_DEPLOY_ACCOUNT: account, CDK_APPLICATION_TYPE: "eth1" });
  assert.deepEqual([config.prefix, config.region, config.account, config.stackName], ["env", "eu-north-1", account, "envNitroWalletEth"]);
  const other = read({ prefix: "ctx", region: "us-west-2", account: "999988887777" }, {});
  assert.deepEqual([other.prefix, other.region, other.account], ["ctx", "us-west-2", "999988887777"]);
  assert.equal(read({}, {}).stackName, "devNitroWalletEth");
  assert.throws(() => read({}, { CDK_APPLICATION_TYPE: "eth2" }), /none of eth1/);
});

test("no debug image is pinned", () => {
  refused({ measurements: files.debugImage }, /all zero.*debug mode/);
  refused({ measurements: `${files.image},${files.debugImage}` }, /all zero.*debug mode/);
  refused({ gatewayOptions: "--debug-mode" }, /debug mode/);
});

test("measurements are an image's, with the manifest that it takes", () => {
  refused({ measurements: file("none.json", {}) }, /no PCR0/);
  refused({ measurements: file("short.json", { Measurements: { PCR0: "ab" } }) }, /96 hexadecimal/);
  refused({ measurements: file("text.json", "no JSON") }, /not JSON/);
  refused({ measurements: "/nowhere.json" }, /cannot be read/);
  refused({ measurements: `${files.image},${files.image}` }, /given twice/);
  refused({ measurements: `${files.image},${files.oldImage},${files.image}` }, /at most 2/);
  refused({ manifest: undefined }, /need one manifest/);
  refused({ measurements: undefined }, /needs the image's measurements/);
  refused({ manifest: files.foreignManifest }, /key of account 444455556666/);
  refused({}, /hosts in us-east-1 have no way/, { ...environment, CDK_DEPLOY_REGION: "us-east-1" });
  const two = read({ ...whole, measurements: `${files.image},${files.oldImage}` });
  assert.equal(two.measured.length, 2);
  assert.equal(two.measured[0]!.pcr16, two.measured[1]!.pcr16, "one manifest serves for both");
});

test("an image that is signed is pinned with its signer", () => {
  const signed = file("signed.json", { Measurements: { PCR0: "ab".repeat(48), PCR8: "EF".repeat(48) } });
  assert.equal(read({ ...whole, measurements: signed }).measured[0]!.pcr8, "ef".repeat(48));
  refused({ measurements: file("zero8.json", { Measurements: { PCR0: "ab".repeat(48), PCR8: "00".repeat(48) } }) }, /PCR8.*all zero/);
});

test("instances are such as enclaves run on", () => {
  refused({ instanceType: "t3.xlarge" }, /burstable/);
  refused({ instanceType: "m6i.metal" }, /none that enclaves run on/);
  refused({ instanceType: "m6i.large" }, /has 2 vCPUs/);
  refused({ instanceType: "m7g.xlarge" }, /no x86_64 instance/);
  refused({ instanceType: "m6i.xlarge", architecture: "arm64" }, /no arm64 instance/);
  refused({ enclaves: 2, instanceType: "m6i.xlarge" }, /must stay with the host/);
  for (const [instanceType, architecture] of [["m6i.xlarge", "x86_64"], ["c6gn.2xlarge", "arm64"], ["m7i-flex.xlarge", "x86_64"], ["r8g.xlarge", "arm64"], ["g4dn.xlarge", "x86_64"]]) {
    assert.equal(read({ ...whole, instanceType, architecture }).instanceType, instanceType);
  }
});

test("what hosts cannot do without is asked for", () => {
  refused({ clients: undefined }, /clients document/);
  refused({ tlsSecret: undefined }, /need a certificate/);
  refused({ certificateAuthority: authority }, /one of the two/);
  refused({ tlsSecret: undefined, certificateAuthority: authority, serverName: undefined }, /name to certify/);
  refused({ package: undefined }, /package or ami/);
  refused({ store: "aurora" }, /databaseRoots/);
  refused({ package: "/nowhere.rpm" }, /no file/);
  assert.equal(read({ ...whole, package: undefined, ami: "/my/image" }).ami, "/my/image");
});

test("staging and prod are stricter than dev", () => {
  assert.equal(read({ ...whole, serverName: undefined }).serverName, undefined);
  refused({ deployment: "staging", serverName: undefined }, /called by a name/);
  refused({ deployment: "prod" }, /keyAdministrators: a prod deployment names/);
  refused({ deployment: "prod", keyAdministrators: [`arn:aws:iam::${account}:role/KeyAdmin`], hosts: "1-3" }, /two hosts at least/);
  refused({ hosts: "3" }, /MAX above MIN/);
  assert.deepEqual(read({ ...whole, hosts: "1-2" }).hosts, { min: 1, max: 2 });
});

test("prod with keys in the hosts' own account is told why not", () => {
  const warned = (variables: Record<string, string>, context: Context) => {
    const app = new App({ context });
    build(app, variables);
    return app.node.children.filter(Stack.isStack).flatMap((stack) => Annotations.fromStack(stack).findWarning("*", Match.stringLikeRegexp("keys are in the hosts' own account")));
  };
  const prod = { deployment: "prod", keyAdministrators: [`arn:aws:iam::${account}:role/KeyAdmin`] };
  assert.equal(warned(environment, prod).length, 1);
  assert.equal(warned(environment, { ...prod, keyAccount: "444455556666" }).length, 0);
  assert.equal(warned(environment, {}).length, 0);
});

test("values are what they should be", () => {
  refused({ deployment: "production" }, /none of dev, staging, prod/);
  refused({ clientCidrs: "0.0.0.0/0" }, /no client/);
  refused({ clientCidrs: "10.0.0.0" }, /not a network/);
  refused({ nodes: "10.30.0.0/24" }, /NETWORK:PORT/);
  refused({ tlsSecret: "tls" }, /not an ARN/);
  refused({ tlsSecret: `${tlsSecret}'x` }, /quotes/);
  refused({ logDays: "2" }, /CloudWatch keeps logs/);
  refused({ hosts: "4-2" }, /ends below/);
  refused({ enclaves: "many" }, /no whole number/);
  refused({ sessionManager: "maybe" }, /neither true nor false/);
  refused({ keyAccount: account }, /hosts' own account/);
  refused({ keyAccount: "444455556666", manifest: files.foreignManifest }, /must be said/, {});
  refused({}, /twelve digits/, { ...environment, CDK_DEPLOY_ACCOUNT: "12" });
  for (const CDK_PREFIX of ["1st", "a--b", "a_b", "a".repeat(21)]) refused({}, /letter first/, { ...environment, CDK_PREFIX });
});

test("a context variable that nobody reads is an error", () => {
  assert.throws(() => build(new App({ context: { deploymnet: "prod" } }), {}), /deploymnet: no such context variable/);
});
