import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { checkTopology } from '../../src/topology/check.js';
import { RULES, type RuleId } from '../../src/topology/fault.js';
import { FILES } from './rule-files.js';
import { PAIRS } from './rule-pairs.js';
import { writeTopology } from './topology-files.js';

const NOW = new Date('2030-01-01T00:00:00Z');
const ENV = { HERE: 'value' };

for (const [ruleId, { wrong, at, severity, near, wrongFiles = FILES }] of Object.entries(PAIRS)) {
  test(`${ruleId} is found where it is, and what is next to it is sound`, async (t) => {
    const now = ruleId === 'expired-certificate' ? new Date('2200-01-01T00:00:00Z') : NOW;
    const { faults } = await checkTopology(writeTopology(t, wrong, wrongFiles), { env: ENV, now });
    const found = faults.find((fault) => fault.ruleId === ruleId);
    assert.ok(found, JSON.stringify(faults, null, 2));
    assert.equal(`${found.line}:${found.column}`, at);
    assert.equal(found.severity, severity ?? RULES[ruleId as RuleId].severity);
    const sound = await checkTopology(writeTopology(t, near, FILES), { env: ENV, now: NOW });
    assert.deepEqual(sound.faults, []);
  });
}

test('the README lists every rule with its severity and meaning', () => {
  const [readme = ''] = readFileSync('README.md', 'utf8').split('\n## Logs\n');
  const rows = [...readme.matchAll(/^\| `([a-z0-9-]+)` \| (error|warning) \| (.+) \|$/gm)].map(
    ([, ruleId, severity, meaning]) => ({ ruleId, severity, meaning }),
  );
  assert.deepEqual(
    rows,
    Object.entries(RULES).map(([ruleId, rule]) => ({ ruleId, ...rule })),
  );
});
