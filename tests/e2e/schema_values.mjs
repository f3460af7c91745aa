// SPDX-License-Identifier: Apache-2.0
// Random values that a JSON schema of the API's description takes, and values that it nearly takes. Everything comes of one
// seed, so that a run can be repeated.
import assert from "node:assert/strict";

export class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }
  next() { // mulberry32
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  below(n) {
    return Math.floor(this.next() * n);
  }
  pick(list) {
    return list[this.below(list.length)];
  }
  chance(p) {
    return this.next() < p;
  }
  hex(bytes) {
    return Array.from({ length: bytes }, () => this.below(256).toString(16).padStart(2, "0")).join("");
  }
}

// A text that the pattern matches: of literals, classes, groups, alternatives and counts, which is what the description uses.
export function textOf(pattern, random, most = 40) {
  const source = pattern.replace(/^\^/, "").replace(/\$$/, "");
  let at = 0;
  const escape = (c) => ({ d: "0123456789" }[c] ?? c);
  const characters = () => {
    const negated = source[at] === "^" && ++at;
    let set = "";
    while (source[at] !== "]") {
      let from = source[at++];
      if (from === "\\") from = escape(source[at++]);
      if (source[at] === "-" && source[at + 1] !== "]") {
        const to = source.charCodeAt(at + 1);
        for (let code = from.charCodeAt(0); code <= to; ++code) set += String.fromCharCode(code);
        at += 2;
      } else set += from;
    }
    ++at;
    return negated ? [..."abcXYZ019 _-.~"].filter((c) => !set.includes(c)).join("") : set;
  };
  const atom = () => {
    const c = source[at++];
    if (c === "[") {
      const set = characters();
      return () => random.pick(set);
    }
    if (c === "(") {
      const inner = alternatives();
      assert.equal(source[at++], ")", pattern);
      return inner;
    }
    const literal = c === "\\" ? escape(source[at++]) : c;
    return () => (literal.length > 1 ? random.pick(literal) : literal);
  };
  const counted = () => {
    const inner = atom();
    let low = 1, high = 1;
    const c = source[at];
    if (c === "*" || c === "+" || c === "?") {
      ++at;
      [low, high] = c === "?" ? [0, 1] : [c === "+" ? 1 : 0, most];
    } else if (c === "{") {
      const [all, from, comma, to] = /^\{(\d+)(,?)(\d*)\}/.exec(source.slice(at));
      at += all.length;
      low = Number(from);
      high = comma ? (to ? Math.min(Number(to), low + most) : low + most) : low;
    }
    return () => Array.from({ length: low + random.below(high - low + 1) }, inner).join("");
  };
  function alternatives() {
    const choices = [[]];
    while (at < source.length && source[at] !== ")") {
      if (source[at] === "|") {
        ++at;
        choices.push([]);
      } else choices.at(-1).push(counted());
    }
    return () => random.pick(choices).map((part) => part()).join("");
  }
  const made = alternatives()();
  assert.match(made, new RegExp(pattern));
  return made;
}

export const nothing = Symbol("leave the member out");

