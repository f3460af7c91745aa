// SPDX-License-Identifier: Apache-2.0
// The Lambda function of deploy/lambda where secret, caller, host, gateway or environment are not what they should be.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { ListSecretVersionIdsCommand, PutSecretValueCommand, UpdateSecretVersionStageCommand } from "@aws-sdk/client-secrets-manager";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { Wallet, hexlify, keccak256, recoverAddress } from "ethers";
import { secrets } from "../cloud.mjs";
import { bundle, golden, goldenAddress, goldenKey, hash, iamUser, lambdaWorld, legacy, plain, setKey, to } from "../lambda.mjs";
import { redoubt, request, run, until } from "../lib.mjs";
import { secondGateway } from "../second_gateway.mjs";

let world, system, ready, start, held, keys, newName, folder, running, emptySecret, liar;
before(async () => {
  world = await lambdaWorld();
  ({ system, ready, start, held, keys, newName, folder, running, emptySecret, liar } = world);
});
after(() => world?.end());

for (const [form, env] of Object.entries({ "the enclave's form": {}, "the plaintext form": plain }))
  test(`set_key in ${form} replaces a key only for who names its version, and what was replaced is kept`, async () => {
    const lambda = await start(env);
    const first = await lambda.ok(setKey());
    const value = await held(lambda.secret);
    const wallet = Wallet.createRandom();
    const before = (await keys()).length;
    const sentence = await lambda.refused("key_exists", setKey(wallet.privateKey));
    assert.ok(sentence.includes(`"overwrite": "${first.VersionId}"`), sentence);
    await lambda.refused("conflict", setKey(wallet.privateKey, { overwrite: crypto.randomUUID() }));
    await lambda.refused("invalid_field", setKey(wallet.privateKey, { overwrite: true }));
    assert.deepEqual([await held(lambda.secret), (await keys()).length], [value, before]);

    const second = await lambda.ok(setKey(wallet.privateKey, { overwrite: first.VersionId }));
    assert.equal(second.address, wallet.address);
    assert.notEqual(await held(lambda.secret), value);
    const third = Wallet.createRandom();
    await lambda.ok(setKey(third.privateKey, { overwrite: second.VersionId }));
    const { Versions } = await secrets(ready).send(new ListSecretVersionIdsCommand({ SecretId: lambda.secret }));
    for (const { VersionId } of [first, second])
      assert.ok(Versions.find((version) => version.VersionId === VersionId)?.VersionStages.includes(`redoubt-${VersionId}`), "Secrets Manager forgets what has no label");
    // Back to the first.
    await secrets(ready).send(new UpdateSecretVersionStageCommand({ SecretId: lambda.secret, VersionStage: "AWSCURRENT", MoveToVersionId: first.VersionId,
      RemoveFromVersionId: Versions.find((version) => version.VersionStages?.includes("AWSCURRENT")).VersionId }));
    assert.equal((await lambda.ok({ operation: "sign_transaction", transaction_payload: golden[0].payload })).transaction_signed, golden[0].signed);
  });

test("a key that was set by either form signs after the other form's function has gone, and either function signs with both", async () => {
  const [vault, reference] = [await start(), await start(plain)];
  await vault.ok(setKey());
  await reference.ok(setKey("0x" + goldenKey));
  for (const lambda of [vault, reference])
    for (const secret_id of [vault.secret, reference.secret])
      assert.equal((await lambda.ok({ operation: "sign_transaction", secret_id, transaction_payload: golden[0].payload })).transaction_signed, golden[0].signed);
});

test("a key is imported under the policy that the event brings", async () => {
  const lambda = await start();
  const policy = { rules: [{ name: "small", principals: ["anyone"], operations: ["sign-transaction"], effect: "allow",
    conditions: { "transaction.value": { at_most: "10000000000000000" }, "transaction.chain_id": { is: 1 } } }], redoubt_policy: 1 };
  await lambda.ok(setKey(goldenKey, { policy }));
  const sign = (value) => ({ operation: "sign_transaction", transaction_payload: { ...legacy, chainId: 1, value } });
  assert.equal((await lambda.ok(sign("0.01"))).transaction_signed, golden[2].signed);
  await lambda.refused("policy_denied", sign("0.010000000000000001"));
});

