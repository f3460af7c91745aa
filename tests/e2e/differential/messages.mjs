// SPDX-License-Identifier: Apache-2.0
// Random messages for EIP-191's personal_sign, and what ethers and viem make of them.
import { SigningKey, hashMessage as ethersHashMessage } from "ethers";
import { hashMessage as viemHashMessage } from "viem/utils";
import { signMessage } from "viem/accounts";
import { toJson } from "./random.mjs";

// ASCII, controls, and what takes 2, 3 and 4 bytes of UTF-8, with marks that join and that turn the direction.
const characters = ["a", "Z", "0", " ", "\n", "\t", "\0", "\u007f", "\u0080", '"', "\\", "/", "é", "ß", "ÿ", "λ", "߿", "ࠀ", "中",
  "\u2028", "￿", "\ufeff", "e\u0301", "\u202e", "\ue000", "😀", "👩‍👩‍👧", "𐀀", "\u{10ffff}", "0x12", "\x19"];

export function randomText(random, most) {
  const length = random.below(most + 1);
  if (random.chance(0.3)) return Array.from({ length }, () => random.pick(characters)).join("");
  return Array.from({ length }, () => String.fromCharCode(random.between(0x20, 0x7e))).join("");
}

// The length is written in decimal: these are where it gains a digit, and where keccak's blocks end.
const lengths = [0, 1, 2, 8, 9, 10, 11, 31, 32, 33, 55, 56, 64, 98, 99, 100, 101, 107, 108, 109, 110, 134, 135, 136, 137, 255, 256, 272,
  998, 999, 1000, 1001];

export async function messageCase(random) {
  const key = random.privateKey();
  let text, bytes;
  if (random.chance(0.4)) {
    text = randomText(random, 120);
    bytes = Buffer.from(text, "utf8");
  } else if (random.chance(0.02)) {
    bytes = random.bytes(random.pick([9_999, 10_000, 10_001]));
  } else {
    bytes = random.bytes(random.chance(0.6) ? random.pick(lengths) : random.below(300));
  }
  const hex = "0x" + bytes.toString("hex");
  const digest = ethersHashMessage(text ?? bytes);
  const message = text ?? { raw: hex };
  return [{
    op: "message",
    line: toJson({ op: "message", key, hex }),
    expected: { ethers: { digest, signature: new SigningKey(key).sign(digest).serialized },
      viem: { digest: viemHashMessage(message), signature: await signMessage({ message, privateKey: key }) } },
  }];
}
