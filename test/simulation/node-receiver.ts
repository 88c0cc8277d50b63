import type { Item } from '../../src/queue/item.js';
import type { MessageSettings } from '../../src/format/message-settings.js';
import { SpoolRefusal } from '../../src/queue/group-commit.js';
import type { MailQueue } from '../../src/queue/mail-queue.js';
import { bodyPlace, type BodyWriter, type Note } from '../../src/queue/spool.js';
import { anItem, aRecipient } from '../queue/samples.js';
import { aboutCopy, type Copy, type Message } from './ledger.js';
import type { Life } from './life.js';
import type { Connection, Mail, Receiver } from './session.js';
import type { NodeProcess } from './node-process.js';
import type { SimulatedNode } from './simulated-node.js';
import type { NoSession, Reply, Weather } from './weather.js';
import type { World } from './world.js';

const OK: Reply = { code: 250, enhanced: '2.1.5', text: 'Ok' };
const NOT_STORED: Reply = { code: 451, enhanced: '4.3.0', text: 'the message could not be stored' };
const NO_ROOM: Reply = { code: 452, enhanced: '4.3.1', text: 'there is no room' };
const REFUSED: NoSession = {
  stage: 'connect',
  reply: null,
  text: 'connection refused',
  afterMs: 1,
};
const NOT_NOW: NoSession = {
  stage: 'greeting',
  reply: { code: 421, enhanced: '4.3.0', text: 'the spool failed' },
  text: '',
  afterMs: 2,
};
/** How the content comes in. */
const SLICE_BYTES = 300;

/** What comes in, from a client or from another node. */
export type Incoming = Omit<Mail, 'from'> & { from: Mail['from'] | null };

/** The way into a node: what its intake does around the queue, and with the same answers. */
export class NodeReceiver implements Receiver {
  readonly weather: Weather;
  readonly #world: World;
  readonly #node: SimulatedNode;

  constructor(world: World, node: SimulatedNode, weather: Weather) {
    this.#world = world;
    this.#node = node;
    this.weather = weather;
  }

  connect(): Connection | NoSession {
    const refusal = this.weather.greet();
    if (refusal !== null) return refusal;
    const { running, state } = this.#node;
    if (running === null || state !== 'up') return REFUSED;
    if (!running.queue.accepting) return NOT_NOW;
    return {
      recipient: () => OK,
      take: (mail) => this.take(running, mail),
      onBreak: (task) => running.life.onDeath(task),
    };
  }

  /** A client's connection, whatever the weather between nodes; null when there is none. */
  connectClient(): NodeProcess | null {
    const { running, state } = this.#node;
    return state === 'up' && running?.queue.accepting === true ? running : null;
  }

  /** Takes a message whose content is whole. Settles only while the process lives. */
  async take(
    running: NodeProcess,
    mail: Incoming,
    note: Note | null = null,
  ): Promise<Reply | null> {
    if (!running.life.alive) return new Promise(() => undefined);
    this.#node.intakes++;
    const reply = await this.#take(running, mail, note);
    // The answer leaves from the process: a dead one gives none.
    if (!running.life.alive) return new Promise(() => undefined);
    this.#node.intakes--;
    return reply;
  }

  /** A client goes away in the middle of its content. */
  async abandon({ queue }: NodeProcess, bytes: Buffer): Promise<void> {
    const writer = queue.writeBody(queue.newId());
    await write(writer, bytes.subarray(0, bytes.length / 2)).catch(() => undefined);
    await writer.discard();
  }