test("of several set_key at once one is carried out", async () => {
  const lambda = await start(plain);
  const wallets = Array.from({ length: 4 }, () => Wallet.createRandom());
  const answers = await Promise.all(wallets.map((wallet) => lambda.invoke(setKey(wallet.privateKey))));
  const done = answers.filter(({ result }) => result);
  assert.equal(done.length, 1, JSON.stringify(answers));
  for (const { error } of answers.filter((answer) => answer.error)) assert.match(error.errorType, /^(conflict|key_exists)$/);
  const { signature } = await lambda.ok({ operation: "sign_hash", hash });
  assert.equal(recoverAddress(hash, signature), done[0].result.address);
});

test("a value that is no key this function made is not replaced unasked, nor signed with", async () => {
  for (const SecretString of ["0x" + goldenKey, "a random password of a template", '{"redoubt_key":2}', JSON.stringify({ redoubt_key: 1, key_id: "key-../x", address: goldenAddress })]) {
    const lambda = await start();
    await secrets(ready).send(new PutSecretValueCommand({ SecretId: lambda.secret, SecretString }));
    await lambda.refused("key_exists", setKey());
    await lambda.refused("key_invalid", { operation: "sign_transaction", transaction_payload: golden[0].payload });
    assert.equal(await held(lambda.secret), SecretString);
    await lambda.stop();
  }
  const lambda = await start();
  await lambda.refused("key_missing", { operation: "get_key" });
  await secrets(ready).send(new PutSecretValueCommand({ SecretId: lambda.secret, SecretString: "{}" }));
  await lambda.ok(setKey());
});

test("an event that Lambda repeats makes no second key", async () => {
  const [lambda, wallet, requestId] = [await start(), Wallet.createRandom(), crypto.randomUUID()];
  const first = await lambda.ok(setKey(wallet.privateKey), { requestId });
  const again = await lambda.ok(setKey(wallet.privateKey), { requestId });
  assert.deepEqual([again.key_id, again.VersionId], [first.key_id, first.VersionId]);
  assert.equal((await keys(`address=${wallet.address}`)).length, 1);
  await lambda.refused("key_exists", setKey(wallet.privateKey));
});

test("TLS is verified, whatever variable says not to", async () => {
  const { stdout } = await run("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=another CA", "-days", "2"]);
  const other = path.join(system.folder, "other-ca.pem");
  fs.writeFileSync(other, stdout);
  const sign = { operation: "sign_transaction", transaction_payload: golden[0].payload };
  const lambda = await start(plain);
  await lambda.ok(setKey());
  const SECRET_ARN = lambda.secret;
  for (const more of [{ NITRO_CA_CERT_PATH: other }, { NITRO_CA_CERT_PATH: other, NODE_TLS_REJECT_UNAUTHORIZED: "0" }, { NITRO_CA_CERT_PATH: "" }])
    await (await start({ SECRET_ARN, ...more })).refused("tls_untrusted", sign);
  // The right CA, another name than the certificate's.
  const elsewhere = await liar(() => undefined, "127.0.0.2"); // the certificate is for 127.0.0.1
  await (await start({ SECRET_ARN, NITRO_INSTANCE_PRIVATE_DNS: elsewhere.at })).refused("tls_untrusted", sign);
  assert.deepEqual(elsewhere.seen, []);
  for (const NITRO_SKIP_TLS_VERIFY of ["true", "1", "TRUE"]) await (await start({ SECRET_ARN, NITRO_SKIP_TLS_VERIFY })).refused("tls_verification_required", sign);
  await (await start({ SECRET_ARN, NITRO_SKIP_TLS_VERIFY: "yes" })).refused("config_invalid", sign);
  assert.equal((await (await start({ SECRET_ARN, NITRO_SKIP_TLS_VERIFY: "false" })).ok(sign)).transaction_signed, golden[0].signed);
});

