// SPDX-License-Identifier: Apache-2.0
// What must be refused, and with which code: lines for the tool, each one change away from one that is signed.
import { concat, encodeRlp, getBytes, hexlify, toBeArray } from "ethers";
import { toJson } from "./random.mjs";

const key = "0x" + "46".repeat(32);
const to = "0x3535353535353535353535353535353535353535";
const mixed = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"; // EIP-55's first example
const blobHash = "0x01" + "11".repeat(31);
const two = (exponent) => 1n << BigInt(exponent);
const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

const signed = { chainId: 1, address: to, nonce: 0, yParity: 0, r: 1, s: 1 };
const legacy = { chainId: 1, nonce: 9, gasPrice: 20_000_000_000, gas: 21_000, to, value: 1, data: "0x" };
const typed = { type: 2, chainId: 1, nonce: 9, maxFeePerGas: 2, maxPriorityFeePerGas: 1, gas: 21_000, to, value: 1 };
const blob = { ...typed, type: 3, maxFeePerBlobGas: 1, blobVersionedHashes: [blobHash] };
const setCode = { ...typed, type: 4, authorizationList: [signed] };
const listed = { ...typed, type: 1, maxFeePerGas: undefined, maxPriorityFeePerGas: undefined, gasPrice: 1,
  accessList: [{ address: to, storageKeys: ["0x" + "00".repeat(32)] }] };

const made = (op, member) => ([what, value, ...codes]) => ({ what, codes, line: toJson({ op, key, [member]: value }) });

// Every base is signed as it is: what is refused below is refused for its change.
const bases = [["legacy", legacy], ["EIP-2930", listed], ["EIP-1559", typed], ["EIP-4844", blob], ["EIP-7702", setCode]]
  .map(([what, value]) => [what, value, "signed"]).map(made("transaction", "transaction"));

