// SPDX-License-Identifier: Apache-2.0
// X.509 certificates (RFC 5280) as the Nitro attestation PKI issues them, read far more strictly than a general
// library reads them: version 3, P-384 with a named curve and an uncompressed point, ecdsa-with-SHA384, DER
// throughout, basicConstraints and keyUsage present, no critical extension but these two, none twice. Structure
// only; signatures and the path are chain.mjs's.
import { Cursor, toHex } from "./bytes.mjs";
import { Tag, element, expect, isBadPositive, wholeElement } from "./der.mjs";
import { kMaxCertificate } from "./document.mjs";
import { untrusted } from "./error.mjs";
import { es384FromDer, kPointSize } from "./p384.mjs";

// SEQUENCE { 1.2.840.10045.4.3.3 }, without parameters (RFC 5758, section 3.2).
const kEcdsaWithSha384 = Uint8Array.of(0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03);
// SEQUENCE { SEQUENCE { id-ecPublicKey, secp384r1 }, BIT STRING of 97 bytes (RFC 5480, section 2).
const kP384PublicKeyHead = Uint8Array.of(0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
  0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00);
const kVersion3 = Uint8Array.of(0xa0, 0x03, 0x02, 0x01, 0x02);
const kBasicConstraints = "551d13"; // 2.5.29.19
const kKeyUsage = "551d0f"; // 2.5.29.15

// DER leaves a BOOLEAN that has its default value FALSE out (X.690, section 11.5).
function readTrue(cursor) {
  if (cursor.next !== Tag.boolean) return false;
  const value = element(cursor, Tag.boolean, 1);
  if (cursor.ok && value[0] !== 0xff) cursor.fail();
  return cursor.ok;
}

// Positive, shortest, at most 20 bytes and a sign (RFC 5280, section 4.1.2.2).
function readSerial(cursor) {
  const value = element(cursor, Tag.integer);
  if (isBadPositive(value) || value.length > 21) cursor.fail();
}

// UTCTime through 2049, GeneralizedTime from 2050, both in seconds and "Z" (RFC 5280, section 4.1.2.5). Milliseconds
// since 1970.
function readTime(cursor) {
  const general = cursor.next === Tag.generalizedTime;
  const contents = general ? element(cursor, Tag.generalizedTime, 15) : element(cursor, Tag.utcTime, 13);
  const text = String.fromCharCode(...contents);
  const parts = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text);
  if (!cursor.ok || parts === null) {
    cursor.fail();
    return 0;
  }
  const [written, month, day, hour, minute, second] = parts.slice(1).map(Number);
  const year = general ? written : written + (written < 50 ? 2000 : 1900);
  const time = Date.UTC(year, month - 1, day, hour, minute, second);
  const date = new Date(Date.UTC(year, month - 1, day));
  // A day that is not in the calendar moves to another month. Second 60 is a leap second, told as the next one's 0.
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || hour > 23 || minute > 59 || second > 60 ||
      (general && year < 2050)) {
    cursor.fail();
    return 0;
  }
  return time;
}

function readBasicConstraints(value, critical, out) {
  const cursor = new Cursor(value);
  const fields = new Cursor(element(cursor, Tag.sequence));
  out.authority = readTrue(fields);
  if (out.authority && !fields.empty) {
    const length = element(fields, Tag.integer, 1);
    if (fields.ok && length[0] < 0x80) out.pathLength = length[0];
    else fields.fail();
  }
  return cursor.finished && fields.finished && critical;
}

function readKeyUsage(value, out) {
  const cursor = new Cursor(value);
  const bits = element(cursor, Tag.bitString);
  if (!cursor.finished || (bits.length !== 2 && bits.length !== 3)) return false;
  out.digitalSignature = (bits[1] & 0x80) !== 0;
  out.keyCertSign = (bits[1] & 0x04) !== 0;
  // A list of named bits ends with the last bit that is set (X.690, section 11.2.2).
  const last = bits[bits.length - 1];
  return last !== 0 && bits[0] < 8 && (last & -last) === 1 << bits[0];
}

function readExtensions(contents, out) {
  const outer = new Cursor(contents);
  const list = new Cursor(element(outer, Tag.sequence));
  const seen = new Set();
  while (!list.empty) {
    const extension = new Cursor(element(list, Tag.sequence));
    const name = toHex(element(extension, Tag.objectIdentifier));
    const critical = readTrue(extension);
    const value = element(extension, Tag.octetString);
    if (!extension.finished || name === "" || seen.has(name)) return false;
    seen.add(name);
    if (name === kBasicConstraints) {
      if (!readBasicConstraints(value, critical, out)) return false;
    } else if (name === kKeyUsage) {
      if (!readKeyUsage(value, out)) return false;
    } else if (critical) {
      return false;
    }
  }
  return outer.finished && list.finished && seen.has(kBasicConstraints) && seen.has(kKeyUsage);
}

// {signedPart, issuer, subject, point, signature, notBefore, notAfter, authority, pathLength, digitalSignature,
// keyCertSign}; bytes are views of the argument. signedPart is TBSCertificate with its header; issuer and subject are
// Names with theirs, to be compared as bytes; pathLength is undefined where there is none. Error:
// attestation_untrusted.
export function readCertificate(der) {
  const refused = () =>
    untrusted("a certificate of the attestation document is not one of the Nitro attestation PKI");
  if (der.length > kMaxCertificate) throw refused();
  const out = { authority: false, pathLength: undefined, digitalSignature: false, keyCertSign: false };
  const file = new Cursor(der);
  const outer = new Cursor(element(file, Tag.sequence));
  out.signedPart = wholeElement(outer, Tag.sequence);
  expect(outer, kEcdsaWithSha384);
  const bits = new Cursor(element(outer, Tag.bitString));
  if (bits.u8() !== 0) bits.fail(); // unused bits
  out.signature = es384FromDer(bits.rest);
  if (!file.finished || !outer.finished || !bits.ok || out.signature === undefined) throw refused();

  const signedPart = new Cursor(out.signedPart);
  const fields = new Cursor(element(signedPart, Tag.sequence));
  expect(fields, kVersion3);
  readSerial(fields);
  expect(fields, kEcdsaWithSha384); // the same as outside (RFC 5280, section 4.1.1.2)
  out.issuer = wholeElement(fields, Tag.sequence);
  const validity = new Cursor(element(fields, Tag.sequence));
  out.notBefore = readTime(validity);
  out.notAfter = readTime(validity);
  out.subject = wholeElement(fields, Tag.sequence);
  expect(fields, kP384PublicKeyHead);
  out.point = fields.take(kPointSize);
  const extensions = element(fields, Tag.context3);
  if (!fields.finished || !validity.finished || out.notBefore > out.notAfter || !readExtensions(extensions, out))
    throw refused();
  return out;
}
