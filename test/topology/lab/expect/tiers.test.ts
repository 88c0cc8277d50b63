import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Evidence } from '../../../../src/topology/lab/evidence.js';
import { judge } from '../../../../src/topology/lab/expect/judge.js';
import type { Finding } from '../../../../src/topology/lab/verdict.js';
import type { ChainAttempt, ChainHop } from '../../../../src/trace/record.js';
import { sampleRecipient } from '../../../trace/chain-samples.js';
import { goodEvidence, hopOf, idOf, traceOver, tracesWith } from '../evidence-samples.js';

const good = goodEvidence(3);

test('mail that waits in a tier is at a node that holds it, or with a broker that is not asked', () => {
  const recipients = [sampleRecipient('queued', { address: 'u3@x.test' })];
  const waiting = {
    queue: 'mx',
    next_hop: 'mx',
    state: 'active' as const,
    next_attempt_at: null,
    last_fault: null,
    recipients: ['u3@x.test'],
    node: 'spare',
  };
  const hop = hopOf(3, 'core', 'mx', { tier: 'core', attempts: [], action: 'queued', recipients });
  const found = (queued: Evidence['queued'], fields: Partial<typeof hop> = {}): Finding => {
    const chain = {
      ...traceOver(3, ['core', 'mx']),
      complete: false,
      hops: [{ ...hop, ...fields }],
    };
    const evidence = { ...good, arrived: good.arrived.slice(0, 2), queued };
    const findings = judge(
      { ...evidence, traces: tracesWith(good, { 3: chain }) },
      { accounted: true },
    );
    return findings.at(-1)!;
  };
  const held = found({ core: 0, spare: 1 }, { waiting: [waiting] });
  assert.deepEqual(
    [held.verdict, held.actual],
    ['PASS', '2 recipients reached, 1 waiting at spare'],
  );
  const atBroker = found({ core: 0, spare: 0 });
  assert.deepEqual([atBroker.verdict, atBroker.offender], ['INCONCLUSIVE', idOf(3)]);
});

test('a way over a tier is told by the node that accepted, and its repeats are no other way', () => {
  const trace = traceOver(3, ['edge', 'core', 'mx']);
  const [edge, core] = trace.hops as [ChainHop, ChainHop];
  const [first] = edge.attempts as [ChainAttempt];
  const [attempt] = core.attempts as [ChainAttempt];
  const repeat = { ...first, span_id: 'again', next_hop: 'spare', remote_queue_id: core.queue_id };
  trace.hops[0] = { ...edge, attempts: [first, repeat] };
  trace.hops[1] = { ...core, tier: 'core', attempts: [{ ...attempt, node: 'spare', user: null }] };
  const findings = judge(
    { ...good, traces: tracesWith(good, { 3: trace }) },
    { accounted: true, path: ['edge', 'core', 'mx'], 'every-hop': { login: true, except: [] } },
  ).filter(({ verdict }) => verdict !== 'PASS');
  assert.deepEqual(
    findings.map(({ kind, offender }) => [kind, offender]),
    [['every-hop', idOf(3)]],
  );
  assert.match(findings[0]?.actual ?? '', /such as spare -> mx for message 3/);
});
