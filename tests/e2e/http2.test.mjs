// SPDX-License-Identifier: Apache-2.0
// HTTP/2 at the gateway, as Node.js and curl speak it: many requests at once on one connection, the same answers as over
// HTTP/1.1, and an end without loss.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import http2 from "node:http2";
import path from "node:path";
import tls from "node:tls";
import { after, before, test } from "node:test";
import { Transaction, verifyMessage } from "ethers";
import { makeKey, person, signed } from "./decisions.mjs";
import { request, run, sleep, up, until } from "./lib.mjs";
import { ownGateway } from "./own_gateway.mjs";
import { signWithLibrary } from "./signing.mjs";

let system, ready, connection;
const connect = (to) => http2.connect(to.gateway, { ca: fs.readFileSync(ready.ca_cert) });
before(async () => {
  system = await up();
  ready = system.ready();
  connection = connect(ready);
});
after(async () => {
  connection?.close();
  await system?.stop();
  system?.remove();
});

// Its answer; rejected if the stream ends without a whole one.
function ask(session, method, target, body, headers = {}) {
  const stream = session.request({ ":method": method, ":path": target, ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    { endStream: body === undefined });
  return new Promise((resolve, reject) => {
    const parts = [];
    let answer;
    stream.on("response", (fields) => (answer = fields));
    stream.on("data", (part) => parts.push(part));
    stream.on("error", reject);
    stream.on("close", () => reject(new Error(`no answer (${stream.rstCode})`)));
    stream.on("end", () => {
      if (answer !== undefined) resolve({ status: answer[":status"], headers: answer, body: Buffer.concat(parts).toString() });
      if (!stream.writableFinished) stream.close(); // Node.js waits for a body that nobody wants any more
    });
    if (body !== undefined) stream.end(typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body));
  });
}
const message = (text) => ({ text });
const signing = (key) => `/v1/keys/${key}/sign-message`;
const metric = async (name) => {
  const page = (await (await fetch(`${ready.metrics}/metrics`)).text()).split("\n");
  return Number(page.find((line) => line.startsWith(`${name} `))?.split(" ")[1]);
};

