// SPDX-License-Identifier: Apache-2.0
// A key with a policy in the running system: it signs only what the policy allows, only for whom, and says by which rule; its
// owners change the policy; and each decision has its receipt in a log that verifies.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { Transaction, verifyMessage } from "ethers";
import { ask, askUnsigned, canonical, challengeOf, copyOfLog, decodeHead, decodeReceipt, makeKey, offerSession, openSession, payment, person, policyDigest,
  requestDigest, send, signed, untilRefusalsLogged, verifyLog } from "./decisions.mjs";
import { redoubt, run, sleep, up } from "./lib.mjs";
import { sessionKey, signWithLibrary } from "./signing.mjs";

let system, ready;
before(async () => {
  system = await up({ enclaves: 2 });
  ready = system.ready();
});
after(async () => {
  await system?.stop();
  system?.remove();
});

const bot = person("bot"), desk = person("desk", "P-256"), auditor = person("auditor"), stranger = person("stranger");
const ada = person("ada"), bob = person("bob", "P-256"), cyd = person("cyd");
const blocked = `0x${"bb".repeat(20)}`;
const policy = (more = {}) => ({
  redoubt_policy: 1, version: 1, principals: [bot.entry, desk.entry, auditor.entry], owners: [ada.entry, bob.entry, cyd.entry], threshold: 2,
  addresses: { payees: [`0x${"11".repeat(20)}`, `0x${"22".repeat(20)}`], blocked: [blocked] },
  rules: [
    { name: "never", effect: "deny", principals: ["anyone"], operations: ["sign-transaction"], conditions: { "transaction.to": { is: "@blocked" } } },
    { name: "pay", effect: "allow", principals: ["bot", "desk"], operations: ["sign-transaction"],
      conditions: { "transaction.chain_id": { is: "1" }, "transaction.to": { in: ["@payees"] }, "transaction.value": { at_most: "1000" } } },
    { name: "notes", effect: "allow", principals: ["desk"], operations: ["sign-message"], conditions: { message_text: { starts_with: "note " } } },
    { name: "manage", effect: "allow", principals: ["desk"], operations: ["update", "enable", "disable"] },
  ], ...more });
const limited = (count) => {
  const made = policy();
  made.rules[1].limits = [{ name: "few", window_seconds: 3600, count }];
  return made;
};
const target = (key, action) => `/v1/keys/${key.key_id}/${action}`;
const pays = (asker, key, what, options) => ask(ready, asker.by ?? asker, "POST", target(key, "sign-transaction"), payment(what), options);
const file = (name) => path.join(system.folder, name);
const cli = (...args) => run(redoubt, args, { env: { PATH: process.env.PATH, REDOUBT_READY_FILE: system.readyFile } });

test("whoever the policy names gets what it allows, by any way to sign, and is told by which rule", async () => {
  const key = await makeKey(ready, policy());
  const session = await openSession(ready, key.key_id, bot);
  let nonce = 0;
  for (const [what, by, options] of [["Ed25519", bot.by], ["P-256", desk.by], ["a session", session.by], ["npm, Ed25519", bot.by, { sign: signWithLibrary }],
    ["npm, P-256", desk.by, { sign: signWithLibrary }], ["npm, a session", session.by, { sign: signWithLibrary }], ["another label", bot.by, { label: "x" }],
    ["alg said", desk.by, { alg: "ecdsa-p256-sha256" }]]) {
    const answer = await pays(by, key, { nonce: ++nonce, value: 1000 }, options);
    assert.equal(answer.status, 200, `${what}: ${answer.text}`);
    assert.equal(answer.body.rule, "pay", what);
    const transaction = Transaction.from(answer.body.raw_transaction);
    assert.deepEqual([transaction.from, transaction.nonce, transaction.value], [key.address, nonce, 1000n], what);
    assert.equal(transaction.unsignedHash.slice(2), answer.receipt.signedDigest);
  }
  const note = await ask(ready, desk.by, "POST", target(key, "sign-message"), { text: "note to all" });
  assert.deepEqual([note.status, note.body.rule], [200, "notes"]);
  assert.equal(verifyMessage("note to all", note.body.signature), key.address);
});

