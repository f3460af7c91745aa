// SPDX-License-Identifier: Apache-2.0
// The API's description: a valid OpenAPI document, of the routes that there are, and every answer in a number of real calls is
// one that it documents.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { anvil, request, root, until, up } from "./lib.mjs";
import { Description, file, methods } from "./openapi.mjs";
import { ownGateway } from "./own_gateway.mjs";

const description = new Description();
const { document } = description;
let system;
before(async () => {
  system = await up({ extra: ["--deletion-wait-seconds", "1"] });
});
after(async () => {
  if (system?.child.exitCode === null) assert.equal(await system.stop(), 0);
  system?.remove();
});

const nonce = () => randomBytes(16).toString("hex");
const nobody = "0x2c7536e3605d9c16a7a3d7b1898e529396a65c23";
const nowhere = "tx-" + "0".repeat(32);
const withId = (route, id) => route.replace("{id}", route.startsWith("/v1/transactions") ? nowhere : id).replace("{code}", "policy_denied");
// The answer of a real call, which has to be documented.
async function call(id, { key = "", query = "", body, headers, status }) {
  const each = description.operation(id);
  const answer = await system.request(each.method, withId(each.route, key) + query, body === undefined ? undefined : JSON.stringify(body), headers);
  description.check(each, answer);
  if (body !== undefined && answer.status < 300)
    assert.equal(description.bodyValidator(each)(body), undefined, "what the service takes, the description takes");
  assert.equal(answer.status, status, answer.body);
  return JSON.parse(answer.body);
}

test("it is a valid OpenAPI 3.1 document, whose every schema is one", async () => {
  const verdict = await new Validator().validate(structuredClone(document));
  assert.deepEqual(verdict, { valid: true });
  for (const each of description.operations) {
    if (each.operation.requestBody) description.bodyValidator(each);
    for (const [status, response] of Object.entries(each.operation.responses))
      for (const type of Object.keys(description.resolved(response).content))
        description.validator(`${description.pointerOf(`${each.pointer}/responses/${status}`, response)}/content/${type.replace("/", "~1")}/schema`);
  }
});

test("its examples are what their schemas take, and every part is used", () => {
  let examples = 0;
  const walk = (value, pointer) => {
    if (!value || typeof value !== "object") return;
    if (Array.isArray(value.examples) && !pointer.endsWith("/properties"))
      for (const example of value.examples) {
        ++examples;
        assert.equal(description.validator(pointer, "open:")(example), undefined, `${pointer}: ${JSON.stringify(example)}`);
      }
    for (const [name, inner] of Object.entries(value))
      if (name !== "examples") walk(inner, `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`);
  };
  walk(document, "");
  assert.ok(examples > 10, String(examples));
  const text = JSON.stringify(document);
  for (const kind of ["schemas", "responses", "parameters", "headers"])
    for (const name of Object.keys(document.components[kind]))
      assert.ok(text.includes(`"#/components/${kind}/${name}"`), `${kind}/${name} is of no use`);
});

test("what the gateway serves is the file, of the version that is built", async () => {
  const answer = await system.request("GET", "/v1/openapi.json");
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["content-type"], "application/json");
  assert.equal(answer.body, fs.readFileSync(file, "utf8"));
  const version = /project\(redoubt VERSION (\S+)/.exec(fs.readFileSync(path.join(root, "CMakeLists.txt"), "utf8"))[1];
  assert.equal(document.info.version, version);
});

