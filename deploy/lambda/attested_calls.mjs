// SPDX-License-Identifier: Apache-2.0
// A scheduled function that asks: has every enclave that KMS answered a log of receipts? CloudTrail names the enclave of each
// attested call (its module id); each start of an enclave begins a chain of receipts with an attestation of the same id
// (docs/receipts.md). An enclave that KMS answered and whose chain is nowhere is one that somebody runs unseen: alarm.
// Of the receipts only each chain's start is verified here: that it is an enclave's, of a pinned pair, and whose. Whether a
// log is whole is `redoubt audit verify`'s to say, which also takes CloudTrail's records.
// What was read is remembered in the bucket, beside the hosts' folder; hosts may write receipts and cannot write that.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { Log } from "./log.mjs";
import { asRefusal, refuse } from "./refusal.mjs";

const kMinute = 60_000;
const kEntry = { least: 17, most: 16_401 }; // docs/formats/receipt.md, "Log"
const kLastTime = 8.64e15; // ms, of JavaScript's Date
const kKind = { start: 1, receipt: 2, head: 3 };
const kPattern = '{ ($.eventSource = "kms.amazonaws.com") && ($.additionalEventData.recipient.attestationDocumentModuleId = "*") && ($.errorCode NOT EXISTS) }';
const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();

// The module ids of successful attested calls to these keys, by CloudTrail's records, with how often and when first.
export function modulesOfRecords(records, keyArns) {
  const modules = new Map();
  for (const record of records) {
    const id = record?.additionalEventData?.recipient?.attestationDocumentModuleId;
    if (record?.eventSource !== "kms.amazonaws.com" || record.errorCode !== undefined || typeof id !== "string") continue;
    const keys = [record.requestParameters?.keyId, ...(Array.isArray(record.resources) ? record.resources : []).map((resource) => resource?.ARN)];
    if (!keys.some((key) => keyArns.includes(key))) continue;
    const known = modules.get(id);
    modules.set(id, { calls: (known?.calls ?? 0) + 1, first: known?.first ?? record.eventTime, event: known?.event ?? record.eventID });
  }
  return modules;
}

// Chains that begin in these bytes of a log, and how many bytes need not be read again: all but an entry that is cut off, and
// all from the first start whose first receipt is not there yet (it has the time to verify the attestation for).
export function chainStarts(bytes) {
  const starts = new Map();
  let at = 0;
  while (at + 4 <= bytes.length) {
    const size = bytes.readUInt32BE(at);
    if (size < kEntry.least || size > kEntry.most) refuse("receipts_invalid", "a log of receipts has an entry that is none");
    if (at + 4 + size > bytes.length) break;
    const entry = bytes.subarray(at + 4, at + 4 + size), kind = entry[0], chain = entry.toString("hex", 1, 17), body = entry.subarray(17);
    if (kind === kKind.start) starts.set(chain, { chain, at, ...readStart(body) });
    else if (kind === kKind.receipt && starts.has(chain) && body.length >= 49 && body.readBigUInt64BE(1) === 0n)
      Object.assign(starts.get(chain), { time: Number(body.readBigUInt64BE(9)), previous: body.subarray(17, 49) });
    at += 4 + size;
  }
  const waiting = [...starts.values()].filter(({ time }) => time === undefined);
  return { starts: [...starts.values()].filter(({ time }) => time !== undefined), read: Math.min(at, ...waiting.map((start) => start.at)) };
}

function readStart(body) {
  let at = 33;
  const field = () => {
    if (at + 2 > body.length) refuse("receipts_invalid", "a chain's start is cut short");
    const size = body.readUInt16BE(at), from = at + 2;
    if (from + size > body.length) refuse("receipts_invalid", "a chain's start is cut short");
    at = from + size;
    return body.subarray(from, at);
  };
  if (body.length < 33 || body[0] !== 1) refuse("receipts_invalid", "a chain's start is of another version");
  const moduleId = field().toString(), document = field();
  if (at !== body.length) refuse("receipts_invalid", "a chain's start has bytes after its end");
  return { publicKey: body.subarray(1, 33), moduleId, document };
}

