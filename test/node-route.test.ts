import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RouteQuestion } from '../src/api/shape/node.js';
import { Secret } from '../src/base/secret.js';
import { answerRoute } from '../src/node-route.js';
import type { NodeSettings } from '../src/node-settings.js';
import type { QueueView } from '../src/queue/queue-view.js';
import { Router } from '../src/route/router.js';
import type { RouteHop, RouteTable } from '../src/route/table.js';
import { DEFAULT_CAPACITY } from '../src/send/capacity.js';
import type { NextHop } from '../src/send/next-hop.js';

function hop(name: string, changes: Partial<NextHop> = {}): RouteHop {
  return {
    queue: `(smarthost) ${name}`,
    nextHop: {
      name,
      kind: 'host',
      host: name,
      port: 25,
      tls: 'verified',
      implicitTls: false,
      allowInsecureAuth: false,
      trace: 'none',
      ...changes,
    },
  };
}

const CORE = hop('core', {
  kind: 'node',
  login: { username: 'edge', password: new Secret('x') },
});

const TABLE: RouteTable = {
  rules: [
    { where: 'mesh.yaml:9:5', recipient: ['*@mx.example'], target: { kind: 'mx' } },
    {
      where: 'mesh.yaml:11:5',
      sizeBytes: { operator: '>', value: 50_000 },
      target: {
        kind: 'pool',
        members: [
          { hop: hop('one'), weight: 1 },
          { hop: hop('two'), weight: 0 },
        ],
        failover: [hop('spare'), hop('last')],
      },
    },
  ],
  fallback: { kind: 'hop', hop: CORE },
  sink: null,
  mx: { port: 25, tls: 'opportunistic' },
  named: {},
  allowInsecureAuth: false,
  capacities: { base: DEFAULT_CAPACITY, byQueue: [] },
};

const SETTINGS = {
  name: 'edge',
  intake: { maxRecipients: 3, maxMessageBytes: 1_000_000 },
} as NodeSettings;

function answer(
  question: Partial<RouteQuestion>,
  queues: Array<[string, QueueView['state']]> = [],
  table: RouteTable = TABLE,
) {
  const router = new Router({ table, unseal: () => null });
  const views = queues.map(([name, state]) => ({ name, state }) as QueueView);
  const whole = { envelope: 'a@a.example', recipient: 'b@b.example', ...question };
  return answerRoute(whole, { settings: SETTINGS, router, queues: views });
}

test('each recipient is told where it goes, and by which rule', () => {
  const { node, recipients } = answer({ recipient: ['b@b.example', 'c@MX.example'] });
  assert.equal(node, 'edge');
  assert.deepEqual(recipients, [
    {
      recipient: 'b@b.example',
      outcome: 'relay',
      queue: '(smarthost) core',
      next_hop: 'core',
      next_node: 'core',
      tls: 'verified',
      login: 'edge',
      failover: [],
      because: 'no route fits: the smarthost of node edge',
      state: null,
    },
    {
      recipient: 'c@MX.example',
      outcome: 'relay',
      queue: 'mx.example',
      next_hop: 'mx.example',
      next_node: null,
      tls: 'opportunistic',
      login: null,
      failover: [],
      because: 'route 1 of node edge (mesh.yaml:9:5)',
      state: null,
    },
  ]);
});

test('a hop that is at fault now is passed by, and what stands in is named', () => {
  const large = { size_bytes: 100_000 };
  const of = (...queues: Array<[string, QueueView['state']]>) => {
    const [first] = answer(large, queues).recipients;
    return [first?.next_hop, first?.failover, first?.because.split(', ')[1], first?.state];
  };
  assert.deepEqual(of(), ['one', ['spare', 'last'], 'a member of its pool by weight', null]);
  assert.deepEqual(of(['(smarthost) one', 'backoff']), [
    'spare',
    ['one', 'last'],
    'its failover: no member of the pool is well',
    null,
  ]);
  assert.deepEqual(
    of(
      ['(smarthost) one', 'paused'],
      ['(smarthost) spare', 'backoff'],
      ['(smarthost) last', 'backoff'],
    ),
    ['one', ['spare', 'last'], 'a member of its pool: none is well', 'paused'],
  );
});

test('what would not be taken is refused, with the reason', () => {
  const why = (question: Partial<RouteQuestion>) =>
    answer(question).recipients.map(({ outcome, because, next_hop: next }) => [
      outcome,
      because,
      next,
    ]);
  assert.deepEqual(why({ recipient: ['nobody', 'b@b.example'] })[0], [
    'refused',
    'the recipient is not an address like name@example.org',
    null,
  ]);
  assert.equal(why({ recipient: ['nobody', 'b@b.example'] })[1]?.[0], 'relay');
  assert.match(String(why({ envelope: 'x' })[0]), /^refused,the sender is not/);
  assert.match(String(why({ size_bytes: 1_000_001 })[0]), /^refused,.*1000000 bytes/);
  const many = Array.from({ length: 4 }, (_, index) => `r${index}@b.example`);
  assert.match(String(why({ recipient: many })[3]), /^refused,.*3 recipients/);
  assert.equal(why({ envelope: '' })[0]?.[0], 'relay', 'the null sender');
});

test('where a sink stands in for every hop, the answer is the sink, and says so', () => {
  const sink = hop('sink', { kind: 'sink', tls: 'none' }).nextHop;
  const [first] = answer({}, [], { ...TABLE, sink }).recipients;
  assert.deepEqual(
    [first?.queue, first?.next_hop, first?.next_node, first?.login, first?.tls],
    ['(smarthost) core', 'sink', null, null, 'none'],
  );
  assert.match(first?.because ?? '', /smtp-sink-address/);
});