test("docs/api.md lists every operation, and the document every native route that docs/api.md lists", () => {
  const rows = fs.readFileSync(path.join(root, "docs/api.md"), "utf8").split("\n").filter((line) => /^\| `(GET|POST) \//.test(line));
  const listed = new Set();
  for (const row of rows) {
    let method, base;
    for (const [, said] of row.split("|")[1].matchAll(/`([^`]+)`/g)) {
      const [first, second] = said.split(" ");
      if (second) [method, base] = [first, second.replace(/[?[].*$/, "")];
      // "POST /v1/keys/{id}/disable`, `/enable`": a sibling of the route before.
      const route = second ? base : base.replace(/\/[^/]+$/, first);
      if (route.startsWith("/v1/") || route.startsWith("/health")) listed.add(`${method} ${route}`);
    }
    for (const [, sibling] of row.matchAll(/`(\/cancel-deletion)`/g)) listed.add(`POST /v1/keys/{id}${sibling}`);
  }
  assert.deepEqual([...listed].sort(), description.operations.map(({ method, route }) => `${method} ${route}`).sort());
});

test("every operation is there on the server, and a method that it does not have is refused", async () => {
  const { key_id: key } = system.ready();
  const routes = Object.keys(document.paths);
  for (const route of routes)
    for (const method of methods) {
      const each = description.operations.find((one) => one.route === route && one.method === method.toUpperCase());
      const answer = await system.request(method.toUpperCase(), withId(route, key), method === "get" ? undefined : "{]");
      const { code } = JSON.parse(answer.body);
      const what = `${method} ${route}: ${answer.status} ${answer.body}`;
      if (route.startsWith("/v1/transactions")) assert.ok([404, 405].includes(answer.status), what); // there is no node
      else if (each?.method === "POST") assert.equal(answer.status, 400, what);
      else if (each) assert.ok(answer.status !== 405 && code !== "not_found", what);
      else assert.ok([404, 405].includes(answer.status), what);
    }
});

test("the answers of a key's whole life are as described", async () => {
  const made = await call("createKey", { body: { hd: true, raw_signing: true, client_token: "openapi-1", label: "one", tags: { team: "a" }, nonce: nonce() }, status: 201 });
  assert.equal((await call("createKey", { body: { hd: true, raw_signing: true, client_token: "openapi-1" }, status: 200 })).address, made.address);
  await call("createKey", { body: { client_token: "openapi-1" }, status: 409 });
  const key = made.key_id;
  await call("listKeys", { query: "?limit=1&tag=team:a&label=one", status: 200 });
  const { next } = await call("listKeys", { query: "?limit=1", status: 200 });
  await call("listKeys", { query: `?after=${next}`, status: 200 });
  await call("listKeys", { query: "?limit=0", status: 400 });
  await call("describeKey", { key, status: 200 });
  await call("describeKey", { key, query: `?nonce=${nonce()}`, status: 200 });
  await call("describeKey", { key: "key-" + "0".repeat(32), status: 404 });
  await call("offerImport", { query: `?nonce=${nonce()}`, status: 200 });
  await call("derive", { key, body: { account: "m/44'/60'/0'/0", count: 3, nonce: nonce() }, status: 200 });
  await call("signMessage", { key, body: { text: "hello", path: "m/0" }, status: 200 });
  await call("signMessage", { key, body: { hex: "0x00ff", validator: made.address }, status: 200 });
  await call("signMessage", { key, body: {}, status: 400 });
  await call("signTypedData", { key, body: { typed_data: document.components.schemas.TypedData.examples[0] }, status: 200 });
  await call("signHash", { key, body: { hash: "0x" + "11".repeat(32) }, status: 200 });
  await call("signData", { key, body: { data: "0x0102" }, status: 200 });
  await call("signHash", { key: system.ready().key_id, body: { hash: "0x" + "11".repeat(32) }, status: 403 });
  const { authorization } = await call("signAuthorization", { key, body: { authorization: { chainId: 1, address: made.address, nonce: 0 } }, status: 200 });
  const to = nobody, data = "0xa9059cbb" + to.slice(2).padStart(64, "0") + "01".padStart(64, "0");
  const fees = { maxFeePerGas: "2", maxPriorityFeePerGas: "0x1" };
  for (const transaction of [
    { chainId: null, nonce: 0, gas: 21000, gasPrice: 1, to },
    { type: 1, chainId: 1, nonce: 0, gasLimit: 21000, gasPrice: 1, to, accessList: [{ address: to, storageKeys: ["0x" + "00".repeat(32)] }] },
    { type: "0x2", chainId: 1, nonce: 0, gas: "0x5208", ...fees, to, value: "1000000000000000000", from: made.address },
    { chainId: 1, nonce: 0, gas: 100_000, ...fees, data: "0x6000" },
    { chainId: 1, nonce: 0, gas: 100_000, ...fees, to, maxFeePerBlobGas: 1, blobVersionedHashes: ["0x01" + "00".repeat(31)] },
    { chainId: 1, nonce: 0, gas: 100_000, ...fees, to, authorizationList: [authorization] },
    document.components.schemas.UnsignedTransaction.examples[0],
  ])
    await call("signTransaction", { key, body: { transaction }, status: 200 });
  const called = { chainId: 1, nonce: 0, gas: 100_000, ...fees, to, data };
  await call("signTransaction", { key, body: { transaction: called, function: "transfer(address to, uint256 amount)" }, status: 200 });
  await call("signTransaction", { key, body: { transaction: called, function: "approve(address,uint256)" }, status: 200 });
  await call("signTransaction", { key, body: { transaction: { ...called, chainId: 0 } }, status: 400 });
  await call("signTransaction", { key, body: { transaction: called }, headers: { "content-type": "text/plain" }, status: 415 });
  await call("showPolicy", { key, status: 200 });
  await call("changePolicy", { key, body: { policy: document.components.schemas.Policy.examples[1], authorization: document.components.schemas.OwnersAuthorization.examples[0] }, status: 403 }); // nobody owns it
  await call("storePolicy", { body: { policy: document.components.schemas.Policy.examples[1] }, status: 201 });
  const policed = await call("createKey", { body: { policy: document.components.schemas.Policy.examples[1] }, status: 201 });
  const denied = await call("signMessage", { key: policed.key_id, body: { text: "no" }, status: 403 });
  assert.equal(denied.code, "policy_denied");
  await call("challenge", { status: 200 });
  await call("offerSession", { key, query: `?nonce=${nonce()}`, status: 200 });
  await call("attest", { query: `?nonce=${nonce()}`, status: 200 });
  await call("attest", { status: 400 });
  await call("updateKey", { key, body: { label: "two" }, status: 200 });
  await call("disableKey", { key, status: 200 });
  await call("signMessage", { key, body: { text: "no" }, status: 403 });
  await call("enableKey", { key, body: { nonce: nonce() }, status: 200 });
  await call("exportKey", { key, body: { recipient: "nobody", nonce: nonce() }, status: 403 });
  const { vault_id: vault } = await call("createVault", { body: { client_token: "openapi" }, status: 201 });
  await call("createVault", { body: { client_token: "openapi" }, status: 200 });
  await call("listVaults", { status: 200 });
  await call("moveKey", { key, body: { vault_id: vault }, status: 200 });
  await call("scheduleDeletion", { key, body: { wait_seconds: 100 }, status: 200 });
  await call("describeKey", { key, status: 200 });
  await call("cancelDeletion", { key, status: 200 });
  await call("listTransactions", { status: 404 }); // there is no node
  await call("ready", { status: 200 });
  await call("healthy", { status: 200 });
  await call("openapi", { status: 200 });
});

test("the answers on a transaction that is sent are as described", async (t) => {
  const node = await anvil();
  t.after(node.stop);
  const own = await ownGateway(system, ["--node", `31337=${node.url}`]);
  t.after(own.kill);
  const { address } = system.ready();
  await fetch(node.url, { method: "POST", headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "anvil_setBalance", params: [address, "0x56bc75e2d63100000"] }) });
  const ask = async (id, tx, body, statuses, { query = "", headers } = {}) => {
    const each = description.operation(id);
    const answer = await request(own.ready, each.method, each.route.replace("{id}", tx) + query, body && JSON.stringify(body), headers);
    description.check(each, answer);
    assert.ok(statuses.includes(answer.status), `${id}: ${answer.status} ${answer.body}`);
    return JSON.parse(answer.body);
  };
  const body = { transaction: { from: address, to: nobody, value: "1" } };
  assert.equal(description.bodyValidator(description.operation("sendTransaction"))(body), undefined);
  const sent = await ask("sendTransaction", "", body, [201, 202], { headers: { "idempotency-key": "pay-1" } });
  assert.equal((await ask("sendTransaction", "", body, [200], { headers: { "idempotency-key": "pay-1" } })).id, sent.id);
  await ask("sendTransaction", "", { transaction: { ...body.transaction, value: "2" } }, [409], { headers: { "idempotency-key": "pay-1" } });
  await until("it is mined", async () => (await ask("showTransaction", sent.id, undefined, [200])).state === "mined", 20_000);
  await ask("cancelTransaction", sent.id, {}, [409]);
  await ask("replaceTransaction", nowhere, {}, [404]);
  await ask("showTransaction", nowhere, undefined, [404]);
  await ask("sendTransaction", "", { transaction: {} }, [400]);
  await ask("sendTransaction", "", { ...body, chain_id: 424242 }, [404]);
  await ask("sendTransaction", "", { transaction: { from: nobody, to: nobody } }, [404]); // no such key
  const { next } = await ask("listTransactions", "", undefined, [200], { query: `?limit=1&from=${address}` });
  if (next) await ask("listTransactions", "", undefined, [200], { query: `?after=${next}` });
  await ask("listTransactions", "", undefined, [200], { query: "?state=queued" });
  await ask("listTransactions", "", undefined, [400], { query: "?state=lost" });
  await own.stop();
});

