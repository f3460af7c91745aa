// SPDX-License-Identifier: Apache-2.0
// What operators rely on: every metric that the dashboard, the alerts and the documentation name is served, promtool finds
// nothing to complain of, and a request's id is in the gateway's and the enclave's lines alike.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { CreateSecretCommand } from "@aws-sdk/client-secrets-manager";
import { secrets } from "./cloud.mjs";
import { root, run, until, up } from "./lib.mjs";

const folder = path.join(root, "deploy/observability");
const read = (name) => fs.readFileSync(path.join(folder, name), "utf8");
const documentation = fs.readFileSync(path.join(root, "docs/observability.md"), "utf8");
// Only where a node is configured; sender's tests see them there.
const elsewhere = new Set(["redoubt_transactions"]);

let system, ready;
before(async () => {
  system = await up({ enclaves: 2 });
  ready = system.ready();
  // So that each part has something to tell.
  const key = await system.json("POST", "/v1/keys", { nonce: "0102" });
  assert.equal(key.status, 201, JSON.stringify(key.body));
  const signed = await system.json("POST", `/v1/keys/${key.body.key_id}/sign-message`, { text: "hello" });
  assert.equal(signed.status, 200, JSON.stringify(signed.body));
});
after(async () => {
  await system?.stop();
  system?.remove();
});

const get = (target) => fetch(`${ready.metrics}${target}`);
const metrics = async () => (await get("/metrics")).text();
// What tells that both enclaves have told their samples.
const settled = () => until("both enclaves have told their samples", async () => {
  const text = await metrics();
  return text.match(/^redoubt_enclave_vaults_open\{.*\} 1$/gm)?.length === 2 ? text : undefined;
});
const namesIn = (text) => new Set([...text.matchAll(/\b(?:redoubt|process)_[a-z0-9_]*[a-z0-9]\b(?!_)/g)].map(([name]) => name));
const families = (text) => new Set([...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name));
const served = (all, name) => all.has(name) || all.has(name.replace(/_(bucket|sum|count)$/, ""));

const promtool = { skip: spawnSync("promtool", ["--version"]).error ? "no promtool here: tools/deps.sh promtool" : false };

test("promtool accepts the metrics as they are served", promtool, async () => {
  const file = path.join(system.folder, "metrics.txt");
  fs.writeFileSync(file, await settled());
  const checked = await run("bash", ["-c", `promtool check metrics <'${file}'`]);
  assert.equal(checked.code, 0, checked.stdout + checked.stderr);
  assert.equal(checked.stderr, "", "no complaint about a name, a unit or a help text");
});

