// SPDX-License-Identifier: Apache-2.0
// Random transactions and authorizations, and what ethers and viem make of them.
import { SigningKey, Transaction, getAddress, hashAuthorization as ethersHashAuthorization } from "ethers";
import { hashAuthorization as viemHashAuthorization, keccak256, serializeTransaction } from "viem/utils";
import { signAuthorization, signTransaction } from "viem/accounts";
import { toJson } from "./random.mjs";

export const transactionKinds = ["legacy", "eip155", "eip2930", "eip1559", "eip4844", "eip7702"];
const typeOf = { legacy: 0, eip155: 0, eip2930: 1, eip1559: 2, eip4844: 3, eip7702: 4 };

const max256 = (1n << 256n) - 1n;
const mostGas = 16_777_216n; // EIP-7825
const mostNonce = (1n << 64n) - 2n; // EIP-2681
const largestChainId = (1n << 255n) - 19n; // of which v is below 2^256
const blobGas = 131_072n; // a blob's, EIP-4844
const safe = BigInt(Number.MAX_SAFE_INTEGER);

function dataSize(random, most) {
  const size = random.pick([0, 0, 0, 1, 1, 4, 31, 32, 33, 54, 55, 56, 57, 68, 100, 254, 255, 256, 257, 500, 1000, 1500]);
  if (random.chance(0.002)) return random.pick([65_535, 65_536, 65_537, 20_000]) % (most + 1);
  return Math.min(size, most);
}

function randomData(random, most) {
  const size = dataSize(random, most);
  if (size === 1) return "0x" + random.pick(["00", "01", "7f", "80", "ff"]);
  return random.hex(size);
}

function randomAddress(random) {
  if (random.chance(0.04)) return "0x" + random.pick(["00", "ff"]).repeat(20);
  if (random.chance(0.04)) return "0x" + "00".repeat(19) + random.pick(["01", "04", "80"]);
  return random.hex(20);
}

function storageKey(random) {
  return random.chance(0.2) ? "0x" + random.uint(max256).toString(16).padStart(64, "0") : random.hex(32);
}

function accessList(random) {
  const shape = random.below(10);
  if (shape < 3) return [];
  if (shape === 3 && random.chance(0.2)) // one with many keys, or many with few
    return Array.from({ length: random.pick([1, 12]) }, () => ({ address: randomAddress(random),
      storageKeys: Array.from({ length: random.between(2, 30) }, () => storageKey(random)) }));
  const entries = Array.from({ length: random.between(1, 3) }, () => ({ address: randomAddress(random),
    storageKeys: Array.from({ length: random.below(4) }, () => storageKey(random)) }));
  if (random.chance(0.1)) entries.push(entries[0]); // duplicates are allowed (EIP-2930)
  return entries;
}

function randomChainId(random, most = largestChainId) {
  if (random.chance(0.04)) return random.uint(most - 1n) + 1n;
  if (random.chance(0.5)) return random.pick([1n, 5n, 10n, 56n, 110n, 111n, 127n, 128n, 137n, 8453n, 31337n, 42161n, 11155111n]);
  return random.uint(safe - 1n) + 1n;
}

function randomNonce(random) {
  return random.chance(0.04) ? random.uint(mostNonce) : random.uint(safe);
}

function signedAuthorization(random, sign) {
  const authorization = { chainId: random.chance(0.3) ? 0n : randomChainId(random, max256), address: randomAddress(random),
    nonce: randomNonce(random) };
  if (random.chance(0.1)) // one that nobody signed, of short r and s: a transaction carries it all the same
    return { ...authorization, yParity: random.below(2), r: random.uint(1n << 200n) + 1n, s: random.uint(1n << 248n) + 1n };
  return { ...authorization, ...sign(authorization) };
}

