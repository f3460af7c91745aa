// SPDX-License-Identifier: Apache-2.0
// Enclave image files (EIF version 4) as tests need them: written, and measured a second time.
import crypto from "node:crypto";

const headerBytes = 548, sectionBytes = 12, crcAt = 544;
const types = { kernel: 1, cmdline: 2, ramdisk: 3, metadata: 5 };

const crcTable = Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; ++k) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});
function crc32(bytes, crc = 0) {
  crc = ~crc >>> 0;
  for (const byte of bytes) crc = (crcTable[(crc ^ byte) & 0xff] ^ (crc >>> 8)) >>> 0;
  return ~crc >>> 0;
}

const checksum = (file) => crc32(file.subarray(headerBytes), crc32(file.subarray(0, crcAt)));

// In nitro-cli's order: kernel, command line, metadata, ramdisks.
export function makeEif({ kernel = "kernel", cmdline = "console=ttyS0", ramdisks = ["init", "program"] } = {}) {
  const metadata = JSON.stringify({ ImageName: "test", ImageVersion: "1", BuildMetadata: { BuildTime: "1970-01-01T00:00:00Z",
    BuildTool: "test", BuildToolVersion: "1", OperatingSystem: "none", KernelVersion: "0" }, DockerInfo: {}, CustomMetadata: {} });
  const sections = [["kernel", kernel], ["cmdline", cmdline], ["metadata", metadata], ...ramdisks.map((data) => ["ramdisk", data])]
    .map(([type, data]) => ({ type: types[type], data: Buffer.from(data) }));
  const header = Buffer.alloc(headerBytes);
  header.write(".eif", 0, "latin1");
  header.writeUInt16BE(4, 4);
  header.writeBigUInt64BE(256n << 20n, 8);
  header.writeBigUInt64BE(2n, 16);
  header.writeUInt16BE(sections.length, 26);
  let at = headerBytes;
  const parts = sections.map(({ type, data }, i) => {
    header.writeBigUInt64BE(BigInt(at), 28 + 8 * i);
    header.writeBigUInt64BE(BigInt(data.length), 284 + 8 * i);
    at += sectionBytes + data.length;
    const head = Buffer.alloc(sectionBytes);
    head.writeUInt16BE(type, 0);
    head.writeBigUInt64BE(BigInt(data.length), 4);
    return Buffer.concat([head, data]);
  });
  const body = Buffer.concat(parts);
  const out = Buffer.concat([header, body]);
  out.writeUInt32BE(checksum(out), crcAt);
  return out;
}

const sha384 = (...parts) => parts.reduce((hash, part) => hash.update(part), crypto.createHash("sha384")).digest();
const pcr = (...parts) => sha384(Buffer.alloc(48), sha384(...parts)).toString("hex");

// [{ type, at, data }] by the header's table; `at`: of the data. Throws where the checksum is wrong.
export function sectionsOf(file) {
  if (file.length < headerBytes || file.toString("latin1", 0, 4) !== ".eif") throw new Error("no EIF");
  if (checksum(file) !== file.readUInt32BE(crcAt)) throw new Error("wrong checksum");
  return Array.from({ length: file.readUInt16BE(26) }, (_, i) => {
    const at = Number(file.readBigUInt64BE(28 + 8 * i)), size = Number(file.readBigUInt64BE(284 + 8 * i));
    return { type: file.readUInt16BE(at), at: at + sectionBytes, data: file.subarray(at + sectionBytes, at + sectionBytes + size) };
  });
}

// PCR0, PCR1 and PCR2.
export function measureEif(file) {
  const all = sectionsOf(file), of = (...wanted) => all.filter(({ type }) => wanted.includes(type)).map(({ data }) => data);
  const kernel = of(types.kernel, types.cmdline), ramdisks = of(types.ramdisk);
  return { PCR0: pcr(...kernel, ...ramdisks), PCR1: pcr(...kernel, ...ramdisks.slice(0, 1)), PCR2: pcr(...ramdisks.slice(1)) };
}

// Another image that works the same: one bit differs, of a time in its last ramdisk, which nothing looks at.
export function otherEif(file) {
  const out = Buffer.from(file);
  const { at } = sectionsOf(out).filter(({ type }) => type === types.ramdisk).at(-1);
  out[out.indexOf("070701", at) + 53] ^= 1; // of the first entry's time: eight hexadecimal digits at 46 ("newc")
  out.writeUInt32BE(checksum(out), crcAt);
  return out;
}
