import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Mesh } from '../../../../src/api/shape/mesh.js';
import {
  describeLink,
  remember,
  shownMesh,
  toneOf,
  troublesOf,
  widthOf,
  type MeshLink,
  type MeshNode,
} from '../../../../src/console/pages/mesh/mesh-links.js';

function link(from: string, to: string, more: Partial<MeshLink> = {}): MeshLink {
  return {
    from,
    to,
    kind: 'node',
    tls: 'verified',
    login: true,
    failover: false,
    queues: [],
    ready: 0,
    sending: 0,
    deferred: 0,
    held: 0,
    delivered_per_minute: 0,
    faults_per_minute: 0,
    state: 'active',
    last_fault: null,
    ...more,
  };
}

function node(name: string, more: Partial<MeshNode> = {}): MeshNode {
  return {
    node: name,
    reachable: true,
    reason: null,
    ready: true,
    messages: 0,
    quarantined: 0,
    elsewhere: 0,
    received_per_minute: 0,
    ...more,
  };
}

const SILENT: Partial<MeshNode> = {
  reachable: false,
  reason: 'connect ECONNREFUSED',
  ready: null,
  messages: null,
  quarantined: null,
  elsewhere: null,
  received_per_minute: null,
};

function mesh(nodes: MeshNode[], links: MeshLink[], at = '2026-05-04T12:00:00.000Z'): Mesh {
  return { asked_at: at, window_seconds: 60, nodes, links };
}

test('a node that falls silent keeps the links that it last had, as not known', () => {
  const before = mesh(
    [node('edge'), node('core')],
    [link('edge', 'core'), link('core', 'mx', { kind: 'mx', ready: 7 })],
  );
  const known = remember(new Map(), before);
  const after = mesh(
    [node('edge'), node('core', SILENT)],
    [link('edge', 'core')],
    '2026-05-04T12:01:00.000Z',
  );
  const shown = shownMesh(after, remember(known, after));
  assert.deepEqual(
    shown.links.map(({ key, seenAt }) => [key, seenAt]),
    [
      ['edge → core', null],
      ['core → mx', Date.parse(before.asked_at)],
    ],
  );
  const last = shown.links[1] ?? assert.fail();
  assert.equal(toneOf(last), 'unknown');
  assert.equal(describeLink(last), 'core → mx: not known, core does not answer');
  // What mail goes to stays in its place too.
  assert.deepEqual(
    shown.nodes.map(({ name, kind }) => [name, kind]),
    [
      ['edge', 'node'],
      ['core', 'node'],
      ['mx', 'mx'],
    ],
  );
  const gone = remember(known, mesh([node('edge')], []));
  assert.deepEqual([...gone.keys()], ['edge']);
});

test('the worst decides the colour', () => {
  const tone = (more: Partial<MeshLink>): string =>
    toneOf({ key: '', link: link('a', 'b', more), seenAt: null });
  assert.equal(tone({}), 'idle');
  assert.equal(tone({ delivered_per_minute: 1 }), 'flows');
  assert.equal(tone({ delivered_per_minute: 1, deferred: 1 }), 'warn');
  assert.equal(tone({ delivered_per_minute: 1, faults_per_minute: 1 }), 'warn');
  assert.equal(tone({ state: 'paused', faults_per_minute: 1 }), 'paused');
  assert.equal(tone({ state: 'probing' }), 'bad');
  assert.equal(tone({ state: 'backoff', delivered_per_minute: 9 }), 'bad');
});

test('a line grows with the rate, and stays a line', () => {
  const width = (rate: number): number =>
    widthOf({ key: '', link: link('a', 'b', { delivered_per_minute: rate }), seenAt: null });
  const widths = [0, 1, 10, 1000, 100_000].map(width);
  assert.deepEqual(
    widths,
    widths.toSorted((a, b) => a - b),
  );
  assert.ok(width(0) >= 1 && width(100_000) < 12);
});

test('all that the picture shows of a link stands in its words', () => {
  const words = describeLink({
    key: 'edge → core',
    link: link('edge', 'core', {
      delivered_per_minute: 120,
      deferred: 2,
      held: 1,
      faults_per_minute: 3,
      tls: 'none',
      login: false,
      failover: true,
    }),
    seenAt: null,
  });
  assert.equal(
    words,
    'edge → core: 120 a minute, 3 waiting, active, 3 faults a minute, no TLS, no login, failover',
  );
});

test('what needs attention is named with its reason, a stuck hop first', () => {
  const fault = {
    stage: 'authplain',
    code: 535,
    enhanced_code: '5.7.8',
    description: 'wrong password',
    at: '2026-05-04T12:00:00.000Z',
  };
  const troubles = troublesOf(
    mesh(
      [
        node('edge', { quarantined: 2 }),
        node('core', { ready: false }),
        node('exit', SILENT),
        node('well'),
      ],
      [
        link('edge', 'core', { state: 'backoff', ready: 5, last_fault: fault }),
        link('edge', 'well', { state: 'paused' }),
        link('edge', 'mx', { faults_per_minute: 5 }),
      ],
    ),
  );
  assert.deepEqual(
    troubles.map(({ tone, what, why }) => [tone, what, why]),
    [
      ['bad', 'edge → core: waits: the hop is at fault, 5 waiting', '535 5.7.8 wrong password'],
      ['warn', 'edge → well: paused, 0 waiting', 'by an operator'],
      ['warn', '2 in quarantine at edge', 'They wait for an operator.'],
      ['bad', 'core takes no mail', ''],
      ['bad', 'exit does not answer', 'connect ECONNREFUSED'],
    ],
  );
});
