// SPDX-License-Identifier: Apache-2.0
// JSON values that mean the same give the same text: members sorted.
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

// As above for a policy, in which a list of one is that one, and lists of texts have no order. AWS hands a policy back as it was
// put, but nobody promises that.
export function canonicalPolicy(text) {
  const plain = (value) => {
    if (Array.isArray(value)) {
      const all = value.map(plain);
      return all.every((one) => typeof one === "string") ? (all.length === 1 ? all[0] : [...all].sort()) : all;
    }
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]));
  };
  return canonical(plain(JSON.parse(text)));
}
