import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Destination } from '../../src/queue/destination.js';
import { holdupOf, remoteOf } from '../../src/queue/holdup.js';
import type { NextHop } from '../../src/send/next-hop.js';
import type { AttemptReport } from '../../src/send/outcome.js';
import { aCapacity, aHop, anAttemptRecord, aRecipient, NOW_MS } from './samples.js';

const LATER = { code: 451, enhanced: '4.7.1', text: 'later' };
const REFUSED = { code: null, enhanced: null, text: 'connection refused' };

function destinationOf(hop: NextHop, fault: typeof LATER | typeof REFUSED | null): Destination {
  const destination = new Destination(hop.name, hop, aCapacity());
  if (fault !== null) {
    destination.fault({ ...fault, stage: 'connect', atMs: NOW_MS }, 0, 1000, 60_000);
  }
  return destination;
}

test('a hop at fault holds its mail up, whatever was said about the mail before', () => {
  const recipient = aRecipient('one@b.example', { lastReply: LATER });
  const { words } = holdupOf(recipient, aHop('core'), destinationOf(aHop('core'), REFUSED));
  assert.equal(words?.text, 'connection refused');
});

test('where the hop is well, or is no more, the last words about the recipient count', () => {
  const recipient = aRecipient('one@b.example', { lastReply: LATER });
  const hop = aHop('core');
  const healed = destinationOf(hop, REFUSED);
  healed.healed();
  for (const destination of [destinationOf(hop, null), healed, undefined]) {
    assert.deepEqual(holdupOf(recipient, hop, destination), { remote: 'core', words: LATER });
  }
});

test('only a hop that said something is named', () => {
  const hop = aHop('core');
  const untried = aRecipient('one@b.example');
  assert.deepEqual(holdupOf(untried, hop, undefined), { remote: null, words: null });
  assert.equal(holdupOf(untried, hop, destinationOf(hop, REFUSED)).remote, null);
  assert.equal(holdupOf(untried, hop, destinationOf(hop, LATER)).remote, 'core');
});

test('the hop that was asked has the name of a host or an address literal', () => {
  const report = (host?: string): AttemptReport => ({
    outcomes: [],
    record: anAttemptRecord(),
    ...(host === undefined ? {} : { host }),
  });
  for (const [hop, host, name] of [
    [aHop('core'), '127.0.0.1', 'core'],
    [aHop('mx', { kind: 'sink' }), '127.0.0.1', 'mx'],
    [aHop('esp:587', { kind: 'host', host: 'esp.example' }), '192.0.2.1', 'esp.example'],
    [aHop('a', { kind: 'host', host: '192.0.2.1' }), undefined, '[192.0.2.1]'],
    [aHop('a', { kind: 'host', host: '2001:db8::1' }), undefined, '[IPv6:2001:db8::1]'],
    [aHop('b.example', { kind: 'mx', host: 'b.example' }), 'mx1.b.example', 'mx1.b.example'],
    // No mail server was found: nobody was asked.
    [aHop('b.example', { kind: 'mx', host: 'b.example' }), undefined, null],
  ] as const) {
    assert.equal(remoteOf(hop, report(host)), name);
  }
});