test("a refusal is explained to whom the policy names, and to nobody else", async () => {
  const key = await makeKey(ready, policy());
  const refused = (answer, expected, what) => assert.deepEqual([answer.status, answer.body.code, answer.body.decision], expected, what + answer.text);
  const missing = (field) => [{ rule: "pay", because: "condition", field }, { rule: "notes", because: "principal" }, { rule: "manage", because: "principal" }];
  for (const [field, change] of [["transaction.chain_id", { chainId: 2 }], ["transaction.to", { to: `0x${"33".repeat(20)}` }], ["transaction.value", { value: 1001 }]]) {
    const answer = await pays(bot, key, change);
    assert.deepEqual([answer.status, answer.body.code], [403, "policy_denied"], answer.text);
    assert.deepEqual(answer.body.decision.missing.find(({ rule }) => rule === "pay"), missing(field)[0]);
  }
  refused(await pays(bot, key, { to: blocked }), [403, "policy_denied", { effect: "deny", rule: "never" }], "a deny rule");
  const named = await pays(auditor, key);
  assert.deepEqual([named.status, named.body.decision.missing.find(({ rule }) => rule === "pay")], [403, { rule: "pay", because: "principal" }]);
  const unsaid = await ask(ready, desk.by, "POST", target(key, "sign-message"), { text: "a note" });
  assert.deepEqual(unsaid.body.decision.missing, [{ rule: "notes", because: "condition", field: "message_text" }]);
  // Who is not named learns that it is so.
  refused(await askUnsigned(ready, "POST", target(key, "sign-transaction"), payment()), [403, "policy_denied", undefined], "unsigned");
  refused(await askUnsigned(ready, "POST", target(key, "sign-transaction"), payment({ to: blocked })), [403, "policy_denied", undefined], "unsigned and denied");
  refused(await pays(stranger, key), [401, "unknown_principal", undefined], "a stranger");
  refused(await pays({ keyid: "bot", privateKey: stranger.privateKey }, key), [401, "signature_invalid", undefined], "a stranger in another's name");
  refused(await pays(ada, key), [401, "unknown_principal", undefined], "an owner is no principal");
  // And who names no key's policy: an open key takes no signatures.
  refused(await ask(ready, bot.by, "POST", `/v1/keys/${ready.key_id}/sign-message`, { text: "x" }), [401, "unknown_principal", undefined], "an open key");
});

test("the same request again is the same signature and takes nothing from a limit; its nonce is good for nothing else", async () => {
  const key = await makeKey(ready, limited(3));
  const first = await signed(ready, bot.by, "POST", target(key, "sign-transaction"), payment({ nonce: 1 }), { nonce: "order-1" });
  const answers = [];
  for (let i = 0; i < 5; ++i) answers.push(await send(ready, first));
  for (const { status, text } of answers) assert.deepEqual([status, text], [200, answers[0].text]);
  assert.deepEqual(answers.map(({ receipt }) => receipt.decision), ["allowed", "repeated", "repeated", "repeated", "repeated"]);
  for (const nonce of [1, 2]) { // also the same transaction, signed at another time
    const other = await pays(bot, key, { nonce }, { nonce: "order-1", created: Math.floor(Date.now() / 1000) - 1 - nonce });
    if (nonce === 1) assert.equal(other.status, 200, "the request is the same, and so is its digest");
    else assert.deepEqual([other.status, other.body.code], [409, "nonce_reused"], other.text);
  }
  // The nonce is this principal's; what is left is two.
  const session = await openSession(ready, key.key_id, bot);
  assert.equal((await pays(session.by, key, { nonce: 3 }, { nonce: "order-1" })).body.code, "nonce_reused", "by its session, too");
  assert.equal((await pays(desk, key, { nonce: 4 }, { nonce: "order-1" })).status, 200);
  assert.equal((await pays(session.by, key, { nonce: 5 })).status, 200);
  for (const by of [bot, session, desk]) {
    const full = await pays(by.by, key, { nonce: 6 });
    assert.deepEqual([full.status, full.body.code], [429, "limit_reached"], full.text);
    const { retry_after_seconds: retry, ...said } = full.body.decision;
    assert.equal(full.headers["retry-after"], String(retry));
    assert.deepEqual(said, { limit: "few", rule: "pay", window_seconds: 3600, used: "3", most: "3" });
    assert.ok(retry > 3590 && retry <= 3600 + 3600 / 32, String(retry));
  }
  const late = await send(ready, first);
  assert.deepEqual([late.status, late.text], [200, answers[0].text], "still repeated where nothing is left");
});

