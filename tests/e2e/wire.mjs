// SPDX-License-Identifier: Apache-2.0
// The frames between gateway and enclave (docs/formats/wire.md), spoken by whoever owns the host: he starts enclaves as he
// likes, talks to each, and gives it what records he likes.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { bin, until } from "./lib.mjs";

const kinds = { hello: 1, manifest: 2, credentials: 3, vaultCreate: 4, vaultOpen: 5, request: 6, probe: 7, forget: 8 };
export const items = { keyRecord: 1, vaultRecord: 2, referenceCiphertext: 3, credentials: 4, policy: 5, keyIfAny: 6, vaultIfAny: 7,
  keyUpdate: 8, countersIfAny: 9, counters: 10, receipt: 11, receiptHead: 12, receiptStart: 13 };

export const u8 = (value) => Buffer.from([value]);
export const u16 = (value) => Buffer.from([value >> 8, value & 0xff]);
export function u32(value) {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}
export function u64(value) {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(BigInt(value));
  return out;
}
export const block16 = (bytes) => Buffer.concat([u16(Buffer.from(bytes).length), Buffer.from(bytes)]);
export const block32 = (bytes) => Buffer.concat([u32(Buffer.from(bytes).length), Buffer.from(bytes)]);

// Reads front to back; beyond the end is an error.
export class Reader {
  #bytes;
  #at = 0;
  constructor(bytes) {
    this.#bytes = bytes;
  }
  take(size) {
    if (this.#at + size > this.#bytes.length) throw new Error("a message ends too early");
    return this.#bytes.subarray(this.#at, (this.#at += size));
  }
  number(size) {
    return Number(size === 8 ? this.take(8).readBigUInt64BE() : this.take(size).readUIntBE(0, size));
  }
  block(lengthSize) {
    return this.take(this.number(lengthSize));
  }
  finished() {
    return this.#at === this.#bytes.length;
  }
}

function parseReply(payload) {
  const reader = new Reader(payload);
  const reply = { status: reader.number(2), type: reader.number(1), text: reader.block(4).toString(), records: [], needs: [] };
  for (let left = reader.number(1); left > 0; --left)
    reply.records.push({ kind: reader.number(1), name: reader.block(2).toString(), bytes: Buffer.from(reader.block(4)) });
  for (let left = reader.number(1); left > 0; --left) reply.needs.push({ kind: reader.number(1), name: reader.block(2).toString() });
  if (!reader.finished()) throw new Error("a reply has something left over");
  reply.body = reply.type === 1 && reply.text !== "" ? JSON.parse(reply.text) : undefined;
  return reply;
}

// The socket that a process of `redoubt up` listens on.
export const socketOf = (pid) => fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").find((word) => word.startsWith("unix:")).slice(5);

export class Enclave {
  #socket;
  #waiting = new Map();
  #next = 1;
  #received = Buffer.alloc(0);

  static async connect(socketPath) {
    const enclave = new Enclave();
    enclave.#socket = net.connect(socketPath);
    enclave.#socket.on("data", (data) => enclave.#take(data));
    enclave.#socket.on("close", () => {
      for (const { reject } of enclave.#waiting.values()) reject(new Error("the enclave ended the connection"));
    });
    await once(enclave.#socket, "connect");
    return enclave;
  }

  // An enclave of the host's own, beside those of `redoubt up` and with the same measurement.
  static async start(ready, name) {
    const listen = path.join(path.dirname(socketOf(ready.pids.enclaves[0])), `${name}.sock`);
    const child = spawn(path.join(bin, "redoubt-enclave-dev"), ["--listen", `unix:${listen}`, "--kms-proxy",
      `unix:${socketOf(ready.pids.vsock_proxy)}`, "--tls-roots", ready.ca_cert, "--nsm-root", path.dirname(ready.attestation_root),
      "--endpoint-suffix", "devcloud.internal", "--region", ready.region], { stdio: "ignore" });
    const ended = once(child, "exit");
    const enclave = await until(`enclave ${name} listens`, () => Enclave.connect(listen).catch(() => undefined));
    enclave.stop = async () => {
      enclave.close();
      child.kill("SIGKILL");
      await ended;
    };
    return enclave;
  }

  close() {
    this.#socket.destroy();
  }

  #take(data) {
    this.#received = Buffer.concat([this.#received, data]);
    while (this.#received.length >= 4) {
      const size = this.#received.readUInt32BE() + 4;
      if (this.#received.length < size) return;
      const frame = this.#received.subarray(0, size);
      this.#received = this.#received.subarray(size);
      const id = Number(frame.readBigUInt64BE(5));
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      try {
        resolve(parseReply(frame.subarray(13)));
      } catch (error) {
        reject(error);
      }
    }
  }

  #call(kind, payload = Buffer.alloc(0)) {
    const id = this.#next++;
    const answered = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#socket.write(Buffer.concat([u32(9 + payload.length), u8(kinds[kind]), u64(id), payload]));
    return answered;
  }

  hello = () => this.#call("hello");
  manifest = (text) => this.#call("manifest", Buffer.from(text));
  credentials = ({ accessKeyId, secretAccessKey, sessionToken }) => this.#call("credentials",
    Buffer.concat([block16(accessKeyId), block16(secretAccessKey), block16(sessionToken), u64(0)]));
  // Made, and opened from its record, as a gateway does once that is stored.
  createVault = async () => {
    const made = await this.#call("vaultCreate");
    if (made.records.length === 1) await this.openVault(made.records[0].bytes);
    return made;
  };
  probe = () => this.#call("probe");
  openVault = (record) => this.#call("vaultOpen", record);
  forget = () => this.#call("forget"); // everything that was opened

  // `attached`: [{kind, name, bytes}], what the gateway would send along.
  request(method, target, body, attached = []) {
    return this.ask({ method, target, headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? "" : JSON.stringify(body), attached });
  }

  // The same with all that a gateway says: `headers` {name: value}, `hostName` of whom it vouches for, and the body's bytes.
  ask({ method, authority = "host.invalid", target, headers = {}, hostName = "", requestId = "", body = "", attached = [] }) {
    const at = target.indexOf("?"), fields = Object.entries(headers);
    return this.#call("request", Buffer.concat([block16(method), block16(authority), block16(at < 0 ? target : target.slice(0, at)), u8(at < 0 ? 0 : 1),
      block16(at < 0 ? "" : target.slice(at + 1)), u32(0), block16(hostName), block16(requestId), u8(fields.length), ...fields.flat().map((text) => block16(text)),
      u8(attached.length), ...attached.flatMap(({ kind, name, bytes }) => [u8(kind), block16(name), block32(bytes)]), block32(body)]));
  }
}