test("without the right measurements of image and manifest, or under another root, no key is encrypted to what answers", async () => {
  const other = "ab".repeat(48), before = (await keys()).length;
  const wrong = {
    "another image": { EXPECTED_PCR0: other }, "another manifest": { EXPECTED_PCR16: other }, "the two swapped": { EXPECTED_PCR0: ready.pcr16, EXPECTED_PCR16: ready.pcr0 },
    "halves of two pairs": { EXPECTED_PCR0: `${ready.pcr0},${other}`, EXPECTED_PCR16: `${other},${ready.pcr16}` }, "AWS's root": { ATTESTATION_ROOT_SHA256: "" },
  };
  for (const [what, more] of Object.entries(wrong)) {
    const lambda = await start(more);
    for (const event of [setKey(), { operation: "generate_key", secret_name: newName() }])
      assert.match(await lambda.refused("attestation_untrusted", event), what === "AWS's root" ? /root/ : /PCR/, what);
    assert.deepEqual((await lambda.invoke({ operation: "get_key" })).error.errorType, "key_missing");
    await lambda.stop();
  }
  await (await start({ EXPECTED_PCR0: "", EXPECTED_PCR16: "" })).refused("pins_missing", setKey());
  for (const more of [{ EXPECTED_PCR0: "" }, { EXPECTED_PCR16: ready.pcr16.slice(1) }, { EXPECTED_PCR0: `${ready.pcr0},${ready.pcr0}` }])
    await (await start(more)).refused("config_invalid", setKey());
  // generate_key alone had the host make keys, which nobody uses.
  assert.deepEqual((await keys()).slice(before).filter((key) => key.address === goldenAddress), []);
  const rollOut = await start({ EXPECTED_PCR0: `${other},${ready.pcr0}`, EXPECTED_PCR16: `${other}, ${ready.pcr16.toUpperCase()}` });
  await rollOut.ok(setKey(Wallet.createRandom().privateKey));
});

test("a host that answers with an import key of its own does not get the key", async () => {
  const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const own = hexlify(new Uint8Array(await suite.kem.serializePublicKey((await suite.kem.generateKeyPair()).publicKey)));
  const offerOf = (body, change) => ({ ...body, ...change, statement: Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(body.statement, "base64")), ...change })).toString("base64") });
  const earlier = (await system.json("GET", `/v1/import?nonce=${"00".repeat(32)}`)).body;
  const lies = {
    "its own key under the real attestation": (body) => offerOf(body, { public_key: own }),
    "another vault under the real attestation": (body) => offerOf(body, { vault_id: "vault-" + "00".repeat(16) }),
    "an offer of an earlier time": () => earlier,
    "an earlier attestation of the same statement": (body) => ({ ...body, attestation: earlier.attestation }),
    "no attestation": ({ attestation, ...rest }) => rest,
    "an attestation that is no document": (body) => ({ ...body, attestation: "AAAA" }),
    "an altered document": (body) => {
      const document = Buffer.from(body.attestation, "base64");
      document[document.length - 10] ^= 1;
      return { ...body, attestation: document.toString("base64") };
    },
    "a document for another purpose": async (body, nonce) => ({ ...body, attestation: JSON.parse((await request(ready, "GET", `/v1/attestation?nonce=${nonce}`)).body).attestation }),
    "a key's statement for an offer": async (body, nonce) => JSON.parse((await request(ready, "GET", `/v1/keys/${ready.key_id}?nonce=${nonce}`)).body),
  };
  const { privateKey, address } = Wallet.createRandom();
  for (const [what, lie] of Object.entries(lies)) {
    const host = await liar((asked, body) => (asked.url.startsWith("/v1/import") ? lie(body, new URL(asked.url, "https://host").searchParams.get("nonce")) : undefined));
    const lambda = await start({ NITRO_INSTANCE_PRIVATE_DNS: host.at });
    const { error, result } = await lambda.invoke(setKey(privateKey));
    host.close();
    assert.match(String(error?.errorType), /^attestation_/, `${what}: ${JSON.stringify(result)}`);
    assert.deepEqual(host.seen.map(({ url }) => url.split("?")[0]), ["/v1/import"], `${what}: nothing was sealed`);
    await lambda.stop();
  }
  // The key of the offer that it repeats to itself in the clear is not what is used: the attested statement's is.
  const host = await liar((asked, body) => (asked.url.startsWith("/v1/import") ? { ...body, public_key: own } : undefined));
  const lambda = await start({ NITRO_INSTANCE_PRIVATE_DNS: host.at });
  assert.equal((await lambda.ok(setKey(privateKey))).address, address);
  host.close();
  assert.ok(!JSON.stringify(host.seen).includes(privateKey.slice(2)));
});

