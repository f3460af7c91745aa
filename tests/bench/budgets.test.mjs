// SPDX-License-Identifier: Apache-2.0
// What takes too many instructions is noticed, and what callgrind writes is read as it means it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { compare, read_counts } from '../../bench/budgets.mjs';

const bench = fileURLToPath(new URL('../../bench/', import.meta.url));
const program = join(process.env.REDOUBT_BIN, 'budget');
const one = (instructions, allocations = 0) => ({ work: { instructions, allocations } });

test('six per cent more instructions fail, and four do not', () => {
  assert.match(compare(one(1000), one(1060)).failures.join(), /^work takes 1060 instructions, 6\.0 % more than its budget of 1000$/);
  assert.deepEqual(compare(one(1000), one(1040)), { failures: [], remarks: [] });
});

test('a fall is told from ten per cent on, and fails nothing', () => {
  assert.deepEqual(compare(one(1000), one(910)), { failures: [], remarks: [] });
  const { failures, remarks } = compare(one(1000), one(880));
  assert.deepEqual(failures, []);
  assert.match(remarks.join(), /12\.0 % less/);
});

test('calls of malloc have a budget, too', () => {
  assert.match(compare(one(1000, 0), one(1000, 2)).failures.join(), /calls malloc 2 times/);
  assert.match(compare(one(1000, 40), one(1000, 43)).failures.join(), /calls malloc 43 times/);
  assert.deepEqual(compare(one(1000, 40), one(1000, 41)).failures, []);
});

test('a workload without a budget fails, and a budget without a workload', () => {
  assert.deepEqual(compare({}, one(1)).failures, ['work has no budget']);
  assert.match(compare(one(1), {}).failures.join(), /is no workload/);
});

test('calls of malloc are counted whoever calls it, by its name or the number that stands for it', () => {
  const text = ['fn=(1) main', '10 5', 'cfn=(2) malloc', 'calls=3 0', '10 30', 'cfn=(3) free', 'calls=3 0', '10 9',
    'fn=(4) other', 'cob=(1)', 'cfi=(2) malloc.c', 'cfn=(2)', 'calls=2 0', '20 20', 'cfn=(5) malloc_usable_size', 'calls=9 0', '20 9', 'totals: 73'].join('\n');
  const counts = read_counts(text);
  assert.equal(counts.allocations, 5);
  assert.equal(counts.instructions, 73);
  assert.deepEqual([...counts.functions], ['main', 'other']);
  assert.throws(() => read_counts('fn=(1) main\n'), /no totals/);
});

function run(...args) {
  return new Promise((resolve) => execFile(process.execPath, [join(bench, 'budgets.mjs'), ...args, program],
    (error, stdout, stderr) => resolve({ status: error ? error.code : 0, stdout, stderr })));
}

test('a number that was changed in the budgets fails the run, and the right one does not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'redoubt-budgets-test-'));
  try {
    const budgets = JSON.parse(readFileSync(join(bench, 'budgets.json'), 'utf8'));
    const file = join(folder, 'budgets.json');
    assert.equal((await run('--record', '--only', 'json-parse', '--budgets', file)).status, 0);
    const recorded = JSON.parse(readFileSync(file, 'utf8'));
    assert.deepEqual(Object.keys(recorded), Object.keys(budgets));
    assert.equal((await run('--only', 'json-parse', '--budgets', file)).status, 0);
    recorded.workloads['json-parse'].instructions = Math.round(recorded.workloads['json-parse'].instructions / 1.06);
    writeFileSync(file, JSON.stringify(recorded));
    const failed = await run('--only', 'json-parse', '--budgets', file);
    assert.equal(failed.status, 1);
    assert.match(failed.stderr, /json-parse takes \d+ instructions, 6\.0 % more/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('what is counted is the same for the same program, wherever it runs', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'redoubt-budgets-test-'));
  try {
    const { count } = await import('../../bench/budgets.mjs');
    const first = await count(program, 'http-parse', 100, folder);
    assert.deepEqual(await count(program, 'http-parse', 100, folder), first);
    assert.ok(first.instructions > 1000);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
