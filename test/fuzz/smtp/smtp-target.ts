import type { SmtpParser } from '../../../src/intake/smtp-parser.js';
import { CLIENT_LIMITS } from '../../policy/usual-limits.js';
import { runIntake, contentOf, type RunningIntake } from '../../intake/running-intake.js';
import { Dialogue } from '../../intake/dialogue.js';
import type { StoredMessage } from '../../intake/memory-spool.js';
import type { Chance } from '../../simulation/chance.js';
import { cut, mutate, type Material } from '../mutate.js';
import { Scope } from '../scope.js';
import { comesTrue, promised, turn, type Shown, type Target, Violation } from '../target.js';
import { messageOf } from '../../../src/base/errors.js';
import { MemorySocket } from './memory-socket.js';
import { makeDialogue, SMTP_WORDS } from './smtp-grammar.js';
import { SessionReading, type Acknowledged } from './smtp-model.js';
import { Chance as Seeded } from '../../simulation/chance.js';

/** A case of a session in memory takes less than a millisecond. */
const DEADLINE_MS = 20_000;
const MAX_MESSAGE_BYTES = 40_000;
/** From here nobody may relay without a login. */
const STRANGER = '203.0.113.7';
const GOOD_EVERY = 50;
const MANY = 1_000_000_000;
/** What one client did must not decide what the next one hears. */
const NO_LIMITS: typeof CLIENT_LIMITS = {
  ...CLIENT_LIMITS,
  maxSessionsPerClient: MANY,
  maxConnectsPerClientPerMinute: MANY,
  maxMessagesPerClientPerMinute: MANY,
  maxMessagesPerUserPerMinute: MANY,
  maxErrorsPerClientPerMinute: MANY,
  maxLoginFailuresPerClient: MANY,
  maxLoginFailuresPerUser: MANY,
};

/** How a client behaves. */
interface Plan {
  sent: Buffer;
  writes: Buffer[];
  /** Writes after which it waits until the server has read all. */
  patient: boolean;
  /** It does not wait for the greeting. */
  early: boolean;
  stranger: boolean;
  /** After so many writes it is gone; -1: never. */
  resetAfter: number;
}

/** A listener of ours; each case is one session of a client that speaks SMTP nearly well. */
export async function openSmtp(): Promise<Target> {
  const scope = new Scope();
  const intake = await runIntake(scope, {
    settings: {
      maxMessageBytes: MAX_MESSAGE_BYTES,
      maxHeaderBytes: 8192,
      maxRecipients: 20,
      clients: NO_LIMITS,
    },
  });
  return new SmtpTarget(intake, scope);
}

class SmtpTarget implements Target {
  readonly #intake: RunningIntake;
  readonly #scope: Scope;
  readonly #material: Material;
  #cases = 0;

  constructor(intake: RunningIntake, scope: Scope) {
    this.#intake = intake;
    this.#scope = scope;
    const chance = new Seeded('dialogues to splice with');
    const others = Array.from({ length: 50 }, () => makeDialogue(chance));
    this.#material = { words: SMTP_WORDS, others };
  }

  close(): Promise<void> {
    return this.#scope.close();
  }

  async run(chance: Chance, show: (input: Shown) => void): Promise<void> {
    const plan = this.#makePlan(chance);
    show([
      [
        'client',
        `${plan.stranger ? 'a stranger' : 'may relay'}, ${plan.patient ? 'waits' : 'does not wait'}${plan.early ? ', not for the greeting' : ''}, reset after ${plan.resetAfter}`,
      ],
      ...plan.writes.map((bytes, index) => [`write ${index + 1}`, bytes] as const),
    ]);
    const { spool } = this.#intake;
    const socket = await this.#talk(plan);
    promised(spool.openBodies.size + spool.looseBodies.size === 0, () => 'a body was left behind');
    const stored = spool.taken.filter(({ item }) => item.bounceOf === null);
    spool.taken.length = 0;
    spool.notes.clear();
    spool.keys.clear();
    const heard = socket.heard.toString('latin1');
    try {
      check(plan, heard, stored);
    } catch (error) {
      throw new Violation(`${messageOf(error)}; it heard ${JSON.stringify(heard.slice(-4000))}`);
    }
    if (++this.#cases % GOOD_EVERY === 0) await this.#assertGoodSession();
  }

  #makePlan(chance: Chance): Plan {
    const dialogue = makeDialogue(chance);
    const sent = chance.happens(0.15) ? dialogue : mutate(dialogue, chance, this.#material);
    const writes = cut(sent, chance);
    return {
      sent,
      writes,
      patient: chance.happens(0.3),
      early: chance.happens(0.03),
      stranger: chance.happens(0.2),
      resetAfter: chance.happens(0.1) ? chance.whole(0, writes.length) : -1,
    };
  }

  /** Resolves when the session is over on both sides. */
  async #talk({ writes, patient, early, stranger, resetAfter }: Plan): Promise<MemorySocket> {
    const { listener } = this.#intake;
    const socket = new MemorySocket(stranger ? STRANGER : '127.0.0.1');
    listener.server.emit('connection', socket);
    if (resetAfter === 0) socket.deliverReset();
    const greeted = (): boolean =>
      socket.destroyed || (listener.connections.size > 0 && (early || socket.heard.length > 0));
    promised(await comesTrue(greeted, DEADLINE_MS), () => 'no session begins');
    const [session] = [...listener.connections].slice(-1);
    const isRead = (): boolean =>
      socket.destroyed ||
      !listener.connections.has(session as never) ||
      (socket.readableLength === 0 && isDone(session));
    const untilRead = async (): Promise<void> => {
      promised(await comesTrue(isRead, DEADLINE_MS), () => 'the session does not read on');
      await turn();
    };
    for (const [index, bytes] of writes.entries()) {
      if (index === resetAfter) break;
      socket.deliver(bytes);
      if (patient) await untilRead();
    }
    if (resetAfter === -1) await untilRead();
    if (resetAfter === -1) socket.deliverEnd();
    else socket.deliverReset();
    const over = await comesTrue(
      () => socket.closed && listener.connections.size === 0,
      DEADLINE_MS,
    );
    promised(over, () => 'the session does not end when its client has gone');
    await turn();
    return socket;
  }