test("a host that passes off another key for the one that was made, or signs with one of its own, is found out", async () => {
  const own = Wallet.createRandom();
  const made = async (event, lie, code) => {
    const host = await liar(lie);
    const lambda = await start({ NITRO_INSTANCE_PRIVATE_DNS: host.at, KEY_RAW_SIGNING: "true" });
    await lambda.refused(code, event);
    host.close();
    await lambda.refused("key_missing", { operation: "get_key" });
    await lambda.stop();
  };
  const create = { operation: "generate_key", secret_name: newName() };
  const posted = (asked) => asked.method === "POST" && asked.url === "/v1/keys";
  await made(create, (asked, body) => posted(asked) && { ...body, address: own.address, statement: Buffer.from(own.address).toString("base64") }, "attestation_untrusted");
  // Real keys, attested to this request's nonce, but of another kind, or another id, than was asked for.
  for (const change of [{ raw_signing: false }, { exportable: true }, { client_token: "the-hosts-own" }, { hd: true }])
    await made(create, async (asked, _body, sent) => posted(asked) && (await request(ready, "POST", "/v1/keys", JSON.stringify({ ...sent, client_token: crypto.randomUUID(), ...change }))
      .then(({ body }) => JSON.parse(body))), "attestation_untrusted");
  await made(setKey(own.privateKey), async (asked, body, sent) => asked.url === "/v1/keys/import" &&
    JSON.parse((await request(ready, "GET", `/v1/keys/${ready.key_id}?nonce=${sent.nonce}`)).body), "attestation_untrusted");

  const lambda = await start({ KEY_RAW_SIGNING: "true" });
  await lambda.ok(setKey());
  const host = await liar((asked) => asked.url.endsWith("/sign-hash") && own.signingKey.sign(hash).toJSON());
  const lied = await start({ NITRO_INSTANCE_PRIVATE_DNS: host.at, SECRET_ARN: lambda.secret });
  await lied.refused("address_mismatch", { operation: "sign_hash", hash });
  host.close();
});

test("a host that answers sign_transaction with another hash, transaction or signer is found out", async () => {
  const own = Wallet.createRandom(), asked = { ...golden[0].payload, data: "AB", accessList: [{ address: to, storageKeys: ["0x" + "01".repeat(32)] }], nonce: "0x7" };
  const signedBy = async (wallet, change = {}) => {
    const { gas, value: _, data, ...rest } = asked;
    return wallet.signTransaction({ ...rest, gasLimit: gas, value: 10n ** 16n, data: "0x" + data, ...change });
  };
  const golden_ = new Wallet("0x" + goldenKey), answerOf = (raw) => ({ raw_transaction: raw, hash: keccak256(raw), transaction_signed: raw, transaction_hash: keccak256(raw) });
  for (const env of [{}, plain]) {
    const honest = await start(env);
    await honest.ok(setKey());
    // The function's reading of a transaction is ethers' writing of it.
    assert.equal((await honest.ok({ operation: "sign_transaction", transaction_payload: asked })).transaction_signed, await signedBy(golden_));
    await honest.ok({ operation: "sign_transaction", transaction_payload: { ...legacy, to: "", data: "0x60006000", chainId: 1 } });
    const lies = [
      ["gateway_reply_invalid", (body) => ({ ...body, hash: "0x" + "11".repeat(32), transaction_hash: "0x" + "11".repeat(32) })],
      ["gateway_reply_invalid", () => answerOf("0x02c0")], ["gateway_reply_invalid", () => answerOf("0xffffffffffffffffff")], ["gateway_reply_invalid", () => answerOf("0x" + "f8".repeat(40))],
      [env === plain ? "transaction_mismatch" : "address_mismatch", async () => answerOf(await signedBy(own))],
    ];
    for (const change of [{ to: own.address }, { value: 1n }, { nonce: 8 }, { chainId: 1 }, { gasLimit: 1 }, { data: "0x" }, { accessList: [] }, { maxFeePerGas: 1n << 40n }, { maxPriorityFeePerGas: 1 }, { to: null }])
      lies.push(["transaction_mismatch", async () => answerOf(await signedBy(golden_, change))]);
    lies.push(["transaction_mismatch", async () => answerOf(await golden_.signTransaction({ ...legacy, gas: undefined, gasLimit: 21000, value: 10n ** 16n, chainId: 4 }))]);
    let lie;
    const host = await liar((request_, body) => /sign.transaction$/.test(request_.url) && lie(body));
    const lambda = await start({ ...env, NITRO_INSTANCE_PRIVATE_DNS: host.at, SECRET_ARN: honest.secret });
    for (const [code, next] of lies) {
      lie = next;
      await lambda.refused(code, { operation: "sign_transaction", transaction_payload: { ...asked, from: goldenAddress } });
    }
    host.close();
  }
});