const transactions = [
  // Numbers
  ["a nonce of 2^64 - 1", { ...typed, nonce: two(64) - 1n }, "bad_transaction"],
  ["a nonce of 2^64", { ...typed, nonce: two(64) }, "invalid_field"],
  ["gas of 2^64", { ...typed, gas: two(64) }, "invalid_field"],
  ["a value of 2^256", { ...typed, value: two(256) }, "invalid_field"],
  ["a negative value", { ...typed, value: -1 }, "invalid_field"],
  ["a fraction", { ...typed, gas: 21000.5 }, "invalid_field"],
  ["an exponent", null, "invalid_field"],
  ["a quantity with a leading zero", { ...typed, gas: "0x05208" }, "invalid_field"],
  ["a quantity without digits", { ...typed, gas: "0x" }, "invalid_field"],
  ["a decimal with a leading zero", { ...typed, gas: "021000" }, "invalid_field"],
  ["hexadecimal without 0x", { ...typed, gas: "5208a" }, "invalid_field"],
  ["a number with a space", { ...typed, gas: " 21000" }, "invalid_field"],
  ["an empty number", { ...typed, gas: "" }, "invalid_field"],
  ["a boolean for a number", { ...typed, nonce: true }, "invalid_field"],
  ["no nonce", { ...typed, nonce: undefined }, "missing_field"],
  ["no gas", { ...typed, gas: undefined }, "missing_field"],
  // Fees
  ["fees out of order", { ...typed, maxPriorityFeePerGas: 3 }, "bad_transaction"],
  ["gas times its price of 2^256", { ...typed, gas: 2, maxFeePerGas: two(255), maxPriorityFeePerGas: 0 }, "bad_transaction"],
  ["the same of a legacy transaction", { ...legacy, gas: 2, gasPrice: two(255) }, "bad_transaction"],
  ["blob gas times its price of 2^256", { ...blob, maxFeePerBlobGas: two(239) }, "bad_transaction"],
  ["no fees", { ...typed, maxFeePerGas: undefined, maxPriorityFeePerGas: undefined }, "missing_field"],
  ["one fee of two", { ...typed, maxPriorityFeePerGas: undefined }, "missing_field"],
  ["gasPrice beside maxFeePerGas", { ...typed, gasPrice: 1 }, "ambiguous_field"],
  ["the same without a type", { ...typed, type: undefined, gasPrice: 1 }, "ambiguous_field"],
  ["maxFeePerGas in type 1", { ...listed, maxFeePerGas: 1 }, "ambiguous_field"],
  // Chain id and type
  ["chain id 0", { ...typed, chainId: 0 }, "bad_transaction"],
  ["chain id 0 in a legacy transaction", { ...legacy, chainId: 0 }, "bad_transaction"],
  ["a chain id too large for v", { ...legacy, chainId: two(255) - 18n }, "bad_transaction"],
  ["a legacy transaction that does not say chainId", { ...legacy, chainId: undefined }, "missing_field"],
  ["a typed transaction with chainId null", { ...typed, chainId: null }, "missing_field"],
  ["type 5", { ...typed, type: 5 }, "unsupported_transaction_type"],
  ["type 127", { ...typed, type: "0x7f" }, "unsupported_transaction_type"],
  ["accessList in type 0", { ...legacy, type: 0, accessList: [] }, "ambiguous_field"],
  ["an unknown member", { ...typed, memo: "" }, "unknown_field"],
  ["a signed transaction's members", { ...typed, r: 1, s: 1, v: 0 }, "unknown_field"],
  // to, data
  ["a mixed-case address of a wrong checksum", { ...typed, to: mixed.replace("5aA", "5aa") }, "invalid_field"],
  ["an address of 19 bytes", { ...typed, to: to.slice(0, -2) }, "invalid_field"],
  ["an address without 0x", { ...typed, to: to.slice(2) }, "invalid_field"],
  ["a name for an address", { ...typed, to: "vitalik.eth" }, "invalid_field"],
  ["an empty address", { ...typed, to: "" }, "invalid_field"],
  ["0x for an address", { ...typed, to: "0x" }, "invalid_field"],
  ["neither to nor data", { ...typed, to: undefined }, "missing_field"],
  ["data and input that differ", { ...typed, data: "0x01", input: "0x02" }, "ambiguous_field"],
  ["gas and gasLimit that differ", { ...typed, gasLimit: 21_001 }, "ambiguous_field"],
  ["data of an odd number of digits", { ...typed, data: "0x123" }, "invalid_field"],
  ["data without 0x", { ...typed, data: "1234" }, "invalid_field"],
  ["49,153 bytes of init code", { ...typed, to: undefined, data: "0x" + "00".repeat(49_153) }, "bad_transaction"],
  // accessList
  ["an access list that is none", { ...typed, accessList: {} }, "invalid_field"],
  ["a storage key of 31 bytes", { ...typed, accessList: [{ address: to, storageKeys: ["0x" + "00".repeat(31)] }] }, "invalid_field"],
  ["a storage key as a number", { ...typed, accessList: [{ address: to, storageKeys: [1] }] }, "invalid_field"],
  ["an entry without keys", { ...typed, accessList: [{ address: to }] }, "missing_field"],
  ["an entry with more", { ...typed, accessList: [{ address: to, storageKeys: [], slots: [] }] }, "unknown_field"],
  ["an entry as a pair", { ...typed, accessList: [[to, []]] }, "invalid_field"],
  // EIP-4844
  ["a blob transaction without to", { ...blob, to: undefined }, "bad_transaction", "missing_field"],
  ["the same with init code", { ...blob, to: undefined, data: "0x00" }, "bad_transaction", "missing_field"],
  ["no blob hashes", { ...blob, blobVersionedHashes: [] }, "bad_transaction"],
  ["blob hashes left out", { ...blob, blobVersionedHashes: undefined }, "missing_field"],
  ["no maxFeePerBlobGas", { ...blob, maxFeePerBlobGas: undefined }, "missing_field"],
  ["a blob hash of version 2", { ...blob, blobVersionedHashes: [blobHash, "0x02" + "11".repeat(31)] }, "bad_transaction"],
  ["a blob hash of 31 bytes", { ...blob, blobVersionedHashes: ["0x01" + "11".repeat(30)] }, "invalid_field"],
  ["7 blobs", { ...blob, blobVersionedHashes: Array(7).fill(blobHash) }, "bad_transaction"],
  ["gasPrice in a blob transaction", { ...blob, gasPrice: 1 }, "ambiguous_field"],
  ["blob hashes in type 2", { ...typed, blobVersionedHashes: [blobHash] }, "ambiguous_field"],
  ["blobs inside the transaction", { ...blob, blobs: ["0x"] }, "unknown_field"],
  // EIP-7702
  ["a set-code transaction without to", { ...setCode, to: undefined }, "bad_transaction", "missing_field"],
  ["the same with init code", { ...setCode, to: undefined, data: "0x00" }, "bad_transaction", "missing_field"],
  ["an empty authorization list", { ...setCode, authorizationList: [] }, "bad_transaction"],
  ["no authorization list", { ...setCode, authorizationList: undefined }, "missing_field"],
  ["an authorization list that is none", { ...setCode, authorizationList: signed }, "invalid_field"],
  ["an authorization list in type 2", { ...typed, authorizationList: [signed] }, "ambiguous_field"],
  ["authorizations beside blobs", { ...blob, type: undefined, authorizationList: [signed] }, "ambiguous_field"],
  ...[
    ["of nonce 2^64 - 1", { nonce: two(64) - 1n }, "bad_transaction"],
    ["of chain id 2^256", { chainId: two(256) }, "invalid_field"],
    ["without a chain id", { chainId: undefined }, "missing_field"],
    ["without an address", { address: null }, "missing_field"],
    ["of a wrong checksum", { address: mixed.toLowerCase().replace("a", "A") }, "invalid_field"],
    ["of parity 2", { yParity: 2 }, "invalid_field"],
    ["without a parity", { yParity: undefined }, "missing_field"],
    ["of two parities", { v: 28 }, "ambiguous_field"],
    ["of v 37", { yParity: undefined, v: 37 }, "invalid_field"],
    ["of r 0", { r: 0 }, "invalid_field"],
    ["of r at the curve's order", { r: order }, "invalid_field"],
    ["of s 0", { s: 0 }, "invalid_field"],
    ["of a high s", { s: order - 1n }, "invalid_field"],
    ["of r above 32 bytes", { r: two(256) }, "invalid_field"],
    ["without a signature", { r: undefined, s: undefined, yParity: undefined }, "missing_field"],
    ["with two signatures", { signature: { yParity: 0, r: 1, s: 1 } }, "ambiguous_field"],
    ["with more", { signer: to }, "unknown_field"],
  ].map(([what, change, code]) => [`an authorization ${what}`, { ...setCode, authorizationList: [signed, { ...signed, ...change }] }, code]),
  ["no object", [], "invalid_field"],
].map(made("transaction", "transaction"));
// What no JavaScript value stands for.
const token = transactions.find(({ what }) => what === "an exponent");
token.line = made("transaction", "transaction")(["", { ...typed, gas: 21_001 }]).line.replace("21001", "21e3");

