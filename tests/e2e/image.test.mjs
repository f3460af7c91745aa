// SPDX-License-Identifier: Apache-2.0
// image/cpio.mjs, which packs the image's ramdisks: read back by the format's own rules, the same twice, and nothing doubtful taken.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../image/cpio.mjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "redoubt-image-"));
after(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, "init"), "twelve bytes");
writeFileSync(join(folder, "odd"), "odd");

function pack(list, name = "ramdisk") {
  const run = spawnSync(process.execPath, [program, name], { cwd: folder, input: list, encoding: "utf8" });
  return { code: run.status, why: run.stderr, bytes: run.status === 0 ? readFileSync(join(folder, name)) : undefined };
}

// Linux Documentation/driver-api/early-userspace/buffer-format.rst, "newc".
function unpack(bytes) {
  const entries = [];
  for (let at = 0; ;) {
    assert.equal(bytes.toString("latin1", at, at + 6), "070701");
    const fields = Array.from({ length: 13 }, (_, i) => Number.parseInt(bytes.toString("latin1", at + 6 + 8 * i, at + 14 + 8 * i), 16));
    const [number, mode, uid, gid, links, time, size, , , major, minor, nameSize, sum] = fields;
    const name = bytes.toString("latin1", at + 110, at + 110 + nameSize - 1);
    assert.equal(bytes[at + 110 + nameSize - 1], 0);
    at = (at + 110 + nameSize + 3) & ~3;
    const data = bytes.toString("latin1", at, at + size);
    at = (at + size + 3) & ~3;
    if (name === "TRAILER!!!") {
      assert.ok(bytes.subarray(at).every((byte) => byte === 0));
      return entries;
    }
    assert.deepEqual([uid, gid, time, sum], [0, 0, 0, 0]);
    entries.push({ number, name, mode: mode.toString(8), links, major, minor, data });
  }
}

const LIST = "dir /dev 0755\nnode /dev/console 0600 5 1\nfile /init 0500 init\nfile /dev/odd 0444 odd\n";

test("a ramdisk holds what its list says, in the order of the names, owned by root in 1970", () => {
  const { bytes } = pack(LIST);
  assert.equal(bytes.length % 512, 0);
  assert.deepEqual(unpack(bytes), [
    { number: 1, name: "dev", mode: "40755", links: 2, major: 0, minor: 0, data: "" },
    { number: 2, name: "dev/console", mode: "20600", links: 1, major: 5, minor: 1, data: "" },
    { number: 3, name: "dev/odd", mode: "100444", links: 1, major: 0, minor: 0, data: "odd" },
    { number: 4, name: "init", mode: "100500", links: 1, major: 0, minor: 0, data: "twelve bytes" },
  ]);
});

test("neither the order of the list nor owner, mode and time of the files change a byte", () => {
  const first = pack(LIST, "first").bytes;
  chmodSync(join(folder, "init"), 0o777);
  utimesSync(join(folder, "init"), 1, 2);
  assert.deepEqual(pack(LIST.trim().split("\n").reverse().join("\n"), "second").bytes, first);
  writeFileSync(join(folder, "init"), "Twelve bytes");
  assert.notDeepEqual(pack(LIST, "third").bytes, first);
});

test("lists that could mean something else are refused, and no file is left", () => {
  const lists = [
    "dir /a 755",
    "dir a 0755",
    "dir /a/../b 0755",
    "dir / 0755",
    "link /a 0755",
    "file /a 0755",
    "file /a 0755 missing",
    "node /a 0600 x 1",
    "dir /a 0755\ndir /a 0755",
    "file /a/b 0755 init",
    "file /a 0755 init\nfile /a/b 0755 init",
    "dir /a 0755 ",
    "dir /__proto__ 0755",
  ];
  for (const list of lists) {
    const { code, why } = pack(list, "refused");
    assert.equal(code, 1, list);
    assert.match(why, /^image\/cpio\.mjs: /);
  }
  assert.ok(!readdirSync(folder).some((name) => name.startsWith("refused")));
});