test("what changes a key is asked for with a challenge, which is good for once", async () => {
  const key = await makeKey(ready, policy());
  const disable = (nonce) => signed(ready, desk.by, "POST", target(key, "disable"), {}, { nonce });
  const challenge = await challengeOf(ready);
  const request = disable(challenge);
  const wrong = await send(ready, { ...request, headers: { ...request.headers, signature: disable("x").headers.signature } });
  assert.deepEqual([wrong.status, wrong.body.code], [401, "signature_invalid"], "which leaves the challenge good");
  assert.equal((await send(ready, request)).status, 200);
  assert.equal((await ask(ready, desk.by, "POST", target(key, "enable"), {}, { nonce: await challengeOf(ready) })).body.state, "enabled");
  const flipped = (at) => challenge.slice(0, at) + (challenge[at] === "0" ? "1" : "0") + challenge.slice(at + 1);
  for (const [what, again] of [["replayed", request], ["the challenge again, otherwise", signed(ready, desk.by, "POST", target(key, "disable"), {}, { nonce: challenge, label: "b" })],
    ["a nonce of the client's", disable("fresh-1")], ["another random part", disable(flipped(20))], ["a longer life", disable(flipped(60))],
    ["another MAC", disable(flipped(98))]]) {
    const answer = await send(ready, again);
    assert.deepEqual([answer.status, answer.body.code], [401, "challenge_invalid"], `${what}: ${answer.text}`);
  }
  assert.equal((await system.json("GET", `/v1/keys/${key.key_id}`)).body.state, "enabled", "and it still is");
  for (const [by, expected] of [[bot, [403, "policy_denied"]], [stranger, [401, "unknown_principal"]]]) {
    const answer = await ask(ready, by.by, "POST", target(key, "disable"), {}, { nonce: await challengeOf(ready) });
    assert.deepEqual([answer.status, answer.body.code], expected);
  }
  assert.equal((await askUnsigned(ready, "POST", target(key, "disable"), {})).body.code, "policy_denied");
  for (const action of ["schedule-deletion", "cancel-deletion"]) // no rule allows it
    assert.equal((await ask(ready, desk.by, "POST", target(key, action), {}, { nonce: await challengeOf(ready) })).body.code, "policy_denied", action);
});

test("a session is offered with an attestation, is opened by its principal alone, and ends", async () => {
  const key = await makeKey(ready, policy());
  const { offer, opening, by } = await openSession(ready, key.key_id, desk);
  // What a client checks before it seals a key to the offer.
  fs.writeFileSync(file("offer.bin"), Buffer.from(offer.attestation, "base64"));
  const verify = (nonce, purpose) => cli("attestation", "verify", file("offer.bin"), "--root", ready.attestation_root, "--allow-other-root", "--pcr", `0=${ready.pcr0}`,
    "--pcr", `16=${ready.pcr16}`, "--nonce", nonce, "--purpose", purpose, "--json");
  assert.equal((await verify(offer.nonce, "session-offer")).code, 0);
  assert.equal((await verify(offer.nonce, "key-statement")).code, 3);
  assert.equal((await verify("00", "session-offer")).code, 3);
  const statement = Buffer.from(offer.statement, "base64");
  assert.deepEqual(JSON.parse(statement), { challenge: offer.challenge, nonce: offer.nonce, public_key: offer.public_key, redoubt_session_offer: 1 });
  assert.ok(Buffer.from(offer.attestation, "base64").includes(crypto.createHash("sha256").update(statement).digest()), "the attestation is of this statement");

  assert.equal((await send(ready, opening)).body.code, "challenge_invalid", "opened once");
  const tried = async (opener, keyid, changes = {}) => {
    const fresh = await offerSession(ready, key.key_id);
    const { body } = await sessionKey(fresh, desk.id, desk.publicKey, fresh.time + 60_000, changes);
    return (await ask(ready, { ...opener.by, keyid }, "POST", target(key, "session"), body, { nonce: changes.nonce ?? fresh.challenge })).body.code;
  };
  assert.equal(await tried(bot, "bot"), "unauthorized", "another principal");
  assert.equal(await tried(bot, "desk"), "signature_invalid", "in the principal's name");
  assert.equal(await tried({ by }, by.keyid), "unauthorized", "a session");
  assert.equal(await tried(desk, "desk", { nonce: "mine" }), "challenge_invalid");
  for (const changes of [{ publicKey: bot.publicKey }, { expires: 1 }, { enclaveKey: "00".repeat(32) }])
    assert.notEqual(await tried(desk, "desk", changes), undefined, "sealed for something else");

  const short = await openSession(ready, key.key_id, desk, { lifeMs: 500 });
  assert.equal((await pays(short.by, key, { nonce: 1 })).status, 200);
  await sleep(short.expires - Date.now() + 100);
  const ended = await pays(short.by, key, { nonce: 1 });
  assert.deepEqual([ended.status, ended.body.code], [401, "session_unknown"]);
  assert.equal((await pays({ ...by, keyid: by.keyid.slice(0, -1) + (by.keyid.endsWith("0") ? "1" : "0") }, key)).body.code, "session_unknown");
});

