// SPDX-License-Identifier: Apache-2.0
// Random EIP-712 documents, and what ethers and viem make of them.
import { SigningKey, TypedDataEncoder, getAddress } from "ethers";
import { hashStruct, hashTypedData } from "viem/utils";
import { signTypedData } from "viem/accounts";
import { toJson } from "./random.mjs";
import { randomText } from "./messages.mjs";

// Names of structs that begin like atomic types, sort differently by case, or lengthen one another.
const structNames = ["Order", "order", "Ord", "Order1", "Order10", "Order2", "Person", "Group", "Mail", "Asset", "bytesInfo", "intent",
  "addressBook", "boolean", "stringy", "uintish", "A", "a", "Z", "_Z", "_", "B0", "Permit", "PermitBatch", "Zebra"];
const fieldNames = ["from", "to", "contents", "amount", "_", "a", "b", "A", "value0", "wallet", "length", "name", "type", "x1", "$d", "data",
  "deadline", "members", "types", "domain"];
const identifier = (random) => random.pick("abcXYZ_") + random.hex(random.between(1, 6)).slice(2);

function unused(random, names, taken) {
  for (;;) {
    const name = random.chance(0.8) ? random.pick(names) : identifier(random);
    if (taken.has(name)) continue;
    taken.add(name);
    return name;
  }
}

function atomicType(random) {
  switch (random.below(7)) {
    case 0: return "bool";
    case 1: return "address";
    case 2: return "string";
    case 3: return "bytes";
    case 4: return `bytes${random.between(1, 32)}`;
    case 5: return `uint${8 * random.between(1, 32)}`;
    default: return `int${8 * random.between(1, 32)}`;
  }
}

// T[] and T[n]; of structs only one dimension with few elements, or the documents would explode.
function arrayOf(random, base, isStruct) {
  const dimension = () => (random.chance(0.5) ? "[]" : `[${random.between(1, isStruct ? 2 : 4)}]`);
  const dimensions = isStruct ? 1 : random.pick([1, 1, 1, 2, 2, 3]);
  return base + Array.from({ length: dimensions }, dimension).join("");
}

// Structs in an order in which each names later ones, and every one but the first is named by an earlier one.
// `recursive`: some name themselves or earlier ones, through arrays that may be empty.
function randomTypes(random, recursive) {
  const taken = new Set();
  const names = Array.from({ length: random.pick(recursive ? [1, 2, 3] : [1, 1, 2, 2, 3, 3, 4, 5, 6]) },
    () => unused(random, structNames, taken));
  const children = names.map(() => []);
  for (let i = 1; i < names.length; ++i) children[random.chance(0.6) ? i - 1 : random.below(i)].push(names[i]);
  return Object.fromEntries(names.map((name, i) => {
    const fieldTypes = Array.from({ length: random.chance(0.02) ? 0 : random.between(1, 5) }, () => {
      const base = atomicType(random);
      return random.chance(0.3) ? arrayOf(random, base, false) : base;
    });
    for (const child of children[i]) fieldTypes.push(random.chance(0.4) ? arrayOf(random, child, true) : child);
    if (i + 1 < names.length && random.chance(0.2)) fieldTypes.push(random.pick(names.slice(i + 1)) + "[]");
    if (recursive && (i === names.length - 1 || random.chance(0.3))) fieldTypes.push(names[random.below(i + 1)] + "[]");
    const inStruct = new Set();
    return [name, random.shuffle(fieldTypes).map((type) => ({ name: unused(random, fieldNames, inStruct), type }))];
  }));
}

function integerBounds(type) {
  const [, unsigned, bits] = /^(u?)int(\d+)$/.exec(type);
  return unsigned ? [0n, (1n << BigInt(bits)) - 1n] : [-(1n << BigInt(bits - 1)), (1n << BigInt(bits - 1)) - 1n];
}

// Integers are BigInt, addresses in lower case, bytes 0x-hex: what both libraries read. `budget` bounds the number of values; the depth
// where recursion ends leaves room for what does not recurse below Redoubt's bound, 16.
function randomValue(random, types, type, budget, depth = 0) {
  const array = /^(.*)\[(\d*)\]$/.exec(type);
  if (array) {
    const length = array[2] !== "" ? Number(array[2]) : budget.left > 0 && depth < 8 ? random.pick([0, 1, 1, 2, 3]) : 0;
    return Array.from({ length }, () => randomValue(random, types, array[1], budget, depth + 1));
  }
  budget.left -= 1;
  if (types[type])
    return Object.fromEntries(types[type].map(({ name, type: field }) => [name, randomValue(random, types, field, budget, depth + 1)]));
  if (type === "bool") return random.chance(0.5);
  if (type === "address") return random.chance(0.05) ? "0x" + "00".repeat(20) : random.hex(20);
  if (type === "string") return randomText(random, 40);
  if (type === "bytes") return random.hex(random.pick([0, 1, 31, 32, 33, random.below(140)]));
  if (type.startsWith("bytes")) return random.hex(Number(type.slice(5)));
  const [least, most] = integerBounds(type);
  if (least === 0n || random.chance(0.5)) return random.uint(most);
  return -random.uint(-least);
}

