// SPDX-License-Identifier: Apache-2.0
// The Lambda functions of deploy/lambda as they are shipped (the bundle), each in a process of its own with an environment
// as Lambda sets one, before the services of `redoubt up`.
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import crypto from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import https from "node:https";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { CreateSecretCommand, GetSecretValueCommand } from "@aws-sdk/client-secrets-manager";
import { secrets } from "./cloud.mjs";
import { request, root, run, until, up } from "./lib.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));

export async function bundle(folder) {
  const { code, stderr } = await run(process.execPath, [path.join(root, "deploy/lambda/bundle.mjs"), folder]);
  assert.equal(code, 0, stderr);
  return folder;
}

export const rootSha256 = (ready) =>
  crypto.createHash("sha256").update(new crypto.X509Certificate(fs.readFileSync(ready.attestation_root)).raw).digest("hex");

// A user of devcloud's IAM with these identity policies: what a function's role would be.
export async function iamUser(ready, name, policies) {
  const account = ready.kms_key_arn.split(":")[4];
  const key = { access_key_id: "AKIA" + crypto.randomBytes(8).toString("hex").toUpperCase(), secret_access_key: crypto.randomBytes(20).toString("hex") };
  const answer = await fetch(`${ready.devcloud.kms}/redoubt/iam/accounts/${account}/users/${name}`,
    { method: "PUT", body: JSON.stringify({ access_keys: [key], policies }) });
  assert.equal(answer.status, 204, await answer.text());
  return { AWS_ACCESS_KEY_ID: key.access_key_id, AWS_SECRET_ACCESS_KEY: key.secret_access_key };
}

export const awsEnvironment = (ready) => ({ AWS_REGION: ready.region, AWS_ENDPOINT_URL_KMS: ready.devcloud.kms,
  AWS_ENDPOINT_URL_SECRETS_MANAGER: ready.devcloud.secretsmanager });

