import { connect } from 'amqplib';
import type { TestBroker } from '../broker.js';
import { within } from '../scenario/waiting.js';

const TIER = 'relaymesh.core';
const LONGEST_DELAY_POWER = 15;

/** A broker that is killed just now may never answer. */
const CONNECT_DEADLINE_MS = 3000;
const DEADLINE_MS = 10_000;

/** Messages in the queues of the tier that no node has been given. Rejects while nobody can tell. */
export function messagesAt(broker: TestBroker): Promise<number> {
  return within('the counts of the broker', DEADLINE_MS, count(broker));
}

async function count({ host, port, username, password }: TestBroker): Promise<number> {
  const address = { hostname: host, port, username, password };
  const connection = await connect(address, { timeout: CONNECT_DEADLINE_MS });
  connection.on('error', () => undefined);
  try {
    let sum = 0;
    for (const queue of queues()) {
      const channel = await connection.createChannel();
      channel.on('error', () => undefined);
      // One that is not there yet has nothing.
      const { messageCount } = await channel.checkQueue(queue).catch(() => ({ messageCount: 0 }));
      sum += messageCount;
      await channel.close().catch(() => undefined);
    }
    return sum;
  } finally {
    await connection.close().catch(() => undefined);
  }
}

function queues(): string[] {
  const delays = Array.from({ length: LONGEST_DELAY_POWER + 1 }, (_, power) => 2 ** power);
  return [
    `${TIER}.stage.others`,
    `${TIER}.stage.to (smarthost) exit`,
    `${TIER}.stage.to (smarthost)`,
    ...delays.map((seconds) => `${TIER}.delay.${seconds}`),
  ];
}