test("TLS chooses HTTP/2 where the client speaks it, and HTTP/1.1 where it does not say", async () => {
  const { hostname, port } = new URL(ready.gateway);
  for (const [offer, chosen] of [[["h2", "http/1.1"], "h2"], [["http/1.1", "h2"], "h2"], [["http/1.1"], "http/1.1"], [undefined, false]]) {
    const socket = tls.connect({ host: hostname, port, ca: fs.readFileSync(ready.ca_cert), ALPNProtocols: offer });
    await once(socket, "secureConnect");
    assert.equal(socket.alpnProtocol, chosen);
    socket.destroy();
  }
  // What says nothing of HTTP/2 is answered in HTTP/1.1, whatever it asks to upgrade to.
  const upgraded = await request(ready, "GET", "/v1/keys", undefined, { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c", "http2-settings": "AAMAAABk" });
  assert.equal(upgraded.status, 200);
});

test("a thousand requests on one connection, a hundred at a time, each with its own answer", async () => {
  const key = JSON.parse((await ask(connection, "GET", "/v1/keys")).body).keys[0];
  let next = 0;
  const worker = async () => {
    while (next < 1000) {
      const text = `message ${next++}`;
      const answer = await ask(connection, "POST", signing(key.key_id), message(text));
      assert.equal(answer.status, 200, answer.body);
      assert.equal(verifyMessage(text, JSON.parse(answer.body).signature), key.address);
    }
  };
  await Promise.all(Array.from({ length: 100 }, worker));
  assert.equal(connection.destroyed, false);
});

test("an answer says the same over either version", async () => {
  const key = JSON.parse((await ask(connection, "GET", "/v1/keys")).body).keys[0];
  const transaction = { type: "0x2", chainId: 5, nonce: 7, gas: 21000, maxFeePerGas: "0x3", maxPriorityFeePerGas: "0x1", to: `0x${"11".repeat(20)}`, value: "0x1" };
  for (const [method, target, body] of [["GET", "/v1/keys"], ["GET", "/v1/openapi.json"], ["GET", "/nowhere?a=%20&b"], ["DELETE", "/v1/keys"], ["HEAD", "/v1/keys"],
    ["POST", `/v1/keys/${key.key_id}/sign-transaction`, { transaction }], ["POST", `/v1/keys/${key.key_id}/sign-transaction`, "{"], ["POST", "/rpc/5", [
      { jsonrpc: "2.0", id: 1, method: "eth_accounts", params: [] }, { jsonrpc: "2.0", id: 2, method: "eth_signTransaction",
        params: [{ from: key.address, to: `0x${"11".repeat(20)}`, nonce: "0x7", gas: "0x5208", gasPrice: "0x1", value: "0x1" }] }]]]) {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const [one, two] = [await request(ready, method, target, text), await ask(connection, method, target, text)];
    assert.equal(two.status, one.status, target);
    const content = ({ body }) => body.replace(/"instance":"[0-9a-f]+"/, "");
    assert.equal(content(two), content(one), target);
    const differ = ["date", "x-request-id", "connection", "keep-alive", "transfer-encoding", "redoubt-receipt", "redoubt-receipt-head", ":status"];
    const rest = (headers) => Object.fromEntries(Object.entries(headers).filter(([name]) => !differ.includes(name)));
    assert.deepEqual(rest(two.headers), rest(one.headers), target);
    if (target.endsWith("sign-transaction") && two.status === 200)
      assert.equal(Transaction.from(JSON.parse(two.body).raw_transaction).from, key.address);
  }
});

test("a signed request verifies in the enclave, and one that was changed does not", async () => {
  const bot = person("bot"), desk = person("desk", "P-256");
  const key = await makeKey(ready, { redoubt_policy: 1, version: 1, principals: [bot.entry, desk.entry],
    rules: [{ name: "notes", effect: "allow", principals: ["bot", "desk"], operations: ["sign-message"], conditions: { message_text: { starts_with: "note " } } }] });
  for (const by of [bot.by, desk.by])
    for (const options of [{}, { sign: signWithLibrary }]) {
      const text = `note ${Math.random()}`;
      const { method, target, headers, body } = await signed(ready, by, "POST", signing(key.key_id), message(text), options);
      const answer = await ask(connection, method, target, body, headers);
      assert.equal(answer.status, 200, answer.body);
      assert.equal(verifyMessage(text, JSON.parse(answer.body).signature), key.address);
    }
  const { method, target, headers, body } = signed(ready, bot.by, "POST", signing(key.key_id), message("note 1"));
  for (const [what, change] of [["path", [method, `${target}?x`, body, headers]], ["body", [method, target, body.replace("1", "2"), headers]],
    ["authority", [method, target, body, { ...headers, ":authority": "other.example" }]]]) {
    const answer = await ask(connection, ...change);
    assert.ok([400, 401, 421].includes(answer.status), `${what}: ${answer.status} ${answer.body}`);
  }
});

test("a body over the limit is refused while it comes, and its connection goes on", async () => {
  const session = connect(ready);
  const large = Buffer.alloc(4 << 20, 0x20);
  for (const headers of [{}, { "content-length": large.length }]) {
    const answer = await ask(session, "POST", "/v1/keys", large, headers);
    assert.equal(answer.status, 413);
    assert.equal(JSON.parse(answer.body).code, "too_large");
  }
  const answer = await ask(session, "POST", "/v1/keys", Buffer.alloc(1_500_000, 0x20)); // more than its stream's window
  assert.notEqual(answer.status, 200);
  assert.equal((await ask(session, "GET", "/v1/keys")).status, 200);
  session.close();
});

test("a client that gives a request up, again and again, is told to calm down", async () => {
  const session = connect(ready);
  session.on("error", () => {});
  await once(session, "remoteSettings");
  let told;
  session.on("goaway", (code) => (told = code));
  for (let round = 0; round < 100 && told === undefined && !session.destroyed; ++round) {
    for (let i = 0; i < 20 && !session.closed && !session.destroyed; ++i) {
      const stream = session.request({ ":path": "/v1/keys" });
      stream.on("error", () => {});
      stream.close(http2.constants.NGHTTP2_CANCEL);
    }
    await sleep(1);
  }
  await until("the connection is ended", () => session.destroyed);
  assert.equal(told, http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
  assert.equal((await ask(connection, "GET", "/v1/keys")).status, 200);
});

test("curl speaks it, and sees why a request is refused", async () => {
  const curl = async (...args) => {
    const { code, stdout, stderr } = await run("curl", ["-sS", "--http2", "--cacert", ready.ca_cert, "-w", "\n%{http_version} %{http_code}", ...args]);
    assert.equal(code, 0, stderr);
    return stdout.split("\n");
  };
  const key = JSON.parse((await curl(`${ready.gateway}/v1/keys`))[0]).keys[0];
  const body = path.join(system.folder, "body.json");
  fs.writeFileSync(body, JSON.stringify(message("curl")));
  const made = await curl(ready.gateway + signing(key.key_id), "-H", "content-type: application/json", "--data-binary", `@${body}`);
  assert.equal(made.at(-1), "2 200");
  assert.equal(verifyMessage("curl", JSON.parse(made[0]).signature), key.address);
  assert.equal((await curl("-I", `${ready.gateway}/v1/keys`)).at(-1), "2 200");
  assert.equal((await curl(`${ready.gateway}/v1/keys`, "-H", "x: a\x01b")).at(-1), "2 400");
});

test("a gateway that stops says goodbye and answers what it was asked", async () => {
  const gateway = await ownGateway(system, []);
  const key = JSON.parse((await ask(connection, "GET", "/v1/keys")).body).keys[0];
  const session = connect(gateway.ready);
  let goodbye;
  session.on("goaway", (code) => (goodbye = code));
  let sent = 0, answered = 0, refused = 0;
  const worker = async () => {
    while (!session.closed && !session.destroyed && goodbye === undefined) {
      ++sent;
      const answer = await ask(session, "POST", signing(key.key_id), message(`last ${sent}`)).catch((error) => {
        assert.match(error.message, /REFUSED_STREAM/); // Node.js had not sent it when it was told: safe to repeat
        ++refused;
      });
      if (answer === undefined) continue;
      assert.equal(answer.status, 200, answer.body);
      ++answered;
    }
  };
  const workers = Promise.all(Array.from({ length: 50 }, worker));
  await until("some are answered", () => answered > 200);
  await gateway.stop();
  await workers;
  assert.equal(goodbye, http2.constants.NGHTTP2_NO_ERROR);
  assert.equal(answered + refused, sent);
});

test("requests are counted by the protocol that carried them", async () => {
  const before = await metric('redoubt_requests_by_protocol_total{protocol="http2"}');
  for (let i = 0; i < 5; ++i) await ask(connection, "GET", "/v1/keys");
  await request(ready, "GET", "/v1/keys");
  assert.equal(await metric('redoubt_requests_by_protocol_total{protocol="http2"}'), before + 5);
});
