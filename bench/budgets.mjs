// SPDX-License-Identifier: Apache-2.0
// Counts the instructions, and the calls of malloc, that each workload of bench/budget.cpp takes, by callgrind, and
// compares them with bench/budgets.json. More than MOST_MORE of either fails. What is counted is the same from run to
// run and from machine to machine, as long as compiler and libraries are:
// - valgrind shows programs a processor without SHA and AVX-512 instructions. Where it shows one with AVX2 depends on the
//   machine, so OpenSSL and glibc are told to use none of what came after SSE4.2;
// - the environment is always the same one, as its size moves the stack.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { fileURLToPath } from 'node:url';

export const MOST_MORE = 0.05;
const WORTH_TELLING = 0.1; // so much less, and the budget should be lowered
const FEW_CALLS = 1; // of malloc, that more may be: a container that grew while it was counted

// SSE4.2, AES and carry-less multiplication, as each server processor of the last fifteen years has them; nothing of
// leaf 7 (AVX2, BMI, ADX, SHA).
const ENVIRONMENT = {
  OPENSSL_ia32cap: '0x02982203078bfbff:0',
  GLIBC_TUNABLES: 'glibc.cpu.hwcaps=-AVX_Fast_Unaligned_Load,-AVX2,-AVX,-AVX512F,-AVX512VL,-AVX512BW,-BMI2,-ERMS,-FSRM,-LZCNT,-MOVBE,-RTM',
};

// Of a file that callgrind wrote: all instructions, and how often malloc and what is like it were called.
export function read_counts(text) {
  const names = new Map(); // callgrind writes a name once, as "(number) name", and the number alone from then on
  const name_of = (written) => {
    const [, number, name] = /^(?:\((\d+)\))?\s*(.*)$/.exec(written);
    if (number === undefined) return name;
    if (name !== '') names.set(number, name);
    return names.get(number);
  };
  let instructions, allocations = 0, called;
  const others = new Set();
  for (const line of text.split('\n')) {
    if (line.startsWith('totals: ')) instructions = Number(line.slice(8));
    else if (line.startsWith('fn=')) others.add(name_of(line.slice(3)));
    else if (line.startsWith('cfn=')) called = name_of(line.slice(4));
    else if (line.startsWith('calls=') && /^(malloc|calloc|realloc|memalign|posix_memalign|aligned_alloc)$/.test(called))
      allocations += Number(/^calls=(\d+)/.exec(line)[1]);
  }
  if (!Number.isFinite(instructions)) throw new Error('callgrind wrote no totals');
  return { instructions, allocations, functions: others };
}

// What a workload of `recorded` now takes beside it: sentences for those to tell, and for those that fail.
export function compare(recorded, counted) {
  const failures = [], remarks = [];
  for (const name of new Set([...Object.keys(recorded), ...Object.keys(counted)])) {
    const before = recorded[name], now = counted[name];
    if (!before) failures.push(`${name} has no budget`);
    else if (!now) failures.push(`${name} has a budget, and is no workload of bench/budget.cpp`);
    if (!before || !now) continue;
    const change = now.instructions / before.instructions - 1;
    const percent = `${(100 * Math.abs(change)).toFixed(1)} %`;
    if (change > MOST_MORE)
      failures.push(`${name} takes ${now.instructions} instructions, ${percent} more than its budget of ${before.instructions}`);
    else if (change < -WORTH_TELLING)
      remarks.push(`${name} takes ${now.instructions} instructions, ${percent} less than its budget of ${before.instructions}: lower it`);
    if (now.allocations > before.allocations * (1 + MOST_MORE) && now.allocations - before.allocations > FEW_CALLS)
      failures.push(`${name} calls malloc ${now.allocations} times, and its budget is ${before.allocations}`);
  }
  return { failures, remarks };
}

const run = promisify(execFile);

export async function count(program, name, times, folder, environment = ENVIRONMENT) {
  const file = join(folder, `${name}.callgrind`);
  await run('valgrind', ['--tool=callgrind', '--quiet', '--instr-atstart=no', `--callgrind-out-file=${file}`, `./${basename(program)}`, name, String(times)],
    { env: environment, cwd: dirname(program) }); // its name moves the stack, too
  const text = readFileSync(file, 'utf8');
  const { instructions, allocations, functions } = read_counts(text);
  // A library that took no notice would make the counts this machine's alone.
  const other = [...functions].find((each) => /avx|evex|erms|shaext|montx|mulx|adx/.test(each));
  if (other) throw new Error(`${name} runs ${other}, which depends on the machine`);
  return { instructions: Math.round(instructions / times), allocations: Math.round(10 * allocations / times) / 10 };
}

// What the program lists: what it was built with, and its workloads.
export async function workloads(program) {
  const { stdout } = await run(program, []);
  const [made, ...lines] = stdout.trim().split('\n');
  const { stdout: valgrind } = await run('valgrind', ['--version']);
  return { made: `${made}, ${valgrind.trim()}`, all: lines.map((line) => line.split(' ')).map(([name, times]) => ({ name, times: Number(times) })) };
}

function show(name, counted, recorded) {
  const change = recorded ? `${(100 * (counted.instructions / recorded.instructions - 1)).toFixed(1)} %` : '';
  console.log(`${name.padEnd(18)} ${String(counted.instructions).padStart(10)} instructions ${change.padStart(8)} ${String(counted.allocations).padStart(7)} mallocs`);
}

// Counts what is in `waiting`, one on each processor.
async function count_all(program, waiting) {
  const folder = mkdtempSync(join(tmpdir(), 'redoubt-budgets-'));
  const counted = {};
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift())
      counted[next.name] = await count(program, next.name, next.times, folder);
  };
  try {
    await Promise.all(Array.from({ length: availableParallelism() }, worker));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return counted;
}

async function main(args) {
  const { values, positionals: [program] } = parseArgs({
    args,
    allowPositionals: true,
    options: { record: { type: 'boolean' }, budgets: { type: 'string' }, only: { type: 'string' } },
  });
  if (!program) {
    console.error('usage: budgets.mjs [--record] [--budgets FILE] [--only WORKLOAD] PROGRAM');
    return 2;
  }
  const file = values.budgets ?? fileURLToPath(new URL('budgets.json', import.meta.url));
  const { made, all } = await workloads(program);
  const names = all.map(({ name }) => name).filter((name) => !values.only || name === values.only);
  const budgets = values.record ? { workloads: {} } : JSON.parse(readFileSync(file, 'utf8'));
  if (values.only) budgets.workloads = { [values.only]: budgets.workloads[values.only] };
  const counted = await count_all(program, all.filter(({ name }) => names.includes(name)));
  for (const name of names) show(name, counted[name], budgets.workloads[name]);
  if (values.record) {
    const lines = names.map((name) => `    "${name}": {"instructions": ${counted[name].instructions}, "allocations": ${counted[name].allocations}}`);
    writeFileSync(file, `{\n  "made_with": ${JSON.stringify(made)},\n  "workloads": {\n${lines.join(',\n')}\n  }\n}\n`);
    return 0;
  }
  const { failures, remarks } = compare(budgets.workloads, counted);
  for (const each of remarks) console.log(`budgets: ${each}`);
  for (const each of failures) console.error(`budgets: ${each}`);
  if (failures.length === 0) return 0;
  if (budgets.made_with !== made) console.error(`budgets: they were recorded with ${budgets.made_with}; this is ${made}`);
  console.error('budgets: where that is as it should be, bench/budgets.sh --record writes new ones');
  return 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.slice(2));
