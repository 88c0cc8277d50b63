import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../src/base/secret.js';
import type { MessageSmarthost } from '../../src/format/message-settings.js';
import { Router, capacityOf, type ChosenRoute } from '../../src/route/router.js';
import type { RouteQuery } from '../../src/route/route.js';
import type { RouteTable } from '../../src/route/table.js';
import { DEFAULT_CAPACITY } from '../../src/send/capacity.js';
import type { NextHop } from '../../src/send/next-hop.js';
import { aNextHop, aQuery, aRouteHop, aTable } from './tables.js';

const OWN: MessageSmarthost = {
  hostname: 'esp.example',
  port: 587,
  address: '192.0.2.7',
  username: 'own-user',
  sealedPassword: 'sealed:own-password',
};

const unseal = (sealed: string): Secret | null =>
  sealed.startsWith('sealed:') ? new Secret(sealed.slice('sealed:'.length)) : null;

function routerFor(changes: Partial<RouteTable> = {}): Router {
  return new Router({ table: aTable(changes), unseal });
}

function route(router: Router, changes: Partial<RouteQuery> = {}): ChosenRoute {
  return router.choose(aQuery(changes), undefined, () => true);
}

test('the hop is the very object of the table, by which pooled sessions are known', () => {
  const hop = aRouteHop('core', '(smarthost)');
  const router = routerFor({ fallback: { kind: 'hop', hop } });
  assert.equal(route(router).nextHop, hop.nextHop);
});

test('a message with its own smarthost goes to the checked address with its own login', () => {
  const { nextHop } = route(routerFor(), { own: OWN });
  assert.deepEqual(
    [nextHop.host, nextHop.address, nextHop.port],
    ['esp.example', '192.0.2.7', 587],
  );
  assert.ok(nextHop.login !== undefined && 'password' in nextHop.login);
  assert.equal(nextHop.login.password?.reveal(), 'own-password');
  assert.equal(nextHop.tls, 'verified', 'credentials ask for a verified peer');
  assert.equal(nextHop.ofMessage, true);
  assert.equal(nextHop.trace, 'none');
});

test('an override without credentials sends none, and never the configured ones', () => {
  const configured = {
    queue: '(smarthost)',
    nextHop: aNextHop('esp.example', {
      login: { username: 'configured', password: new Secret('configured') },
    }),
  };
  const router = routerFor({
    fallback: { kind: 'hop', hop: configured },
    named: { core: aNextHop('core', { trace: 'none' }) },
  });
  for (const own of [
    { ...OWN, username: null, sealedPassword: null },
    { ...OWN, sealedPassword: null },
    { ...OWN, hostname: 'core', address: null, username: null, sealedPassword: null },
  ]) {
    const { nextHop } = route(router, { own });
    assert.equal(nextHop.login, undefined);
  }
});

test('a password that cannot be decrypted leaves a login that nobody can use', () => {
  const { nextHop } = route(routerFor(), { own: { ...OWN, sealedPassword: 'other key' } });
  assert.deepEqual(nextHop.login, { username: 'own-user', password: null });
});

test('messages with the same own smarthost and login share a hop, others never do', () => {
  const router = routerFor();
  const { nextHop } = route(router, { own: OWN });
  assert.equal(route(router, { own: { ...OWN } }).nextHop, nextHop);
  for (const other of [
    { ...OWN, username: 'other' },
    { ...OWN, sealedPassword: 'sealed:other' },
    { ...OWN, address: '192.0.2.8' },
    { ...OWN, port: 25 },
    { ...OWN, username: null, sealedPassword: null },
  ]) {
    assert.notEqual(route(router, { own: other }).nextHop, nextHop, JSON.stringify(other));
  }
});

test('a login that a message brings for a name of the topology goes to verified peers only', () => {
  const far = aNextHop('far', { tls: 'opportunistic', host: 'far.example' });
  const near = aNextHop('near', { tls: 'opportunistic', host: '127.0.0.1' });
  const router = routerFor({ named: { far, near } });
  const hopOf = (hostname: string, login: object): NextHop =>
    route(router, { own: { ...OWN, hostname, port: null, address: null, ...login } }).nextHop;
  const none = { username: null, sealedPassword: null };
  assert.equal(hopOf('far', {}).tls, 'verified');
  assert.equal(hopOf('far', none).tls, 'opportunistic');
  assert.equal(hopOf('near', {}).tls, 'opportunistic');
});

test('on the loopback a login needs no TLS', () => {
  const { nextHop } = route(routerFor(), { own: { ...OWN, address: '127.0.0.1' } });
  assert.equal(nextHop.tls, 'opportunistic');
});

test('the port of implicit TLS is talked to so', () => {
  assert.equal(route(routerFor(), { own: { ...OWN, port: 465 } }).nextHop.implicitTls, true);
});

test('the servers of a domain are one hop, the same each time', () => {
  const router = routerFor({ fallback: { kind: 'mx' } });
  const first = route(router, { recipient: 'a@gmail.example' });
  assert.equal(first.nextHop.kind, 'mx');
  assert.equal(first.nextHop.host, 'gmail.example');
  assert.equal(route(router, { recipient: 'b@gmail.example' }).nextHop, first.nextHop);
  assert.notEqual(route(router, { recipient: 'a@b.example' }).nextHop, first.nextHop);
});