test("the gateway takes the function for the client whose token it has, and a token that is replaced is read anew", async () => {
  const clients = path.join(system.folder, "clients.json");
  const token = async (name) => {
    const { code, stdout, stderr } = await run(redoubt, ["client", "add-token", clients, name, "--operation", "*", "--key", "*", "--days", "1"]);
    assert.equal(code, 0, stderr);
    return /rdt_[0-9a-f]{16}_[0-9a-f]{64}/.exec(stdout)[0];
  };
  const first = await token("lambda");
  const gateway = await secondGateway(system, ["--clients", clients]);
  const CLIENT_SECRET_ARN = await emptySecret();
  const put = (value) => secrets(ready).send(new PutSecretValueCommand({ SecretId: CLIENT_SECRET_ARN, SecretString: JSON.stringify(value) }));
  const at = { NITRO_INSTANCE_PRIVATE_DNS: gateway.url.host };
  try {
    await (await start(at)).refused("unauthorized", setKey());
    await put({ token: first });
    const lambda = await start({ ...at, CLIENT_SECRET_ARN });
    await lambda.ok(setKey());
    const sign = { operation: "sign_transaction", transaction_payload: golden[0].payload };
    assert.equal((await lambda.ok(sign)).transaction_signed, golden[0].signed);
    const second = await token("lambda-2");
    assert.equal((await run(redoubt, ["client", "revoke", clients, first.split("_")[1]])).code, 0);
    gateway.child.kill("SIGHUP");
    await put({ token: second });
    await until("the gateway knows the new token", async () => (await request(gateway.ready, "GET", "/v1/keys", undefined, { authorization: `Bearer ${second}` })).status === 200);
    assert.equal((await lambda.ok(sign)).transaction_signed, golden[0].signed);
    for (const malformed of [{ token: "secret" }, { certificate: "x" }, { other: 1 }, []]) {
      await put(malformed);
      await (await start({ ...at, CLIENT_SECRET_ARN })).refused("config_invalid", setKey());
    }
    for (const secret of [first, second]) assert.ok(!lambda.logs().includes(secret));
  } finally {
    await gateway.stop();
  }
});

test("a gateway that is not there, and one that does not answer, are told apart from a refusal", async () => {
  const lambda = await start(plain);
  await lambda.ok(setKey());
  const sign = { operation: "sign_transaction", transaction_payload: golden[0].payload };
  const silent = await liar(() => new Promise(() => {}));
  const { at } = silent;
  await (await start({ SECRET_ARN: lambda.secret, NITRO_INSTANCE_PRIVATE_DNS: at })).refused("gateway_timeout", sign, { remainingMs: 1200 });
  silent.close();
  await (await start({ SECRET_ARN: lambda.secret, NITRO_INSTANCE_PRIVATE_DNS: at })).refused("gateway_unavailable", sign);
  const nowhere = await start({ SECRET_ARN: lambda.secret, AWS_ENDPOINT_URL_SECRETS_MANAGER: "http://127.0.0.1:9" });
  await nowhere.refused("aws_unavailable", sign);
  const nobody = await start({ SECRET_ARN: lambda.secret, ...(await iamUser(ready, "nobody", {})) });
  await nobody.refused("aws_denied", sign);
});

test("the bundle holds the functions and what they run, the same each time, and nothing else", async () => {
  const again = await bundle(path.join(system.folder, "lambda-again"));
  const list = (from) => fs.readdirSync(from, { recursive: true }).filter((name) => fs.statSync(path.join(from, name)).isFile()).sort()
    .map((name) => [name, crypto.createHash("sha256").update(fs.readFileSync(path.join(from, name))).digest("hex"), fs.statSync(path.join(from, name)).mode & 0o777]);
  const files = list(folder);
  assert.deepEqual(list(again), files);
  const names = files.map(([name]) => name);
  for (const name of ["index.mjs", "canary.mjs", "node_modules/@redoubt/attestation/attestation.mjs"]) assert.ok(names.includes(name), name);
  assert.deepEqual(names.filter((name) => /\.ts$|\.map$|bundle\.mjs|package-lock|\.npmrc|@noble\/[a-z]+\/src\/|@hpke\/[a-z]+\/script\/|node_modules\/\.bin/.test(name)), []);
  for (const one of running) assert.ok(!one.logs().includes(goldenKey));
});