// Serialised forms, from the list of a signable one's members.
const rlpLegacy = [9, 20_000_000_000, 21_000, to, 1, "0x", 1, 0, 0];
const rlpTyped = [1, 9, 1, 2, 21_000, to, 1, "0x", []];
const rlpBlob = [...rlpTyped, 1, [blobHash]];
const rlpSetCode = [...rlpTyped, [[1, to, 0, 0, 1, 1]]];
const item = (value) => (Array.isArray(value) ? value.map(item) : typeof value === "number" ? hexlify(toBeArray(value)) : value);
const rlp = (members, type) => concat([type ?? "0x", encodeRlp(item(members))]);
const changed = (members, at, value) => members.map((member, i) => (i === at ? value : member));
// A list of fewer than 56 bytes, for what encodeRlp() does not write: `long` gives it the form for more.
const shortList = (payload, long = false) =>
  concat([new Uint8Array(long ? [0xf8, getBytes(payload).length] : [0xc0 + getBytes(payload).length]), payload]);
const payload = (members) => concat(item(members).map((member) => encodeRlp(member)));

const unsigned = [
  ["legacy", rlp(rlpLegacy), "signed"],
  ["EIP-1559", rlp(rlpTyped, "0x02"), "signed"],
  ["EIP-4844", rlp(rlpBlob, "0x03"), "signed"],
  ["EIP-7702", rlp(rlpSetCode, "0x04"), "signed"],
  ["no bytes", "0x", "bad_transaction"],
  ["a type alone", "0x02", "bad_transaction"],
  ["an empty list", "0xc0", "bad_transaction"],
  ["type 0", rlp(rlpTyped, "0x00"), "unsupported_transaction_type"],
  ["type 5, as in an authorization", rlp([1, to, 0], "0x05"), "unsupported_transaction_type"],
  ["EIP-191's 0x19", "0x1900", "unsupported_transaction_type"],
  ["a string for the list", "0x02" + "b8" + "00".repeat(20), "bad_transaction"],
  ["a trailing byte", rlp(rlpTyped, "0x02") + "00", "bad_transaction"],
  ["a byte too few", rlp(rlpTyped, "0x02").slice(0, -2), "bad_transaction"],
  ["a member too few", rlp(rlpTyped.slice(0, -1), "0x02"), "bad_transaction"],
  ["a member too many", rlp([...rlpTyped, "0x"], "0x02"), "bad_transaction"],
  ["a signed transaction", rlp([...rlpTyped, 0, 1, 1], "0x02"), "bad_transaction"],
  ["a signed legacy transaction", rlp([...rlpLegacy.slice(0, 6), 37, 1, 1]), "bad_transaction"],
  ["seven members of a legacy transaction", rlp(rlpLegacy.slice(0, 7)), "bad_transaction"],
  ["a legacy transaction without a chain id", rlp(rlpLegacy.slice(0, 6)), "bad_transaction"],
  ["one that says chain id 0", rlp(changed(rlpLegacy, 6, 0)), "bad_transaction"],
  ["an integer with a leading zero", rlp(changed(rlpTyped, 1, "0x0009"), "0x02"), "bad_transaction"],
  ["zero as a byte", rlp(changed(rlpTyped, 1, "0x00"), "0x02"), "bad_transaction"],
  ["a nonce of 9 bytes", rlp(changed(rlpTyped, 1, "0x01" + "00".repeat(8)), "0x02"), "bad_transaction"],
  ["a nonce of 2^64 - 1", rlp(changed(rlpTyped, 1, "0x" + "ff".repeat(8)), "0x02"), "bad_transaction"],
  ["a value of 33 bytes", rlp(changed(rlpTyped, 6, "0x01" + "00".repeat(32)), "0x02"), "bad_transaction"],
  ["an address of 19 bytes", rlp(changed(rlpTyped, 5, to.slice(0, -2)), "0x02"), "bad_transaction"],
  ["an address of 21 bytes", rlp(changed(rlpTyped, 5, to + "00"), "0x02"), "bad_transaction"],
  ["a list for data", rlp(changed(rlpTyped, 7, []), "0x02"), "bad_transaction"],
  ["a string for the access list", rlp(changed(rlpTyped, 8, "0x"), "0x02"), "bad_transaction"],
  ["a storage key of 31 bytes", rlp(changed(rlpTyped, 8, [[to, ["0x" + "00".repeat(31)]]]), "0x02"), "bad_transaction"],
  ["fees out of order", rlp(changed(rlpTyped, 2, 3), "0x02"), "bad_transaction"],
  ["a long form for a short list", concat(["0x02", shortList(payload(rlpTyped), true)]), "bad_transaction"],
  ["a single byte below 0x80 with a prefix", shortList(concat(["0x8109", payload(rlpLegacy.slice(1))])), "bad_transaction"],
  ["a blob transaction without to", rlp(changed(rlpBlob, 5, "0x"), "0x03"), "bad_transaction"],
  ["a blob transaction without hashes", rlp(changed(rlpBlob, 10, []), "0x03"), "bad_transaction"],
  ["a blob hash of version 2", rlp(changed(rlpBlob, 10, ["0x02" + "11".repeat(31)]), "0x03"), "bad_transaction"],
  ["a blob transaction's network form", rlp([rlpBlob, [], [], []], "0x03"), "bad_transaction"],
  ["a set-code transaction without to", rlp(changed(rlpSetCode, 5, "0x"), "0x04"), "bad_transaction"],
  ["a set-code transaction without authorizations", rlp(changed(rlpSetCode, 9, []), "0x04"), "bad_transaction"],
  ["an authorization of parity 2", rlp(changed(rlpSetCode, 9, [[1, to, 0, 2, 1, 1]]), "0x04"), "bad_transaction"],
  ["an authorization of a high s", rlp(changed(rlpSetCode, 9, [[1, to, 0, 0, 1, "0x" + (order - 1n).toString(16)]]), "0x04"), "bad_transaction"],
  ["an authorization without a signature", rlp(changed(rlpSetCode, 9, [[1, to, 0]]), "0x04"), "bad_transaction"],
].map(made("unsigned", "bytes"));