  async #take(
    { life, queue }: NodeProcess,
    mail: Incoming,
    note: Note | null,
  ): Promise<Reply | null> {
    if (queue.refusal(mail.bytes.length) !== null) return NO_ROOM;
    const id = queue.newId();
    const writer = queue.writeBody(id);
    const receivedAtMs = life.nowMs();
    let copy: Copy | null = null;
    try {
      await write(writer, mail.bytes);
      const body = await writer.finish();
      const item = this.#item(id, mail, receivedAtMs);
      item.body = bodyPlace(body, 0);
      copy = this.#offer(item, mail, life);
      const { queueId, repeated } = await queue.accept(item, body, {
        ...(note === null ? {} : { note }),
        ...(mail.from === null ? {} : { handedOver: mail.from }),
      });
      if (!life.alive) return NOT_STORED;
      this.#accepted(copy, item, repeated, queue);
      if (repeated) await writer.discard();
      this.#world.log.add(
        this.#node.name,
        `250 to ${fromOf(mail)}: ${repeated ? 'a repeat of ' : ''}${queueId}`,
      );
      return { code: 250, enhanced: '2.0.0', text: `Ok: queued as ${queueId}` };
    } catch (error) {
      if (!life.alive) return null;
      this.#world.log.add(this.#node.name, `refuses ${id} to ${fromOf(mail)}: ${String(error)}`);
      // What the spool refused is the spool's to clear away: it may be there all the same, and then
      // a peer that hears nothing comes back here.
      if (!(error instanceof SpoolRefusal)) await writer.discard();
      else if (error.undetermined && mail.from !== null) return null;
      return NOT_STORED;
    }
  }

  /** From here on it may be on the medium, whatever becomes of it. */
  #offer(item: Item, mail: Incoming, life: Life): Copy {
    const { ledger, timeline, log } = this.#world;
    const addresses = item.recipients.map(({ address }) => address);
    const message = messageOf(this.#world, mail);
    const upstream =
      mail.from === null ? undefined : ledger.copy(mail.from.node, mail.from.queueId);
    const node = this.#node.name;
    log.add(node, `stores ${item.id} from ${fromOf(mail)} for ${addresses.join(' ')}`);
    return ledger.enter(
      {
        node,
        queueId: item.id,
        message,
        sender: item.sender,
        reportOn: upstream?.reportOn ?? null,
        reported: [],
        handedOver: mail.from,
        enteredAtMs: timeline.nowMs,
        enteredIn: life,
        wallOffsetMs: this.#node.wall.offsetMs,
        lifetimeMs: item.expiresAtMs - item.receivedAtMs,
        maxAttempts:
          (mail.from === null ? message?.maxAttempts : null) ??
          this.#node.settings.limits.maxAttempts,
        damaged: false,
        deathsUnderWay: 0,
      },
      addresses,
    );
  }

  #accepted(copy: Copy, item: Item, repeated: boolean, queue: MailQueue): void {
    const { ledger } = this.#world;
    if (repeated) {
      ledger.copies.delete(copy.key);
      return;
    }
    // Those that had been taken before are left out.
    const kept = new Set(item.recipients.map(({ address }) => address));
    for (const address of copy.recipients.keys()) {
      if (!kept.has(address)) copy.recipients.delete(address);
    }
    if (!this.#node.isDurable(item) && queue.find(item.id) !== undefined) {
      const text = `${this.#node.name} answers 250 to ${item.id}, and a power cut would lose it`;
      ledger.violate('not durable', text, aboutCopy(copy));
    }
  }

  #item(id: string, mail: Incoming, receivedAtMs: number): Item {
    const message = mail.from === null ? messageOf(this.#world, mail) : null;
    const nodeMs = this.#node.settings.expireAfterSeconds * 1000;
    const delayMs = message?.delayMs ?? null;
    const waits =
      delayMs === null
        ? {}
        : { state: 'deferred' as const, nextAttemptAtMs: receivedAtMs + delayMs };
    return anItem(id, {
      sender: mail.sender,
      recipients: mail.recipients.map(({ address, notify, orcpt }) =>
        aRecipient(address, { notify, orcpt, ...waits }),
      ),
      ret: mail.ret,
      receivedAtMs,
      expiresAtMs: receivedAtMs + Math.min(nodeMs, message?.lifetimeMs ?? Infinity),
      ...(message === null ? {} : { settings: settingsOf(message) }),
    });
  }
}

function settingsOf({ maxAttempts, retryIntervalsSeconds }: Message): MessageSettings {
  return {
    ...(maxAttempts === null ? {} : { maxAttempts }),
    ...(retryIntervalsSeconds === null ? {} : { retryIntervalsSeconds }),
  };
}

async function write(writer: BodyWriter, bytes: Buffer): Promise<void> {
  for (let offset = 0; offset < bytes.length; offset += SLICE_BYTES) {
    await writer.write(bytes.subarray(offset, offset + SLICE_BYTES));
  }
}

/** By what it carries: the recipients are another message's when somebody mixes them up. */
function messageOf({ ledger }: World, { bytes }: Incoming): Message | null {
  const [, number] = /^X-Simulation: (\d+)\r\n/.exec(bytes.toString('latin1', 0, 40)) ?? [];
  return number === undefined ? null : (ledger.messages[Number(number)] ?? null);
}

function fromOf({ from, sender }: Incoming): string {
  return from === null ? `the client ${sender || '<>'}` : `${from.queueId} of ${from.node}`;
}