const domainTypes = { name: "string", version: "string", chainId: "uint256", verifyingContract: "address", salt: "bytes32" };

function randomDomain(random) {
  const usual = random.chance(0.3);
  const types = Object.entries(domainTypes).filter(([name]) => (usual ? name !== "salt" : random.chance(0.5)))
    .map(([name, type]) => ({ name, type }));
  const value = randomValue(random, { EIP712Domain: types }, "EIP712Domain", { left: 0 });
  if (types.some(({ name }) => name === "chainId") && random.chance(0.7)) value.chainId = random.pick([0n, 1n, 31337n, 1n << 53n]);
  return { types, value };
}

// The document's own form of a value: each free choice of the format taken at random.
function valueJson(random, types, type, value) {
  const array = /^(.*)\[\d*\]$/.exec(type);
  if (array) return value.map((item) => valueJson(random, types, array[1], item));
  if (types[type])
    return Object.fromEntries(random.shuffle(types[type])
      .map(({ name, type: field }) => [name, valueJson(random, types, field, value[name])]));
  if (typeof value === "bigint") {
    const form = random.below(3);
    return form === 0 ? value : form === 1 || value < 0n ? value.toString() : "0x" + value.toString(16);
  }
  if (type === "address")
    return random.pick([value, getAddress(value), "0x" + value.slice(2).toUpperCase()]);
  if (type.startsWith("bytes") && random.chance(0.3)) return "0x" + value.slice(2).toUpperCase();
  return value;
}

// JSON.stringify writes most characters as they are; here some texts are escaped throughout.
function escapeAll(json) {
  return json.replace(/[\u007f-\uffff]/g, (unit) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0"));
}

// The domain alone is signed: a form that viem has and ethers has not.
async function domainCase(random, key) {
  const { types, value } = randomDomain(random);
  const viem = { domain: value, types: { EIP712Domain: types }, primaryType: "EIP712Domain" };
  const domain_separator = hashStruct({ data: value, primaryType: "EIP712Domain", types: viem.types });
  return [{ op: "typed_data",
    line: toJson({ op: "typed_data", key, typed_data: { ...viem, domain: valueJson(random, viem.types, "EIP712Domain", value),
      message: random.pick([undefined, {}]) } }),
    expected: { viem: { domain_separator, digest: hashTypedData(viem), signature: await signTypedData({ ...viem, privateKey: key }) } } }];
}

export async function typedDataCase(random) {
  const key = random.privateKey();
  if (random.chance(0.02)) return domainCase(random, key);
  const recursive = random.chance(0.1); // ethers refuses these
  const types = randomTypes(random, recursive);
  const primaryType = Object.keys(types)[0];
  const message = randomValue(random, types, primaryType, { left: 80 });
  const domain = randomDomain(random);
  const shown = random.chance(0.6) ? { ...types, EIP712Domain: domain.types } : types;
  const typed_data = Object.fromEntries(random.shuffle(Object.entries({
    types: Object.fromEntries(random.shuffle(Object.entries(shown))), primaryType,
    domain: valueJson(random, { EIP712Domain: domain.types }, "EIP712Domain", domain.value),
    message: valueJson(random, types, primaryType, message) })));
  let line = toJson({ op: "typed_data", key, typed_data });
  if (random.chance(0.3)) line = escapeAll(line);

  const expected = {};
  if (!recursive) {
    const encoder = TypedDataEncoder.from(types);
    const digest = TypedDataEncoder.hash(domain.value, types, message);
    expected.ethers = { domain_separator: TypedDataEncoder.hashDomain(domain.value), struct_hash: encoder.hash(message), digest,
      signature: new SigningKey(key).sign(digest).serialized };
  }
  const viemTypes = { ...types, EIP712Domain: domain.types };
  const viem = { domain: domain.value, types: viemTypes, primaryType, message };
  expected.viem = { domain_separator: hashStruct({ data: domain.value, primaryType: "EIP712Domain", types: viemTypes }),
    struct_hash: hashStruct({ data: message, primaryType, types: viemTypes }), digest: hashTypedData(viem),
    signature: await signTypedData({ ...viem, privateKey: key }) };
  return [{ op: "typed_data", line, expected }];
}
