// SPDX-License-Identifier: Apache-2.0
// The design of the AWS sample for signing with Nitro Enclaves, re-enacted: what it does for each request, in its order, against
// devcloud's stand-ins for IMDSv2, Secrets Manager and KMS.
//
//   client ─HTTPS─▶ host server ─▶ IMDSv2 (token, role, credentials) ─▶ Secrets Manager (ciphertext)
//                        └─socket─▶ enclave server ─▶ starts a process for one attested KMS Decrypt ─▶ signs ─▶ back
//
// Re-enacted by: Node.js servers in the place of the sample's Python ones, each with one connection at a time as those have; a unix
// socket in vsock's place; redoubt-kmstool-dev, a drop-in for the sample's kmstool_enclave_cli; viem's signer in eth-account's.
// Left out, all in the design's favour: the network between host, enclave and AWS, and KMS's own time (devcloud answers on the
// same machine in microseconds); Python; the virtual machine; the TLS connection to Secrets Manager and a client library's start.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import https from "node:https";
import { createRequire } from "node:module";
import net from "node:net";
import path from "node:path";
import { bin, request, run, up } from "../../tests/e2e/lib.mjs";
import { instanceCredentials, storeReferenceKey } from "../../tests/e2e/cloud.mjs";
import { running } from "./running.mjs";

const require = createRequire(new URL("../../tests/e2e/package.json", import.meta.url));
const { GetSecretValueCommand, SecretsManagerClient } = require("@aws-sdk/client-secrets-manager");
const { CreateKeyCommand, KMSClient } = require("@aws-sdk/client-kms");
const { Transaction, computeAddress } = require("ethers");
const { privateKeyToAccount } = require("viem/accounts");

const toViem = ({ value, ...rest }) => ({ ...rest, type: "eip1559", value: BigInt(value), gas: BigInt(rest.gas), maxFeePerGas: BigInt(rest.maxFeePerGas),
  maxPriorityFeePerGas: BigInt(rest.maxPriorityFeePerGas) });

// All that comes until the other side ends; what this side has to say it can still say.
const whole = (stream) => new Promise((resolve, reject) => {
  const parts = [];
  stream.on("data", (part) => parts.push(part)).on("end", () => resolve(Buffer.concat(parts).toString())).on("error", reject);
});

// What runs in the sample's enclave: one request a connection, and for each a process that asks KMS.
async function enclaveServer(socket, ready, folder) {
  const proxy = fs.readFileSync(`/proc/${ready.pids.vsock_proxy}/cmdline`, "utf8").split("\0").find((word) => word.startsWith("unix:"));
  const options = ["--region", ready.region, "--kms-proxy", proxy, "--tls-roots", ready.ca_cert, "--endpoint-suffix", "devcloud.internal", "--nsm-root",
    path.join(folder, "attestation")];
  const serve = async (connection) => {
    const { credential, ciphertext, transaction } = JSON.parse(await whole(connection));
    const { code, stdout, stderr } = await run(path.join(bin, "redoubt-kmstool-dev"), ["decrypt", ...options, "--ciphertext", ciphertext], { env: {
      AWS_ACCESS_KEY_ID: credential.accessKeyId, AWS_SECRET_ACCESS_KEY: credential.secretAccessKey, AWS_SESSION_TOKEN: credential.sessionToken } });
    if (code !== 0) throw new Error(stderr);
    const key = Buffer.from(/^PLAINTEXT: (.*)$/m.exec(stdout)[1], "base64").toString();
    const signed = await privateKeyToAccount(`0x${key.replace(/^0x/, "")}`).signTransaction(toViem(transaction));
    connection.end(JSON.stringify({ transaction_signed: signed }));
  };
  const server = net.createServer({ allowHalfOpen: true }, (connection) => {
    serve(connection).catch((error) => connection.end(JSON.stringify({ error: error.message })));
  });
  await once(server.listen(socket), "listening");
  return server;
}

// What runs on the sample's host.
async function hostServer(socket, ready, folder) {
  const serve = async (asked, answer) => {
    const { transaction_payload: transaction, secret_id: SecretId } = JSON.parse(await whole(asked));
    const credential = await instanceCredentials(ready);
    const manager = new SecretsManagerClient({ region: ready.region, endpoint: ready.devcloud.secretsmanager, maxAttempts: 1,
      credentials: { accessKeyId: ready.access_key_id, secretAccessKey: ready.secret_access_key } });
    const { SecretString: ciphertext } = await manager.send(new GetSecretValueCommand({ SecretId }));
    manager.destroy();
    const enclave = net.connect(socket);
    enclave.end(JSON.stringify({ credential, ciphertext, transaction }));
    const said = await whole(enclave);
    answer.writeHead(JSON.parse(said).error ? 500 : 200, { "content-type": "application/json" }).end(said);
  };
  const file = (name) => fs.readFileSync(path.join(folder, "tls", name));
  const server = https.createServer({ cert: file("gateway.pem"), key: file("gateway.key") }, (asked, answer) => {
    serve(asked, answer).catch((error) => answer.writeHead(500).end(error.message));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return server;
}

// A KMS key without conditions on who is attested, so that the tool of this build may use it, and a private key under it.
async function secretOf(ready) {
  const kms = new KMSClient({ region: ready.region, endpoint: ready.devcloud.kms, maxAttempts: 1,
    credentials: { accessKeyId: ready.access_key_id, secretAccessKey: ready.secret_access_key } });
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
  const key = randomBytes(32).toString("hex");
  const secret = await storeReferenceKey({ ...ready, reference_kms_key_arn: KeyMetadata.Arn }, "bench-reference", Buffer.from(key));
  return { secret, address: computeAddress(`0x${key}`) };
}

// { per_s: [one of each trial] }: requests one after the other, as the design serves them.
export async function referenceDesign({ trials, seconds }, say) {
  const system = await up({ extra: ["--quiet"] }), stop = running(system.stop);
  const servers = [];
  try {
    const ready = system.ready(), socket = path.join(system.folder, "reference.sock");
    const { secret, address } = await secretOf(ready);
    servers.push(await enclaveServer(socket, ready, system.folder));
    servers.push(await hostServer(socket, ready, system.folder));
    const gateway = `https://127.0.0.1:${servers[1].address().port}`;
    let nonce = 0;
    const one = async () => {
      const payload = { nonce, chainId: 1, to: address, value: "1", gas: 21_000, maxFeePerGas: 2, maxPriorityFeePerGas: 1 };
      const { status, body } = await request({ gateway, ca_cert: ready.ca_cert }, "POST", "/sign_transaction", JSON.stringify({ transaction_payload: payload, secret_id: secret }));
      if (status !== 200) throw new Error(`the reference's design answered ${status}: ${body}`);
      const { from, nonce: signed } = Transaction.from(JSON.parse(body).transaction_signed);
      if (from !== address || signed !== nonce++) throw new Error("the reference's design signed something else");
    };
    await one();
    const rates = [];
    for (let i = 0; i < trials; ++i) {
      const began = performance.now();
      let done = 0;
      for (; performance.now() - began < seconds * 1000; ++done) await one();
      rates.push((done * 1000) / (performance.now() - began));
    }
    say(`  the reference's design: ${rates.map((rate) => rate.toFixed(1)).join(", ")} signatures/s`);
    return rates;
  } finally {
    for (const server of servers) {
      server.closeAllConnections?.();
      server.close();
    }
    await stop();
    system.remove();
  }
}
