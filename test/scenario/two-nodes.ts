import assert from 'node:assert/strict';
import { Dialogue } from '../intake/dialogue.js';
import type { SinkMessage } from '../../src/sink/message.js';
import { BodySource, makeMail, seeded, submissionOf, type Mail } from './mail-content.js';
import { openPool, openSender, type Sender } from './mail-sender.js';
import { startTopology, type RunningTopology, type StartOptions } from './running-topology.js';
import { until } from './waiting.js';

type Test = Parameters<typeof startTopology>[0];

const SMALL_BODY_BYTES = 2000;

/** A chain of edge, core and the sink mx, with a login between the nodes. */
export async function startTwoNodes(
  t: Test,
  /** Further keys of core, a line each. */
  keysOfCore: readonly string[],
  options: StartOptions = {},
): Promise<TwoNodes> {
  const node = (next: string, keys: readonly string[] = []): string =>
    ['listen: [{ name: relay, port: auto }]', 'api: { port: auto }', 'relay-from: [127.0.0.1/32]']
      .concat(`smarthost: ${next}`, keys)
      .map((line) => `    ${line}\n`)
      .join('');
  const text = `version: 1
name: two-nodes
secrets: { edge-core: { generate: true } }
nodes:
  edge:
${node('core')}  core:
${node('mx', keysOfCore)}links:
  - { from: edge, to: core, username: edge, password: { secret: edge-core }, tls: none }
sinks: { mx: { port: auto } }
`;
  return new TwoNodes(await startTopology(t, text, options));
}

export class TwoNodes {
  readonly topology: RunningTopology;
  readonly #source = new BodySource(seeded(1));
  readonly #accepted: Mail[] = [];

  constructor(topology: RunningTopology) {
    this.topology = topology;
  }

  /** What was answered 250, over all nodes. */
  get accepted(): readonly Mail[] {
    return this.#accepted;
  }

  /** Hands a message in at a node; rejects with the refusal. */
  async send(node: 'edge' | 'core', recipient: string): Promise<void> {
    const sender = openSender(this.topology.relay(node));
    try {
      await this.#sendBy(sender, recipient, SMALL_BODY_BYTES);
    } finally {
      sender.close();
    }
  }

  /** Sends to core until that refuses. @returns what it refused with */
  async fillCore(name: string, bodyBytes: number, most: number): Promise<string> {
    const sender = openPool(this.topology.relay('core'), 1);
    try {
      for (let index = 0; index < most; index++) {
        await this.#sendBy(sender, `${name}-${index}@full.test`, bodyBytes);
      }
    } catch (error) {
      return String(error);
    } finally {
      sender.close();
    }
    throw new Error(`core took ${most} messages of ${bodyBytes} bytes`);
  }

  async #sendBy(sender: Sender, recipient: string, bodyBytes: number): Promise<void> {
    const mail = makeMail(recipient, bodyBytes, this.#source);
    await sender.send(submissionOf(mail));
    this.#accepted.push(mail);
  }

  /** What a node says to MAIL FROM now. */
  async atMail(node: 'edge' | 'core', parameters = ''): Promise<string> {
    const client = await Dialogue.open(this.topology.relay(node).port);
    try {
      return await client.ask(`MAIL FROM:<asks@full.test>${parameters}`);
    } finally {
      client.leave();
    }
  }

  async untilAtMail(node: 'edge' | 'core', reply: RegExp, parameters = ''): Promise<void> {
    let last = '';
    const asked = async (): Promise<boolean> =>
      reply.test((last = await this.atMail(node, parameters)));
    await until(`${node} to answer MAIL with ${reply}`, asked, { seen: () => last });
  }

  /** Keeps what core has from leaving it, or lets it go. It has to have sent before. */
  async holdCore(held: boolean): Promise<void> {
    await this.topology.api('core').control('(smarthost)', held ? 'pause' : 'resume');
  }

  /** The one queue of a node. */
  async queue(node: 'edge' | 'core') {
    const [queue] = await this.topology.api(node).queues();
    assert.ok(queue !== undefined, `${node} has no queue`);
    return queue;
  }

  /** Waits until edge has stopped to send because core is full; what it has to say stands there. */
  async untilEdgePauses(waiting: number): Promise<void> {
    let last: unknown;
    await until(
      'edge to pause',
      async () => {
        const queue = (last = await this.queue('edge'));
        return queue.state === 'backoff' && queue.ready + queue.deferred >= waiting;
      },
      { seen: () => last },
    );
    const { last_fault: fault, deferred } = await this.queue('edge');
    assert.equal(fault?.code, 452, JSON.stringify(fault));
    assert.equal(fault.enhanced_code, '4.3.1');
    assert.equal(deferred, 0, 'an attempt was spent on a fault of the hop');
  }

  /** Everything that was accepted is at the sink: each message once, and as it was. */
  async assertAllArrivedOnce(deadlineMs?: number): Promise<void> {
    const recipients = this.#accepted.map(({ recipient }) => recipient);
    const arrivals = await this.topology.sink().untilArrived(recipients, deadlineMs);
    for (const { recipient, bodySha256 } of this.#accepted) {
      const hashes = (arrivals.get(recipient) ?? []).map((one: SinkMessage) => one.body_sha256);
      assert.deepEqual(hashes, [bodySha256], recipient);
    }
    assert.equal(arrivals.size, recipients.length, 'something arrived that was never accepted');
  }
}
