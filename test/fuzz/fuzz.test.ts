import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostileTest } from '../hostile/rows.js';
import { Chance } from '../simulation/chance.js';
import { describeFailures, MAX_GROWN_BYTES, runFuzz, summarise } from './fuzz-run.js';
import { cut, mutate } from './mutate.js';
import { casesOf } from './shares.js';
import { makeDialogue, SMTP_WORDS } from './smtp/smtp-grammar.js';

const SEED = 8;
/** Fewer or more than the 20,000 of a full run. */
const CASES = Number(process.env['RELAYMESH_FUZZ_CASES'] ?? 20_000);

for (const [target, count] of casesOf(CASES)) {
  hostileTest(`fuzz-${target}`, `${count} cases of seed ${SEED}`, async (t, cases) => {
    const report = await runFuzz({ target, seed: SEED, cases: count });
    cases.add(report.cases);
    t.diagnostic(summarise(report));
    assert.equal(describeFailures(report), null);
    assert.equal(report.cases, count);
    assert.ok(report.grownBytes < MAX_GROWN_BYTES);
  });
}

test('one case is one input, byte for byte, and two are two', () => {
  const make = (index: number): string[] => {
    const chance = new Chance(`${SEED}/smtp/${index}`);
    const dialogue = makeDialogue(chance);
    const mutated = mutate(dialogue, chance, { words: SMTP_WORDS, others: [dialogue] });
    return cut(mutated, chance).map((piece) => piece.toString('latin1'));
  };
  const inputs = Array.from({ length: 500 }, (_, index) => make(index));
  assert.deepEqual(
    inputs,
    inputs.map((_, index) => make(index)),
  );
  assert.ok(new Set(inputs.map((pieces) => pieces.join(''))).size > 490);
});

test('a run that goes wrong tells the case, what was sent, and how to see it again', () => {
  const report = {
    target: 'smtp' as const,
    seed: 7,
    cases: 3,
    tookMs: 1000,
    grownBytes: 0,
    slowest: { index: 0, ms: 1 },
    failures: [{ index: 2, what: 'no reply', input: 'write 1: EHLO x' }],
  };
  const text = describeFailures(report) ?? '';
  assert.match(text, /smtp, seed 7, case 2: no reply\nwrite 1: EHLO x\n/);
  assert.match(text, /npm run fuzz -- --target smtp --seed 7 --case 2$/);
  assert.equal(describeFailures({ ...report, failures: [] }), null);
  const grown = describeFailures({ ...report, failures: [], grownBytes: MAX_GROWN_BYTES + 1 });
  assert.match(grown ?? '', /the memory grew by 50 MB/);
});