const authorization = { chainId: 1, address: to, nonce: 0 };
const authorizations = [
  ["one that is signed", authorization, "signed"],
  ["one of chain id 0 that nobody asked for", { ...authorization, chainId: 0 }, "invalid_field"],
  ["a nonce of 2^64 - 1", { ...authorization, nonce: two(64) - 1n }, "bad_transaction"],
  ["no nonce", { ...authorization, nonce: undefined }, "missing_field"],
  ["no chain id", { ...authorization, chainId: null }, "missing_field"],
  ["no address", { ...authorization, address: undefined }, "missing_field"],
  ["a wrong checksum", { ...authorization, address: mixed.replace("5aA", "5aa") }, "invalid_field"],
  ["another name for the address", { ...authorization, contractAddress: to }, "unknown_field"],
  ["a signed one", signed, "unknown_field"],
].map(made("authorization", "authorization"));
authorizations.push({ what: "any_chain for one chain", codes: ["invalid_field"],
  line: toJson({ op: "authorization", key, any_chain: true, authorization }) });

const document = { types: { Mail: [{ name: "amount", type: "uint8" }, { name: "to", type: "Person[]" }], Person: [{ name: "who", type: "address" }] },
  primaryType: "Mail", domain: { name: "Mail", chainId: 1 }, message: { amount: 255, to: [{ who: to }] } };
