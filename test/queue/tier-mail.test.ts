import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Secret } from '../../src/base/secret.js';
import type { BrokerSettings } from '../../src/queue/shared-settings.js';
import type { BrokerLink } from '../../src/queue/broker.js';
import type { Outcome } from '../../src/send/outcome.js';
import { startBroker, withoutBroker, type TestBroker } from '../broker.js';
import { until } from '../scenario/waiting.js';
import { aRecipient, DEFERRED, idOf, DELIVERED, FAILED, HOP_FAULT, LOST_REPLY } from './samples.js';
import { member, scratch } from './amqp-medium.js';
import { scannedIds, store as storeOne } from './spool-medium.js';
import { TierBench } from './tier-bench.js';

type TierTest = (bench: TierBench, broker: TestBroker, t: TestContext) => Promise<void>;

/** Ids in order of their birth, each as often as it is there. */
function sorted(ids: Iterable<string>): string[] {
  return [...ids].sort();
}

const TESTS: Record<string, TierTest> = {
  'what one node takes is sent once, by any node of the tier': async (bench) => {
    const [a, b] = [await bench.node('core-1'), await bench.node('core-2')];
    const ids = await Promise.all(
      Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? a : b).accept()),
    );
    await bench.empty();
    assert.deepEqual(sorted(bench.delivered), sorted(ids));
    assert.deepEqual(
      new Set(bench.attempts.map(({ node }) => node)),
      new Set(['core-1', 'core-2']),
    );
    assert.ok(bench.attempts.every(({ doubt, body }) => !doubt && body?.includes('body')));
  },

  'a deferred message waits at the broker, in no node, and goes on with what it has been through':
    async (bench) => {
      const [a, b] = [await bench.node('core-1'), await bench.node('core-2')];
      bench.answer = () => DEFERRED;
      const id = await a.accept();
      await until('it was tried and handed back', () => {
        return bench.attempts.length === 1 && [a, b].every(({ queue }) => queue.size === 0);
      });
      bench.answer = () => DELIVERED;
      await until('it came back', () => bench.delivered.length > 0);
      await bench.empty();
      assert.deepEqual(bench.delivered, [id]);
      const [, last] = bench.attempts;
      const worked = [a, b].find(({ name }) => name === last?.node);
      assert.equal(worked?.trace.records.get(id)?.recipients[0]?.attempts, 2);
      assert.equal(last?.doubt, false, 'handed back in order: nobody is in doubt about it');
    },

  'of several recipients only those that wait are tried again, by whichever node': async (
    bench,
  ) => {
    const [a] = [await bench.node('core-1'), await bench.node('core-2')];
    bench.answer = ({ recipients }) =>
      recipients.map(({ address }) => (address.startsWith('slow') ? DEFERRED : DELIVERED));
    await a.accept({ recipients: ['one', 'slow', 'two'].map((name) => aRecipient(`${name}@b`)) });
    await until('it was tried', () => bench.attempts.length > 0);
    bench.answer = () => DELIVERED;
    await until('it was tried again', () => bench.attempts.length > 1);
    await bench.empty();
    assert.deepEqual(
      bench.attempts.map(({ recipients }) => recipients),
      [['one@b', 'slow@b', 'two@b'], ['slow@b']],
    );
  },

  'a node that stops hands back what its last attempts came to': async (bench) => {
    const a = await bench.node('core-1');
    let answer: (outcomes: Outcome[]) => void = () => undefined;
    bench.answer = () => new Promise((resolve) => (answer = resolve));
    await a.accept({ recipients: ['one', 'slow'].map((name) => aRecipient(`${name}@b`)) });
    await until('it is under way', () => bench.attempts.length === 1);
    const stopped = a.stop();
    answer([DELIVERED, DEFERRED]);
    await stopped;
    bench.answer = () => DELIVERED;
    await bench.node('core-2');
    await until('it was tried again', () => bench.attempts.length > 1);
    await bench.empty();
    assert.deepEqual(
      bench.attempts.map(({ recipients }) => recipients),
      [['one@b', 'slow@b'], ['slow@b']],
    );
  },

  'what a disk hands to the tier is not taken for a copy of itself': async (bench, _broker, t) => {
    let refused = true;
    const wrap = (link: BrokerLink): BrokerLink =>
      new Proxy(link, {
        get(target, name) {
          if (name === 'publish' && refused) return () => Promise.reject(new Error('not now'));
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    const folder = await scratch(t);
    const { store, spool } = member(bench.broker, bench.tier, folder, {
      settings: { fallback: 'disk' },
      wrap,
    });
    await spool.open();
    t.after(() => spool.close());
    const items = await Promise.all(
      Array.from({ length: 40 }, (_, number) => storeOne(spool, idOf(number))),
    );
    assert.ok(
      items.every(({ id }) => !store.isShared(id)),
      'on the disk',
    );
    refused = false;
    await Promise.all(items.map((item) => store.handBack(item, '', 0)));
    await until('all of it came back', () => items.every(({ id }) => store.isShared(id)));
    assert.deepEqual(
      await scannedIds(spool),
      items.map(({ id }) => id),
    );
  },

  'what a node had when it died goes on at another, which says that it may be a repeat': async (
    bench,
  ) => {
    const a = await bench.node('core-1');
    bench.answer = () => new Promise(() => undefined);
    const ids = await Promise.all(Array.from({ length: 20 }, () => a.accept()));
    await until('it is at some of them', () => bench.attempts.length === 5);
    bench.answer = () => DELIVERED;
    const b = await bench.node('core-2');
    await a.die();
    await bench.empty();
    assert.deepEqual(sorted(bench.delivered), sorted(ids));
    assert.ok(bench.attempts.slice(5).every(({ node, doubt }) => node === 'core-2' && doubt));
    assert.ok(b.store.figures.redelivered >= 5);
  },

  'while the hop is at fault the mail stays, and all of it goes once it is well': async (bench) => {
    const [a, b] = [await bench.node('core-1'), await bench.node('core-2')];
    bench.answer = () => HOP_FAULT;
    const ids = await Promise.all(
      Array.from({ length: 30 }, (_, index) => (index % 2 === 0 ? a : b).accept()),
    );
    await until('both nodes have met the fault', () =>
      [a, b].every(({ queue }) => queue.queues().some(({ state }) => state === 'backoff')),
    );
    bench.answer = () => DELIVERED;
    await bench.empty();
    assert.deepEqual(sorted(bench.delivered), sorted(ids));
  },

  'who lost a reply asks the same hop again, in doubt': async (bench) => {
    const a = await bench.node('core-1');
    let first = true;
    bench.answer = () => {
      const answer = first ? LOST_REPLY : DELIVERED;
      first = false;
      return answer;
    };
    const id = await a.accept();
    await until('it was delivered', () => bench.delivered.length > 0);
    await bench.empty();
    assert.deepEqual(bench.delivered, [id]);
    assert.deepEqual(
      bench.attempts.map(({ doubt }) => doubt),
      [false, true],
    );
  },

  'a failure is reported to the sender once, by the node that met it': async (bench) => {
    const [a, b] = [await bench.node('core-1'), await bench.node('core-2')];
    bench.answer = (_, { sender }) => (sender === '' ? DELIVERED : FAILED);
    await Promise.all([a.accept(), b.accept()]);
    await until('both were reported', () => bench.delivered.length === 2);
    await bench.empty();
    const reports = bench.attempts.filter(({ sender }) => sender === '');
    assert.equal(reports.length, 2);
    assert.ok(reports.every(({ body }) => body?.includes('Action: failed')));
  },

  'a message above the size stays with the node that took it': async (bench) => {
    const [a, b] = [await bench.node('core-1'), await bench.node('core-2')];
    bench.answer = () => HOP_FAULT;
    const id = await a.accept({}, `Subject: large\r\n\r\n${'x'.repeat(5000)}\r\n`);
    await until('it was tried', () => bench.attempts.length > 0);
    assert.equal(a.queue.size, 1);
    assert.equal(a.store.isShared(id), false);
    bench.answer = () => DELIVERED;
    await bench.empty();
    assert.deepEqual(bench.delivered, [id]);
    assert.ok(bench.attempts.every(({ node }) => node === 'core-1'));
    assert.equal(b.queue.size, 0);
  },

  'what an operator holds stays with that node, also over a restart, until it is released': async (
    bench,
  ) => {
    const a = await bench.node('core-1');
    bench.answer = () => HOP_FAULT;
    const id = await a.accept();
    await until('it waits', () => a.queue.queues().some(({ state }) => state === 'backoff'));
    assert.ok((await a.queue.actOn(id, 'hold')).done);
    await a.stop();
    bench.answer = () => DELIVERED;
    const again = await bench.node('core-1', { folder: a.folder });
    await again.queue.recovered();
    assert.equal(again.queue.size, 1);
    assert.deepEqual(bench.delivered, []);
    assert.ok((await again.queue.actOn(id, 'release')).done);
    await bench.empty();
    assert.deepEqual(bench.delivered, [id]);
  },

  'a broker that is stopped and started again loses nothing, and mail goes on by itself': async (
    bench,
    broker,
  ) => {
    const [a, b] = [await bench.node('core-1'), await bench.node('core-2')];
    bench.answer = () => HOP_FAULT;
    const ids = await Promise.all(Array.from({ length: 20 }, () => a.accept()));
    await until('it was tried', () => bench.attempts.length > 0);
    await broker.stop();
    await assert.rejects(a.accept(), { code: 'SPOOL_AWAY' });
    bench.answer = () => DELIVERED;
    await broker.start();
    await until('mail is taken again', () => a.spool.healthy && b.store.away === null);
    ids.push(await a.accept());
    await bench.empty();
    assert.deepEqual(sorted(new Set(bench.delivered)), sorted(ids));
  },

  'mail that waits while links end over and over is not taken for what ends them': async (
    bench,
  ) => {
    const a = await bench.node('core-1');
    bench.answer = () => HOP_FAULT;
    const ids = await Promise.all([a.accept(), a.accept()]);
    await until('it was tried', () => bench.attempts.length > 0);
    for (let count = 0; count < 22; count++) await a.cut();
    await until('it is on the disk of the node', () => ids.every((id) => !a.store.isShared(id)));
    bench.answer = () => DELIVERED;
    await bench.empty();
    assert.equal(a.queue.quarantineSize, 0);
    assert.deepEqual(sorted(bench.delivered), sorted(ids));
  },

  'an alarm at the broker refuses mail at once, and what was given is sent': async (
    bench,
    broker,
  ) => {
    const a = await bench.node('core-1');
    bench.answer = () => HOP_FAULT;
    const ids = await Promise.all([a.accept(), a.accept(), a.accept()]);
    await until('it was tried', () => bench.attempts.length > 0);
    await broker.stop();
    const settings = join(broker.folder, 'rabbitmq.conf');
    const before = await readFile(settings, 'utf8');
    const alarmed = before.replace(/(vm_memory_high_watermark.absolute = ).*/, '$110MB');
    assert.notEqual(alarmed, before);
    await writeFile(settings, alarmed);
    await broker.start();
    await until('the alarm is known', () => a.store.away?.code === 'BROKER_BLOCKED');
    assert.equal(a.queue.refusal(0)?.full, 'broker');
    await assert.rejects(a.accept(), { code: 'SPOOL_AWAY' });
    await until('the spool is opened again', () => a.spool.healthy);
    bench.answer = () => DELIVERED;
    await until('it was sent', () => bench.delivered.length === ids.length);
    await broker.stop();
    await writeFile(settings, before);
    await broker.start();
    await until('mail is taken again', () => a.store.away === null && a.spool.healthy);
    await bench.empty();
    assert.deepEqual(sorted(new Set(bench.delivered)), sorted(ids));
  },

  'with the broker away a node that may keeps mail on its disk, and sends it': async (
    bench,
    broker,
  ) => {
    const a = await bench.node('core-1', { settings: { fallback: 'disk' } });
    await broker.stop();
    await until('it has noticed', () => a.store.away !== null);
    const ids = await Promise.all([a.accept(), a.accept()]);
    assert.ok(a.spool.healthy);
    await until('it was sent', () => bench.delivered.length === 2);
    bench.answer = () => HOP_FAULT;
    ids.push(await a.accept());
    await broker.start();
    await until('it has noticed', () => a.store.away === null);
    bench.answer = () => DELIVERED;
    await bench.empty();
    assert.deepEqual(sorted(bench.delivered), sorted(ids));
  },
};

test('mail that a tier shares', { skip: withoutBroker() }, async (t) => {
  const broker = await startBroker(t);
  const { host, port, username, password } = broker;
  const settings: BrokerSettings = {
    addresses: [{ host, port, tls: false, vhost: '/' }],
    username,
    password: new Secret(password),
  };
  for (const [behaviour, run] of Object.entries(TESTS)) {
    await t.test(behaviour, (subtest) => run(new TierBench(subtest, settings), broker, subtest));
  }
});
