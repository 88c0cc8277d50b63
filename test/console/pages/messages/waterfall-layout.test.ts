import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layOut, tellingAttempt } from '../../../../src/console/pages/messages/waterfall-layout.js';
import { attempt, chain, hop, instant, recipient } from './chain-traces.js';

const refused = { result: 'error', state: 'authplain', code: 535 } as const;

test('retries are bars with the waits between them, and the wait that goes on', () => {
  const edge = hop('edge', 0, {
    queue_wait_ms: 10,
    attempts: [attempt('a1', 10, 40, refused), attempt('a2', 1050, 40, refused)],
    recipients: [recipient('delayed')],
  });
  const { rows, axis } = layOut(chain(edge), instant(2000));
  const [row] = rows;
  assert.ok(row !== undefined);
  assert.deepEqual(
    row.attempts.map(({ kind, attempt: { number }, durationMs }) => [kind, number, durationMs]),
    [
      ['refused', 1, 40],
      ['refused', 2, 40],
    ],
  );
  assert.deepEqual(
    row.waits.map(({ kind, durationMs }) => [kind, Math.round(durationMs)]),
    [
      ['queue', 10],
      ['wait', 1000],
      ['pending', 910],
    ],
  );
  assert.equal(row.waits.at(-1)?.to, 1);
  assert.equal(axis.toMs, instant(2000));
});

test('a settled message ends with its last attempt, not now', () => {
  const edge = hop('edge', 0, { attempts: [attempt('a1', 10, 40)] });
  const { axis, rows } = layOut(chain(edge), instant(9_000_000));
  assert.equal(axis.toMs, instant(50));
  assert.deepEqual(
    rows[0]?.waits.map(({ kind }) => kind),
    ['queue'],
  );
});

test('all hops share one axis', () => {
  const edge = hop('edge', 0, { attempts: [attempt('a1', 0, 50)] });
  const core = hop('core', 50, {
    parent_span_id: 'a1',
    attempts: [attempt('a2', 50, 50, { next_hop: 'mx' })],
  });
  const { rows } = layOut(chain(edge, core), instant(200));
  assert.equal(rows[0]?.attempts[0]?.to, 0.5);
  assert.equal(rows[1]?.attempts[0]?.from, 0.5);
  assert.equal(rows[1]?.attempts[0]?.to, 1);
});

test('the attempt that is told first is that of the hop where the message is stuck', () => {
  const edge = hop('edge', 0, { attempts: [attempt('a1', 0, 50)] });
  const core = hop('core', 50, {
    parent_span_id: 'a1',
    attempts: [attempt('a2', 60, 5, refused), attempt('a3', 90, 5, refused)],
    recipients: [recipient('delayed')],
  });
  const other = hop('other', 70, {
    parent_span_id: 'a1',
    attempts: [attempt('a4', 75, 5)],
    recipients: [recipient('delivered')],
  });
  assert.equal(tellingAttempt(layOut(chain(edge, core, other), instant(100)))?.id, 'a3');
  assert.equal(tellingAttempt(layOut(chain(edge, other), instant(100)))?.id, 'a4');
  assert.equal(tellingAttempt(layOut(chain(hop('edge', 0)), instant(5))), null);
});

test('of more hops than can be looked at the rest is counted', () => {
  const hops = Array.from({ length: 130 }, (_, index) => hop(`node${index}`, index));
  const { rows, hiddenHops } = layOut(chain(...hops), instant(500));
  assert.equal(rows.length, 100);
  assert.equal(hiddenHops, 30);
});

test('a trace without hops is drawn as nothing', () => {
  assert.deepEqual(layOut(chain(), instant(0)).rows, []);
});
