import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { startBroker, withoutBroker, type TestBroker } from '../broker.js';
import { Program } from './mailerq-program.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

const MESSAGES = 1500;
const KILL_AFTER = 500;
const PREFETCH = 50;
const DEADLINE_MS = 60_000;

async function startNode(t: TestContext, broker: TestBroker): Promise<RunningTopology> {
  const text = `version: 1
name: mailerq-kill
secrets: { rabbit: { env: RABBIT_PASSWORD } }
nodes:
  out:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    smarthost: mx
    rabbitmq-address: amqp://${broker.host}:${broker.port}
    rabbitmq-username: ${broker.username}
    rabbitmq-password: { secret: rabbit }
    rabbitmq-prefetch: ${PREFETCH}
    rabbitmq-outbox: outbox
    rabbitmq-results: results
sinks: { mx: { port: auto } }
`;
  return startTopology(t, text, { env: { RABBIT_PASSWORD: broker.password } });
}

function recipientOf(number: number, round: string): string {
  return `${round}-${number}@x.test`;
}

function message(recipient: string): object {
  return { envelope: 'shop@shop.test', recipient, mime: `Subject: ${recipient}\r\n\r\nHello.\r\n` };
}

/** Recipients that have a result at the broker, and how often. */
async function told(program: Program, results: Map<string, number>): Promise<Map<string, number>> {
  for (const { json } of await program.takeAll('results')) {
    const recipient = String(json['recipient']);
    results.set(recipient, (results.get(recipient) ?? 0) + 1);
  }
  return results;
}

interface Round {
  name: string;
  disturb: (topology: RunningTopology, broker: TestBroker) => Promise<void>;
  /** With message ids of the program's own. */
  named: boolean;
}

const ROUNDS: readonly Round[] = [
  {
    name: 'kill',
    named: true,
    disturb: async (topology, { password }) => {
      await topology.end('out', 'SIGKILL');
      await topology.startByHand('out', { RABBIT_PASSWORD: password });
    },
  },
  {
    name: 'unnamed-kill',
    named: false,
    disturb: async (topology, { password }) => {
      await topology.end('out', 'SIGKILL');
      await topology.startByHand('out', { RABBIT_PASSWORD: password });
    },
  },
  {
    name: 'stop',
    named: false,
    disturb: async (topology, { password }) => {
      await topology.end('out', 'SIGTERM');
      await topology.startByHand('out', { RABBIT_PASSWORD: password });
    },
  },
  {
    name: 'broker-kill',
    named: false,
    disturb: async (_, broker) => {
      await broker.kill();
      await broker.start();
    },
  },
];

test(
  'MailerQ: what is in the outbox is sent, whatever dies',
  { skip: withoutBroker() },
  async (t) => {
    const broker = await startBroker(t);
    const topology = await startNode(t, broker);
    const sink = topology.sink('mx');
    for (const { name, named, disturb } of ROUNDS) {
      await t.test(name, async (subtest) => {
        const program = await Program.open(subtest, broker.url);
        await program.untilThere('outbox', 'results');
        const recipients = Array.from({ length: MESSAGES }, (_, number) =>
          recipientOf(number, name),
        );
        await Promise.all(
          recipients.map((recipient) =>
            program.send('outbox', message(recipient), named ? `id ${recipient}` : undefined),
          ),
        );
        const before = (await sink.stats()).accepted;
        await until('the load', async () => (await sink.stats()).accepted >= before + KILL_AFTER);
        await disturb(topology, broker);

        const arrivals = await sink.untilArrived(recipients, DEADLINE_MS);
        const doubled = recipients.filter((one) => (arrivals.get(one) ?? []).length > 1);
        const after = await Program.open(subtest, broker.url);
        const results = new Map<string, number>();
        await until(
          'a result of each',
          async () => {
            await told(after, results);
            return recipients.every((one) => results.has(one));
          },
          { deadlineMs: DEADLINE_MS, seen: () => results.size },
        );
        assert.equal(await after.waiting('outbox'), 0);
        const records = await Promise.all(doubled.map((one) => topology.api('out').records(one)));
        const takenTwice = records.filter((hops) => hops.length > 1).length;
        const metrics = await topology.api('out').metrics();
        const repeats = /^relaymesh_rabbitmq_repeats_total (\d+)$/m.exec(metrics)?.[1];
        subtest.diagnostic(
          `${name}: ${MESSAGES} sent, 0 lost, ${doubled.length} arrived twice, ` +
            `${takenTwice} were taken twice, ${repeats} repeats recognised`,
        );
        assert.equal(takenTwice, 0, 'the outbox was taken from twice');
      });
    }
  },
);
