// SPDX-License-Identifier: Apache-2.0
// Who may use a gateway: bearer tokens and client certificates by real HTTPS clients, what each may do, limits, and
// a reload while connections live.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import https from "node:https";
import path from "node:path";
import { after, before, test } from "node:test";
import Ajv from "ajv/dist/2020.js";
import { redoubt, root, run, sleep, until, up } from "./lib.mjs";
import { secondGateway } from "./second_gateway.mjs";

let system, gateway, folder, file, tokens, certificates, otherKey;

const cli = async (...args) => {
  const done = await run(redoubt, args);
  assert.equal(done.code, 0, done.stderr);
  return done.stdout.trim();
};
const openssl = async (...args) => {
  const done = await run("openssl", args, { cwd: folder });
  assert.equal(done.code, 0, done.stderr);
  return done.stdout;
};

// A CA's client certificate for pay.example, a self-signed one, and one of nobody's.
async function makeCertificates() {
  const key = (name) => ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", `${name}.key`];
  await openssl("req", "-x509", ...key("ca"), "-out", "ca.pem", "-days", "2", "-subj", "/CN=clients CA");
  await openssl("req", "-new", ...key("pay"), "-out", "pay.csr", "-subj", "/O=Example/CN=pay");
  fs.writeFileSync(path.join(folder, "pay.ext"), "subjectAltName=DNS:pay.example\nextendedKeyUsage=clientAuth\n");
  await openssl("x509", "-req", "-in", "pay.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
    "-extfile", "pay.ext", "-out", "pay.pem");
  await openssl("req", "-x509", ...key("self"), "-out", "self.pem", "-days", "2", "-subj", "/CN=self");
  await openssl("req", "-x509", ...key("stranger"), "-out", "stranger.pem", "-days", "2", "-subj", "/CN=self");
  const pair = (name) => ({ cert: fs.readFileSync(path.join(folder, `${name}.pem`)),
    key: fs.readFileSync(path.join(folder, `${name}.key`)) });
  return { pay: pair("pay"), self: pair("self"), stranger: pair("stranger") };
}
const fingerprint = (pem) => new crypto.X509Certificate(pem).fingerprint256;

const document = () => JSON.parse(fs.readFileSync(file, "utf8"));
const write = (changed) => fs.writeFileSync(file, JSON.stringify(changed, null, 2));

// One exchange on a connection of its own, or on the agent's.
function ask(method, target, { body, token, certificate, headers = {}, agent } = {}) {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const sent = https.request({ host: gateway.url.hostname, port: gateway.url.port, method, path: target,
      ca: fs.readFileSync(system.ready().ca_cert), servername: "localhost", ...certificate, agent: agent ?? false,
      headers: { ...(text === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
        ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers } }, (answer) => {
      let all = "";
      const { socket } = answer;
      answer.on("data", (data) => (all += data));
      answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, socket,
        body: all.startsWith("{") ? JSON.parse(all) : all }));
    });
    sent.on("error", reject);
    sent.end(text);
  });
}
const signMessage = (key, options) => ask("POST", `/v1/keys/${key}/sign-message`, { body: { text: "hello" }, ...options });

before(async () => {
  system = await up();
  folder = fs.mkdtempSync(path.join(system.folder, "clients-"));
  file = path.join(folder, "clients.json");
  certificates = await makeCertificates();
  otherKey = (await system.json("POST", "/v1/keys", {})).body.key_id;
  const { key_id, address } = system.ready();
  tokens = {
    app: await cli("client", "add-token", file, "app", "--operation", "sign-message", "--operation", "list", "--key", key_id),
    byAddress: await cli("client", "add-token", file, "by-address", "--operation", "sign-message", "--key", address),
    admin: await cli("client", "add-token", file, "admin", "--operation", "*", "--key", "*", "--days", "1"),
    slow: await cli("client", "add-token", file, "slow", "--operation", "*", "--key", "*"),
  };
  const changed = document();
  changed.hosts = ["127.0.0.1", "localhost"];
  changed.client_ca = "ca.pem";
  changed.clients.find(({ name }) => name === "slow").rate_per_second = 1;
  changed.clients.find(({ name }) => name === "slow").burst = 3;
  changed.clients.push({ name: "pay", dns_name: "pay.example", keys: ["*"], operations: ["sign-message"] },
    { name: "pinned", certificate_sha256: [fingerprint(certificates.self.cert)], keys: ["*"], operations: ["sign-message"] });
  write(changed);
  await cli("client", "check", file);
  gateway = await secondGateway(system, ["--clients", file]);
});
after(async () => {
  await gateway?.stop();
  await system?.stop();
  system?.remove();
});