test("promtool accepts the rules, their tests and the scrape configuration", promtool, async () => {
  for (const args of [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"], ["check", "config", "prometheus.yml"]]) {
    const checked = await run("promtool", args, { cwd: folder });
    assert.equal(checked.code, 0, `promtool ${args.join(" ")}: ${checked.stdout}${checked.stderr}`);
  }
});

test("every metric that the dashboard, the alerts and the documentation name is served", async () => {
  const all = families(await settled());
  const dashboard = JSON.parse(read("grafana-dashboard.json"));
  const expressions = dashboard.panels.flatMap((panel) => (panel.targets ?? []).map((target) => target.expr));
  assert.ok(expressions.length > 30, "the dashboard has its panels");
  const rules = read("alerts.yml").split("\n").filter((line) => !line.trim().startsWith("#")).join("\n");
  const variables = JSON.stringify(dashboard.templating);
  for (const [source, text] of [["dashboard", expressions.join("\n")], ["variables", variables], ["alerts", rules],
    ["documentation", documentation]])
    for (const name of namesIn(text))
      assert.ok(served(all, name) || elsewhere.has(name), `the ${source} names ${name}, which is not served`);
});

test("every metric that is served is documented", async () => {
  const documented = namesIn(documentation);
  for (const name of families(await settled())) assert.ok(documented.has(name), `docs/observability.md does not name ${name}`);
});

test("every alert says what to do, and the dashboard's panels do not overlap", () => {
  const names = [...read("alerts.yml").matchAll(/- alert: (\S+)/g)].map(([, name]) => name);
  const runbooks = [...read("alerts.yml").matchAll(/runbook: "docs\/observability\.md#(\S+)"/g)].map(([, name]) => name);
  assert.deepEqual(runbooks, names.map((name) => name.toLowerCase()));
  for (const name of names) assert.ok(documentation.includes(`#### ${name}\n`), `no section for ${name}`);
  const panels = JSON.parse(read("grafana-dashboard.json")).panels;
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Set();
  for (const { gridPos: { x, y, w, h }, title } of panels) {
    assert.ok(x + w <= 24, title);
    for (let i = x; i < x + w; ++i)
      for (let j = y; j < y + h; ++j) {
        assert.ok(!taken.has(`${i} ${j}`), `${title} lies over another panel`);
        taken.add(`${i} ${j}`);
      }
  }
});

test("what was done is counted under its route, operation and enclave", async () => {
  const text = await settled();
  assert.match(text, /^redoubt_requests_total\{route="\/v1\/keys\/\{id\}\/sign-message",status="200",code=""\} 1$/m);
  assert.match(text, /^redoubt_operations_total\{operation="sign-message",outcome="ok"\} 1$/m);
  assert.match(text, /^redoubt_enclave_requests_total\{enclave="unix:[^"]+",operation="sign-message",outcome="ok"\} 1$/m);
  assert.match(text, /^redoubt_enclave_kms_calls_total\{enclave="unix:[^"]+",call="decrypt",code="ok"\} [1-9]/m);
  assert.equal(text.match(/^redoubt_enclave_usable\{.*\} 1$/gm).length, 2);
  assert.match(text, new RegExp(`^redoubt_enclave_info\\{[^}]*pcr0="${ready.pcr0}",pcr16="${ready.pcr16}"\\} 1$`, "m"));
});

test("no metric names a key, an account or a credential", async () => {
  const text = await settled();
  for (const secret of [ready.key_id, ready.address, ready.address.toLowerCase(), ready.access_key_id, ready.secret_access_key,
    ready.secret_id])
    assert.ok(!text.includes(secret), secret);
});

test("a request's id is in its answer, in the gateway's line and in the enclave's", async () => {
  const id = "order-7.test_1";
  await secrets(ready).send(new CreateSecretCommand({ Name: "observability/garbage", SecretString: Buffer.from("no ciphertext of KMS").toString("base64") }));
  const answer = await system.request("POST", "/sign_hash", JSON.stringify({ hash: "11".repeat(32), secret_id: "observability/garbage" }),
    { "x-request-id": id, traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" });
  assert.ok(answer.status >= 500, `${answer.status} ${answer.body}`);
  assert.equal(answer.headers["x-request-id"], id);
  const lines = await until("both have written their lines", () => {
    const found = system.logs().split("\n").filter((line) => line.includes(`"request_id":"${id}"`)).map((line) => JSON.parse(line));
    return found.length >= 2 ? found : undefined;
  });
  const gateway = lines.find(({ program }) => program === "gateway"), enclave = lines.find(({ program }) => program === "enclave");
  assert.equal(gateway.event, "request");
  assert.equal(gateway.status, answer.status);
  assert.equal(gateway.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  assert.notEqual(gateway.span_id, "00f067aa0ba902b7", "our own");
  assert.equal(enclave.operation, "reference-sign-hash");
  assert.equal(enclave.code, gateway.code);
});

test("an id that is none is replaced, and an invalid trace ignored", async () => {
  const answer = await system.request("POST", "/v1/keys/key-00000000000000000000000000000000/sign-message", "{", {
    "x-request-id": "two words", traceparent: "00-00000000000000000000000000000000-00f067aa0ba902b7-01" });
  assert.ok(answer.status >= 400 && answer.status < 500, answer.body);
  const id = answer.headers["x-request-id"];
  assert.match(id, /^[0-9a-f]{32}$/);
  const line = await until("the gateway has written its line",
    () => system.logs().split("\n").find((each) => each.includes(`"request_id":"${id}"`)));
  assert.equal(JSON.parse(line).trace_id, undefined);
});

test("the status page needs no script, and says what the enclaves are", async () => {
  await settled();
  const answer = await get("/status");
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get("content-security-policy"), /^default-src 'none';/);
  const html = await answer.text();
  assert.match(html, /All enclaves are ready/);
  assert.ok(html.includes(ready.pcr0) && html.includes(ready.pcr16));
  assert.ok(!html.includes(ready.key_id));
  assert.equal((await fetch(`${ready.metrics}/status`, { method: "POST" })).status, 405);
});
