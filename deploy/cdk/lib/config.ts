// SPDX-License-Identifier: Apache-2.0
// What a deployment is made of: read from the environment (the AWS sample's four variables) and from context, checked
// here once. A name that is not known, or a value that cannot be right, is an error: nothing is guessed.
import { existsSync } from "node:fs";
import { resolve } from "node:path";

import { RetentionDays } from "aws-cdk-lib/aws-logs";

import { fail, isOneOf, list, range, shape, wholeNumber, yesOrNo } from "./checks";
import { type ManifestKey, manifestKeys, type MeasuredImage, readMeasurements } from "./measurements";

export const deployments = ["dev", "staging", "prod"] as const;
export type Deployment = (typeof deployments)[number];
export const architectures = ["x86_64", "arm64"] as const;
export type Architecture = (typeof architectures)[number];

// Every context variable of ours; docs/deploy.md says more of each.
export const contextVariables = [
  "deployment", "prefix", "region", "account", "applicationType",
  "architecture", "instanceType", "ami", "hosts", "enclaves", "enclaveMemory", "enclaveCpus", "requestsInFlight", "hostReplacement",
  "measurements", "manifest", "keyAdministrators", "keyAuditors", "keyAccount", "deployRole", "pcr3", "pcr4",
  "package", "image", "container", "clients", "gatewayOptions", "nodes",
  "serverName", "tlsSecret", "certificateAuthority", "caCertificate",
  "clientSecret", "plaintextSetKey", "rawSigning",
  "store", "auroraCapacity", "databaseRoots",
  "vpcCidr", "zones", "clientCidrs", "s3PrefixList", "sessionManager",
  "alarmEmail", "runbooks", "trail", "receiptsBucket", "logDays",
] as const;
export type ContextVariable = (typeof contextVariables)[number];

export interface Config {
  readonly deployment: Deployment;
  readonly prefix: string;
  readonly stackName: string;
  readonly account: string | undefined;
  readonly region: string | undefined;

  readonly architecture: Architecture;
  readonly instanceType: string;
  readonly ami: string | undefined;
  readonly hosts: { readonly min: number; readonly max: number };
  readonly enclaves: number;
  readonly enclaveMemory: number;
  readonly enclaveCpus: number;
  readonly requestsInFlight: number;
  readonly hostReplacement: "rolling" | "refresh" | "none";

  readonly measured: readonly MeasuredImage[]; // none: keys that open for nobody, and no hosts yet
  readonly keyAdministrators: readonly string[];
  readonly keyAuditors: readonly string[];
  readonly keyAccount: string | undefined;
  readonly deployRole: string | undefined;
  readonly pcr3: readonly string[];
  readonly pcr4: readonly string[];
  readonly manifestKeys: readonly ManifestKey[]; // of the manifest that is rolled out

  readonly package: string | undefined;
  readonly image: string | undefined;
  readonly container: string | undefined;
  readonly clients: string | undefined;
  readonly gatewayOptions: string;
  readonly nodes: readonly { readonly network: string; readonly port: number }[];

  readonly serverName: string | undefined;
  readonly tlsSecret: string | undefined;
  readonly certificateAuthority: string | undefined;
  readonly caCertificate: string | undefined;
  readonly clientSecret: string | undefined; // how the Lambda shows the gateways who it is
  readonly plaintextSetKey: boolean;
  readonly rawSigning: boolean;

  readonly store: "secretsmanager" | "aurora";
  readonly auroraCapacity: { readonly min: number; readonly max: number };
  readonly databaseRoots: string | undefined;
  readonly databasePort: number;

  readonly vpcCidr: string;
  readonly zones: readonly string[];
  readonly zoneCount: number;
  readonly clientCidrs: readonly string[];
  readonly s3PrefixList: string | undefined;
  readonly sessionManager: boolean;

  readonly alarmEmail: string | undefined;
  readonly runbooks: string | undefined;
  readonly trail: "account" | "own" | { readonly logGroup: string };
  readonly receiptsBucket: string | undefined; // of the key account's stack
  readonly logDays: RetentionDays;
  readonly qualifier: string; // of the account's CDK bootstrap
}

