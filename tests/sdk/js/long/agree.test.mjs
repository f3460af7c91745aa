// SPDX-License-Identifier: Apache-2.0
// The C++ and the JavaScript verifier give the same verdict and the same error on every document: on the real ones, on
// every byte of three of them changed, on AGREE_COUNT (10,000) other mutants, and on as many payloads that a root of this
// test's own has signed after they were changed, so that nothing but the readers stands between them and a verdict.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import crypto from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, "../../../..");
const bin = process.env.REDOUBT_BIN ?? path.join(root, "build/release/bin");
const vectors = process.env.REDOUBT_VECTORS ?? path.resolve(root, "../shared/vectors");
const folder = path.join(vectors, "nitro-attestation");
const count = Number(process.env.AGREE_COUNT ?? 10_000);

// The same mutants in every run, whatever it is started with.
let state = 0x9e3779b9;
function random(below) {
  state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
  return (state >>> 0) % below;
}

async function verdicts(command, args, lines) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (data) => (said += data));
  child.stdin.on("error", () => {}); // the exit code tells
  child.stdin.end(lines.join("\n") + "\n");
  const [code] = await once(child, "close");
  assert.equal(code, 0, `${command} ended with ${code}`);
  const out = said.trimEnd().split("\n");
  assert.equal(out.length, lines.length);
  return out;
}

async function both(lines) {
  const [c, js] = await Promise.all([verdicts(path.join(bin, "attestation_verdicts"), [], lines),
    verdicts(path.join(root, "tools/node"), [path.join(here, "../verdicts.mjs")], lines)]);
  for (let i = 0; i < lines.length; ++i)
    assert.equal(js[i], c[i], `JavaScript and C++ differ on ${lines[i].slice(0, 20_000)}`);
  return c;
}

const line = (at, bytes, rootSha256) => `${at} ${bytes.length > 0 ? bytes.toString("hex") : "-"}${rootSha256 ? " " + rootSha256 : ""}`;

function documents() {
  return JSON.parse(fs.readFileSync(path.join(folder, "manifest.json"), "utf8"))
    .map((entry) => ({ ...entry, bytes: fs.readFileSync(path.join(folder, entry.file)) }));
}

// One change of any kind; never the same bytes.
function mutate(bytes, other) {
  const at = random(bytes.length), size = 1 + random(8);
  let out = Buffer.from(bytes);
  switch (random(7)) {
    case 0: out[at] ^= 1 << random(8); break;
    case 1: for (let i = 0; i < size; ++i) out[random(out.length)] = random(256); break;
    case 2: out = out.subarray(0, at); break;
    case 3: out = Buffer.concat([out.subarray(0, at), crypto.randomBytes(size), out.subarray(at)]); break;
    case 4: out = Buffer.concat([out.subarray(0, at), out.subarray(at + size)]); break;
    case 5: out = Buffer.concat([out.subarray(0, at), out.subarray(at, at + size), out.subarray(at)]); break;
    case 6: out = Buffer.concat([out.subarray(0, at), other.subarray(Math.min(at, other.length))]); break;
  }
  if (out.equals(bytes)) out = Buffer.concat([out, Buffer.from([0])]);
  return out;
}

// What CBOR readers trip over, put where the document's own items stand.
const kItems = ["00", "17", "1800", "1817", "190000", "1a00000000", "1b0000000000000000", "1bffffffffffffffff", "20", "40", "5f4100ff",
  "60", "7f6161ff", "80", "9fff", "a0", "bfff", "c000", "f4", "f6", "f7", "f818", "f97c00", "fb7ff0000000000000", "ff", "1c", "61ff",
  "62c080", "8181818181818181818180"].map((hex) => Buffer.from(hex, "hex"));

test("every real document is accepted at its time, and refused before and after", async (t) => {
  if (!fs.existsSync(folder)) return t.skip(`there is no folder ${folder}; REDOUBT_VECTORS names the one above it`);
  const lines = [], wanted = [];
  for (const document of documents()) {
    const genuine = document.expect?.signature === true;
    lines.push(line(document.verify_at_ms ?? 1, document.bytes));
    wanted.push(genuine ? "ok" : undefined);
    if (!genuine) continue;
    for (const [end, by] of [[0, -1000], [1, 1000]]) {
      lines.push(line(Date.parse(document.cert_window[end]) + by, document.bytes));
      wanted.push("attestation_expired");
    }
  }
  const said = await both(lines);
  wanted.forEach((want, i) => want === undefined ? assert.notEqual(said[i], "ok") : assert.equal(said[i], want, lines[i].slice(0, 60)));
});

test("every byte of three valid documents changed, and other mutants: refused by both for the same reason", async (t) => {
  if (!fs.existsSync(folder)) return t.skip(`there is no folder ${folder}; REDOUBT_VECTORS names the one above it`);
  const genuine = documents().filter((document) => document.expect?.signature === true);
  const different = (member) => [genuine.find((d) => d[member]), genuine.find((d) => !d[member])];
  const three = [...new Set([...different("payload_map_indefinite"), ...different("cose_tagged"), ...different("debug_mode")])]
    .filter(Boolean).slice(0, 3);
  assert.equal(three.length, 3);
  const lines = [];
  for (const { bytes, verify_at_ms: at } of three) {
    for (let i = 0; i < bytes.length; ++i) {
      const changed = Buffer.from(bytes);
      changed[i] ^= 1 + random(255);
      lines.push(line(at, changed));
    }
  }
  for (let i = 0; i < count; ++i) {
    const of = genuine[random(genuine.length)];
    lines.push(line(of.verify_at_ms, mutate(of.bytes, genuine[random(genuine.length)].bytes)));
  }
  const said = await both(lines);
  said.forEach((verdict, i) => assert.notEqual(verdict, "ok", lines[i]));
  t.diagnostic(`${lines.length} mutants: ${JSON.stringify(tally(said))}`);
});

