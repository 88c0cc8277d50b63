import { VirtualClock } from '../../base/virtual-clock.js';
import type { NextHop } from '../../../src/send/next-hop.js';
import type { AttemptReport, Outcome } from '../../../src/send/outcome.js';
import {
  hopTo,
  LOGIN,
  makeSender,
  showsNoCredential,
  to,
  type Sender,
} from '../../send/attempting.js';
import { makeCertificate, type TestCertificate } from '../../send/certificates.js';
import type { Chance } from '../../simulation/chance.js';
import { Scope } from '../scope.js';
import { promised, turn, type Shown, type Target } from '../target.js';
import { makeAct } from './hop-replies.js';
import { HostileHop, type HopSession, type HopTransaction, type Step } from './hostile-hop.js';

/** Real time in which a case has to end. */
const DEADLINE_MS = 20_000;
/** Nothing has happened for so long: whoever waits, waits for time to pass. */
const IDLE_MS = 2;
const IDLE_IN_TLS_MS = 12;
const STEP_MS = 2500;
const KINDS: ReadonlyArray<Outcome['kind']> = [
  'delivered',
  'deferred',
  'failed',
  'hop-fault',
  'in-doubt',
  'unreadable',
];

/** Our side of an attempt over real sockets, against a hop that strays in anything that it says. */
export async function openHop(): Promise<Target> {
  const [certificate, other] = await Promise.all([makeCertificate('hop'), makeCertificate('hop')]);
  const hop = new HostileHop();
  const port = await hop.start();
  return new HopTarget(hop, port, certificate, other);
}

interface Case {
  nextHop: NextHop;
  /** Nothing of a login or of mail may be said without TLS; with `never`, not in TLS either. */
  secrecy: 'none' | 'tls' | 'never';
  messages: Array<{ recipients: string[]; body: Buffer }>;
  straying: { probability: number; offersTls: boolean };
}

class HopTarget implements Target {
  readonly #hop: HostileHop;
  readonly #port: number;
  readonly #certificate: TestCertificate;
  /** Of a CA that the hop's certificate is not from. */
  readonly #other: TestCertificate;
  #notedMs = 0;

  constructor(hop: HostileHop, port: number, certificate: TestCertificate, other: TestCertificate) {
    this.#hop = hop;
    this.#port = port;
    this.#certificate = certificate;
    this.#other = other;
  }

  close(): Promise<void> {
    return this.#hop.stop();
  }

