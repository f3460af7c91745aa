// SPDX-License-Identifier: Apache-2.0
// Who wants a signature that the key's policy does not allow, and what he tries: requests altered on their way, replayed, signed by
// somebody else or in another's name, a host that vouches for itself and swaps what is stored, and JSON that two parsers read
// differently. Each is refused, and each refusal stands in the log of receipts.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";
import { after, before, test } from "node:test";
import { Transaction, TypedDataEncoder } from "ethers";
import { ask, askUnsigned, canonical, challengeOf, exportLog, makeKey, openSession, payment, person, policyDigest, requestDigest, send, signed,
  untilRefusalsLogged, verifyLog } from "../decisions.mjs";
import { sleep, until, up } from "../lib.mjs";
import { contentDigest, sessionKey } from "../signing.mjs";
import { Enclave, items, socketOf } from "../wire.mjs";

let system, ready, enclaves;
const open = async (options) => {
  system = await up({ enclaves: 2, ...options });
  ready = system.ready();
  // The system is ready with its first enclave.
  enclaves = await Promise.all(ready.pids.enclaves.map((pid) => until("the enclave listens", () => Enclave.connect(socketOf(pid)).catch(() => undefined))));
  for (const enclave of enclaves) enclave.tag = (await enclave.hello()).body.tag;
};
before(() => open());
after(async () => {
  enclaves?.forEach((enclave) => enclave.close());
  if (system?.child.exitCode === null) await system.stop();
  system?.remove();
});

const bot = person("bot"), desk = person("desk", "P-256"), stranger = person("stranger"), strangeDesk = person("desk", "P-256");
const policy = (more = {}) => ({ redoubt_policy: 1, principals: [bot.entry, desk.entry], rules: [
  { name: "pay", effect: "allow", principals: ["bot", "desk"], operations: ["sign-transaction"], conditions: { "transaction.value": { at_most: "1000" } } },
  { name: "type", effect: "allow", principals: ["bot"], operations: ["sign-typed-data"] },
  { name: "notes", effect: "allow", principals: ["desk", "host:ops"], operations: ["sign-message"] },
  { name: "manage", effect: "allow", principals: ["desk"], operations: ["update", "enable", "disable"] }], ...more });
// What a thief would rather have.
const lax = { redoubt_policy: 1, principals: [stranger.entry], rules: [{ name: "all", effect: "allow", principals: ["anyone"], operations: ["any"] }] };
const target = (key, action) => `/v1/keys/${key.key_id}/${action}`;
const pays = (key, by = bot.by, what = {}, options = {}) => signed(ready, by, "POST", target(key, "sign-transaction"), payment(what), options);

// What was refused in the test that runs: [what, digest, code], for the log.
let refusals = [];
function refused(what, answer, status, code) {
  assert.deepEqual([answer.status, answer.body?.code], [status, code], `${what}: ${answer.text}`);
  refusals.push([what, answer.digest, code]);
}
async function logged() {
  const expected = refusals;
  refusals = [];
  assert.ok(expected.length > 0);
  await untilRefusalsLogged(ready, expected);
}

const typed = (message) => `{"typed_data":{"types":{"EIP712Domain":[{"name":"name","type":"string"}],"M":[{"name":"a","type":"uint256"}]},"primaryType":"M",` +
  `"domain":{"name":"x"},"message":${message}}}`;

