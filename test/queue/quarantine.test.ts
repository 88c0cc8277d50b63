import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Item, QuarantineKind } from '../../src/queue/item.js';
import { Quarantine } from '../../src/queue/quarantine.js';
import { capturedLog } from '../base/captured-log.js';
import { VirtualClock } from '../base/virtual-clock.js';
import { anItem, aRecipient, idOf, NOW_MS } from './samples.js';

interface Bench {
  quarantine: Quarantine;
  clock: VirtualClock;
  captured: ReturnType<typeof capturedLog>;
  /** Ids of own reports that had to make room. */
  discarded: string[];
}

function bench(maxReports = 2): Bench {
  const clock = new VirtualClock();
  const captured = capturedLog();
  const discarded: string[] = [];
  const quarantine = new Quarantine({
    clock,
    log: captured.log,
    maxReports: () => maxReports,
    discard: (item) => void discarded.push(item.id),
  });
  return { quarantine, clock, captured, discarded };
}

function quarantined(
  number: number,
  kind: QuarantineKind = 'undeliverable',
  changes: Partial<Item> = {},
): Item {
  const lastReply = { code: 550, enhanced: '5.1.1', text: 'no such user' };
  return anItem(idOf(number), {
    sender: '',
    quarantine: { kind, atMs: NOW_MS + number },
    recipients: [
      aRecipient('gone@b.example', { state: 'delivered' }),
      aRecipient('stays@b.example', { state: 'quarantined', lastReply }),
    ],
    ...changes,
  });
}

function report(number: number): Item {
  return quarantined(number, 'undeliverable', { bounceOf: idOf(1000 + number) });
}

test('a message is shown with who it is for, why it is here and since when', () => {
  const { quarantine } = bench();
  const body = { kind: 'inline', sizeBytes: 321, ownHeaderBytes: 0 } as const;
  const item = quarantined(1, 'undeliverable', { body, bounceOf: idOf(9) });
  quarantine.add(item);
  assert.deepEqual(quarantine.list(), [
    {
      queue_id: idOf(1),
      kind: 'undeliverable',
      since: new Date(NOW_MS + 1).toISOString(),
      reason: 'it failed, and it has no sender to tell: 550 5.1.1 no such user',
      sender: '',
      recipients: [
        {
          address: 'stays@b.example',
          code: 550,
          enhanced_code: '5.1.1',
          description: 'no such user',
        },
      ],
      size_bytes: 321,
      message_id: `<${idOf(1)}@a.example>`,
      trace_id: item.trace.traceId,
      bounce_of: idOf(9),
    },
  ]);
});

test('each kind says in words what it means', () => {
  const { quarantine } = bench();
  const kinds = ['unreadable', 'undeliverable', 'crashed'] as const;
  kinds.forEach((kind, number) => quarantine.add(quarantined(number, kind)));
  quarantine.addCorrupt({ id: 'q', reason: 'checksum does not match' });
  const shown = quarantine.list().map(({ kind, reason }) => [kind, reason]);
  assert.deepEqual(shown[0], ['corrupt', 'its record cannot be read: checksum does not match']);
  assert.match(shown[1]?.join() ?? '', /^unreadable,.*damaged/);
  assert.match(shown[2]?.join() ?? '', /^undeliverable,.*no sender/);
  assert.match(shown[3]?.join() ?? '', /^crashed,three attempts/);
});

test('a recipient that nobody has said anything of is shown without words', () => {
  const { quarantine } = bench();
  const recipients = [aRecipient('a@b.example', { state: 'quarantined' })];
  quarantine.add(quarantined(1, 'undeliverable', { recipients }));
  const [shown] = quarantine.list();
  assert.equal(shown?.reason, 'it failed, and it has no sender to tell: ');
  assert.deepEqual(shown.recipients, [
    { address: 'a@b.example', code: null, enhanced_code: null, description: '' },
  ]);
});

test('it counts messages and records, and tells since when the oldest is there', () => {
  const { quarantine, clock } = bench();
  assert.deepEqual([quarantine.size, quarantine.oldestAtMs], [0, null]);
  quarantine.add(quarantined(5));
  quarantine.add(quarantined(5));
  quarantine.add(quarantined(7));
  assert.deepEqual([quarantine.size, quarantine.oldestAtMs], [2, NOW_MS + 5]);
  clock.setWall(NOW_MS - 1000);
  quarantine.addCorrupt({ id: 'x', reason: 'r' });
  assert.deepEqual([quarantine.size, quarantine.oldestAtMs], [3, NOW_MS - 1000]);
  quarantine.remove('x');
  quarantine.remove(idOf(5));
  quarantine.remove(idOf(5));
  quarantine.remove('never there');
  assert.deepEqual([quarantine.size, quarantine.oldestAtMs], [1, NOW_MS + 7]);
});

test('what it holds is found by its id until it is removed', () => {
  const { quarantine } = bench();
  const item = quarantined(1);
  quarantine.add(item);
  quarantine.addCorrupt({ id: 'x', reason: 'r' });
  assert.equal(quarantine.item(idOf(1)), item);
  assert.equal(quarantine.corrupt('x')?.reason, 'r');
  assert.equal(quarantine.item('x'), undefined);
  quarantine.remove(idOf(1));
  quarantine.remove('x');
  assert.equal(quarantine.item(idOf(1)), undefined);
  assert.equal(quarantine.corrupt('x'), undefined);
});

test('of own reports only so many are kept: the oldest goes, and the log names it', () => {
  const { quarantine, captured, discarded } = bench(2);
  quarantine.add(quarantined(1));
  for (const number of [2, 3, 4, 5]) quarantine.add(report(number));
  quarantine.add(report(5));
  assert.deepEqual(discarded, [2, 3].map(idOf));
  assert.deepEqual(
    quarantine.list().map(({ queue_id: id }) => id),
    [1, 4, 5].map(idOf),
    'mail of clients makes no room for reports',
  );
  const lines = captured.lines.filter(({ event }) => event === 'report-discarded');
  assert.deepEqual(
    lines.map((line) => [line['queue_id'], line['bounce_of'], line['level']]),
    [
      [idOf(2), idOf(1002), 50],
      [idOf(3), idOf(1003), 50],
    ],
  );
});

test('a report that was taken out makes room for another one', () => {
  const { quarantine, discarded } = bench(2);
  for (const number of [1, 2]) quarantine.add(report(number));
  quarantine.remove(idOf(1));
  quarantine.add(report(3));
  assert.deepEqual(discarded, []);
  quarantine.add(report(4));
  assert.deepEqual(discarded, [idOf(2)]);
});

test('mail of clients is kept whatever its number', () => {
  const { quarantine, discarded } = bench(0);
  for (let number = 0; number < 500; number++) quarantine.add(quarantined(number));
  assert.equal(quarantine.list().length, 500);
  assert.deepEqual(discarded, []);
});

test('of damaged records a thousand are listed, and all are counted', () => {
  const { quarantine } = bench();
  for (let number = 0; number < 1001; number++) {
    quarantine.addCorrupt({ id: idOf(number), reason: 'r' });
  }
  assert.equal(quarantine.size, 1001);
  assert.equal(quarantine.list().length, 1000);
});
