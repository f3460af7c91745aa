// SPDX-License-Identifier: Apache-2.0
// From a manifest's text to PCR16: the canonical form, and texts that have none.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { AttestationError, manifestPcr16 } from "../../../sdk/js/attestation/attestation.mjs";
import { canonicalManifest } from "../../../sdk/js/attestation/manifest.mjs";

const refused = (text) => assert.throws(() => canonicalManifest(text), (error) =>
  error instanceof AttestationError && error.code === "manifest_invalid", String(text).slice(0, 80));
// The text with this as a further member's value, and what becomes of it.
const around = (value) => `{"redoubt_manifest":1,"x":${value}}`;
const value = (text) => canonicalManifest(around(text)).slice('{"redoubt_manifest":1,"x":'.length, -1);

test("PCR16 is SHA384(48 zero bytes, SHA384(canonical form))", async () => {
  const sha384 = (data) => createHash("sha384").update(data).digest();
  const expected = sha384(Buffer.concat([Buffer.alloc(48), sha384('{"a":[],"redoubt_manifest":1}')])).toString("hex");
  assert.equal(await manifestPcr16(' { "redoubt_manifest" : 1 ,\n\t"a" : [ ] }\r\n'), expected);
  await assert.rejects(manifestPcr16("{"), { code: "manifest_invalid" });
  await assert.rejects(manifestPcr16(undefined), { code: "manifest_invalid" });
});

test("names are sorted by their bytes, at every depth", () => {
  assert.equal(canonicalManifest('{"redoubt_manifest":1,"b":{"z":1,"a":2,"Z":3,"":4},"a":0}'),
    '{"a":0,"b":{"":4,"Z":3,"a":2,"z":1},"redoubt_manifest":1}');
  // UTF-16's order is another one: the surrogates of U+10000 come before U+FF5E there.
  assert.equal(value('{"\ud800\udc00":1,"\uff5e":2,"\ud83d\ude00":3,"ab":4,"a":5}'),
    '{"a":5,"ab":4,"\uff5e":2,"\ud800\udc00":1,"\ud83d\ude00":3}');
  assert.equal(value('{"__proto__":1,"constructor":2,"1":3,"0":4}'), '{"0":4,"1":3,"__proto__":1,"constructor":2}');
});

test("a string has one form", () => {
  assert.equal(value('"\\u0041\\/\\u00e9\\ud83d\\ude00"'), '"A/é😀"');
  assert.equal(value('"\\u0000\\u001F\\b\\f\\n\\r\\t\\"\\\\"'), '"\\u0000\\u001f\\b\\f\\n\\r\\t\\"\\\\"');
  assert.equal(value('"\u007f\u2028\ufeff"'), '"\u007f\u2028\ufeff"');
});

test("only integers from 0 to 2^53 - 1 are numbers here", () => {
  for (const number of ["0", "7", "9007199254740991"]) assert.equal(value(number), number);
  for (const number of ["9007199254740992", "99999999999999999999", "-1", "-0", "1.0", "1e3", "01", "+1", ".5", "1.", "0x1", "NaN",
    "Infinity", "-"])
    refused(around(number));
});

test("what two readers could read differently is refused", () => {
  for (const text of [undefined, null, 1, {}, "", " ", "1", "null", '"x"', "[]", "{}", '{"redoubt_manifest":2}', '{"redoubt_manifest":"1"}',
    '{"redoubt_manifest":1.0}', '{"redoubt_manifest":1}x', '{"redoubt_manifest":1}{}', '{"redoubt_manifest":1,}', '{,"redoubt_manifest":1}',
    '{"redoubt_manifest":1 "a":1}', '{"redoubt_manifest":1,"a"}', '{"redoubt_manifest":1,"a":}', "{'redoubt_manifest':1}",
    '{redoubt_manifest:1}', '\ufeff{"redoubt_manifest":1}', '{"redoubt_manifest":1} // x', '{"redoubt_manifest":1,"redoubt_manifest":1}',
    '{"redoubt_manifest":1,"a":1,"\\u0061":2}', '{"x":{"redoubt_manifest":1}}', "\u00a0{\"redoubt_manifest\":1}"])
    refused(text);
  for (const inner of ['"', '"\n"', '"\\x41"', '"\\u00g0"', '"\\u00"', '"\\ud800"', '"\\udc00"', '"\\udc00\\ud800"', '"\\ud800\\u0041"', '"\ud800"',
    "tru", "True", "nul", "truefalse", "[1,]", "[,1]", "[1 2]", "[", "{", '{"a":{"b":1,"b":1}}', "undefined"])
    refused(around(inner));
});

test("size, depth and number are bounded", () => {
  const nested = (depth) => "[".repeat(depth) + "]".repeat(depth);
  assert.equal(value(nested(7)), nested(7));
  refused(around(nested(8)));
  refused("[".repeat(200_000));
  assert.equal(value(`[${Array(65533).fill("1").join(",")}]`).length, 2 + 65533 * 2 - 1);
  refused(around(`[${Array(65534).fill("1").join(",")}]`));
  const room = 256 * 1024 - around('""').length;
  assert.equal(value(`"${"x".repeat(room)}"`).length, room + 2);
  refused(around(`"${"x".repeat(room + 1)}"`));
  refused(around(`"${"é".repeat(room / 2 + 1)}"`));
});