// Why a start proves nothing; undefined if it does: its attestation is of an enclave of a pinned pair, made for this chain.
export async function flawOf(start, { pairs, rootSha256, verifier }) {
  const { chain, publicKey, moduleId, document, time, previous } = start;
  if (time > kLastTime) return "the first receipt's time is none"; // whoever wrote the log wrote that, too
  const named = (text) => sha256(`redoubt receipt ${text} v1\0`, publicKey);
  if (named("chain").toString("hex", 0, 16) !== chain || !named("chain start").equals(previous)) return "the chain is not this key's";
  const options = { at: time, purpose: "receipt-key", allowAnyNonce: true, ...(rootSha256 ? { rootSha256, allowOtherRoot: true } : {}) };
  for (const [pcr0, pcr16] of pairs) {
    const { ok, code, attestation } = await verifier.verifyAttestation(new Uint8Array(document), { ...options, pcrs: { 0: pcr0, 16: pcr16 } });
    if (attestation === null) return `the attestation is refused: ${code}`;
    if (!ok) continue;
    if (attestation.moduleId !== moduleId) return "the attestation is of another enclave";
    if (!Buffer.from(verifier.parseUserData(attestation.userData).digest).equals(sha256(publicKey))) return "the attestation is not for this chain's key";
    return undefined;
  }
  return "the enclave's image and manifest are no pinned pair";
}

// `source`: {records(from, to), files() → [{name, size}], read(name, offset) → bytes from there on, load() → state, save(state)}
export async function compare({ source, settings, verifier, now, log }) {
  const state = await source.load();
  let behind = false, unread = 0;
  for (const { name, size } of await source.files()) {
    const before = state.files[name] ?? 0;
    try {
      for (let offset = before; offset < size; offset = state.files[name]) {
        const { starts, read } = chainStarts(await source.read(name, offset));
        for (const start of starts) {
          const flaw = await flawOf(start, { ...settings, verifier });
          if (flaw === undefined) state.modules[start.moduleId] = start.chain;
          else log.error("a chain of receipts proves nothing", { file: name, module: start.moduleId, chain: start.chain, because: flaw });
        }
        state.files[name] = offset + read;
        if (read === 0) break; // an entry that is still being written
      }
      behind ||= (state.files[name] ?? 0) + kEntry.most * 4 < size;
    } catch (error) {
      // Any host can write a file that is none: the others are read all the same.
      log.error("a file of receipts cannot be read", { file: name, because: error?.code ?? error?.name ?? "unknown" });
      ++unread;
      behind = true;
    }
    // A run that is cut off has not read in vain.
    if ((state.files[name] ?? 0) !== before) await source.save(state);
  }
  // CloudTrail tells within minutes, and hosts copy their logs every few: what is younger is looked at next time. After runs that
  // failed or were behind this one looks at their time, too.
  const to = now - settings.delayMs, from = Math.min(to - settings.windowMs, state.compared ?? to);
  const called = modulesOfRecords(await source.records(from, to), settings.keyArns);
  const unknown = [...called].filter(([id]) => !Object.hasOwn(state.modules, id)).map(([id, about]) => ({ module: id, ...about }));
  if (!behind) await source.save(Object.assign(state, { compared: to }));
  return { unknown, compared: behind ? 0 : 1, unread, modules: called.size };
}

export function readSettings(env) {
  const need = (name) => env[name] || refuse("config_invalid", `${name} is not set`);
  const list = (name) => need(name).split(",");
  const minutes = (name, value) => (/^[1-9][0-9]{0,3}$/.test(value) ? Number(value) * kMinute : refuse("config_invalid", `${name} is a number of minutes`));
  const pairs = list("PAIRS").map((pair) => pair.split(":"));
  if (!pairs.every((pair) => pair.length === 2 && pair.every((value) => /^[0-9a-f]{96}$/.test(value)))) refuse("config_invalid", "PAIRS is PCR0:PCR16 in lower case, with commas between");
  return { pairs, keyArns: list("KEY_ARNS"), rootSha256: env.ATTESTATION_ROOT_SHA256 || undefined, windowMs: minutes("WINDOW_MINUTES", env.WINDOW_MINUTES ?? "60"),
    delayMs: minutes("DELAY_MINUTES", env.DELAY_MINUTES ?? "30"), namespace: env.METRICS_NAMESPACE || "Redoubt/Keys" };
}

