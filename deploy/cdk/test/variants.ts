// SPDX-License-Identifier: Apache-2.0
// The deployments that tests look at, each synthesised once a process. No file of theirs is a real one.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { App } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";

import { build } from "../lib/app";
import type { Config, ContextVariable } from "../lib/config";

export const account = "111122223333";
export const keyAccount = "444455556666";
export const region = "eu-west-1";
export const environment = { CDK_DEPLOY_ACCOUNT: account, CDK_DEPLOY_REGION: region };
export type Context = Partial<Record<ContextVariable, unknown>>;

const cdk = join(__dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "redoubt-cdk-test-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

export function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

export const pcr0 = "ab".repeat(48);
export const oldPcr0 = "cd".repeat(48);
const measurements = (first: string) => ({ Measurements: { HashAlgorithm: "Sha384 { ... }", PCR0: first, PCR1: "11".repeat(48), PCR2: "22".repeat(48) } });
const manifest = (owner: string) => ({
  redoubt_manifest: 1,
  kms_keys: ["vault", "reference"].map((purpose, i) => ({ arn: `arn:aws:kms:${region}:${owner}:key/${i}234abcd-12ab-34cd-56ef-1234567890ab`, purpose })),
});

export const files = {
  image: file("redoubt.json", measurements(pcr0)),
  oldImage: file("old.json", measurements(oldPcr0)),
  debugImage: file("debug.json", measurements("00".repeat(48))),
  manifest: file("manifest.json", manifest(account)),
  foreignManifest: file("foreign.json", manifest(keyAccount)),
  clients: file("clients.json", { version: 1, clients: [] }),
  package: file("redoubt.rpm", "a package"),
  roots: file("roots.pem", "roots"),
  ca: file("ca.pem", "a CA"),
  container: file("redoubt.tar", "an image"),
};
export const tlsSecret = `arn:aws:secretsmanager:${region}:${account}:secret:tls-AbCdEf`;
export const authority = `arn:aws:acm-pca:${region}:${account}:certificate-authority/1234abcd-12ab-34cd-56ef-1234567890ab`;
export const clientSecret = `arn:aws:secretsmanager:${region}:${account}:secret:lambda-AbCdEf`;

// What hosts need, of whatever deployment.
export const whole: Context = {
  measurements: files.image, manifest: files.manifest, clients: files.clients, package: files.package, tlsSecret, serverName: "signer.example.internal", clientSecret,
};

export const variants = {
  first: { context: {}, environment: {} },
  dev: { context: whole, environment },
  staging: { context: { ...whole, deployment: "staging", measurements: `${files.image},${files.oldImage}` }, environment: { ...environment, CDK_PREFIX: "blue" } },
  prod: {
    context: {
      ...whole, deployment: "prod", store: "aurora", databaseRoots: files.roots, tlsSecret: undefined, certificateAuthority: authority, caCertificate: files.ca,
      keyAdministrators: [`arn:aws:iam::${account}:role/KeyAdmin`], alarmEmail: "ops@example.com", trail: "own", image: files.package, gatewayOptions: "--access-log --node 1=https://node.example.internal:8545", clientCidrs: "10.20.0.0/16", nodes: ["10.30.0.0/24:8545"], container: files.container,
    },
    environment: { ...environment, CDK_PREFIX: "prod" },
  },
  keyAccount: {
    context: {
      ...whole, deployment: "prod", manifest: files.foreignManifest, keyAccount, keyAdministrators: [`arn:aws:iam::${keyAccount}:role/KeyAdmin`], hostReplacement: "refresh", plaintextSetKey: true, trail: "aws-controltower/CloudTrailLogs", receiptsBucket: "receipts-of-apart", zones: "eu-west-1a,eu-west-1c", s3PrefixList: "pl-6da54004",
    },
    environment: { ...environment, CDK_PREFIX: "apart" },
  },
  devAurora: { context: { ...whole, store: "aurora", databaseRoots: files.roots }, environment: { ...environment, CDK_PREFIX: "sql" } },
  graviton: { context: { ...whole, architecture: "arm64", ami: "ami-0123456789abcdef0", package: undefined, hostReplacement: "none", sessionManager: false }, environment },
} satisfies Record<string, { context: Context; environment: Record<string, string> }>;
export type Variant = keyof typeof variants;

export interface Report {
  readonly pluginReports?: readonly { readonly pluginName?: string; readonly conclusion?: string; readonly violations?: readonly Violation[]; readonly suppressedViolations?: readonly Violation[] }[];
}
export interface Violation {
  readonly ruleName: string;
  readonly severity?: string;
  readonly acknowledgedId?: string;
  readonly acknowledgedAt?: string;
  readonly reason?: string;
  readonly violatingConstructs?: readonly { readonly constructPath?: string }[];
}

export interface Built {
  readonly config: Config;
  readonly template: Template;
  readonly keys: Template | undefined;
  readonly stack: { readonly terminationProtection: boolean | undefined };
  readonly report: Report;
  readonly json: Record<string, { Type: string; Properties: Record<string, unknown>; DependsOn?: string[] }>;
}

const flags = (JSON.parse(readFileSync(join(cdk, "cdk.json"), "utf8")) as { context: Record<string, unknown> }).context;
const built = new Map<Variant, Built>();

export function variant(name: Variant): Built {
  const known = built.get(name);
  if (known !== undefined) return known;
  const { context, environment: variables } = variants[name];
  const app = new App({ outdir: join(folder, name), context: { ...flags, ...context }, analyticsReporting: false });
  const config = build(app, variables);
  const assembly = app.synth();
  const of = (stackName: string) => assembly.getStackByName(stackName);
  const main = of(config.stackName);
  const one: Built = {
    config,
    template: Template.fromJSON(main.template as Record<string, unknown>),
    keys: config.keyAccount === undefined ? undefined : Template.fromJSON(of(`${config.stackName}Keys`).template as Record<string, unknown>),
    stack: { terminationProtection: main.terminationProtection },
    report: JSON.parse(readFileSync(join(folder, name, "validation-report.json"), "utf8")) as Report,
    json: (main.template as { Resources: Built["json"] }).Resources,
  };
  built.set(name, one);
  return one;
}