test("a policy is shown to whom it names, and is the one that is attested", async () => {
  const key = await makeKey(ready, policy());
  assert.equal(key.policy_digest, policyDigest(policy()));
  const session = await openSession(ready, key.key_id, bot);
  for (const by of [bot.by, auditor.by, session.by]) {
    const { status, body } = await ask(ready, by, "GET", target(key, "policy"));
    assert.deepEqual([status, body.policy_digest, canonical(body.policy)], [200, key.policy_digest, canonical(policy())]);
  }
  for (const [answer, expected] of [[await askUnsigned(ready, "GET", target(key, "policy")), [401, "unauthorized"]],
    [await ask(ready, stranger.by, "GET", target(key, "policy")), [401, "unknown_principal"]],
    [await ask(ready, { ...stranger.by, keyid: "bot" }, "GET", target(key, "policy")), [401, "signature_invalid"]]]) {
    assert.deepEqual([answer.status, answer.body.code], expected);
    assert.equal(answer.body.policy, undefined);
  }
  fs.writeFileSync(file("bot.pem"), bot.privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  const shown = await cli("policy", "show", key.key_id, "--as", `bot:${file("bot.pem")}`, "--json");
  assert.deepEqual([shown.code, shown.stdout.trim()], [0, canonical(policy())], shown.stderr);
  assert.equal((await cli("policy", "show", key.key_id)).code, 1);
});

test("enough of its owners change a key's policy, to a higher version, once its time lock is over", async () => {
  for (const owner of [ada, bob, cyd])
    fs.writeFileSync(file(`${owner.id}.pem`), owner.privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  const old = policy({ time_lock_seconds: 1 }), next = policy({ version: 2, time_lock_seconds: 1 });
  next.rules[1].conditions["transaction.value"].at_most = "5000";
  const key = await makeKey(ready, old), another = await makeKey(ready, old);
  fs.writeFileSync(file("old.json"), JSON.stringify(old));
  fs.writeFileSync(file("next.json"), JSON.stringify(next));
  const signs = (owner, ...more) => cli("policy", "sign", file("next.json"), "--from", file("old.json"), "--key-id", key.key_id, "--manifest", file("manifest.json"),
    "--owner", owner.id, "--owner-key", file(`${owner.id}.pem`), ...more);
  assert.equal((await signs(ada, "--valid-hours", "1", "--out", file("change.json"))).code, 0);
  const one = JSON.parse(fs.readFileSync(file("change.json")));
  const added = await signs(bob, "--add-to", file("change.json"));
  assert.equal(added.code, 0, added.stderr);
  const two = JSON.parse(fs.readFileSync(file("change.json")));
  assert.deepEqual(two.signatures.map(({ owner }) => owner), ["ada", "bob"]);

  // Signed by the test itself: what the command line would not sign.
  const sign = (document, ...owners) => ({ document, signatures: owners.map((owner) => {
    const message = Buffer.from(`redoubt authorization v1\n${document}`);
    const made = owner.privateKey.asymmetricKeyType === "ed25519" ? crypto.sign(null, message, owner.privateKey)
      : crypto.sign("sha256", message, { key: owner.privateKey, dsaEncoding: "ieee-p1363" });
    return { owner: owner.id, signature: made.toString("hex") };
  }) });
  const say = (change) => canonical({ ...JSON.parse(one.document), ...change });
  const change = (authorization, changed = next, which = key) => askUnsigned(ready, "POST", target(which, "policy"), { policy: changed, authorization });
  const lower = policy({ version: 1, threshold: 1 });
  const refused = [];
  for (const [what, answer, code] of [
    ["one of two", await change(one), "forbidden"],
    ["the same owner twice", await change(sign(one.document, ada, ada)), "unauthorized"],
    ["a principal", await change(sign(one.document, ada, bot)), "unauthorized"],
    ["a stranger as an owner", await change(sign(one.document, ada, { ...stranger, id: "bob" })), "unauthorized"],
    ["one signature of three that does not verify", await change(sign(one.document, ada, bob, { ...stranger, id: "cyd" })), "unauthorized"],
    ["another document than is signed", await change({ ...two, document: say({ not_after: 9_000_000_000_000_000 }) }), "unauthorized"],
    ["for another key", await change(two, next, another), "forbidden"],
    ["for another key, said so", await change(sign(say({ key_id: another.key_id }), ada, bob)), "forbidden"],
    ["another policy than is signed", await change(two, policy({ version: 3 })), "forbidden"],
    ["from another policy", await change(sign(say({ from_policy: "00".repeat(32) }), ada, bob)), "forbidden"],
    ["past its time", await change(sign(say({ not_after: Date.now() - 1000 }), ada, bob)), "forbidden"],
    ["under another manifest", await change(sign(say({ manifest: "00".repeat(48) }), ada, bob)), "forbidden"],
    ["another operation", await change(sign(canonical({ manifest: JSON.parse(one.document).manifest, not_after: JSON.parse(one.document).not_after,
      operation: "key-policy", policy_digest: policyDigest(next), redoubt_authorization: 1 }), ada, bob)), "forbidden"],
    ["no higher version", await change(sign(say({ to_policy: policyDigest(lower) }), ada, bob), lower), "policy_version"],
  ]) {
    assert.equal(answer.body.code, code, `${what}: ${answer.text}`);
    refused.push([what, answer.digest, code]);
  }
  assert.deepEqual([...new Set(refused.map(([, digest]) => digest))].length, refused.length);
  await untilRefusalsLogged(ready, refused);

  const applied = await cli("policy", "apply", key.key_id, file("next.json"), "--authorization", file("change.json"), "--json");
  assert.equal(applied.code, 0, applied.stderr);
  const from = Date.parse(JSON.parse(applied.stdout).pending_from);
  assert.ok(Math.abs(from - Date.now() - 1_000) < 1_500, applied.stdout); // the text is cut to seconds
  const shown = (await ask(ready, bot.by, "GET", target(key, "policy"))).body;
  assert.deepEqual([shown.policy_digest, shown.pending_policy], [policyDigest(old), policyDigest(next)]);
  assert.equal((await change(two)).body.code, "policy_version", "the same again");
  const dear = (nonce) => pays(bot, key, { value: 5000, nonce });
  const early = await dear(1);
  assert.deepEqual([early.status, early.receipt.policyDigest], [403, policyDigest(old)], "the old policy decides");
  let first;
  while ((first = await dear(2)).status === 403) {
    assert.ok(Date.now() < from + 3_000, "the time lock ends");
    await sleep(50);
  }
  assert.deepEqual([first.status, first.receipt.policyDigest], [200, policyDigest(next)], first.text);
  assert.ok(first.receipt.time >= from, "not before its time");
  for (let i = 0; i < 10; ++i) assert.equal((await dear(3 + i)).status, 200, "in either enclave");
  const now = (await ask(ready, bot.by, "GET", target(key, "policy"))).body;
  assert.deepEqual([now.policy_digest, now.pending_policy, now.policy.version], [policyDigest(next), undefined, 2]);
  assert.equal((await change(two)).body.code, "forbidden", "what was signed for the old policy holds no more");
  assert.equal((await pays(bot, another, { value: 5000 })).status, 403, "the other key has the old one");
  // A policy without owners stays.
  const { owners, threshold, ...fixed } = policy();
  const stuck = await makeKey(ready, fixed);
  const asked = await change(sign(say({ key_id: stuck.key_id, from_policy: policyDigest(fixed) }), ada, bob), next, stuck);
  assert.deepEqual([asked.status, asked.body.code], [403, "forbidden"]);
});

test("each answer carries its receipt, and the log of them verifies until a byte of it is another", async () => {
  const key = await makeKey(ready, policy());
  const answer = await pays(bot, key, { nonce: 7 });
  const denied = await pays(desk, key, { value: 9999 });
  const digestOf = ({ publicKey: { algorithm, bytes } }) => crypto.createHash("sha256").update(`redoubt principal v1\0${algorithm}\0`).update(bytes).digest("hex").slice(0, 16);
  const common = { keyId: key.key_id, operation: "sign-transaction", policyDigest: key.policy_digest, skipped: 0 };
  for (const [{ receipt, digest }, wanted] of [
    [answer, { decision: "allowed", code: "", rule: "pay", principal: `key:bot:${digestOf(bot)}`, signedDigest: Transaction.from(answer.body.raw_transaction).unsignedHash.slice(2) }],
    [denied, { decision: "refused", code: "policy_denied", rule: "", principal: `key:desk:${digestOf(desk)}`, signedDigest: "00".repeat(32) }]]) {
    assert.ok(Math.abs(receipt.time - Date.now()) < 5_000);
    const { sequence, time, previous, hash, ...rest } = receipt;
    assert.deepEqual(rest, { ...common, requestDigest: digest, ...wanted });
  }
  const head = decodeHead(denied.headers["redoubt-receipt-head"]);
  assert.ok(head.sequence <= denied.receipt.sequence, "a head is of what was decided before");
  // With a head that was given out. The gateway asks enclaves for heads every now and then: until then the newest receipts have none.
  let said;
  for (let i = 0; i < 20; ++i) {
    said = await verifyLog(system, undefined, "--head", denied.headers["redoubt-receipt-head"]);
    if (said.code === 0) break;
    await sleep(50);
  }
  assert.equal(said.code, 0, said.stderr);
  const report = JSON.parse(said.stdout);
  assert.equal(report.chains.length, 2);
  assert.ok(report.receipts > 50, said.stdout);
  const wanted = denied.receipt.hash, bytes = Buffer.from(denied.headers["redoubt-receipt"], "base64");
  assert.equal(decodeReceipt(bytes.toString("base64")).hash, wanted);
  // One byte: of this receipt's rule, of the log's first entry, of its last.
  for (const [what, at] of [["in a receipt", (log) => log.indexOf(bytes) + bytes.length - 3], ["in the first entry", () => 30], ["at the end", (log) => log.length - 1]]) {
    const copy = copyOfLog(ready, (log) => {
      const changed = Buffer.from(log);
      assert.ok(log.indexOf(bytes) > 0);
      changed[at(log)] ^= 1;
      return changed;
    });
    const forged = await verifyLog(system, copy.folder, "--accept-unsigned-tail", "1000000");
    copy.remove();
    assert.equal(forged.code, 3, `${what}: ${forged.stdout}`);
  }
  // Without this receipt's entry.
  const cut = copyOfLog(ready, (log) => {
    const at = log.indexOf(bytes);
    return Buffer.concat([log.subarray(0, at - 21), log.subarray(at + bytes.length)]);
  });
  assert.equal((await verifyLog(system, cut.folder, "--accept-unsigned-tail", "1000000")).code, 3);
  cut.remove();
  const elsewhere = await run(redoubt, ["audit", "verify", path.join(ready.data_dir, "receipts"), "--attestation-root", ready.attestation_root, "--pcr0", ready.pcr0,
    "--pcr16", "ab".repeat(48)]);
  assert.equal(elsewhere.code, 3, "of another manifest");
  assert.equal(requestDigest({ method: "POST", authority: new URL(ready.gateway).host, target: target(key, "sign-transaction"), contentType: "application/json",
    body: JSON.stringify(payment({ nonce: 7 })) }), answer.receipt.requestDigest);
});
