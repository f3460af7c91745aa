// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

import { one, text } from "../resources";
import { authority, files, tlsSecret, variant, type Variant } from "../variants";
import { bytesOf, longestValue, mostBytes, userData } from "../../lib/user_data";

const withHosts: Variant[] = ["dev", "staging", "prod", "keyAccount", "devAurora", "graviton"];
const of = (name: Variant) => text(one(variant(name).template, "AWS::EC2::LaunchTemplate").Properties.LaunchTemplateData.UserData, longestValue);

test("user data fit, whatever the deployment", () => {
  for (const name of withHosts) assert.ok(Buffer.byteLength(of(name)) < mostBytes, `${name}: ${Buffer.byteLength(of(name))} bytes`);
});

test("user data are a script that bash reads", () => {
  for (const name of withHosts) {
    const script = of(name);
    assert.ok(script.startsWith("#!/bin/bash\n"));
    execFileSync("bash", ["-n"], { input: script });
  }
});

test("user data say what the host installs, by hash, and how it serves", () => {
  const settings = (name: Variant) => Object.fromEntries([...of(name).matchAll(/^([A-Z0-9_]+)='([^']*)'$/gm)].map((match) => [match[1]!, match[2]!]));
  const dev = settings("dev");
  assert.match(dev["PACKAGE_URL"]!, /^s3:\/\/cdk-hnb659fds-assets-111122223333-eu-west-1\/[0-9a-f]{64}\.rpm$/);
  const sha256 = (path: string) => execFileSync("sha256sum", [path], { encoding: "utf8" }).slice(0, 64);
  assert.equal(dev["PACKAGE_SHA256"], sha256(files.package));
  assert.equal(dev["MANIFEST_SHA256"], sha256(files.manifest));
  assert.equal(dev["CLIENTS_SHA256"], sha256(files.clients));
  assert.deepEqual(
    [dev["REGION"], dev["TLS_SECRET"], dev["LISTEN"], dev["STORE"], dev["GROUP"], dev["SIGNAL_STACK"], dev["TERMINATION_HOOK"], dev["METRICS_NAMESPACE"]],
    ["eu-west-1", tlsSecret, "tcp:0.0.0.0:8443", "secretsmanager:redoubt/devNitroWalletEth", "devNitroWalletEth-hosts", "devNitroWalletEth", "redoubt-terminate", "Redoubt"],
  );
  assert.match(dev["SIGNAL_RESOURCE"]!, /^HostsGroup/);
  assert.ok(variant("dev").json[dev["SIGNAL_RESOURCE"]!], "a resource of the template");
  assert.equal(settings("prod")["CERTIFICATE_AUTHORITY"], authority);
  assert.equal(settings("prod")["TLS_SECRET"], undefined);
  assert.match(settings("prod")["STORE"]!, /^postgresql:\/\/redoubt@<.*>x*:15432\/redoubt\?sslmode=verify-full&sslrootcert=\//);
  assert.equal(settings("graviton")["PACKAGE_URL"], undefined, "the machine image has it");
});

test("a database's password and the log of receipts have lines of their own, in one order", () => {
  const lines = (name: Variant) => of(name).split("\n");
  for (const [name, database, receipts] of [["dev", false, false], ["prod", true, true]] as const) {
    assert.equal(lines(name).some((line) => line.startsWith("DATABASE_SECRET='")), database);
    assert.equal(lines(name).some((line) => line.startsWith("RECEIPTS_BUCKET='")), receipts);
  }
  const prod = of("prod");
  for (const [setting, reader] of [["\nREGION=", "declare -p REGION DATABASE_SECRET"], ["\nRECEIPTS_BUCKET=", "declare -p REGION RECEIPTS_BUCKET"], ["redoubt-database.timer", "set -euo pipefail\n: "]]) {
    assert.ok(prod.indexOf(setting!) > 0 && prod.indexOf(setting!) < prod.indexOf(reader!), setting);
  }
});

test("a setting that the script does not read, or that would leave its quotes, is refused", () => {
  assert.throws(() => userData({ NOT_KNOWN: "1" }), /nothing reads NOT_KNOWN/);
  assert.throws(() => userData({ REGION: "a'; reboot; '" }), /quote/);
  assert.throws(() => userData({ REGION: "a\nb" }), /line end/);
});

test("user data that EC2 would not take are refused when they are written", () => {
  assert.throws(() => userData({ GATEWAY_OPTIONS: "--node ".repeat(1000) }), /EC2 takes 16384/);
  assert.equal(bytesOf("a${Token[AWS.Region.4]}b"), 2 + longestValue);
});

test("no user data holds a secret's value", () => {
  for (const name of withHosts) assert.doesNotMatch(of(name), /BEGIN [A-Z ]*PRIVATE KEY-----\n|rdt_[0-9a-f]|AKIA|password=/);
});
