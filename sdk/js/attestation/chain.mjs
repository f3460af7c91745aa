// SPDX-License-Identifier: Apache-2.0
// The certificate path of an attestation document (attestation_process.md, sections 3.2.3 and 3.2.4). The time is
// left to the caller: a document is called expired only when nothing else is wrong with it.
import { concatBytes, sameBytes, toHex } from "./bytes.mjs";
import { readCertificate } from "./certificate.mjs";
import { untrusted } from "./error.mjs";
import { sha256, verifyEs384 } from "./p384.mjs";

const kMaxRemembered = 64;

// Which certificates are known to be signed by which key, so that documents of the same enclave cost one signature
// each. Only what verified is remembered, the oldest is forgotten, and nothing of validity or of the path is kept.
export class VerifiedSignatures {
  #known = new Set();

  async isSigned(issuerPoint, certificate, der) {
    // A point is always 97 bytes long, so nothing else hashes alike.
    const pair = toHex(await sha256(concatBytes(issuerPoint, der)));
    if (this.#known.has(pair)) return true;
    if (!(await verifyEs384(issuerPoint, certificate.signedPart, certificate.signature))) return false;
    if (this.#known.size >= kMaxRemembered) this.#known.delete(this.#known.values().next().value);
    this.#known.add(pair);
    return true;
  }
}

// May this certificate issue others, with `below` authorities between it and the leaf? RFC 5280, section 4.2.1.9,
// does not count those that issued themselves; here every one counts.
function checkAuthority(certificate, below) {
  if (!certificate.authority || !certificate.keyCertSign)
    throw untrusted("a certificate of the document's chain may not issue certificates");
  if (certificate.pathLength !== undefined && certificate.pathLength < below)
    throw untrusted("the document's chain is longer than one of its certificates allows");
}

function checkLeaf(certificate) {
  if (certificate.authority || certificate.keyCertSign || !certificate.digitalSignature)
    throw untrusted("the document's own certificate is not one for signing documents");
}

// The bundle is root first. The root is trusted for being the very bytes of this digest, so its own signature would
// prove nothing.
export async function checkRoot(bundle, rootSha256) {
  if (!sameBytes(await sha256(bundle[0]), rootSha256))
    throw untrusted("the document leads to another root than the expected one");
}

// Everything below the root. Gives {leafPoint, notBefore, notAfter}: the key that signs the document, and when all
// certificates are valid, the root's included. Error: attestation_untrusted.
export async function verifyChain(bundle, leaf, signatures) {
  let issuer = readCertificate(bundle[0]);
  if (!sameBytes(issuer.issuer, issuer.subject)) throw untrusted("the expected root is not a root certificate");
  checkAuthority(issuer, bundle.length - 1);
  let { notBefore, notAfter } = issuer;
  const path = [...bundle, leaf];
  for (let i = 1; i < path.length; ++i) {
    const certificate = readCertificate(path[i]);
    // RFC 5280, section 6.1: no certificate is in a path twice.
    if (path.slice(0, i).some((above) => sameBytes(above, path[i])))
      throw untrusted("a certificate is in the document's chain twice");
    if (!sameBytes(certificate.issuer, issuer.subject))
      throw untrusted("a certificate of the document's chain names another issuer than the one above");
    if (i === bundle.length) checkLeaf(certificate);
    else checkAuthority(certificate, bundle.length - 1 - i);
    if (!(await signatures.isSigned(issuer.point, certificate, path[i])))
      throw untrusted("a certificate of the document's chain is not signed by the one above");
    notBefore = Math.max(notBefore, certificate.notBefore);
    notAfter = Math.min(notAfter, certificate.notAfter);
    issuer = certificate;
  }
  return { leafPoint: issuer.point, notBefore, notAfter };
}
