// SPDX-License-Identifier: Apache-2.0
// The C++ and the JavaScript verifier read certificates alike: AGREE_COUNT (5,000) chains in which one certificate was
// changed before its issuer signed it, so that nothing but the rules for certificates stands between it and a verdict.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as forge from "../forge.mjs";
import { bytes, hex } from "../forge.mjs";
import { random } from "../vectors.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, "../../../..");
const native = path.join(process.env.REDOUBT_BIN ?? path.join(root, "build/release/bin"), "attestation_verdicts");
const count = Number(process.env.AGREE_COUNT ?? 5000);
const next = random(20260103);
const pick = (list) => list[next(list.length)];

// DER as a tree: {tag, children} or {tag, content}; an extension's OCTET STRING is opened, too. `form` writes the length
// otherwise than shortest.

function read(der) {
  const out = [];
  for (let at = 0; at < der.length;) {
    const tag = der[at];
    let size = der[at + 1], head = 2;
    if (size === 0x81) [size, head] = [der[at + 2], 3];
    else if (size === 0x82) [size, head] = [der[at + 2] << 8 | der[at + 3], 4];
    const content = der.slice(at + head, at + head + size);
    const opens = (tag & 0x20) !== 0 || (tag === 0x04 && (content[0] === 0x30 || content[0] === 0x03));
    out.push(opens ? { tag, children: read(content) } : { tag, content });
    at += head + size;
  }
  return out;
}

function write(node) {
  const content = node.children ? bytes(...node.children.map(write)) : node.content;
  const size = content.length;
  switch (node.form) {
    case "long1":
      return bytes([node.tag, 0x81, size & 0xff], content);
    case "long2":
      return bytes([node.tag, 0x82, size >> 8, size & 0xff], content);
    case "long3":
      return bytes([node.tag, 0x83, 0, size >> 8, size & 0xff], content);
    case "indefinite":
      return bytes([node.tag, 0x80], content, [0, 0]);
    case "short":
      return bytes([node.tag, Math.max(0, (size & 0x7f) - 1)], content);
    default:
      return forge.der(node.tag, content);
  }
}

function* nodes(list) {
  for (const [index, node] of list.entries()) {
    yield { list, index, node };
    if (node.children) yield* nodes(node.children);
  }
}

const contents = ["", "00", "01", "7f", "80", "ff", "0000", "00ff", "0001", "0080", "ffff", "0204", "0106", "0780", "0784", "000080", "06c0",
  "050420", "0a04", "551d13", "551d0f", "551d0e", "2a0304", "2a8648ce3d040303"].map(hex);
const times = ["260101000000Z", "490101000000Z", "500101000000Z", "991231235959Z", "000101000000Z", "240229000000Z", "250229000000Z",
  "251301000000Z", "250001000000Z", "250100000000Z", "250432000000Z", "250431000000Z", "250101240000Z", "250101006000Z", "250101000060Z",
  "250101000061Z", "2501010000Z", "250101000000+0000", "20491231235959Z", "20500101000000Z", "20500229000000Z", "99991231235959Z",
  "21000229000000Z", "00000101000000Z", "2050010100000Z", "25010100000 Z", "250101000000z", "/50101000000Z", ":50101000000Z"].map(forge.ascii);
const tags = [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x17, 0x18, 0x30, 0x31, 0x81, 0xa0, 0xa3, 0x1f];
const extensions = [forge.extension("2a0304", false, hex("0500")), forge.extension("2a0304", true, hex("0500")),
  forge.extension("551d0e", false, hex("0400")), forge.constraints(true), forge.constraints(true, 0), forge.constraints(true, 127),
  forge.constraints(false), forge.certSign, forge.digitalSignature, forge.usage([0, 0x80, 0x01]), forge.usage([2, 0x84]), hex("3000")];