  async run(chance: Chance, show: (input: Shown) => void): Promise<void> {
    const { nextHop, secrecy, messages, straying } = this.#makeCase(chance);
    const clock = new VirtualClock();
    const scope = new Scope();
    const shown: Array<[string, Buffer | string]> = [
      [
        'hop',
        `tls ${nextHop.tls}, ${nextHop.login === undefined ? 'no login' : 'a login'}, ${messages.length} messages`,
      ],
    ];
    let acts = 0;
    this.#hop.begin({
      clock,
      certificate: this.#certificate,
      noted: () => this.#noted(),
      act: (step: Step, inTls: boolean) => {
        const act = makeAct(step, inTls, chance.branch(`${step} ${acts++}`), straying);
        const bytes = Buffer.concat(act.pieces.map((piece) => piece.bytes));
        const waits = act.pieces.some(({ afterMs }) => afterMs > 0) ? ', with pauses' : '';
        shown.push([`to ${step}, then ${act.after}${waits}`, bytes]);
        show(shown);
        return act;
      },
    });
    show(shown);
    const sender = makeSender(scope, {}, clock);
    const idleMs = nextHop.tls === 'none' ? IDLE_MS : IDLE_IN_TLS_MS;
    try {
      for (const { recipients, body } of messages) {
        const sent = sender.send(nextHop, { recipients: recipients.map((one) => to(one)), body });
        const report = await this.#inTime(sent, clock, idleMs);
        assertTrue(report, recipients, body, this.#hop.sessions);
      }
      await this.#assertEnds(sender, clock, idleMs);
      for (const session of this.#hop.sessions) assertSecrecy(session, secrecy);
    } finally {
      await scope.close();
      for (const session of this.#hop.sessions) session.end();
    }
  }

  #makeCase(chance: Chance): Case {
    const kind = chance.weighted({
      none: 60,
      login: 20,
      opportunistic: 6,
      required: 6,
      verified: 3,
      forged: 3,
    });
    const hop = hopTo(this.#port, { trace: 'none' });
    const secured = (tls: NextHop['tls'], ca: string | null): NextHop => ({
      ...hop,
      tls,
      login: LOGIN,
      ...(ca === null ? {} : { ca: [ca] }),
    });
    const hops: Record<typeof kind, [NextHop, Case['secrecy']]> = {
      none: [hop, 'none'],
      login: [{ ...hop, login: LOGIN }, 'none'],
      opportunistic: [{ ...hop, tls: 'opportunistic' }, 'none'],
      required: [secured('required', null), 'tls'],
      verified: [secured('verified', this.#certificate.ca), 'tls'],
      forged: [secured('verified', this.#other.ca), 'never'],
    };
    const [nextHop, secrecy] = hops[kind];
    const count = chance.happens(0.3) ? 2 : 1;
    const messages = Array.from({ length: count }, (_, index) => makeMessage(index, chance));
    const straying = {
      probability: chance.pick([0.1, 0.3, 0.3, 0.8]),
      offersTls: kind === 'none' ? chance.happens(0.3) : chance.happens(0.85),
    };
    return { nextHop, secrecy, messages, straying };
  }

  #noted(): void {
    this.#notedMs = performance.now();
  }

  /** Lets time pass whenever nothing else happens. */
  async #inTime<T>(work: Promise<T>, clock: VirtualClock, idleMs: number): Promise<T> {
    let settled = false;
    const seen = work.finally(() => (settled = true));
    seen.catch(() => undefined);
    const startMs = performance.now();
    this.#noted();
    while (!settled) {
      const nowMs = performance.now();
      promised(
        nowMs - startMs < DEADLINE_MS,
        () => `no end after ${clock.monotonicMs()} ms of waiting`,
      );
      if (nowMs - this.#notedMs > idleMs) {
        clock.advance(STEP_MS);
        this.#noted();
      }
      await turn();
    }
    return seen;
  }

  /** Sessions that are kept are ended with QUIT; none of them stays. */
  async #assertEnds(sender: Sender, clock: VirtualClock, idleMs: number): Promise<void> {
    sender.pool.retire();
    const gone = async (): Promise<void> => {
      while (sender.pool.size > 0) await turn();
    };
    await this.#inTime(gone(), clock, idleMs);
  }
}

function makeMessage(index: number, chance: Chance): Case['messages'][number] {
  const recipients = Array.from(
    { length: chance.pick([1, 1, 2, 3]) },
    (_, nth) => `r${index}-${nth}@y.test`,
  );
  const lines = Array.from({ length: chance.whole(0, 4) }, () =>
    chance.pick(['body', '.', '..dot', '', 'x'.repeat(300), 'DATA', '250 ok']),
  );
  return {
    recipients,
    body: Buffer.from([`Subject: message ${index}`, '', ...lines, ''].join('\r\n')),
  };
}

/** What is said of the attempt is what has happened at the hop. */
function assertTrue(
  { outcomes, record }: AttemptReport,
  recipients: string[],
  body: Buffer,
  sessions: readonly HopSession[],
): void {
  promised(
    outcomes.length === recipients.length,
    () => `${outcomes.length} outcomes for ${recipients.length} recipients`,
  );
  const isClear = !sessions.some(({ ranAhead }) => ranAhead);
  const stuffed = body.toString('latin1').replaceAll(/^\./gm, '..');
  const transactions = sessions.flatMap((session) => session.transactions);
  const offered = transactions.filter(
    ({ content }) => (content !== null && `${content}\r\n` === stuffed) || content === stuffed,
  );
  const said = sessions.map((session) => session.said).join('\r\n');
  for (const [index, { kind, code, text }] of outcomes.entries()) {
    const recipient = recipients[index] ?? '';
    promised(KINDS.includes(kind), () => `an outcome ${kind}`);
    promised(!/\p{Cc}/u.test(text), () => `control characters in ${JSON.stringify(text)}`);
    if (kind === 'delivered' && isClear) {
      promised(
        offered.some((one) => wasTaken(one, recipient)),
        () => `${recipient} counts as delivered, and the hop never took it`,
      );
    }
    if (kind === 'failed' && code !== null) {
      promised(
        new RegExp(`^${code}`, 'm').test(said) && code >= 500,
        () => `${recipient} failed for a ${code} that was not said`,
      );
    }
    if (kind !== 'delivered' && kind !== 'in-doubt' && code === null && isClear) {
      promised(
        !offered.some((one) => wasTakenWithoutDoubt(one, recipient)),
        () => `${recipient} was taken, and it is ${kind}: ${text}`,
      );
    }
  }
  promised(record.recipients.length === recipients.length, () => 'the record has other recipients');
}

const POSITIVE = /^2\d\d(?: |\r?$)/m;

function wasTaken({ recipients, saidAfter }: HopTransaction, recipient: string): boolean {
  const asked = recipients.some(
    ({ line, said }) => line.includes(`<${recipient}>`) && POSITIVE.test(said),
  );
  return asked && POSITIVE.test(saidAfter);
}

/** Every reply of the transaction was plain and good. */
function wasTakenWithoutDoubt(transaction: HopTransaction, recipient: string): boolean {
  const plain = (text: string): boolean => /^2\d\d [\x20-\x7e]*\r\n$/.test(text);
  const { recipients, saidAfter } = transaction;
  return (
    plain(saidAfter) &&
    recipients.some(({ line, said }) => line.includes(`<${recipient}>`) && plain(said))
  );
}

function assertSecrecy(
  { clear, heard, misledBy, ranAhead }: HopSession,
  secrecy: Case['secrecy'],
): void {
  promised(
    misledBy === null || ranAhead,
    () => `content was sent where none was asked for: ${misledBy}`,
  );
  if (secrecy === 'none') return;
  const open = secrecy === 'never' ? heard : clear;
  promised(showsNoCredential(open), () => `a login was sent: ${open}`);
  promised(!/^MAIL /m.test(open), () => `mail was offered: ${open}`);
}
