// SPDX-License-Identifier: Apache-2.0
// JSON documents, changed a little and at random, for tests that compare a schema with the program that reads the documents.

// mulberry32: the same mutations in every run. Gives a function of `below`: an integer from 0 to below - 1.
export function randomFrom(seed) {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below);
  };
}

// One change in place, somewhere. `values`: what members may become; `names(name)`: what a member may be called instead.
export function mutate(document, random, { values, names }) {
  const places = [];
  const walk = (parent) => {
    for (const name of Array.isArray(parent) ? parent.keys() : Object.keys(parent)) {
      places.push([parent, name]);
      if (parent[name] !== null && typeof parent[name] === "object") walk(parent[name]);
    }
  };
  walk(document);
  if (places.length === 0) return;
  const [parent, name] = places[random(places.length)];
  const value = parent[name];
  const kind = random(6);
  if (kind === 0) {
    if (Array.isArray(parent)) parent.splice(name, 1);
    else delete parent[name];
  } else if (kind === 1 && Array.isArray(parent)) {
    parent.push(structuredClone(value));
  } else if (kind === 2 && !Array.isArray(parent)) {
    const choice = names(name), other = choice[random(choice.length)];
    if (!(other in parent)) parent[other] = structuredClone(value);
  } else if (kind <= 4 && typeof value === "string") {
    const at = random(value.length + 1);
    parent[name] = [value.slice(0, at) + value.slice(at + 1), value.slice(0, at) + "0" + value.slice(at), value.slice(0, at) + "F" + value.slice(at + 1),
      value.slice(0, at) + "z" + value.slice(at + 1), value.toUpperCase(), value + "\n"][random(6)];
  } else if (kind <= 4 && typeof value === "number") {
    parent[name] = [value + 1, value - 1, value * 2, value / 2, value * 100000, -value - 1][random(6)];
  } else {
    // A value from the list, or what another member of this name has.
    const namesakes = places.filter(([, other]) => other === name);
    const [otherParent] = namesakes[random(namesakes.length)];
    parent[name] = structuredClone(random(2) === 0 ? values[random(values.length)] : otherParent[name]);
  }
}

// Calls `check` for every row, some at a time.
export async function forEach(rows, check) {
  const left = [...rows];
  await Promise.all(Array.from({ length: 4 }, async () => {
    for (let row = left.shift(); row !== undefined; row = left.shift()) await check(row);
  }));
}