test("without a document a gateway listens on loopback only, and says what to do", async () => {
  await assert.rejects(secondGateway(system, ["--listen", "tcp:0.0.0.0:0"]), /--clients FILE/);
});

test("a token signs with its client's key, and with no other; strangers get 401", async () => {
  const { key_id } = system.ready();
  assert.equal((await signMessage(key_id, { token: tokens.app })).status, 200);
  const other = await signMessage(otherKey, { token: tokens.app });
  assert.equal(other.status, 403);
  assert.equal(other.body.code, "forbidden");
  const stranger = await signMessage(key_id);
  assert.equal(stranger.status, 401);
  assert.match(stranger.headers["www-authenticate"], /^Bearer realm="redoubt"$/);
  const wrong = await signMessage(key_id, { token: tokens.app.slice(0, -1) + (tokens.app.endsWith("0") ? "1" : "0") });
  assert.equal(wrong.status, 401);
  assert.match(wrong.headers["www-authenticate"], /error="invalid_token"/);
  const hash = document().clients[0].tokens[0].sha256;
  assert.equal((await signMessage(key_id, { token: hash })).status, 401, "the document's hash opens nothing");
  assert.equal((await ask("GET", "/healthz")).status, 200, "health needs no client");
});

test("a key that the document names by its address is the client's by id, too", async () => {
  assert.equal((await signMessage(system.ready().key_id, { token: tokens.byAddress })).status, 200);
  assert.equal((await signMessage(otherKey, { token: tokens.byAddress })).status, 403);
});

test("a list shows a client his own keys", async () => {
  const ids = async (token) => (await ask("GET", "/v1/keys", { token })).body.keys.map(({ key_id }) => key_id);
  assert.deepEqual(await ids(tokens.app), [system.ready().key_id]);
  const all = await ids(tokens.admin);
  assert.ok(all.includes(system.ready().key_id) && all.includes(otherKey));
});

test("what a client's operations lack is named", async () => {
  const answer = await ask("POST", "/v1/keys", { body: {}, token: tokens.app });
  assert.equal(answer.status, 403);
  assert.match(answer.body.error, /lack create/);
  assert.equal((await ask("POST", "/v1/keys", { body: {}, token: tokens.admin })).status, 201);
});

test("a client certificate counts by a CA's word for its name, or by its fingerprint", async () => {
  const { key_id } = system.ready();
  for (const [name, status] of [["pay", 200], ["self", 200], ["stranger", 401]])
    assert.equal((await signMessage(key_id, { certificate: certificates[name] })).status, status, name);
  assert.equal((await signMessage(key_id, { certificate: certificates.self, token: tokens.app })).status, 401,
    "two clients' credentials at once");
});

test("another host name is refused with 421", async () => {
  const answer = await signMessage(system.ready().key_id, { token: tokens.app, headers: { host: "rebound.example" } });
  assert.equal(answer.status, 421);
  assert.equal(answer.body.code, "wrong_authority");
});

test("a client that asks for more than its rate gets 429 and a time to come again, and others do not notice", async () => {
  const { key_id } = system.ready();
  const answers = await Promise.all(Array.from({ length: 12 }, () => signMessage(key_id, { token: tokens.slow })));
  const passed = answers.filter(({ status }) => status === 200).length;
  assert.ok(passed >= 3 && passed <= 6, `${passed} of 12 passed`);
  for (const answer of answers.filter(({ status }) => status !== 200)) {
    assert.equal(answer.status, 429);
    assert.equal(answer.headers["retry-after"], "1");
    assert.equal(answer.body.code, "too_many_requests");
  }
  assert.equal((await signMessage(key_id, { token: tokens.app })).status, 200);
  await sleep(1_100);
  assert.equal((await signMessage(key_id, { token: tokens.slow })).status, 200);
});