// `formats`: by a schema's format, `members`: by a member's name; functions of the Random that know what no schema says (which
// keys there are). They may return `nothing`.
export class Values {
  constructor(description, random, { formats = {}, members = {} } = {}) {
    Object.assign(this, { description, random, formats, members });
  }
  of(schema, depth = 0) {
    schema = this.description.resolved(schema);
    const { random } = this;
    if (schema.format && this.formats[schema.format]) return this.formats[schema.format](random);
    if ("const" in schema) return schema.const;
    if (schema.enum) return random.pick(schema.enum);
    if (schema.type === "object" && schema.examples) return structuredClone(random.pick(schema.examples));
    if (!schema.type && (schema.oneOf ?? schema.anyOf)) return this.of(random.pick(schema.oneOf ?? schema.anyOf), depth);
    switch (schema.type) {
      case "object": return this.object(schema, depth);
      case "array": {
        if (schema.examples) return structuredClone(random.pick(schema.examples));
        const low = schema.minItems ?? 0;
        const high = Math.min(schema.maxItems ?? low + 3, low + 3);
        return Array.from({ length: low + random.below(high - low + 1) }, () => this.of(schema.items, depth + 1));
      }
      case "string": {
        if (schema.pattern) return textOf(schema.pattern, random);
        const low = schema.minLength ?? 0, high = Math.min(schema.maxLength ?? 40, low + 40);
        return Array.from({ length: low + random.below(high - low + 1) }, () => random.pick("abcXYZ 09._-:/äß漢")).join("").trim() || "x";
      }
      case "integer": {
        const low = schema.minimum ?? -1000, high = schema.maximum ?? low + 100_000;
        return random.pick([low, high, low + random.below(Math.min(high - low, 100_000) + 1)]);
      }
      case "boolean": return random.chance(0.5);
      case "null": return null;
    }
    return assert.fail(`no value of ${JSON.stringify(schema)}`);
  }
  // One of the alternatives of what is required, and of the others each now and then.
  object(schema, depth) {
    const { random } = this;
    const alternatives = [schema.anyOf, schema.oneOf, ...(schema.allOf ?? []).map((part) => part.oneOf ?? part.anyOf)];
    const wanted = new Set([...(schema.required ?? []), ...alternatives.filter(Boolean).flatMap((list) => random.pick(list).required ?? [])]);
    const properties = Object.entries(schema.properties ?? {}).filter(([name]) => wanted.has(name) || random.chance(0.3));
    const out = {};
    for (const [name, inner] of properties) {
      const value = this.members[name] ? this.members[name](random, wanted.has(name)) : this.of(inner, depth + 1);
      if (value !== nothing) out[name] = value;
    }
    return out;
  }
  // A body of an operation that its schema takes.
  body(each) {
    const validate = this.description.bodyValidator(each);
    const request = this.description.resolved(each.operation.requestBody);
    let why;
    for (let i = 0; i < 200; ++i) {
      const value = this.of(request.content["application/json"].schema);
      why = validate(value);
      if (why === undefined) return value;
    }
    return assert.fail(`no body for ${each.id}: ${why}`);
  }
}

const odd = [null, true, false, 0, -1, 1.5, 1e300, 2 ** 53, "", " ", "0x", "0x0", "0x00", "0xzz", "-1", "é", "\u0000", "\ud800", "a".repeat(5000), [], {}, [[]], { a: 1 },
  "../..", "'; DROP TABLE keys; --", "${jndi:ldap://x}", "18446744073709551616", "0x1" + "0".repeat(64)];

// The value with one thing changed: a member gone, added or of another kind, or a text altered.
export function mutated(value, random) {
  const copy = structuredClone(value);
  const places = [];
  const walk = (inner, parent, name) => {
    places.push({ inner, parent, name });
    if (inner && typeof inner === "object") for (const key of Object.keys(inner)) walk(inner[key], inner, key);
  };
  walk(copy, undefined, undefined);
  const { inner, parent, name } = random.pick(places);
  const choices = [() => random.pick(odd)];
  if (inner && typeof inner === "object" && !Array.isArray(inner))
    choices.push(() => ({ ...inner, [random.pick(["extra", "__proto__x", "toString", "", "Nonce", "key_id"])]: random.pick(odd) }));
  if (Array.isArray(inner)) choices.push(() => [...inner, ...inner], () => [...inner, random.pick(odd)]);
  if (typeof inner === "string" && inner)
    choices.push(() => inner.slice(1), () => inner + random.pick(["0", " ", "g", "\n"]), () => inner.toUpperCase(), () => inner.replace("0x", ""),
      () => inner.slice(0, -1));
  if (typeof inner === "number") choices.push(() => inner + 1, () => String(inner), () => -inner, () => inner * 2 ** 40);
  if (parent === undefined) return random.pick(choices)();
  if (random.chance(0.2) && !Array.isArray(parent)) delete parent[name];
  else parent[name] = random.pick(choices)();
  return copy;
}