test("a refusal is a problem that leads to what it means, and carries the request's id", async () => {
  const answer = await system.request("GET", "/v1/keys/nothing", undefined, { "x-request-id": "mine-1" });
  assert.equal(answer.headers["content-type"], "application/problem+json");
  const problem = JSON.parse(answer.body);
  assert.equal(problem.status, answer.status);
  assert.equal(problem.instance, answer.headers["x-request-id"]);
  assert.equal(problem.instance, "mine-1");
  assert.equal(problem.detail, problem.error);
  const meaning = await system.json("GET", problem.type);
  assert.equal(meaning.status, 200);
  assert.deepEqual([meaning.body.code, meaning.body.title], [problem.code, problem.title]);
  for (const code of document.components.schemas.Problem.properties.code.enum) {
    const text = await system.json("GET", `/v1/problems/${code}`);
    assert.equal(text.status, 200, code);
    assert.equal(text.body.code, code);
  }
  // The AWS sample's clients know its own form.
  const sample = await system.request("POST", "/", "{}");
  assert.equal(sample.headers["content-type"], "application/json");
});

test("an Idempotency-Key is the client_token of a body that has none", async () => {
  const create = (body, headers) => system.request("POST", "/v1/keys", body, headers);
  const first = await create(undefined, { "idempotency-key": '"order-1"' });
  assert.equal(first.status, 201, first.body);
  for (const [body, headers] of [["{}", { "idempotency-key": "order-1" }], ['{"client_token":"order-1"}', {}], ['{"client_token":"order-1"}', { "idempotency-key": "order-1" }]]) {
    const again = await create(body, headers);
    assert.equal(again.status, 200, again.body);
    assert.equal(JSON.parse(again.body).key_id, JSON.parse(first.body).key_id);
  }
  const each = description.operation("createKey");
  for (const [body, headers, code] of [
    ['{"client_token":"order-2"}', { "idempotency-key": "order-1" }, "ambiguous_field"],
    ["{}", { "idempotency-key": "no spaces" }, "invalid_field"],
    ["{}", { "idempotency-key": "order-3", "content-digest": "sha-256=:AAAA:" }, "invalid_field"],
    ["{", { "idempotency-key": "order-1" }, "bad_json"],
  ]) {
    const refused = await create(body, headers);
    description.check(each, refused);
    assert.equal(JSON.parse(refused.body).code, code, refused.body);
  }
  const elsewhere = await system.request("POST", `/v1/keys/${system.ready().key_id}/sign-message`, '{"text":"x"}', { "idempotency-key": "order-1" });
  assert.equal(elsewhere.status, 400);
});