test('what a message asks for in security is the least, and never weakens a hop', () => {
  const plain = { queue: '(smarthost)', nextHop: aNextHop('core', { tls: 'opportunistic' }) };
  const router = routerFor({ fallback: { kind: 'hop', hop: plain } });
  const tlsWith = (security: 'none' | 'required' | 'verified'): string =>
    router.choose(aQuery(), security, () => true).nextHop.tls;
  assert.equal(tlsWith('required'), 'required');
  assert.equal(tlsWith('verified'), 'verified');
  assert.equal(tlsWith('none'), 'opportunistic');
  const required = router.choose(aQuery(), 'required', () => true).nextHop;
  assert.equal(router.choose(aQuery(), 'required', () => true).nextHop, required);
  assert.notEqual(required, plain.nextHop, 'and has sessions of its own');
});

const SINK = aNextHop('smtp-sink 127.0.0.1:2500', {
  kind: 'sink',
  host: 'sink.example',
  address: '127.0.0.1',
  port: 2500,
  login: { username: 'sink-user', password: new Secret('sink-password') },
  trace: 'none',
});

test('with only the sink set there is a queue for each domain, and every connection goes to the sink', () => {
  const router = routerFor({ fallback: { kind: 'mx' }, sink: SINK });
  const one = route(router, { recipient: 'a@hotmail.example' });
  const two = route(router, { recipient: 'a@gmail.example' });
  assert.deepEqual([one.queue, two.queue], ['hotmail.example', 'gmail.example']);
  for (const { nextHop } of [one, two]) {
    assert.deepEqual([nextHop.kind, nextHop.address, nextHop.port], ['sink', '127.0.0.1', 2500]);
  }
  assert.notEqual(one.nextHop, two.nextHop, 'each queue has connections of its own');
});

test('with both there is one queue to the smarthost, and the connection goes to the sink with its login', () => {
  const core = {
    queue: '(smarthost)',
    nextHop: aNextHop('core', { login: { username: 'core', password: new Secret('x') } }),
  };
  const router = routerFor({ fallback: { kind: 'hop', hop: core }, sink: SINK });
  const { queue, nextHop } = route(router);
  assert.equal(queue, '(smarthost)');
  assert.equal(nextHop.port, 2500);
  assert.equal(nextHop.login?.username, 'sink-user');
  assert.equal(route(router).nextHop, nextHop);
  assert.equal(route(router, { own: OWN }).nextHop.login?.username, 'sink-user');
});

test('the most specific capacity wins, key by key', () => {
  const capacities = {
    base: { ...DEFAULT_CAPACITY, maxConnections: 7 },
    byQueue: [
      { queue: '*.example', capacity: { maxConnections: 5, maxMessagesPerMinute: 10 } },
      { queue: 'gmail.example', capacity: { maxConnections: 3 } },
      { queue: '(smarthost) *', capacity: { maxConnections: 2 } },
    ],
  };
  assert.equal(capacityOf(capacities, '(smarthost)').maxConnections, 7);
  assert.equal(capacityOf(capacities, '(smarthost) core').maxConnections, 2);
  assert.equal(capacityOf(capacities, 'b.example').maxConnections, 5);
  const gmail = capacityOf(capacities, 'Gmail.Example');
  assert.deepEqual([gmail.maxConnections, gmail.maxMessagesPerMinute], [3, 10]);
  const router = routerFor({ fallback: { kind: 'mx' }, capacities });
  assert.equal(route(router, { recipient: 'a@gmail.example' }).capacity.maxConnections, 3);
});

test('rules about replies reach the hops of the queues that they are given for', () => {
  const replyRules = [{ stages: ['dot'], codes: [550, 550], kind: 'deferred' }] as const;
  const capacities = {
    base: DEFAULT_CAPACITY,
    byQueue: [{ queue: 'gmail.example', capacity: {}, replyRules }],
  };
  const router = routerFor({ fallback: { kind: 'mx' }, capacities });
  assert.equal(route(router, { recipient: 'a@gmail.example' }).nextHop.replyRules, replyRules);
  assert.equal(route(router, { recipient: 'a@b.example' }).nextHop.replyRules, undefined);
});

test('rules for all hosts that the topology does not name come before those of a queue', () => {
  const common = [{ stages: ['dot'], codes: [550, 550], kind: 'deferred' }] as const;
  const ofQueue = [{ stages: ['rcpt'], codes: [554, 554], kind: 'hop-fault' }] as const;
  const router = routerFor({
    fallback: { kind: 'mx' },
    replyRules: common,
    capacities: {
      base: DEFAULT_CAPACITY,
      byQueue: [{ queue: 'gmail.example', capacity: {}, replyRules: ofQueue }],
    },
  });
  const rulesFor = (query: Partial<RouteQuery>) => route(router, query).nextHop.replyRules;
  assert.deepEqual(rulesFor({ recipient: 'a@gmail.example' }), [...common, ...ofQueue]);
  assert.deepEqual(rulesFor({ recipient: 'a@b.example' }), common);
  assert.deepEqual(rulesFor({ own: OWN }), common);
});

test('only what belongs to a pool may move to another hop', () => {
  const router = routerFor({
    rules: [
      {
        where: '',
        recipient: ['*@pool.example'],
        target: {
          kind: 'pool',
          members: [{ hop: aRouteHop('a'), weight: 1 }],
          failover: [aRouteHop('b')],
        },
      },
    ],
  });
  assert.equal(route(router).movable, false);
  const pooled = { recipient: 'x@pool.example' };
  assert.equal(route(router, pooled).movable, true);
  assert.equal(route(router, { ...pooled, doubtQueue: '(smarthost) a' }).movable, false);
});

test('after a reload every hop is a new one, so that no connection of before is used', () => {
  const router = routerFor({ fallback: { kind: 'mx' } });
  const before = route(router).nextHop;
  router.reload(aTable({ fallback: { kind: 'mx' } }));
  assert.notEqual(route(router).nextHop, before);
});
