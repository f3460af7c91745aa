// SPDX-License-Identifier: Apache-2.0
// Verifies attestation documents of AWS Nitro Enclaves, Redoubt's above all, with WebCrypto alone: in browsers and in
// Node.js 18 and later. The rules are docs/attestation.md's, the same as those of Redoubt's own command line.
import { copyBytes, fromHex, sameBytes, toHex } from "./bytes.mjs";
import { VerifiedSignatures, checkRoot, verifyChain } from "./chain.mjs";
import { attestationOf, kMaxDocument, parseDocument, parseUserData, signedPart } from "./document.mjs";
import { AttestationError, expired, internal, invalid, untrusted } from "./error.mjs";
import { manifestPcr16Bytes } from "./manifest.mjs";
import { AWS_NITRO_ROOT_SHA256, readDocumentOptions, readPolicyOptions } from "./options.mjs";
import { verifyEs384 } from "./p384.mjs";
import { checkDebug, checkFreshness, checkPcrs, checkPurpose, failed, ok, skipped, unless } from "./policy.mjs";

export { AWS_NITRO_ROOT_SHA256, AttestationError, parseUserData };

const kAwsRoot = fromHex(AWS_NITRO_ROOT_SHA256, 32);
// The checks, in this order, which is Redoubt's command line's. The time comes after the signature: a document is
// called expired only when nothing else is wrong with it.
const kNames = ["structure", "root", "chain", "signature", "time", "debug", "pcrs", "freshness", "purpose"];

// Whatever else is thrown is this module's fault, and still no verdict.
async function guarded(run) {
  try {
    return await run();
  } catch (error) {
    throw error instanceof AttestationError ? error : internal("the attestation verifier failed");
  }
}

function parse(bytes) {
  const copy = copyBytes(bytes, kMaxDocument);
  if (copy === undefined)
    throw invalid("the attestation document is not a Uint8Array, or longer than any document that the NSM writes");
  return parseDocument(copy);
}

const isSigned = (document, chain) => verifyEs384(chain.leafPoint, signedPart(document), document.signature);
const isValidAt = (chain, at) => at >= chain.notBefore && at <= chain.notAfter;
const kBadSignature = "the attestation document's signature is wrong";
const kNotValid = "a certificate of the attestation document is not valid at this time";

// A verifier remembers up to 64 certificates' signatures that it found right, so that further documents of the same
// enclaves cost less. It remembers nothing else: verdicts don't depend on what came before.
export class Verifier {
  #signatures = new VerifiedSignatures();

  async verifyDocument(bytes, options) {
    return guarded(async () => {
      const { rootSha256, at } = readDocumentOptions(options);
      const document = parse(bytes);
      await checkRoot(document.cabundle, rootSha256);
      const chain = await verifyChain(document.cabundle, document.certificate, this.#signatures);
      if (!(await isSigned(document, chain))) throw untrusted(kBadSignature);
      if (!isValidAt(chain, at)) throw expired(kNotValid);
      return attestationOf(document, chain);
    });
  }

  async verifyAttestation(bytes, options) {
    return guarded(async () => {
      const read = readPolicyOptions(options);
      const checks = [], exceptions = [];
      let firstCode = null;
      const add = ({ result, detail, code, exception }) => {
        checks.push({ name: kNames[checks.length], result, detail });
        if (exception !== undefined) exceptions.push(exception);
        if (result === "failed") firstCode ??= code;
        return result !== "failed";
      };
      const attestation = await this.#check(bytes, read, add);
      while (checks.length < kNames.length) add(skipped("an earlier check failed"));
      return { ok: firstCode === null, code: firstCode, checks, exceptions, attestation };
    });
  }

  // Adds outcomes in the order of kNames. Ends with null at the first failure among those of the document itself.
  async #check(bytes, options, add) {
    const step = async (run) => {
      try {
        return add(await run());
      } catch (error) {
        if (!(error instanceof AttestationError) || !error.code.startsWith("attestation_")) throw error;
        return add(failed(error.message, error.code));
      }
    };
    let document, chain;
    const verified =
      (await step(() => {
        document = parse(bytes);
        return ok("a COSE_Sign1 as the NSM writes it");
      })) &&
      (await step(async () => {
        await checkRoot(document.cabundle, options.rootSha256);
        if (sameBytes(options.rootSha256, kAwsRoot)) return ok("AWS's root G1");
        return unless(options.allowOtherRoot, "other-root",
          `the root is not AWS's but the one of SHA-256 ${toHex(options.rootSha256)}`);
      })) &&
      (await step(async () => {
        chain = await verifyChain(document.cabundle, document.certificate, this.#signatures);
        return ok(`${document.cabundle.length + 1} certificates, each signed by the one above`);
      })) &&
      (await step(async () => ((await isSigned(document, chain)) ? ok("signed by the last certificate's key")
        : failed(kBadSignature)))) &&
      (await step(() => {
        const [from, to] = [chain.notBefore, chain.notAfter].map((time) => new Date(time).toISOString());
        const window = `all are valid from ${from} to ${to}`;
        return isValidAt(chain, options.at) ? ok(window) : failed(`${kNotValid}: ${window}`, "attestation_expired");
      }));
    if (!verified) return null;
    add(checkDebug(document, options));
    add(await checkPcrs(document, options));
    add(checkFreshness(document, options));
    add(checkPurpose(document, options));
    return attestationOf(document, chain);
  }
}

export const verifyDocument = (bytes, options) => new Verifier().verifyDocument(bytes, options);
export const verifyAttestation = (bytes, options) => new Verifier().verifyAttestation(bytes, options);

// PCR16, in hexadecimal, of an enclave that took this manifest.
export const manifestPcr16 = (text) => guarded(async () => toHex(await manifestPcr16Bytes(text)));