  async #assertGoodSession(): Promise<void> {
    const client = await Dialogue.open(this.#intake.port);
    const reply = await client.send('Subject: good\r\n\r\n.body', ['good@y.test']);
    promised(
      reply.startsWith('250 2.6.0 queued as '),
      () => `a good message was answered ${reply}`,
    );
    const taken = this.#intake.spool.taken.splice(0);
    const message = taken.find(({ item }) => item.recipients[0]?.address === 'good@y.test');
    promised(
      contentOf(message) === 'Subject: good\r\n\r\nbody\r\n',
      () => 'a good message was stored otherwise',
    );
    promised((await client.ask('QUIT')).startsWith('221'), () => 'QUIT was not answered 221');
    await client.closed();
    client.leave();
  }
}

/** The parser of a session has worked through all that it was given. */
function isDone(session: unknown): boolean {
  const { _parser: parser } = session as { _parser: SmtpParser | false };
  return parser === false || parser.isDone;
}

/** What was stored is what was acknowledged, and nothing else. */
function check({ sent, stranger, resetAfter }: Plan, heard: string, stored: StoredMessage[]): void {
  const whole = resetAfter === -1;
  const { acknowledged, begun } = SessionReading.of(sent, beforeTls(heard), whole);
  for (const one of acknowledged) {
    const message = stored.find(({ item }) => item.id === one.queueId);
    promised(message !== undefined, () => `${one.queueId} was acknowledged and is not stored`);
    compare(one, message);
  }
  if (whole) {
    promised(
      stored.length === acknowledged.length,
      () => `${stored.length} messages are stored, ${acknowledged.length} were acknowledged`,
    );
  }
  if (stranger) {
    const mayLogIn = /AUTH/i.test(sent.toString('latin1'));
    promised(mayLogIn || (begun === 0 && stored.length === 0), () => 'a stranger relayed');
  }
}

/** What follows the reply to STARTTLS is no SMTP. */
function beforeTls(heard: string): string {
  const at = heard.indexOf(' Ready to start TLS\r\n');
  return at === -1 ? heard : heard.slice(0, at + ' Ready to start TLS\r\n'.length);
}

function compare({ content, sender, recipients }: Acknowledged, message: StoredMessage): void {
  const { item } = message;
  const kept = contentOf(message);
  const expected = content.toString('latin1');
  if (/x-mq-|x-mesh-trace/i.test(expected)) assertWithoutSome(kept, expected);
  else promised(kept === expected, () => `stored was ${JSON.stringify(kept.slice(0, 2000))}`);
  promised(
    sender.includes(`<${item.sender}>`) || sender.includes(`:${item.sender}>`),
    () => `the sender became ${item.sender}`,
  );
  promised(
    item.recipients.length === recipients.length,
    () => `${item.recipients.length} recipients are stored, ${recipients.length} were taken`,
  );
  for (const [index, { address }] of item.recipients.entries()) {
    const line = recipients[index] ?? '';
    promised(
      line.includes(`<${address}>`) || line.includes(`:${address}>`),
      () => `${line} became ${address}`,
    );
  }
}

/** Lines of the header may have been taken out; none came, and what stays is in its order. */
function assertWithoutSome(kept: string, expected: string): void {
  const lines = expected.split('\r\n');
  let at = 0;
  for (const line of kept.split('\r\n')) {
    at = lines.indexOf(line, at) + 1;
    promised(at > 0, () => `stored was a line that was not sent: ${JSON.stringify(line)}`);
  }
}
