import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { silentLogger } from '../../src/base/log.js';
import { Secret } from '../../src/base/secret.js';
import { connectBroker } from '../../src/queue/broker.js';
import { TierLink } from '../../src/queue/tier-link.js';
import { startBroker, withoutBroker, type TestBroker } from '../broker.js';
import { until } from '../scenario/waiting.js';

/** A login that may touch what is called `relaymesh.core.…`, and nothing else. */
const CORE = { username: 'core', password: 'of-core', may: '^relaymesh\\.core\\.' };

interface Member {
  link: TierLink;
  /** Ids of what came, with the stage. */
  came: string[];
}

function member({ host, port }: TestBroker, tier: string): Member {
  const came: string[] = [];
  const settings = {
    addresses: [{ host, port, tls: false, vhost: '/' }],
    username: CORE.username,
    password: new Secret(CORE.password),
  };
  const link = new TierLink({
    tier,
    prefetch: 10,
    isSingle: (stage) => stage === 'one at a time',
    connect: () => connectBroker(settings, 'test', systemClock),
    clock: systemClock,
    log: silentLogger,
    chance: () => 0.5,
    deliver: (delivery, stage) => {
      came.push(`${delivery.messageId} ${stage}`);
      delivery.acknowledge();
    },
    lost: () => undefined,
  });
  return { link, came };
}

test(
  'a node needs its login at the broker for what is of its tier',
  { skip: withoutBroker() },
  async (t) => {
    const broker = await startBroker(t, { users: [CORE] });
    const body = Buffer.from('x');

    await t.test(
      'every way of a message is open to it, and its tier comes to know of stages',
      async () => {
        const [one, other] = [member(broker, 'core'), member(broker, 'core')];
        await one.link.start();
        await one.link.publish('A', body, '', 0);
        await one.link.publish('B', body, 'exit', 0);
        await one.link.publish('C', body, 'one at a time', 0);
        await one.link.publish('D', body, 'exit', 1);
        await until('all came', () => one.came.length === 4);
        assert.deepEqual(one.came.toSorted(), ['A ', 'B exit', 'C one at a time', 'D exit']);
        assert.equal(one.link.away, null);
        await other.link.start();
        await until('it serves them too', async () => {
          return (await other.link.depths())?.stages.has('exit') === true;
        });
        await one.link.stop();
        await other.link.stop();
      },
    );

    await t.test('nothing of another tier is', async () => {
      const { link } = member(broker, 'other');
      await assert.rejects(link.start(), { code: 'BROKER_LOST', message: /ACCESS_REFUSED/ });
      await link.stop();
    });
  },
);