// {invoke, ok, refused, logs, stop}. `module`: "index.mjs" or "canary.mjs" of the bundle in `folder`.
export async function functionOf(folder, module, env) {
  const child = fork(path.join(here, "lambda_runtime.mjs"), [path.join(folder, module)], { silent: true, cwd: folder, execArgv: [],
    env: { PATH: process.env.PATH, NODE_PATH: path.join(here, "node_modules"), ...env } });
  let logs = "", ready = false, next = 0;
  const waiting = new Map();
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (logs += data));
  child.on("message", ({ ready: started, id, ...answer }) => {
    if (started) ready = true;
    else waiting.get(id)(answer);
  });
  const ended = once(child, "exit");
  await until("the function is loaded", () => {
    assert.equal(child.exitCode, null, logs);
    return ready;
  }, 20_000);
  const invoke = (event, { requestId = crypto.randomUUID(), remainingMs = 15_000 } = {}) => new Promise((resolve) => {
    const id = ++next;
    waiting.set(id, resolve);
    child.send({ id, event: JSON.stringify(event), requestId, remainingMs });
  });
  return {
    invoke, pid: child.pid,
    logs: () => logs,
    ok: async (event, options) => {
      const { result, error } = await invoke(event, options);
      assert.equal(error, undefined, JSON.stringify(error));
      return result;
    },
    // The refusal's sentence.
    refused: async (code, event, options) => {
      const { result, error } = await invoke(event, options);
      assert.equal(error?.errorType, code, JSON.stringify(error ?? result));
      assert.match(error.errorMessage, /^[^\n]{10,}$/);
      assert.deepEqual(error.trace, [`${code}: ${error.errorMessage}`]);
      return error.errorMessage;
    },
    stop: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

// The AWS sample's published test key, payloads and signatures (eth-account 0.5.9).
export const goldenKey = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";
export const goldenAddress = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23";
export const to = "0xa5D3241A1591061F2a4bB69CA0215F66520E67cf";
export const legacy = { value: 0.01, to, nonce: 0, gasPrice: 20000000000, gas: 21000 };
export const golden = [
  { payload: { value: 0.01, to, nonce: 0, type: 2, chainId: 4, gas: 100000, maxFeePerGas: 100000000000, maxPriorityFeePerGas: 3000000000 },
    signed: "0x02f873048084b2d05e0085174876e800830186a094a5d3241a1591061f2a4bb69ca0215f66520e67cf872386f26fc1000080c001a0e8c684356fdce00c6ec284b66d1698ca7b5fdbda27475a85d0bdb3f0eeb10ea0a04b12a3276ccd66f232e728e69d691b3b42a95377055ace63be984ce46229f69f",
    hash: "0xe7eb30b75689d5daf42443ed2adfbac3adc4b22f5b8c0a85b62b5459e7aa16a4" },
  { payload: legacy, signed: "0xf86b808504a817c80082520894a5d3241a1591061f2a4bb69ca0215f66520e67cf872386f26fc10000801ba0b811ad4e1570b541ee3cfe20ba92fd8e1278e0ee29deb9900795ff1fe69f66eda04e67f0262b18bd01642d532ab7ed582eea55abcc29fd4bfa2908a606ef99ea18" },
  { payload: { ...legacy, chainId: 1 }, signed: "0xf86b808504a817c80082520894a5d3241a1591061f2a4bb69ca0215f66520e67cf872386f26fc100008025a0b3e6c0f006fe21bac8ba95acce89421314418f8ff232bbd88232f398080eafc8a03e9bf71869a50b5f31520426f7c3ebd293daaab6286eb68570512ef48c26d63d" },
];
export const hash = "0x" + "5a".repeat(32);
export const plain = { ALLOW_PLAINTEXT_SET_KEY: "true" };
export const setKey = (key = goldenKey, more = {}) => ({ operation: "set_key", eth_key: key, ...more });

// The policy that docs/lambda.md gives the function's role, for this system's resources.
function rolePolicy(ready) {
  const manual = fs.readFileSync(path.join(root, "docs/lambda.md"), "utf8");
  const [, block] = /## Permissions[\s\S]*?```json\n([\s\S]*?)```/.exec(manual);
  const [, , , region, account] = ready.kms_key_arn.split(":");
  return JSON.parse(block.replaceAll("REGION", region).replaceAll("ACCOUNT", account).replaceAll("KEY_ARN", ready.reference_kms_key_arn));
}

// A system of `redoubt up`, and functions before it.
export async function lambdaWorld() {
  const system = await up(), ready = system.ready();
  const running = [], liars = [];
  const folder = await bundle(path.join(system.folder, "lambda"));
  const role = await iamUser(ready, "signing-function", { use: rolePolicy(ready) });
  let secretsMade = 0;
  const newName = () => `redoubt/reference/${++secretsMade}`;
  // As the CDK app makes it: under the prefix and without a value.
  const emptySecret = async () => (await secrets(ready).send(new CreateSecretCommand({ Name: newName() }))).ARN;
  async function environment(more) {
    const { host } = new URL(ready.gateway);
    return { ...awsEnvironment(ready), ...role, NITRO_INSTANCE_PRIVATE_DNS: host, NITRO_CA_CERT_PATH: ready.ca_cert,
      SECRET_ARN: more.SECRET_ARN ?? (await emptySecret()), KEY_ARN: ready.reference_kms_key_arn, LOG_LEVEL: "DEBUG",
      EXPECTED_PCR0: ready.pcr0, EXPECTED_PCR16: ready.pcr16, ATTESTATION_ROOT_SHA256: rootSha256(ready), ...more };
  }
  return {
    system, ready, folder, running, emptySecret, newName,
    // A function with a secret of its own, unless `more` of its environment names one.
    start: async (more = {}) => {
      const env = await environment(more);
      const one = await functionOf(folder, "index.mjs", env);
      running.push(one);
      return { ...one, secret: env.SECRET_ARN };
    },
    held: async (SecretId) => (await secrets(ready).send(new GetSecretValueCommand({ SecretId }))).SecretString,
    keys: async (query = "limit=1000") => (await system.json("GET", `/v1/keys?${query}`)).body.keys,
    // A gateway of the host's own, with the real certificate: passes on what it does not lie about.
    liar: async (lie, host = "127.0.0.1") => {
      const file = (name) => fs.readFileSync(path.join(system.folder, "tls", name)), seen = [];
      const server = https.createServer({ cert: file("gateway.pem"), key: file("gateway.key") }, async (asked, answer) => {
        const parts = [];
        for await (const part of asked) parts.push(part);
        const body = Buffer.concat(parts).toString();
        seen.push({ method: asked.method, url: asked.url, body });
        const real = await request(ready, asked.method, asked.url, asked.method === "POST" ? body : undefined);
        const changed = JSON.stringify((await lie(asked, JSON.parse(real.body), body && JSON.parse(body))) || JSON.parse(real.body));
        answer.writeHead(real.status, { "content-type": "application/json", "content-length": Buffer.byteLength(changed) });
        answer.end(changed);
      }).listen(0, host);
      await once(server, "listening");
      const close = () => {
        server.closeAllConnections();
        server.close();
      };
      liars.push(close);
      return { at: `${host}:${server.address().port}`, seen, close };
    },
    end: async () => {
      for (const close of liars) close();
      await Promise.all(running.map((one) => one.stop()));
      await system.stop();
      system.remove();
    },
  };
}