const tally = (said) => said.reduce((all, verdict) => ({ ...all, [verdict]: (all[verdict] ?? 0) + 1 }), {});

// A chain of this test's own, made by openssl: root, one authority, leaf.
function makeChain(work) {
  const openssl = (...args) => execFileSync("openssl", args, { cwd: work, stdio: ["ignore", "ignore", "pipe"] });
  for (const name of ["root", "ca", "leaf"])
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", `${name}.key`);
  const ca = (length) => `basicConstraints=critical,CA:TRUE${length}\nkeyUsage=critical,keyCertSign,cRLSign\n`;
  fs.writeFileSync(path.join(work, "ca.ext"), ca(",pathlen:0"));
  fs.writeFileSync(path.join(work, "leaf.ext"), "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n");
  openssl("req", "-new", "-x509", "-sha384", "-days", "30", "-key", "root.key", "-subj", "/CN=agree root", "-out", "root.pem",
    "-addext", "keyUsage=critical,keyCertSign,cRLSign");
  for (const [name, issuer] of [["ca", "root"], ["leaf", "ca"]]) {
    openssl("req", "-new", "-key", `${name}.key`, "-subj", `/CN=agree ${name}`, "-out", `${name}.csr`);
    openssl("x509", "-req", "-sha384", "-days", "30", "-in", `${name}.csr`, "-CA", `${issuer}.pem`, "-CAkey", `${issuer}.key`,
      "-CAcreateserial", "-extfile", `${name}.ext`, "-out", `${name}.pem`);
  }
  const der = (name) => new crypto.X509Certificate(fs.readFileSync(path.join(work, `${name}.pem`))).raw;
  return { root: der("root"), ca: der("ca"), leaf: der("leaf"), key: crypto.createPrivateKey(fs.readFileSync(path.join(work, "leaf.key"))) };
}

const head = (major, n) => n < 24 ? Buffer.from([major << 5 | n]) : n < 256 ? Buffer.from([major << 5 | 24, n])
  : Buffer.from([major << 5 | 25, n >> 8, n & 255]);
const bytesItem = (bytes) => Buffer.concat([head(2, bytes.length), bytes]);
const textItem = (text) => Buffer.concat([head(3, text.length), Buffer.from(text)]);
const kProtected = Buffer.from("a1013822", "hex");

function sign(payload, key) {
  const signed = Buffer.concat([head(4, 4), textItem("Signature1"), bytesItem(kProtected), bytesItem(Buffer.alloc(0)), bytesItem(payload)]);
  const signature = crypto.sign("sha384", signed, { key, dsaEncoding: "ieee-p1363" });
  return Buffer.concat([head(4, 4), bytesItem(kProtected), head(5, 0), bytesItem(payload), bytesItem(signature)]);
}

// The payload as a list of items, so that mutants can be made between them, too.
function payloadItems(chain, at) {
  const time = Buffer.alloc(9);
  time[0] = 0x1b;
  time.writeBigUInt64BE(BigInt(at), 1);
  const pcrs = [head(5, 3), head(0, 0), bytesItem(Buffer.alloc(48, 1)), head(0, 1), bytesItem(Buffer.alloc(48, 2)), head(0, 16),
    bytesItem(Buffer.alloc(48, 3))];
  return [head(5, 9), textItem("module_id"), textItem("i-0-enc0"), textItem("digest"), textItem("SHA384"), textItem("timestamp"), time,
    textItem("pcrs"), ...pcrs, textItem("certificate"), bytesItem(chain.leaf), textItem("cabundle"), head(4, 2), bytesItem(chain.root),
    bytesItem(chain.ca), textItem("public_key"), Buffer.from("f6", "hex"), textItem("user_data"), bytesItem(Buffer.from("data")),
    textItem("nonce"), bytesItem(Buffer.from("nonce"))];
}

test("payloads changed before they were signed: the same verdict of both, refused or not", async (t) => {
  const work = fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-agree-"));
  t.after(() => fs.rmSync(work, { recursive: true }));
  const chain = makeChain(work);
  const digest = crypto.createHash("sha256").update(chain.root).digest("hex");
  const at = Date.now() + 60_000;
  const items = payloadItems(chain, at);
  const whole = Buffer.concat(items);
  const lines = [line(at, sign(whole, chain.key), digest)];
  // Each item replaced, doubled, left out, or followed by another.
  for (let i = 0; i < items.length; ++i) {
    for (const item of kItems) lines.push(line(at, sign(Buffer.concat(items.with(i, item)), chain.key), digest));
    lines.push(line(at, sign(Buffer.concat(items.toSpliced(i, 1)), chain.key), digest));
    lines.push(line(at, sign(Buffer.concat(items.toSpliced(i, 0, items[i])), chain.key), digest));
    lines.push(line(at, sign(Buffer.concat(items.toSpliced(i + 1, 0, kItems[random(kItems.length)])), chain.key), digest));
  }
  // The certificates' own bytes, too: a change there breaks their signatures, or only their shape.
  for (let i = 0; i < count; ++i) lines.push(line(at, sign(mutate(whole, whole), chain.key), digest));
  const said = await both(lines);
  const counts = tally(said);
  t.diagnostic(`${lines.length} signed payloads: ${JSON.stringify(counts)}`);
  assert.equal(said[0], "ok", "the unchanged payload");
  for (const verdict of ["ok", "attestation_invalid", "attestation_untrusted"]) assert.ok(counts[verdict] > 1, `none is ${verdict}`);
});
