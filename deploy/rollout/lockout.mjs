// SPDX-License-Identifier: Apache-2.0
// Would enclaves with this manifest open every vault that holds keys? What they would not, and why: texts.
export function lockedOut(vaults, manifest) {
  const out = [];
  const keys = new Set(manifest.keys.filter(({ purpose }) => purpose === "vault").map(({ arn }) => arn));
  const listed = Object.keys(manifest.commitments).length > 0;
  for (const { vault_id: id, epoch, vault_commitment: commitment, kms_keys: wraps, used } of vaults) {
    const why = [];
    if (epoch < manifest.minEpoch) why.push(`its epoch is ${epoch}, and min_epoch ${manifest.minEpoch}`);
    if (listed && manifest.commitments[id] === undefined) why.push("vault_commitments does not list it");
    else if (listed && manifest.commitments[id].toLowerCase() !== commitment) why.push("vault_commitments has another commitment for it");
    if (!wraps.some((arn) => keys.has(arn))) why.push("it is wrapped under none of the manifest's KMS keys");
    if (why.length > 0) out.push({ id, used, why: why.join("; ") });
  }
  return out;
}

// KMS keys that one manifest names and the other, or the plan, does not, or with another purpose.
export function unnamedKeys(plan, old, next) {
  const named = ({ keys }) => keys.map(({ arn, purpose }) => `${arn} (${purpose})`);
  const before = named(old), after = named(next);
  const out = [...before.filter((key) => !after.includes(key)).map((key) => `only the old manifest names ${key}`),
    ...after.filter((key) => !before.includes(key)).map((key) => `only the new manifest names ${key}`)];
  for (const { arn } of next.keys) if (!plan.keys.includes(arn)) out.push(`the plan does not name ${arn}`);
  for (const arn of plan.keys) if (!next.keys.some((key) => key.arn === arn)) out.push(`the plan names ${arn}, which the new manifest does not`);
  return out;
}
