import type { Outcome } from '../../src/send/outcome.js';
import type { Life } from './life.js';

/** How the recipient's last hop treats its mail. */
export type Temper =
  | 'easy'
  /** refused for ever at RCPT */
  | 'unknown'
  /** put off a few times at RCPT */
  | 'grey'
  /** put off for ever */
  | 'never'
  /** refused for ever, for the content */
  | 'spam';

export interface Recipient {
  address: string;
  notify: string | null;
  temper: Temper;
}

/** What a client hands in. */
export interface Message {
  number: number;
  /** '' is the null sender. */
  sender: string;
  recipients: Recipient[];
  bytes: Buffer;
  /** The node that it is handed to, and when. */
  entry: string;
  atMs: number;
  ret: 'FULL' | 'HDRS' | null;
  /** Its own give-up time, or that of the node. */
  lifetimeMs: number | null;
  maxAttempts: number | null;
  /** It wants to wait so long before its first attempt. */
  delayMs: number | null;
  /** Retries of its own, in seconds. */
  retryIntervalsSeconds: number[] | null;
  /** Its client comes back until it has its 250, with a note that makes it one request. */
  insistent: boolean;
  acknowledged: boolean;
  /** Recipients for which the topology was changed while the old hop had them, perhaps. */
  mayRepeat: Set<string>;
}

/** A recipient of a message in the queue of one node, as the world sees it. */
export interface CopyRecipient {
  /** What the node was told last, and by which of its lives that was heard. */
  told: Outcome['kind'] | null;
  toldTo: Life | null;
  toldAtMs: number;
  /** Attempts that counted. */
  attempts: number;
  /** The time before which it is not to be asked again, and by which it has to be due; or null. */
  dueFromMs: number | null;
  dueByMs: number | null;
  /** The hop that may have taken it without the node's knowledge, now and before this attempt. */
  doubtHop: string | null;
  doubtBefore: string | null;
  /** The hop that took it, as the node was told. */
  takenBy: string | null;
  /** That was the case at any time. */
  everInDoubt: boolean;
  underWay: boolean;
  /** The node says that it failed. */
  givenUp: boolean;
  /** Delivered or reported, by what the latest process found. */
  settled: boolean;
}

/** A message in the queue of one node: what came in there, or a report that it made itself. */
export interface Copy {
  key: string;
  node: string;
  queueId: string;
  /** Null of a report. */
  message: Message | null;
  sender: string;
  recipients: Map<string, CopyRecipient>;
  /** Key of the copy that this one reports on. */
  reportOn: string | null;
  /** What it reports, as far as its content was seen. */
  reported: ReportedRecipient[];
  /** What an upstream node called it. */
  handedOver: { node: string; queueId: string } | null;
  enteredAtMs: number;
  /** The life that took it in; of a later one, only wall time is known. Null: it cannot be said. */
  enteredIn: Life | null;
  /** By how much the wall clock was wrong when it came in. */
  wallOffsetMs: number;
  lifetimeMs: number;
  /** Attempts after which it is given up; null: only time ends them. */
  maxAttempts: number | null;
  /** Its stored form was spoilt by the world. */
  damaged: boolean;
  /** The node died so often while it was being sent. */
  deathsUnderWay: number;
}

export interface ReportedRecipient {
  address: string;
  action: string;
  status: string;
}

/** A copy that arrived at a hop outside of the mesh. */
export interface Arrival {
  hop: string;
  copy: Copy;
  address: string;
  atMs: number;
  /** The session in which it came. */
  attempt: number;
  /** The node heard the 250. */
  known: boolean;
  /** It may come again: the reply was lost, or what the node knew of it died with it. */
  mayRepeat: boolean;
}

/** A broken promise. `kind` is the account or the invariant. */
export interface Violation {
  kind: string;
  text: string;
  /** Words by which the log finds what belongs to it. */
  about: string[];
}

/** What has truly happened to every message, written down by the world and not by the nodes. */
export class Ledger {
  readonly messages: Message[] = [];
  readonly copies = new Map<string, Copy>();
  readonly arrivals: Arrival[] = [];
  readonly violations: Violation[] = [];
  readonly #recipients = new Map<string, { message: Message; recipient: Recipient }>();

  submit(message: Message): void {
    this.messages.push(message);
    for (const recipient of message.recipients) {
      this.#recipients.set(recipient.address, { message, recipient });
    }
  }

  recipient(address: string): { message: Message; recipient: Recipient } | undefined {
    return this.#recipients.get(address);
  }

  copy(node: string, queueId: string): Copy | undefined {
    return this.copies.get(`${node}/${queueId}`);
  }

  /** Of a report, the copy as it was made; nodes hand reports on like any other message. */
  origin(copy: Copy): Copy {
    const { handedOver } = copy;
    const before = handedOver === null ? undefined : this.copy(handedOver.node, handedOver.queueId);
    return before === undefined ? copy : this.origin(before);
  }

  enter(copy: Omit<Copy, 'key' | 'recipients'>, addresses: readonly string[]): Copy {
    const key = `${copy.node}/${copy.queueId}`;
    const recipients = new Map(addresses.map((address) => [address, newRecipient()]));
    const entered = { ...copy, key, recipients };
    this.copies.set(key, entered);
    return entered;
  }

  violate(kind: string, text: string, about: string[]): void {
    // The first ones tell the most; a run that goes astray breaks thousands.
    if (this.violations.length < 50) this.violations.push({ kind, text, about });
  }

  /** Words by which the log finds all that belongs to what is named: the message, its copies, its reports. */
  related(words: readonly string[]): string[] {
    const all = new Set(words);
    for (const copy of this.copies.values()) {
      const on = copy.reportOn === null ? undefined : this.copies.get(copy.reportOn);
      const message = copy.message ?? on?.message ?? null;
      const names = message === null ? [copy.queueId] : [copy.queueId, `m${message.number}`];
      if (names.some((name) => words.includes(name))) {
        for (const name of names) all.add(name);
      }
    }
    return [...all];
  }
}

function newRecipient(): CopyRecipient {
  return {
    told: null,
    toldTo: null,
    toldAtMs: 0,
    attempts: 0,
    dueFromMs: null,
    dueByMs: null,
    doubtHop: null,
    doubtBefore: null,
    takenBy: null,
    everInDoubt: false,
    underWay: false,
    givenUp: false,
    settled: false,
  };
}

/** Words by which the log finds all about a copy. */
export function aboutCopy(copy: Copy): string[] {
  return [copy.queueId, ...(copy.message === null ? [] : aboutMessage(copy.message))];
}

export function aboutMessage({ number, recipients }: Message): string[] {
  return [`m${number}`, ...recipients.map(({ address }) => address)];
}
