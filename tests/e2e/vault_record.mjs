// SPDX-License-Identifier: Apache-2.0
// Vault records, written and read as docs/formats/sealed.md has them and by none of the enclave's code.
import crypto from "node:crypto";
import { Reader, block16, u16, u64, u8 } from "./wire.mjs";

const version = 1;

export const vaultIdText = (id) => `vault-${id.toString("hex")}`;
export const commitmentOf = (vaultKey, id) => Buffer.from(crypto.hkdfSync("sha256", vaultKey, id, "redoubt vault commitment v1", 32));

const boundTo = (head, arn, blob) => Buffer.concat([Buffer.from("redoubt vault wrap v1"), u16(version), u64(head.epoch), head.id,
  u64(head.created), head.commitment, block16(arn), block16(blob)]);

export function wrapVaultKey(vaultKey, dataKey, head, arn, blob) {
  const nonce = crypto.randomBytes(12);
  const cipher = crypto.createCipheriv("aes-256-gcm", dataKey, nonce);
  cipher.setAAD(boundTo(head, arn, blob));
  return { arn, blob, nonce, wrapped: Buffer.concat([cipher.update(vaultKey), cipher.final(), cipher.getAuthTag()]) };
}

export const encodeVault = ({ epoch, id, created, commitment, wraps }) => Buffer.concat([Buffer.from("RDVT"), u16(version), u64(epoch), id,
  u64(created), commitment, u8(wraps.length), ...wraps.flatMap(({ arn, blob, nonce, wrapped }) => [block16(arn), block16(blob), nonce, wrapped])]);

export function decodeVault(bytes) {
  const reader = new Reader(bytes);
  if (reader.take(4).toString() !== "RDVT" || reader.number(2) !== version) throw new Error("no vault record of this version");
  const record = { epoch: reader.number(8), id: reader.take(16), created: reader.number(8), commitment: reader.take(32), wraps: [] };
  for (let left = reader.number(1); left > 0; --left)
    record.wraps.push({ arn: reader.block(2).toString(), blob: reader.block(2), nonce: reader.take(12), wrapped: reader.take(48) });
  if (!reader.finished()) throw new Error("a vault record has something left over");
  return record;
}