// Past the gateway, straight to an enclave, with `records` where it asks for them.
async function direct(enclave, request, { hostName, records = [] } = {}) {
  const { method, target: path, authority, headers, body } = request;
  const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => ["content-type", "content-digest", "signature", "signature-input"].includes(name)));
  let attached = [], answer;
  for (let round = 0; round < 4; ++round) {
    answer = await enclave.ask({ method, authority, target: path, headers: kept, hostName, body, attached });
    if (answer.status !== 0) break;
    attached = answer.needs.flatMap(({ kind, name }) => {
      const found = records.filter((record) => record.kind === kind && record.name === name);
      return found.length === 0 && kind === items.countersIfAny ? [{ kind, name, bytes: Buffer.alloc(0) }] : found; // none are stored
    });
  }
  return { ...answer, digest: requestDigest({ method, authority, target: path, contentType: headers["content-type"] ?? "", body }) };
}
const unsigned = (method, target, body) => ({ method, target, authority: "host.invalid", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
// A key that only the host of this test has stored.
async function hostsKey(enclave, document = policy()) {
  const made = await enclave.request("POST", "/v1/keys", { policy: document });
  assert.equal(made.status, 201, made.text);
  return { ...made.body, records: made.records };
}
// Both enclaves have it open.
const opened = (key) => Promise.all(enclaves.map((enclave) => until("the enclave has opened the key", async () => {
  await Promise.all(Array.from({ length: 8 }, () => send(ready, pays(key)))); // the gateway asks whichever has less to do
  return (await enclave.request("POST", target(key, "sign-message"), { text: "x" })).status !== 0;
})));

test("a request that is altered on its way is refused, whatever of it is altered", async () => {
  const key = await makeKey(ready, policy()), twin = await makeKey(ready, policy());
  const request = pays(key), { authority } = request, other = JSON.stringify(payment({ value: 2 }));
  assert.equal((await send(ready, request)).status, 200);
  const header = (name, value) => ({ ...request, headers: { ...request.headers, [name]: value } });
  const edit = (name, from, to) => {
    assert.ok(request.headers[name].includes(from), name);
    return header(name, request.headers[name].replace(from, to));
  };
  const signature = Buffer.from(request.headers.signature.slice("sig1=:".length, -1), "base64");
  for (const [what, sent, status = 401, code = "signature_invalid"] of [
    ["the body", { ...request, body: other }],
    ["the body and its digest", { ...header("content-digest", contentDigest(other)), body: other }],
    ["white space in the body", { ...request, body: request.body + " " }],
    ["no body", { ...request, body: "" }],
    ["the path: another key", { ...request, target: target(twin, "sign-transaction") }],
    ["the path: another operation", { ...request, target: target(key, "sign-message") }, 400, "unknown_field"], // whose body this is not
    ["the path, in other letters", { ...request, target: request.target.replace("sign-transaction", "sign%2Dtransaction") }, 404, "not_found"],
    ["a query", { ...request, target: `${request.target}?x=1` }, 400, "unknown_field"],
    ["a lone question mark", { ...request, target: `${request.target}?` }, 400, "unknown_field"],
    ["the authority", { ...request, authority: "redoubt.example" }],
    ["the authority's port", { ...request, authority: "127.0.0.1" }],
    ["the digest", header("content-digest", contentDigest(other))],
    ["the digest's algorithm", header("content-digest", `sha-512=:${Buffer.alloc(64).toString("base64")}:`)],
    ["a second digest", header("content-digest", `${request.headers["content-digest"]}, ${contentDigest(other)}`)],
    ["the content type", header("content-type", "application/json; charset=utf-8")],
    ["expires", edit("signature-input", /expires=\d+/.exec(request.headers["signature-input"])[0], `expires=${Math.floor(Date.now() / 1000) + 250}`)],
    ["the nonce", edit("signature-input", 'nonce="', 'nonce="0')],
    ["the keyid", edit("signature-input", 'keyid="bot"', 'keyid="desk"')],
    ["the tag", edit("signature-input", 'tag="redoubt"', 'tag="other"')],
    ["alg added", edit("signature-input", ';tag="redoubt"', ';tag="redoubt";alg="ed25519"')],
    ["a component less", edit("signature-input", '"@query" ', "")],
    ["components in another order", edit("signature-input", '"@method" "@authority"', '"@authority" "@method"')],
    ["one bit of the signature", header("signature", `sig1=:${Buffer.from(signature.map((byte, i) => byte ^ (i === 40 ? 1 : 0))).toString("base64")}:`)],
    ["no signature beside its input", header("signature", "")],
    ["the signature of another label", header("signature", request.headers.signature.replace("sig1", "sig2"))],
  ]) refused(what, await send(ready, sent), status, code);
  // Both headers gone it is a request of nobody.
  const { signature: gone, "signature-input": too, ...bare } = request.headers;
  refused("no signature at all", await send(ready, { ...request, headers: bare }), 403, "policy_denied");
  // Past its time, and before it.
  const now = Math.floor(Date.now() / 1000);
  refused("past its time", await send(ready, pays(key, bot.by, {}, { created: now - 100, expires: now - 1 })), 401, "signature_expired");
  refused("before its time", await send(ready, pays(key, bot.by, {}, { created: now + 200, expires: now + 300 })), 401, "signature_expired");
  refused("for too long", await send(ready, pays(key, bot.by, {}, { created: now, expires: now + 301 })), 401, "signature_invalid");
  assert.equal(authority, new URL(ready.gateway).host);
  await logged();
});

test("nobody signs in another's name: not with another key, another algorithm, or two signatures", async () => {
  const key = await makeKey(ready, policy());
  const session = await openSession(ready, key.key_id, bot);
  const keyBytes = bot.publicKey.bytes, both = (first, second, name) => `${first.headers[name]}, ${second.headers[name].replace("sig1", "sig2")}`;
  const mine = pays(key, { ...stranger.by, keyid: "stranger" }), theirs = pays(key, { ...stranger.by, keyid: "bot" });
  const pair = (first, second) => ({ ...first, headers: { ...first.headers, signature: both(first, second, "signature"),
    "signature-input": both(first, second, "signature-input") } });
  for (const [what, request, code = "signature_invalid"] of [
    ["a stranger's key", mine, "unknown_principal"],
    ["a stranger's key in bot's name", theirs],
    ["a stranger's P-256 key in desk's name", pays(key, strangeDesk.by)],
    ["desk's key in bot's name", pays(key, { ...desk.by, keyid: "bot" })],
    ["bot's key in desk's name", pays(key, { ...bot.by, keyid: "desk" })],
    ["bot's name in other letters", pays(key, { ...bot.by, keyid: "Bot" }), "unknown_principal"],
    ["bot's name and more", pays(key, { ...bot.by, keyid: "bot " }), "unknown_principal"],
    ["the principal's digest as keyid", pays(key, { ...bot.by, keyid: keyBytes.toString("hex") }), "unknown_principal"],
    ["one signature under two labels", pays(key, bot.by, {}, { extraLabel: "sig2" })],
    ["two signatures, the good one first", pair(pays(key), mine)],
    ["two signatures, the good one last", pair(mine, pays(key))],
    ["HMAC under the public key", pays(key, { keyid: "bot", hmacKey: keyBytes })],
    ["HMAC under the public key, said so", pays(key, { keyid: "bot", hmacKey: keyBytes, alg: "hmac-sha256" })],
    ["HMAC under the P-256 public key, said so", pays(key, { keyid: "desk", hmacKey: desk.publicKey.bytes, alg: "hmac-sha256" })],
    ["P-256's name over an Ed25519 signature", pays(key, { ...bot.by, alg: "ecdsa-p256-sha256" })],
    ["Ed25519's name over a P-256 signature", pays(key, { ...desk.by, alg: "ed25519" })],
    ["a name of no algorithm", pays(key, { ...bot.by, alg: "none" })],
    ["a session's id over its principal's signature", pays(key, { ...bot.by, keyid: session.by.keyid })],
    ["a session's id over an empty key's HMAC", pays(key, { keyid: session.by.keyid, hmacKey: Buffer.alloc(0) })],
    ["a session's id over a key of zeros", pays(key, { keyid: session.by.keyid, hmacKey: Buffer.alloc(32) })],
    ["a session's key under its principal's name", pays(key, { keyid: "bot", hmacKey: session.hmacKey })],
    ["a session's key, and Ed25519's name", pays(key, { ...session.by, alg: "ed25519" })],
    ["a session that nobody opened", pays(key, { ...session.by, keyid: session.by.keyid.slice(0, 40) + "0".repeat(16) }), "session_unknown"],
    ["a signature of zeros", { ...pays(key), headers: { ...pays(key).headers, signature: `sig1=:${Buffer.alloc(64).toString("base64")}:` } }],
  ]) refused(what, await send(ready, request), 401, code);
  // A principal of one key is nobody to another.
  const other = person("bot"), elsewhere = await makeKey(ready, policy({ principals: [other.entry, desk.entry] }));
  refused("the other key's bot", await send(ready, pays(elsewhere)), 401, "signature_invalid");
  assert.equal((await send(ready, pays(elsewhere, other.by))).status, 200);
  refused("a session's principal is its key, not its name", await send(ready, pays(elsewhere, session.by)), 401, "unknown_principal");
  await logged();
});

test("a request that changes a key is good once, and for the enclave whose challenge it carries", async () => {
  const key = await makeKey(ready, policy());
  await opened(key);
  const challenge = await challengeOf(ready), own = enclaves.find(({ tag }) => challenge.startsWith(tag)), other = enclaves.find((each) => each !== own);
  const request = signed(ready, desk.by, "POST", target(key, "disable"), {}, { nonce: challenge });
  refused("to the other enclave", await direct(other, request), 401, "challenge_invalid");
  assert.equal((await send(ready, request)).status, 200, "which the gateway finds");
  for (const enclave of enclaves) {
    const again = await direct(enclave, request);
    refused("replayed", again.needs?.length ? await send(ready, request) : again, 401, "challenge_invalid");
  }
  assert.equal((await ask(ready, desk.by, "POST", target(key, "enable"), {}, { nonce: await challengeOf(ready) })).status, 200);
  refused("replayed once the key is enabled again", await send(ready, request), 401, "challenge_invalid");
  assert.equal((await system.json("GET", `/v1/keys/${key.key_id}`)).body.state, "enabled");
  // A challenge is for whoever signs it, and no proof of anything without that.
  refused("a challenge that a stranger signs", await ask(ready, { ...stranger.by, keyid: "desk" }, "POST", target(key, "disable"), {}, { nonce: await challengeOf(ready) }),
    401, "signature_invalid");
  refused("an end put off", await ask(ready, desk.by, "POST", target(key, "disable"), {}, { nonce: challenge.replace(/-0000/, "-0001") }), 401, "challenge_invalid");
  await logged();
});

test("the host's word makes nobody a principal", async () => {
  const [enclave] = enclaves, key = await hostsKey(enclave), { records } = key;
  const pay = unsigned("POST", target(key, "sign-transaction"), payment()), note = unsigned("POST", target(key, "sign-message"), { text: "note" });
  for (const hostName of ["", "bot", "desk", "ops", "anyone", "host", bot.publicKey.bytes.toString("hex")])
    refused(`the host says ${hostName}`, await direct(enclave, pay, { hostName, records }), 403, "policy_denied");
  for (const hostName of ["", "desk", "Ops", "host"])
    refused(`the host says ${hostName}`, await direct(enclave, note, { hostName, records }), 403, "policy_denied");
  // What is no name is nobody's.
  for (const hostName of ["key:bot", "ops ", "ops\0", "host:ops"])
    refused(`the host says ${hostName}`, await direct(enclave, note, { hostName, records }), 400, "bad_request");
  // Where the policy trusts the host's word, it does so for that name and for unsigned requests.
  const answer = await direct(enclave, note, { hostName: "ops", records });
  assert.deepEqual([answer.status, answer.body.rule], [200, "notes"], answer.text);
  const told = JSON.parse(JSON.stringify({ text: "note" }));
  refused("a signed asker is no host", await direct(enclave, signed(ready, bot.by, "POST", target(key, "sign-message"), told), { hostName: "ops", records }),
    403, "policy_denied");
  refused("a wrong signature is not dropped for the host's word", await direct(enclave, signed(ready, { ...stranger.by, keyid: "bot" }, "POST",
    target(key, "sign-message"), told), { hostName: "ops", records }), 401, "signature_invalid");
  await logged();
  assert.ok((await exportLog(ready, "--key", key.key_id, "--decision", "allowed")).some(({ principal, rule }) => principal === "host:ops" && rule === "notes"));
});

test("a session is of one enclave, one principal and its time", async () => {
  const key = await makeKey(ready, policy());
  await opened(key);
  const session = await openSession(ready, key.key_id, bot);
  const own = enclaves.find(({ tag }) => session.by.keyid.startsWith(`session-${tag}`)), other = enclaves.find((each) => each !== own);
  const request = pays(key, session.by);
  refused("to the other enclave", await direct(other, request), 401, "session_unknown");
  assert.equal((await send(ready, request)).status, 200);
  refused("under the other's tag", await direct(other, pays(key, { ...session.by, keyid: session.by.keyid.replace(own.tag, other.tag) })), 401, "session_unknown");
  const short = await openSession(ready, key.key_id, bot, { lifeMs: 800 });
  assert.equal((await send(ready, pays(key, short.by))).status, 200);
  await sleep(short.expires - Date.now() + 100);
  refused("after its end", await send(ready, pays(key, short.by)), 401, "session_unknown");
  // What was sealed to one enclave does not open in the other.
  const offered = await other.request("GET", `/v1/keys/${key.key_id}/session?nonce=00`);
  const { body } = await sessionKey({ public_key: session.offer.public_key }, "bot", bot.publicKey, Date.now() + 60_000);
  const moved = await direct(other, signed(ready, bot.by, "POST", target(key, "session"), body, { nonce: offered.body.challenge }));
  assert.ok(moved.status >= 400 && moved.status < 500, moved.text);
  refusals.push(["sealed to another enclave", moved.digest, moved.body.code]);
  const fresh = await sessionKey({ public_key: offered.body.public_key }, "bot", bot.publicKey, Date.now() + 60_000);
  refused("with the other's challenge", await direct(other, signed(ready, bot.by, "POST", target(key, "session"), fresh.body, { nonce: session.offer.challenge })),
    401, "challenge_invalid");
  await logged();
});

test("JSON that two parsers may read differently is refused, though its principal signed it", async () => {
  const key = await makeKey(ready, policy());
  const text = JSON.stringify(payment()), { transaction } = payment();
  const inside = (member) => JSON.stringify({ transaction }).replace('"value"', member);
  const valued = (value, name = "value") => JSON.stringify({ transaction: { ...transaction, [name]: "HERE" } }).replace('"HERE"', value);
  const send1 = (action, body) => ask(ready, bot.by, "POST", target(key, action), body);
  assert.equal((await send1("sign-transaction", text)).status, 200);
  assert.equal((await send1("sign-typed-data", typed('{"a":"1"}'))).status, 200, "what is altered below is good");
  for (const [what, body, action = "sign-transaction"] of [
    ["a member twice", `{"transaction":${JSON.stringify({ ...transaction, value: "0xffff" })},${text.slice(1)}`],
    ["a member twice, once by an escape", `{"tr\\u0061nsaction":${JSON.stringify({ ...transaction, value: "0xffff" })},${text.slice(1)}`],
    ["a member of the transaction twice", inside('"value":"0xffff","value"')],
    ["a member of the transaction twice, once by an escape", inside('"v\\u0061lue":"0xffff","value"')],
    ["a member of the transaction twice, in other letters", inside('"Value":"0xffff","value"')],
    ["two names of one field", inside('"input":"0x01","value"')],
    ["a number with an exponent", valued("1e3")],
    ["a number with a fraction", valued("1.0")],
    ["a negative number", valued("-1")],
    ["minus zero", valued("-0")],
    ["a number with a leading zero", valued("01")],
    ["a number that is none", valued("NaN")],
    ["hexadecimal without its mark", valued("0x1")],
    ["a comment", `/* pay */${text}`],
    ["a comment to the end", `${text}// pay`],
    ["a byte order mark", `\ufeff${text}`],
    ["a comma at the end", text.replace(/\}$/, ",}")],
    ["single quotes", text.replaceAll('"', "'")],
    ["data after it", `${text}x`],
    ["a second document", `${text}${text}`],
    ["a NUL after it", `${text}\0`],
    ["a list of it", `[${text}]`],
    ["bytes that are no UTF-8", Buffer.concat([Buffer.from('{"x":"'), Buffer.from([0xc0, 0xaf]), Buffer.from(`",${text.slice(1)}`)])],
    ["UTF-16", Buffer.from(text, "utf16le")],
    ["an unknown member", `{"__proto__":{},${text.slice(1)}`],
    ["a control character in a name", inside('"va\tlue":"0x0","value"')],
    ["depth", `{"x":${"[".repeat(5_000)}${"]".repeat(5_000)},${text.slice(1)}`],
    ["chainId with an exponent", valued("1e0", "chainId")],
    ["chainId with a fraction", valued("1.0", "chainId")],
    ["a value of 2^256", valued(String(1n << 256n))],
    ["a chainId of 2^256", valued(String(1n << 256n), "chainId")],
    ["a quantity with a leading zero", valued('"0x01"')],
    ["a quantity without digits", valued('"0x"')],
    ["a decimal string with a leading zero", valued('"01"')],
    ["a decimal string with white space", valued('" 1"')],
    ["a value that is true", valued("true")],
    ["a message's member twice", typed('{"a":"1","a":"2"}'), "sign-typed-data"],
    ["a message's member twice, once by an escape", typed('{"a":"1","\\u0061":"2"}'), "sign-typed-data"],
    ["a message's number with an exponent", typed('{"a":1e3}'), "sign-typed-data"],
    ["a message's member that has no type", typed('{"a":"1","b":"2"}'), "sign-typed-data"],
    ["a lone surrogate", '{"text":"\\ud800"}', "sign-message"],
    ["surrogates the wrong way round", '{"text":"\\udc00\\ud800"}', "sign-message"],
    ["a surrogate in UTF-8", Buffer.from([...Buffer.from('{"text":"'), 0xed, 0xa0, 0x80, ...Buffer.from('"}')]), "sign-message"],
  ]) {
    const answer = await send1(action, body);
    assert.equal(answer.status, what === "depth" ? 413 : 400, `${what}: ${answer.text}`);
    refusals.push([what, answer.digest, answer.body.code]);
  }
  await logged();
});

// A parser that has no more than 53 bits for a number reads another one. As a string, the enclave and so the policy read what is written.
test("an integer beyond 2^53 that others would round is refused as a number, and exact as a string", async () => {
  const exact = 9007199254740993n, document = policy();
  document.rules[0].conditions = { "transaction.value": { is: String(exact) }, "transaction.chain_id": { in: ["1", String(exact)] } };
  const key = await makeKey(ready, document), { transaction } = payment();
  const written = (value, chainId = '"1"') => JSON.stringify({ transaction: { ...transaction, value: "VALUE", chainId: "CHAIN" } }).replace('"VALUE"', value).replace('"CHAIN"', chainId);
  const quoted = (value) => `"${value}"`;
  for (const [value, chainId] of [[exact, 1n], [exact, exact]]) {
    const answer = await ask(ready, bot.by, "POST", target(key, "sign-transaction"), written(quoted(value), quoted(chainId)));
    assert.equal(answer.status, 200, answer.text);
    const made = Transaction.from(answer.body.raw_transaction);
    assert.deepEqual([made.value, made.chainId], [value, chainId]);
    assert.equal(BigInt(answer.body.transaction.value), value);
  }
  const message = await ask(ready, bot.by, "POST", target(key, "sign-typed-data"), typed(`{"a":"${exact}"}`));
  assert.equal(message.body.digest, TypedDataEncoder.hash({ name: "x" }, { M: [{ name: "a", type: "uint256" }] }, { a: exact }), message.text);
  refused("the value that others read", await ask(ready, bot.by, "POST", target(key, "sign-transaction"), written(exact - 1n)), 403, "policy_denied");
  for (const [what, action, body] of [["the value as a number", "sign-transaction", written(exact)],
    ["the chain as a number", "sign-transaction", written(quoted(exact), exact)], ["a message's number", "sign-typed-data", typed(`{"a":${exact}}`)]])
    refused(what, await ask(ready, bot.by, "POST", target(key, action), body), 400, "precision_lost");
  await logged();
});

test("what the host swaps in its store is refused: another policy, another key's record, another key's counters", async (t) => {
  // Given by hand, under the right name: the document of another digest, and the record with another digest in it.
  const [enclave] = enclaves, unseen = policy({ version: 9 }), key = await hostsKey(enclave, unseen), digest = policyDigest(unseen),
    laxKey = await hostsKey(enclave, lax);
  const theft = unsigned("POST", target(key, "sign-message"), { text: "mine" });
  const swapped = (change) => key.records.map((record) => change(record) || record);
  const rebound = (bytes) => {
    const made = Buffer.from(bytes), at = made.indexOf(Buffer.from(digest, "hex"));
    assert.ok(at > 0, "the record names its policy");
    Buffer.from(policyDigest(lax), "hex").copy(made, at);
    return made;
  };
  const other = laxKey.records.find(({ kind }) => kind === items.keyRecord).bytes, spelled = Buffer.from(JSON.stringify(unseen, null, 1));
  for (const [what, records] of [
    ["another policy", swapped(({ kind, name }) => kind === items.policy && { kind, name, bytes: Buffer.from(canonical(lax)) })],
    ["the policy in another spelling", swapped(({ kind, name }) => kind === items.policy && { kind, name, bytes: spelled })],
    ["the record, rebound", [...swapped(({ kind, name, bytes }) => kind === items.keyRecord && { kind, name, bytes: rebound(bytes) }),
      ...laxKey.records.filter(({ kind }) => kind === items.policy)]],
    ["another key's record", [...swapped(({ kind, name }) => kind === items.keyRecord && { kind, name, bytes: other }), ...laxKey.records.filter(({ kind }) => kind === items.policy)]],
  ]) {
    const fresh = await Enclave.connect(socketOf(ready.pids.enclaves[1])); // which has seen neither
    refused(`${what}, by hand`, await direct(fresh, theft, { records }), 409, "record_invalid");
    fresh.close();
  }
  const limited = (version) => {
    const made = policy({ version });
    made.rules[0].limits = [{ name: "few", window_seconds: 3600, count: 2 }];
    return made;
  };
  const counted = await hostsKey(enclave, limited(20)), spared = await hostsKey(enclave, limited(21));
  const kept = (await direct(enclave, pays(spared), { records: spared.records })).records.find(({ kind }) => kind === items.counters).bytes;
  const flipped = Buffer.from(kept.map((byte, i) => (i === kept.length - 20 ? byte ^ 1 : byte)));
  for (const [what, victim, bytes] of [["another key's counters", counted, kept], ["counters that were altered", spared, flipped]])
    refused(`${what}, by hand`, await direct(enclaves[1], pays(victim, bot.by, { nonce: 5 }), { records: [...victim.records,
      { kind: items.countersIfAny, name: victim.key_id, bytes }] }), 409, "record_invalid");
  await logged();

  // And in the file of the store, while the system is down.
  try {
    execFileSync("sqlite3", ["--version"], { stdio: "ignore" });
  } catch {
    return t.diagnostic("sqlite3 is not installed: the store's file was not swapped");
  }
  const victims = {};
  let version = 10;
  for (const name of ["document", "digest", "record", "counters"]) victims[name] = await makeKey(ready, limited(++version));
  const thief = await makeKey(ready, lax), spare = await makeKey(ready, limited(++version));
  assert.equal((await send(ready, pays(victims.counters))).status, 200);
  assert.equal((await send(ready, pays(victims.counters, bot.by, { nonce: 1 }))).status, 200);
  assert.equal((await send(ready, pays(spare))).status, 200);
  enclaves.forEach((each) => each.close());
  enclaves = [];
  assert.equal(await system.stop(), 0);
  const id = ({ key_id }) => `x'${key_id.slice(4)}'`, bytes = (text) => `x'${Buffer.from(text).toString("hex")}'`;
  const sql = (...lines) => execFileSync("sqlite3", [path.join(system.folder, "store.db"), ...lines], { encoding: "utf8" });
  const record = Buffer.from(sql(`SELECT hex(record) FROM keys WHERE id = ${id(victims.digest)}`).trim(), "hex");
  const at = record.indexOf(Buffer.from(victims.digest.policy_digest, "hex"));
  assert.ok(at > 0);
  Buffer.from(policyDigest(lax), "hex").copy(record, at);
  sql(`UPDATE policies SET document = ${bytes(canonical(lax))} WHERE digest = x'${victims.document.policy_digest}'`,
    `UPDATE keys SET record = x'${record.toString("hex")}' WHERE id = ${id(victims.digest)}`,
    `UPDATE keys SET record = (SELECT record FROM keys WHERE id = ${id(thief)}) WHERE id = ${id(victims.record)}`,
    `UPDATE counters SET record = (SELECT record FROM counters WHERE id = ${id(spare)}) WHERE id = ${id(victims.counters)}`);
  await open({ dataDir: system.folder });
  assert.equal((await askUnsigned(ready, "POST", target(thief, "sign-message"), { text: "mine" })).status, 200, "the thief's own key is his");
  const codes = {};
  for (const [name, victim] of Object.entries(victims)) {
    const answer = name === "counters" ? await send(ready, pays(victim, bot.by, { nonce: 2 }))
      : await askUnsigned(ready, "POST", target(victim, "sign-message"), { text: "mine" });
    codes[name] = `${answer.status} ${answer.body.code}`;
    if (answer.status < 500) refusals.push([`${name} in the store's file`, answer.digest, answer.body.code]);
  }
  // Of most of it the store itself says that it is damaged, and no enclave is asked.
  assert.deepEqual(codes, { document: "503 store_failed", digest: "409 record_invalid", record: "503 store_failed", counters: "503 store_failed" });
  await logged();
});

test("the log of it all verifies", async () => {
  const said = await until("every receipt has a head", async () => {
    const answer = await verifyLog(system);
    return answer.code === 0 ? answer : undefined;
  }, 5_000).catch(() => verifyLog(system));
  assert.equal(said.code, 0, said.stderr);
});
