import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock, type TestContext } from 'node:test';
import { connect } from 'amqplib';
import { systemClock } from '../../src/base/clock.js';
import { systemDisk } from '../../src/base/disk.js';
import { createLogger } from '../../src/base/log.js';
import { AmqpStore } from '../../src/queue/amqp-store.js';
import { BodyMemory } from '../../src/queue/body-memory.js';
import { connectBroker, type BrokerLink } from '../../src/queue/broker.js';
import { LevelSpool } from '../../src/queue/level-spool.js';
import { packMessage, unpackMessage } from '../../src/queue/shared-message.js';
import type { BrokerSettings, SharedSpoolSettings } from '../../src/queue/shared-settings.js';
import { LevelStore } from '../../src/queue/store.js';
import { COMMON_STAGE, TierQueues } from '../../src/queue/tier-queues.js';
import { bodyFilesIn, changeStored, DAMAGES } from './level-medium.js';
import { INLINE_BYTES, type SpoolMedium } from './spool-medium.js';

/** What a test changes of how a node of a tier is set up. */
export interface MemberOptions {
  settings?: Partial<SharedSpoolSettings>;
  /** Stands between the spool and the broker. */
  wrap?: (link: BrokerLink) => BrokerLink;
  stageOf?: ConstructorParameters<typeof AmqpStore>[0]['stageOf'];
}

/** A node of a tier, as far as its spool goes; neither is open. */
export function member(
  broker: BrokerSettings,
  tier: string,
  folder: string,
  { settings = {}, wrap = (link) => link, stageOf = () => COMMON_STAGE }: MemberOptions = {},
): { store: AmqpStore; spool: LevelSpool } {
  const store = new AmqpStore({
    settings: {
      tier,
      prefetch: 1000,
      maxMessageBytes: 8 * 1024 * 1024,
      fallback: 'none',
      acrossTier: [],
      ...settings,
    },
    local: new LevelStore(folder),
    connect: async () => wrap(await connectBroker(broker, 'test', systemClock)),
    stageOf,
    clock: systemClock,
    log: createLogger('test', 'error'),
    chance: () => 0,
  });
  const memory = new BodyMemory(() => Infinity);
  const spool = new LevelSpool(
    { directory: folder, inlineBodyBytes: INLINE_BYTES },
    systemDisk,
    memory,
    store,
  );
  return { store, spool };
}

export async function scratch(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'relaymesh-amqp-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export function newTier(): string {
  return `t${randomBytes(6).toString('hex')}`;
}

/** A connection of the test's own, without any code of ours. */
export async function withChannel<T>(
  { addresses, username, password }: BrokerSettings,
  task: (
    channel: Awaited<ReturnType<Awaited<ReturnType<typeof connect>>['createConfirmChannel']>>,
  ) => Promise<T>,
): Promise<T> {
  const [address] = addresses;
  assert.ok(address !== undefined);
  const { host: hostname, port } = address;
  const connection = await connect({ hostname, port, username, password: password.reveal() });
  try {
    const channel = await connection.createConfirmChannel();
    const done = await task(channel);
    await channel.close();
    return done;
  } finally {
    await connection.close();
  }
}

/** Takes all messages out of a stage and puts them back, one of them changed; the spool is closed. */
async function changeAtBroker(
  broker: BrokerSettings,
  queue: string,
  id: string,
  change: (record: Buffer) => Buffer,
): Promise<boolean> {
  return withChannel(broker, async (channel) => {
    let changed = false;
    const seen = [];
    for (let got = await channel.get(queue); got !== false; got = await channel.get(queue)) {
      seen.push(got);
    }
    for (const got of seen) {
      const messageId = String(got.properties.messageId);
      if (messageId !== id) continue;
      changed = true;
      const { record, progress } = unpackMessage(got.content);
      const content = packMessage({ record: change(Buffer.from(record)), progress });
      channel.publish('', queue, content, { persistent: true, messageId });
      await channel.waitForConfirms();
      channel.ack(got);
    }
    return changed;
  });
}

/** A folder and a tier at a broker, for one node that has it for itself. */
export async function amqpMedium(t: TestContext, broker: BrokerSettings): Promise<SpoolMedium> {
  const folder = await scratch(t);
  const tier = newTier();
  const refusals: Array<{ restore(): void }> = [];
  let refused: Error | null = null;
  const takeWrites = (): void => {
    refused = null;
    refusals.splice(0).forEach((refusal) => refusal.restore());
  };
  t.after(takeWrites);
  const wrap = (link: BrokerLink): BrokerLink => {
    if (refused !== null) {
      void link.close();
      throw refused;
    }
    return new Proxy(link, {
      get(target, name) {
        if (name === 'publish' && refused !== null) return () => Promise.reject(refused);
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
  return {
    spool: () => member(broker, tier, folder, { wrap }).spool,
    ...bodyFilesIn(folder),
    damageRecord: async (id, damage) => {
      const queue = new TierQueues(tier).stageName(COMMON_STAGE, false);
      if (!(await changeAtBroker(broker, queue, id, DAMAGES[damage]))) {
        await changeStored(folder, `q!${id}`, DAMAGES[damage]);
      }
    },
    refuseWrites: (why) => {
      const words = why === 'full' ? 'No space left on device' : 'Input/output error';
      refused = new Error(words);
      const { mock: refusal } = mock.method(LevelStore.prototype, 'batch', () =>
        Promise.reject(new Error(`IO error: ${words}`)),
      );
      refusals.push(refusal);
    },
    takeWrites,
  };
}