test("SIGHUP: a revoked token ends on a connection that lives on, and a bad document changes nothing", async () => {
  const { key_id } = system.ready();
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  const reloaded = async (event) => {
    const count = () => gateway.log().split(event).length;
    const before = count();
    gateway.child.kill("SIGHUP");
    await until(event, () => count() > before);
  };
  const first = await signMessage(key_id, { token: tokens.app, agent });
  assert.equal(first.status, 200);
  const id = tokens.app.split("_")[1];
  await cli("client", "revoke", file, id);
  assert.equal((await signMessage(key_id, { token: tokens.app, agent })).status, 200, "nothing changes by itself");
  await reloaded("were reloaded");
  assert.equal((await signMessage(key_id, { token: tokens.app, agent })).status, 401);
  const last = await signMessage(key_id, { token: tokens.admin, agent });
  assert.equal(last.status, 200);
  assert.equal(last.socket, first.socket, "all on the connection from before");

  const good = fs.readFileSync(file);
  fs.writeFileSync(file, '{"version":1,"clients":[{"name":"admin"}]}');
  await reloaded("was not reloaded");
  assert.equal((await signMessage(key_id, { token: tokens.admin, agent })).status, 200);
  fs.writeFileSync(file, good);
  await reloaded("were reloaded");
  agent.destroy();
});

test("the command line shows clients without their secrets", async () => {
  const shown = await cli("client", "list", file);
  assert.match(shown, /app\n {2}operations {2}sign-message list/);
  assert.match(shown, new RegExp(`token {7}${tokens.app.split("_")[1]}, revoked`));
  for (const token of Object.values(tokens)) {
    assert.ok(!shown.includes(token));
    assert.ok(!fs.readFileSync(file, "utf8").includes(token));
    assert.ok(!gateway.log().includes(token));
  }
  const missing = await run(redoubt, ["client", "revoke", file, "0000000000000000"]);
  assert.equal(missing.code, 2);
  const bad = await run(redoubt, ["client", "add-token", file, "no such client"]);
  assert.notEqual(bad.code, 0);
});

test("what the schema takes the gateway takes, and what it refuses the gateway refuses", async () => {
  const schema = JSON.parse(fs.readFileSync(path.join(root, "docs/schema/clients.schema.json"), "utf8"));
  const valid = new Ajv({ allErrors: true, strict: true, strictRequired: false }).compile(schema);
  const at = path.join(folder, "candidate.json");
  const one = (more) => ({ version: 1, clients: [{ name: "a", keys: ["*"], operations: ["list"], ...more }] });
  const good = [document(), { version: 1, clients: [] }, one({ rate_per_second: 1, burst: 2 }), one({ chains: [] }),
    one({ tokens: [{ id: "00".repeat(8), sha256: "aB".repeat(32), comment: "" }] }),
    one({ keys: ["secret:x", `0x${"aA".repeat(20)}`, `key-${"0f".repeat(16)}`] }),
    { version: 1, hosts: ["[::1]:8443"], revoked_certificates: ["00".repeat(32)], anonymous: { keys: [], operations: ["*"] }, clients: [] }];
  const bad = [{ version: 2, clients: [] }, { version: 1 }, [], one({ name: "" }), one({ name: "a/b" }), one({ name: "a".repeat(65) }),
    one({ keys: undefined }), one({ operations: ["sign"] }), one({ keys: ["0x12"] }), one({ keys: ["secret:"] }), one({ more: 1 }),
    one({ burst: 1 }), one({ rate_per_second: 0 }), one({ rate_per_second: 1_000_001 }), one({ concurrency: "1" }), one({ chains: [0] }),
    one({ tokens: [{ id: "AA".repeat(8), sha256: "00".repeat(32) }] }), one({ tokens: [{ id: "00".repeat(8) }] }),
    one({ certificate_sha256: ["00:11"] }), one({ dns_name: "" }), { version: 1, hosts: ["a b"], clients: [] },
    { version: 1, anonymous: { keys: [] }, clients: [] }, { version: 1, client_ca: "", clients: [] }];
  for (const [list, expected] of [[good, true], [bad, false]])
    for (const candidate of list) {
      fs.writeFileSync(at, JSON.stringify(candidate));
      const text = JSON.stringify(candidate).slice(0, 200);
      assert.equal(valid(candidate), expected, `the schema on ${text}: ${JSON.stringify(valid.errors)}`);
      assert.equal((await run(redoubt, ["client", "check", at])).code === 0, expected, `the program on ${text}`);
    }
});