// One change of the tree.
function change(tree) {
  const all = [...nodes(tree)];
  const leaves = all.filter((entry) => entry.node.content);
  if (leaves.length === 0) return;
  const { list, index, node } = pick(all);
  switch (next(12)) {
    case 0:
      list.splice(index, 1);
      break;
    case 1:
      list.splice(index, 0, structuredClone(node));
      break;
    case 2:
      list.splice(next(list.length), 0, list.splice(index, 1)[0]);
      break;
    case 3:
      node.tag = pick(tags);
      break;
    case 4:
      node.form = pick(["long1", "long2", "long3", "indefinite", "short"]);
      break;
    case 5: {
      const clocks = all.filter((entry) => entry.node.tag === 0x17 || entry.node.tag === 0x18);
      const clock = clocks.length > 0 ? pick(clocks).node : node;
      const time = pick(times);
      Object.assign(clock, { tag: next(4) === 0 ? pick([0x17, 0x18]) : time.length > 13 ? 0x18 : 0x17, content: time, children: undefined });
      break;
    }
    case 6:
    case 7: {
      const found = all.find((entry) => entry.node.tag === 0xa3)?.node.children?.[0]?.children;
      if (found) found.splice(next(found.length + 1), next(2), read(pick(extensions))[0]);
      break;
    }
    case 8: {
      const leaf = pick(leaves).node;
      leaf.content = leaf.content.map((byte, i) => (i === 0 ? byte ^ 1 << next(8) : byte));
      break;
    }
    case 9: {
      const leaf = pick(leaves).node;
      leaf.content = bytes(leaf.content, pick(contents));
      break;
    }
    default:
      pick(leaves).node.content = pick(contents);
  }
}

// Where a signature stands in its BIT STRING, and how it could be written otherwise.
function writeSignature(raw) {
  const tree = [{ tag: 0x30, children: read(bytes(forge.integer(raw.slice(0, 48)), forge.integer(raw.slice(48)))) }];
  if (next(12) === 0) {
    if (next(2) === 0) change(tree);
    else Object.assign(tree[0].children[next(2)], { content: pick([raw.slice(0, 48), bytes([0], raw.slice(48)), hex("00")]) });
  }
  return bytes([next(40) === 0 ? pick([1, 7, 0x80]) : 0], ...tree.map(write));
}

async function makeLine(chain) {
  const certificates = [...chain.certificates];
  const place = next(2) === 0 ? certificates.length - 1 : next(certificates.length);
  const [{ children: [signedPart, algorithm] }] = read(certificates[place]);
  const tree = [signedPart];
  for (let times = 1 + next(2); times > 0; --times) change(tree);
  const changed = bytes(...tree.map(write));
  const raw = await forge.sign(chain.keys[Math.max(place - 1, 0)], changed);
  const outer = [algorithm, { tag: 0x03, content: writeSignature(raw) }];
  if (next(20) === 0) change(outer);
  certificates[place] = forge.sequence(changed, ...outer.map(write));
  const { document, rootSha256 } = await forge.forge({ certificates, keys: chain.keys });
  const at = forge.kNow + (next(8) === 0 ? pick([-2, 2, 24 * 365 * 22, 24 * 365 * 30]) * forge.kHour : 0);
  return `${at} ${Buffer.from(document).toString("hex")} ${rootSha256}`;
}

async function verdicts(command, args, lines) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (data) => (said += data));
  child.stdin.on("error", () => {}); // the exit code tells
  child.stdin.end(`${lines.join("\n")}\n`);
  const [code] = await once(child, "close");
  assert.equal(code, 0, `${command} ended with ${code}`);
  return said.trimEnd().split("\n");
}

test("certificates changed before they were signed: the same verdict of both, refused or not", async (t) => {
  const chain = await forge.makeChain((shapes) => {
    shapes[1].extensions = [forge.constraints(true, 3), forge.certSign, forge.extension("551d0e", false, hex("0401aa"))];
  });
  const lines = [];
  while (lines.length < count) lines.push(await makeLine(chain));
  const [c, js] = await Promise.all([verdicts(native, [], lines),
    verdicts(process.execPath, [path.join(here, "../verdicts.mjs")], lines)]);
  assert.deepEqual([c.length, js.length], [lines.length, lines.length]);
  for (const [i, line] of lines.entries()) assert.equal(js[i], c[i], `JavaScript and C++ differ on ${line}`);
  const tally = {};
  for (const verdict of js) tally[verdict] = (tally[verdict] ?? 0) + 1;
  t.diagnostic(`${lines.length} chains: ${JSON.stringify(tally)}`);
  for (const verdict of ["ok", "attestation_untrusted", "attestation_expired"]) assert.ok(tally[verdict] > 1, verdict);
});