// A transaction as plain values, BigInt wherever Ethereum has a number.
function randomTransaction(random, kind, sign) {
  const t = { kind, chainId: kind === "legacy" ? null : randomChainId(random), nonce: randomNonce(random) };
  t.gas = random.chance(0.5) ? random.pick([21_000n, 0n, 1n, 127n, 128n, 100_000n, mostGas]) : random.uint(mostGas);
  const mostPrice = t.gas === 0n ? max256 : max256 / t.gas;
  if (typeOf[kind] < 2) {
    t.gasPrice = random.uint(mostPrice);
  } else {
    t.maxFeePerGas = random.uint(mostPrice);
    t.maxPriorityFeePerGas = random.chance(0.1) ? t.maxFeePerGas : random.uint(t.maxFeePerGas);
  }
  const creates = typeOf[kind] < 3 && random.chance(0.12);
  t.to = creates ? null : randomAddress(random);
  t.value = random.uint(max256);
  t.data = randomData(random, creates ? 49_152 : 100_000); // EIP-3860
  if (creates && t.data === "0x") t.data = "0x00";
  if (typeOf[kind] > 0) t.accessList = accessList(random);
  if (kind === "eip4844") {
    t.blobVersionedHashes = Array.from({ length: random.between(1, 6) }, () => "0x01" + random.hex(31).slice(2));
    t.maxFeePerBlobGas = random.uint(max256 / (blobGas * BigInt(t.blobVersionedHashes.length)));
  }
  if (kind === "eip7702")
    t.authorizationList = Array.from({ length: random.between(1, 4) }, () => signedAuthorization(random, sign));
  return t;
}

// A number in one of the forms that JSON-RPC clients write.
function quantity(random, value) {
  switch (random.below(3)) {
    case 0: return "0x" + value.toString(16);
    case 1: return value.toString();
    default: return value;
  }
}

function addressText(random, address) {
  switch (random.below(4)) {
    case 0: return getAddress(address);
    case 1: return "0x" + address.slice(2).toUpperCase();
    default: return address;
  }
}

const word = (value) => "0x" + value.toString(16).padStart(64, "0");

function authorizationJson(random, { chainId, address, nonce }) {
  return { chainId: quantity(random, chainId), address: addressText(random, address), nonce: quantity(random, nonce) };
}

// As JSON-RPC has it, as viem has it (r and s with all their zeros; v beside), or as ethers has it.
function signedAuthorizationJson(random, authorization) {
  const parity = BigInt(authorization.yParity);
  const form = random.below(3);
  const scalar = form === 0 ? (value) => "0x" + value.toString(16) : word;
  const signature = { yParity: quantity(random, parity), r: scalar(authorization.r), s: scalar(authorization.s) };
  if (form === 1) signature.v = quantity(random, 27n + parity);
  return { ...authorizationJson(random, authorization), ...(form === 2 ? { signature } : signature) };
}

// The request's form: JSON-RPC names, each free choice of the format taken at random.
function requestJson(random, t) {
  const out = {};
  const type = typeOf[t.kind];
  const numbers = ["nonce", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "maxFeePerBlobGas"];
  for (const name of numbers) if (t[name] !== undefined) out[name] = quantity(random, t[name]);
  out.chainId = t.chainId === null ? null : quantity(random, t.chainId);
  out[random.pick(["gas", "gasLimit"])] = quantity(random, t.gas);
  if (t.to !== null) out.to = addressText(random, t.to);
  else if (random.chance(0.5)) out.to = null;
  if (t.value !== 0n || random.chance(0.5)) out.value = quantity(random, t.value);
  if (t.data !== "0x" || random.chance(0.5)) out[random.pick(["data", "input"])] = t.data;
  if (out.data !== undefined && random.chance(0.1)) out.input = t.data;
  if (type === 1 || t.accessList?.length > 0 || (type > 1 && random.chance(0.5)))
    out.accessList = t.accessList.map(({ address, storageKeys }) => ({ address: addressText(random, address), storageKeys }));
  if (t.blobVersionedHashes) out.blobVersionedHashes = t.blobVersionedHashes;
  if (t.authorizationList) out.authorizationList = t.authorizationList.map((item) => signedAuthorizationJson(random, item));
  if (random.chance(0.6)) out.type = quantity(random, BigInt(type));
  for (const name of numbers) if (out[name] === undefined && random.chance(0.02)) out[name] = null; // null is absent
  return Object.fromEntries(random.shuffle(Object.entries(out)));
}

