// SPDX-License-Identifier: Apache-2.0
// Attestation documents of any measurement under the development root of a `redoubt up`: what enclaves of other images and
// manifests on the same host can get from the NSM. At AWS nobody but the hypervisor can make one.
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { binary, forge, kHour, leafShape, makeCertificate, makeKey, registers, time, unsigned } from "../sdk/js/forge.mjs";

// The element at `at` of DER: [whole, content, where the next one begins].
function element(der, at) {
  let size = der[at + 1], content = at + 2;
  if (size >= 0x80) {
    content += size & 0x7f;
    size = der.readUIntBE(at + 2, size & 0x7f);
  }
  return [der.subarray(at, content + size), content, content + size];
}

// The certificate's subject, as it is encoded (RFC 5280, TBSCertificate).
function subjectOf(der) {
  let at = element(der, element(der, 0)[1])[1];
  for (let skipped = 0; skipped < 5; ++skipped) at = element(der, at)[2]; // version, serial, algorithm, issuer, validity
  return element(der, at)[0];
}

export class Hypervisor {
  static async of(ready) {
    const made = new Hypervisor();
    const root = Buffer.from(new crypto.X509Certificate(fs.readFileSync(ready.attestation_root)).raw);
    const pem = fs.readFileSync(path.join(path.dirname(ready.attestation_root), "root.key"));
    const pkcs8 = crypto.createPrivateKey(pem).export({ type: "pkcs8", format: "der" });
    const rootKey = { privateKey: await crypto.webcrypto.subtle.importKey("pkcs8", pkcs8, { name: "ECDSA", namedCurve: "P-384" }, false, ["sign"]) };
    const key = await makeKey();
    const now = Date.now();
    const leaf = await makeCertificate({ ...leafShape(), issuer: subjectOf(root), validity: [time(now - kHour), time(now + kHour)] }, key, "", rootKey);
    made.chain = { certificates: [root, leaf], keys: [rootKey, key] };
    // Who asks for the document has the key that KMS answers to.
    const { publicKey, privateKey } = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
    made.privateKey = privateKey;
    made.publicKey = publicKey.export({ format: "der", type: "spki" });
    return made;
  }

  // A Recipient for KMS with these registers, {index: hex}.
  async recipient(pcrs) {
    const values = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [i, Buffer.alloc(48)]));
    for (const [index, hex] of Object.entries(pcrs)) values[index] = Buffer.from(hex, "hex");
    const { document } = await forge(this.chain, { timestamp: unsigned(Date.now()), pcrs: registers(values), public_key: binary(this.publicKey) });
    return { KeyEncryptionAlgorithm: "RSAES_OAEP_SHA_256", AttestationDocument: document };
  }
}