export const emptyState = () => ({ version: 1, files: {}, modules: {} });

// What is looked at of a record: after an outage there may be many.
const brief = ({ eventSource, errorCode, eventTime, eventID, requestParameters, resources, additionalEventData }) =>
  ({ eventSource, errorCode, eventTime, eventID, requestParameters: { keyId: requestParameters?.keyId }, resources, additionalEventData });

// The bucket and the trail's log group, by AWS's SDK as Lambda's runtime brings it.
function awsSource(env) {
  const require = createRequire(import.meta.url);
  const s3 = require("@aws-sdk/client-s3"), logs = require("@aws-sdk/client-cloudwatch-logs");
  const store = new s3.S3Client({}), trail = new logs.CloudWatchLogsClient({});
  const Bucket = env.RECEIPTS_BUCKET, Prefix = env.RECEIPTS_PREFIX, Key = env.STATE_KEY, kChunk = 16 << 20;
  const bytesOf = async (answer) => Buffer.from(await answer.Body.transformToByteArray());
  return {
    async records(startTime, endTime) {
      const records = [];
      const pages = logs.paginateFilterLogEvents({ client: trail }, { logGroupName: env.TRAIL_LOG_GROUP, filterPattern: kPattern, startTime, endTime });
      for await (const page of pages) for (const { message } of page.events ?? []) records.push(brief(JSON.parse(message)));
      return records;
    },
    async files() {
      const files = [];
      for await (const page of s3.paginateListObjectsV2({ client: store }, { Bucket, Prefix }))
        for (const object of page.Contents ?? []) if (/receipts-[0-9]{8}\.log$/.test(object.Key)) files.push({ name: object.Key, size: object.Size });
      return files;
    },
    read: async (name, offset) => bytesOf(await store.send(new s3.GetObjectCommand({ Bucket, Key: name, Range: `bytes=${offset}-${offset + kChunk - 1}` }))),
    async load() {
      try {
        const state = JSON.parse(await bytesOf(await store.send(new s3.GetObjectCommand({ Bucket, Key }))));
        return state.version === 1 ? state : refuse("state_invalid", "what was read before is of another version");
      } catch (error) {
        if (error?.name === "NoSuchKey") return emptyState();
        throw error;
      }
    },
    save: (state) => store.send(new s3.PutObjectCommand({ Bucket, Key, Body: JSON.stringify(state), ContentType: "application/json" })),
  };
}

const metricLine = (namespace, now, values) => JSON.stringify({ _aws: { Timestamp: now, CloudWatchMetrics: [{ Namespace: namespace, Dimensions: [[]],
  Metrics: Object.keys(values).map((Name) => ({ Name, Unit: "Count" })) }] }, ...values }) + "\n";

export async function handler(_event, context) {
  const log = new Log("INFO", { request_id: context?.awsRequestId });
  try {
    const settings = readSettings(process.env), now = Date.now();
    const { Verifier, parseUserData } = await import("@redoubt/attestation");
    const { unknown, compared, unread, modules } = await compare({ source: awsSource(process.env), settings, verifier: Object.assign(new Verifier(), { parseUserData }), now, log });
    for (const one of unknown) log.error("KMS answered an enclave that no log of receipts knows", one);
    log.write(metricLine(settings.namespace, now, { UnknownModules: unknown.length, Comparisons: compared, FilesNotRead: unread }));
    return { modules, unknown: unknown.length, compared, unread };
  } catch (error) {
    throw asRefusal(error, log);
  }
}