function ofEthers(t, key) {
  const tx = Transaction.from({ type: typeOf[t.kind], chainId: t.chainId ?? 0n, nonce: Number(t.nonce), gasLimit: t.gas,
    gasPrice: t.gasPrice, maxFeePerGas: t.maxFeePerGas, maxPriorityFeePerGas: t.maxPriorityFeePerGas, to: t.to, value: t.value,
    data: t.data, accessList: t.accessList, maxFeePerBlobGas: t.maxFeePerBlobGas, blobVersionedHashes: t.blobVersionedHashes,
    authorizationList: t.authorizationList?.map(({ chainId, address, nonce, yParity, r, s }) =>
      ({ chainId, address, nonce, signature: { yParity, r: word(r), s: word(s) } })) });
  const unsigned = tx.unsignedSerialized;
  const signing_hash = tx.unsignedHash;
  tx.signature = new SigningKey(key).sign(signing_hash);
  return { unsigned, signed: { raw: tx.serialized, hash: tx.hash, signing_hash } };
}

// A number where viem's types ask for one; it writes a BigInt, too, but does not compute with it.
const small = (value) => (value <= safe ? Number(value) : value);

async function ofViem(t, privateKey) {
  const transaction = { type: t.kind === "eip155" ? "legacy" : t.kind, nonce: small(t.nonce), gas: t.gas, gasPrice: t.gasPrice,
    maxFeePerGas: t.maxFeePerGas, maxPriorityFeePerGas: t.maxPriorityFeePerGas, to: t.to ?? undefined, value: t.value,
    data: t.data === "0x" ? undefined : t.data, accessList: t.accessList, maxFeePerBlobGas: t.maxFeePerBlobGas,
    blobVersionedHashes: t.blobVersionedHashes, authorizationList: t.authorizationList?.map((item) =>
      ({ ...item, chainId: small(item.chainId), nonce: small(item.nonce), r: word(item.r), s: word(item.s) })) };
  if (t.chainId !== null) transaction.chainId = small(t.chainId);
  const unsigned = serializeTransaction(transaction);
  const raw = await signTransaction({ transaction, privateKey });
  return { unsigned, signed: { raw, hash: keccak256(raw), signing_hash: keccak256(unsigned) } };
}

// What each library can say: ethers' nonce is an exact double; viem doubles a legacy transaction's chain id, one.
const ethersCan = (t) => t.nonce <= safe;
const viemCan = (t) => typeOf[t.kind] !== 0 || t.chainId === null || t.chainId <= safe;

// An authorization that the tool, ethers and viem are to sign alike.
function authorizationSigner(random, made) {
  return (authorization) => {
    const key = random.privateKey();
    const digest = ethersHashAuthorization(authorization);
    const { yParity, r, s } = new SigningKey(key).sign(digest);
    made.push({ authorization, key, ethers: { digest, yParity, r, s } });
    return { yParity, r: BigInt(r), s: BigInt(s) };
  };
}

async function authorizationCheck(random, { authorization, key, ethers }) {
  const plain = { ...authorization, chainId: small(authorization.chainId), nonce: small(authorization.nonce) };
  const { yParity, r, s } = await signAuthorization({ ...plain, privateKey: key });
  return {
    line: { op: "authorization", key, any_chain: authorization.chainId === 0n,
      authorization: authorizationJson(random, authorization) },
    expected: { ethers, viem: { digest: viemHashAuthorization(plain), yParity, r, s } },
  };
}

// The checks of one case: each a line for the tool and the members its answer must have, by library.
export async function transactionCase(random, kind) {
  const checks = [];
  const authorizations = [];
  const t = randomTransaction(random, kind, authorizationSigner(random, authorizations));
  for (const authorization of authorizations) checks.push(await authorizationCheck(random, authorization));
  const key = random.privateKey();
  const ethers = ethersCan(t) ? ofEthers(t, key) : undefined;
  const viem = viemCan(t) ? await ofViem(t, key) : undefined;
  const expected = { ethers: ethers?.signed, viem: viem?.signed };
  checks.push({ line: { op: "transaction", key, transaction: requestJson(random, t) }, expected });
  const unsigned = ethers?.unsigned ?? viem?.unsigned;
  if (unsigned) checks.push({ line: { op: "unsigned", key, bytes: unsigned, unprotected: t.chainId === null }, expected });
  return checks.map(({ line, expected: members }) => ({ op: line.op, line: toJson(line), expected: members }));
}