const mail = (fields, message) => ({ ...document, types: { Mail: fields }, message });
const field = (type, value) => mail([{ name: "x", type }], { x: value });
const typedData = [
  ["a document that is signed", document, "signed"],
  ["an alias", field("uint", 1), "ambiguous_field"],
  ["a width of 7 bits", field("uint7", 1), "invalid_field"],
  ["bytes33", field("bytes33", "0x" + "00".repeat(33)), "invalid_field"],
  ["an unknown type", field("Nobody", {}), "invalid_field"],
  ["a number too large for its type", field("uint8", 256), "invalid_field"],
  ["one too small", field("int8", -129), "invalid_field"],
  ["a negative number for uint", field("uint8", -1), "invalid_field"],
  ["text for a number", field("uint8", "one"), "invalid_field"],
  ["a number for bool", field("bool", 1), "invalid_field"],
  ["text for bytes", field("bytes", "text"), "invalid_field"],
  ["odd hexadecimal", field("bytes", "0x123"), "invalid_field"],
  ["overlong fixed bytes", field("bytes4", "0x1122334455"), "invalid_field"],
  ["short fixed bytes", field("bytes4", "0x112233"), "invalid_field"],
  ["null for a string", field("string", null), "invalid_field"],
  ["an array of another length", field("uint8[2]", [1]), "invalid_field"],
  ["no array for one", field("uint8[]", 1), "invalid_field"],
  ["a wrong checksum", field("address", mixed.replace("5aA", "5aa")), "invalid_field"],
  ["a member too many", { ...document, message: { ...document.message, more: 1 } }, "unknown_field"],
  ["a member too few", { ...document, message: { amount: 1 } }, "missing_field"],
  ["a type that is not used", { ...document, types: { ...document.types, Other: [] } }, "ambiguous_field"],
  ["a $ in a type's name", { ...document, types: { $Mail: [] }, primaryType: "$Mail", message: {} }, "ambiguous_field"],
  ["a type named like Solidity's", { ...document, types: { uint8: [] }, primaryType: "uint8", message: {} }, "ambiguous_field"],
  ["a field twice", mail([{ name: "x", type: "bool" }, { name: "x", type: "bool" }], { x: true }), "ambiguous_field"],
  ["a primary type that is none", { ...document, primaryType: "Nobody" }, "invalid_field"],
  ["a domain's member that is none", { ...document, domain: { ...document.domain, network: 1 } }, "unknown_field"],
  ["a domain other than its type", { ...document, types: { ...document.types, EIP712Domain: [{ name: "name", type: "string" }] } }, "ambiguous_field"],
  ["no message", { ...document, message: undefined }, "missing_field"],
  ["a document with more", { ...document, version: 4 }, "unknown_field"],
].map(made("typed_data", "typed_data"));

export const refusals = [
  { subject: "transactions", cases: [...bases, ...transactions] },
  { subject: "unsigned serialised transactions", cases: unsigned },
  { subject: "authorizations", cases: authorizations },
  { subject: "typed-data documents", cases: typedData },
];