export interface Source {
  readonly get: (name: ContextVariable | "@aws-cdk/core:bootstrapQualifier") => unknown;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const arnOf = (service: string) => new RegExp(`^arn:aws[a-z-]*:${service}:[a-z0-9-]*:\\d{12}:[^\\s']+$`);
const cidr = /^(\d{1,3}\.){3}\d{1,3}\/\d{1,2}$/;

export function readConfig({ get, environment }: Source): Config {
  const text = (name: ContextVariable): string | undefined => {
    const value = get(name);
    if (value === undefined || value === null || value === "") return undefined;
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") fail(`${name}: a text is expected`);
    const trimmed = String(value).trim();
    // Values stand in lines of shell between single quotes, and in CloudFormation.
    return /['\n\r]/.test(trimmed) ? fail(`${name}: quotes and line ends are not taken`) : trimmed;
  };
  const file = (name: ContextVariable): string | undefined => {
    const value = text(name);
    return value === undefined || existsSync(value) ? value && resolve(value) : fail(`${name}: there is no file ${value}`);
  };
  const arn = (name: ContextVariable, service: string) => {
    const value = text(name);
    return value === undefined ? undefined : shape(name, value, arnOf(service), `an ARN of ${service}`);
  };
  const either = (variable: string, name: ContextVariable) => environment[variable] || text(name);

  const deployment = isOneOf("deployment", text("deployment") ?? "dev", deployments);
  const production = deployment === "prod";
  const prefix = shape("prefix", either("CDK_PREFIX", "prefix") ?? "dev", /^(?=.{1,20}$)[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*-?$/, "1 to 20 letters, digits and single hyphens, a letter first");
  isOneOf("applicationType", either("CDK_APPLICATION_TYPE", "applicationType") ?? "eth1", ["eth1"]);
  const account = either("CDK_DEPLOY_ACCOUNT", "account") ?? environment["CDK_DEFAULT_ACCOUNT"];
  const region = either("CDK_DEPLOY_REGION", "region") ?? environment["CDK_DEFAULT_REGION"];
  if (account !== undefined) shape("account", account, /^\d{12}$/, "an account of twelve digits");
  if (region !== undefined) shape("region", region, /^[a-z]{2}(-[a-z]+)+-\d$/, "a region");

  const architecture = isOneOf("architecture", text("architecture") ?? "x86_64", architectures);
  const enclaves = wholeNumber("enclaves", text("enclaves") ?? (production ? 2 : 1), 1, 4);
  const enclaveCpus = wholeNumber("enclaveCpus", text("enclaveCpus") ?? 2, 1, 64);
  const instanceType = text("instanceType") ?? `${architecture === "arm64" ? "m7g" : "m6i"}.${enclaves * enclaveCpus + 2 <= 4 ? "xlarge" : "2xlarge"}`;
  checkInstance(instanceType, architecture, enclaves * enclaveCpus);

  const measured = readMeasurements(list("measurements", get("measurements")), list("manifest", get("manifest")));
  const keyAccount = text("keyAccount");
  if (keyAccount !== undefined) {
    shape("keyAccount", keyAccount, /^\d{12}$/, "an account of twelve digits");
    if (keyAccount === account) fail("keyAccount: it is the hosts' own account; leave it out");
  }
  checkManifests(measured, region, keyAccount ?? account);

  const clientCidrs = list("clientCidrs", get("clientCidrs")).map((one) => {
    shape("clientCidrs", one, cidr, "a network such as 10.1.0.0/16");
    return one.endsWith("/0") ? fail("clientCidrs: the whole internet is no client") : one;
  });
  const store = isOneOf("store", text("store") ?? "secretsmanager", ["secretsmanager", "aurora"] as const);
  const config: Config = {
    deployment, prefix, stackName: `${prefix}NitroWalletEth`, account, region,
    architecture, instanceType,
    ami: optionalShape("ami", text("ami"), /^(ami-[0-9a-f]{8,17}|\/[A-Za-z0-9_.\/-]+)$/, "an AMI's id or the name of an SSM parameter"),
    hosts: range("hosts", text("hosts") ?? (production ? "3-9" : deployment === "staging" ? "2-6" : "2-4"), 1, 100),
    enclaves,
    enclaveMemory: wholeNumber("enclaveMemory", text("enclaveMemory") ?? 256, 128, 65536),
    enclaveCpus,
    requestsInFlight: wholeNumber("requestsInFlight", text("requestsInFlight") ?? 32, 1, 4096),
    hostReplacement: isOneOf("hostReplacement", text("hostReplacement") ?? "rolling", ["rolling", "refresh", "none"] as const),
    measured,
    keyAdministrators: list("keyAdministrators", get("keyAdministrators")), keyAuditors: list("keyAuditors", get("keyAuditors")), keyAccount,
    deployRole: arn("deployRole", "iam"), pcr3: list("pcr3", get("pcr3")), pcr4: list("pcr4", get("pcr4")),
    manifestKeys: measured.length === 0 ? [] : manifestKeys(measured[0]!.manifest),
    package: file("package"), image: file("image"), container: file("container"), clients: file("clients"),
    gatewayOptions: optionalShape("gatewayOptions", text("gatewayOptions"), /^[A-Za-z0-9 .,:;=_\/@%+-]*$/, "options without quotes") ?? "",
    nodes: list("nodes", get("nodes")).map((one) => {
      const [network, port] = shape("nodes", one, /^(\d{1,3}\.){3}\d{1,3}\/\d{1,2}:\d{1,5}$/, "NETWORK:PORT, such as 10.30.0.0/24:8545").split(":");
      return { network: network!, port: wholeNumber("nodes", port!, 1, 65535) };
    }),
    serverName: optionalShape("serverName", text("serverName"), /^(?=.{4,253}$)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+$/, "a DNS name"),
    tlsSecret: arn("tlsSecret", "secretsmanager"), certificateAuthority: arn("certificateAuthority", "acm-pca"),
    caCertificate: file("caCertificate"), clientSecret: arn("clientSecret", "secretsmanager"),
    plaintextSetKey: yesOrNo("plaintextSetKey", get("plaintextSetKey") ?? false), rawSigning: yesOrNo("rawSigning", get("rawSigning") ?? false),
    store,
    auroraCapacity: range("auroraCapacity", text("auroraCapacity") ?? (production ? "1-16" : "1-4"), 1, 256),
    databaseRoots: file("databaseRoots"), databasePort: 15432,
    vpcCidr: shape("vpcCidr", text("vpcCidr") ?? "10.0.0.0/16", cidr, "a network such as 10.0.0.0/16"),
    zones: list("zones", get("zones")), zoneCount: production ? 3 : 2,
    clientCidrs,
    s3PrefixList: optionalShape("s3PrefixList", text("s3PrefixList"), /^pl-[0-9a-f]{8,17}$/, "a prefix list's id"),
    sessionManager: yesOrNo("sessionManager", get("sessionManager") ?? !production),
    alarmEmail: optionalShape("alarmEmail", text("alarmEmail"), /^[^\s@]+@[^\s@]+$/, "an address"),
    runbooks: optionalShape("runbooks", text("runbooks"), /^https?:\/\/[!-~]+$/, "an address"),
    trail: trail(text("trail") ?? "account"),
    receiptsBucket: optionalShape("receiptsBucket", text("receiptsBucket"), /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "a bucket's name"),
    logDays: retention(text("logDays") ?? (production ? "731" : "90")),
    qualifier: String(get("@aws-cdk/core:bootstrapQualifier") ?? "hnb659fds"),
  };
  checkTogether(config);
  return config;
}

function optionalShape(name: string, value: string | undefined, pattern: RegExp, wanted: string): string | undefined {
  return value === undefined ? undefined : shape(name, value, pattern, wanted);
}

// The account's trail, one of the stack's own, or the account's with the log group that it writes to.
function trail(value: string): Config["trail"] {
  if (value === "account" || value === "own") return value;
  return { logGroup: shape("trail", value, /^[A-Za-z0-9_.\/#-]*[\/:-][A-Za-z0-9_.\/#-]*$/, '"account", "own" or the name of a log group, with a hyphen or slash in it') };
}

function retention(days: string): RetentionDays {
  const number = Number(days);
  return number in RetentionDays && number < 9999 ? number : fail(`logDays: CloudWatch keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120 … 365, 400, 731 … days, not for "${days}"`);
}

// Enclaves run on most Nitro instances with enough vCPUs; what AWS says they do not run on is refused here.
function checkInstance(type: string, architecture: Architecture, enclaveCpus: number): void {
  const parts = /^([a-z]+)(\d)([a-z]*)(?:-[a-z0-9]+)?\.(?:(\d*)xlarge|large)$/.exec(type);
  if (parts === null) fail(`instanceType: "${type}" is none that enclaves run on (large or larger, no bare metal)`);
  const [, family, , attributes, size] = parts;
  if (family === "t") fail(`instanceType: enclaves do not run on burstable instances (${type})`);
  const graviton = attributes!.includes("g");
  if (graviton !== (architecture === "arm64")) fail(`instanceType: ${type} is no ${architecture} instance (architecture)`);
  const cpus = size === undefined ? 2 : 4 * (size === "" ? 1 : Number(size));
  // A whole core stays with the host: two threads on x86.
  const left = architecture === "arm64" ? 1 : 2;
  if (cpus - enclaveCpus < left) fail(`instanceType: ${type} has ${cpus} vCPUs; enclaves take ${enclaveCpus}, and ${left} must stay with the host`);
}

function checkManifests(measured: readonly MeasuredImage[], region: string | undefined, account: string | undefined): void {
  for (const { manifest } of measured) {
    for (const { arn } of manifestKeys(manifest)) {
      const [, , , itsRegion, itsAccount] = arn.split(":");
      // Hosts have one way to KMS: the proxy and the endpoint of their own region.
      if (region !== undefined && itsRegion !== region) fail(`manifest: ${manifest} names a key in ${itsRegion}; hosts in ${region} have no way to KMS there`);
      if (account !== undefined && itsAccount !== account) fail(`manifest: ${manifest} names a key of account ${itsAccount}; the keys are in ${account} (keyAccount)`);
    }
  }
}

function checkTogether(config: Config): void {
  const strict = config.deployment !== "dev";
  if (config.tlsSecret !== undefined && config.certificateAuthority !== undefined) fail("tlsSecret, certificateAuthority: one of the two");
  if (config.certificateAuthority !== undefined && config.serverName === undefined) fail("certificateAuthority: the name to certify is missing (serverName)");
  if (config.store === "aurora" && config.measured.length > 0 && config.databaseRoots === undefined) {
    fail("databaseRoots: a file with Amazon's roots for databases is needed with Aurora; hosts verify its certificate");
  }
  if (config.keyAccount !== undefined && (config.account === undefined || config.region === undefined)) {
    fail("keyAccount: with keys in another account the hosts' account and region must be said (CDK_DEPLOY_ACCOUNT, CDK_DEPLOY_REGION)");
  }
  if (config.hosts.max <= config.hosts.min && config.hostReplacement === "rolling") fail("hosts: a rolling replacement starts a host more than there must be: MAX above MIN");
  if (config.measured.length > 0) {
    if (config.clients === undefined) fail("clients: gateways serve nobody without a clients document (docs/clients.md)");
    if (config.tlsSecret === undefined && config.certificateAuthority === undefined) fail("tlsSecret or certificateAuthority: gateways need a certificate");
    if (config.package === undefined && config.ami === undefined) fail("package or ami: hosts install a package, or their machine image holds it");
    if (strict && config.serverName === undefined) fail(`serverName: a ${config.deployment} deployment is called by a name that its certificate has`);
  }
  if (config.deployment === "prod" && config.keyAdministrators.length === 0) {
    fail("keyAdministrators: a prod deployment names who manages its keys; without, only CloudFormation's role could, and whoever may pass it");
  }
  if (config.deployment === "prod" && config.hosts.min < 2) fail("hosts: a prod deployment has two hosts at least");
  if (/--debug-mode/.test(config.gatewayOptions)) fail("gatewayOptions: no enclave is started in debug mode");
}
