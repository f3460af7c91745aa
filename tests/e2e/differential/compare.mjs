// SPDX-License-Identifier: Apache-2.0
// Compares Redoubt's Ethereum code with ethers and viem, byte for byte, on random input. compare() runs cases by their number; so
// does each worker of compareInWorkers(), those whose number modulo the number of workers is its own.
import { isMainThread, parentPort, workerData, Worker } from "node:worker_threads";
import { messageCase } from "./messages.mjs";
import { Random } from "./random.mjs";
import { startTool } from "./tool.mjs";
import { transactionCase, transactionKinds } from "./transactions.mjs";
import { typedDataCase } from "./typed_data.mjs";

export const kinds = [...transactionKinds, "typed_data", "message"];
const mostReported = 20;

async function makeCase(seed, kind, number) {
  const random = new Random(seed, kind, number);
  if (kind === "typed_data") return typedDataCase(random);
  if (kind === "message") return messageCase(random);
  return transactionCase(random, kind);
}

// Adds to the result: compared, how many answers by kind, operation and library, and disagreements.
async function compareKind(tool, seed, kind, numbers, result) {
  let checks = [];
  const asked = [];
  const ask = () => {
    const these = checks;
    checks = [];
    asked.push(tool.ask(these.map(({ line }) => line)).then((answers) => answers.forEach((answer, i) => judge(these[i], answer, result))));
  };
  for (const number of numbers) {
    try {
      for (const check of await makeCase(seed, kind, number)) checks.push({ kind, number, ...check });
    } catch (error) {
      result.disagreements.push({ kind, number, what: `ethers or viem refused it: ${error.stack}` });
    }
    if (checks.length < 100) continue;
    ask();
    if (asked.length > 2) await asked.shift(); // the tool answers while the next are made
  }
  if (checks.length > 0) ask();
  await Promise.all(asked);
}

function judge({ kind, number, op, line, expected }, answer, result) {
  const differs = {};
  for (const [library, members] of Object.entries(expected)) {
    if (!members) continue;
    const name = `${kind} ${op} ${library}`;
    result.compared[name] = (result.compared[name] ?? 0) + 1;
    const wrong = Object.entries(members).filter(([member, value]) => answer[member] !== value);
    if (wrong.length > 0) differs[library] = Object.fromEntries(wrong);
  }
  if (Object.keys(differs).length > 0) result.disagreements.push({ kind, number, line, answer, differs });
}

export async function compare({ seed, counts, part = 0, parts = 1 }) {
  const result = { compared: {}, disagreements: [] };
  const tool = startTool();
  try {
    for (const [kind, count] of Object.entries(counts)) {
      const numbers = typeof count === "number" ? Array.from({ length: count }, (_, i) => i) : count;
      await compareKind(tool, seed, kind, numbers.filter((number) => number % parts === part), result);
      if (result.disagreements.length > mostReported) break;
    }
  } finally {
    await tool.stop();
  }
  return result;
}

export async function compareInWorkers({ seed, counts, parts }) {
  const results = await Promise.all(Array.from({ length: parts }, (_, part) => new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { seed, counts, part, parts } });
    worker.on("message", resolve);
    worker.on("error", reject);
    worker.on("exit", (code) => reject(new Error(`a worker ended with ${code} and without a result`)));
  })));
  const compared = {};
  for (const one of results)
    for (const [name, answers] of Object.entries(one.compared)) compared[name] = (compared[name] ?? 0) + answers;
  return { compared, disagreements: results.flatMap(({ disagreements }) => disagreements) };
}

if (!isMainThread && workerData?.counts) parentPort.postMessage(await compare(workerData));
