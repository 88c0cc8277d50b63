import { randomBytes } from 'node:crypto';
import { ApiClient } from '../../../api/client.js';
import type { Clock } from '../../../base/clock.js';
import { RelayError } from '../../../base/errors.js';
import { Secret } from '../../../base/secret.js';
import type { SessionOptions } from '../../../send/submit.js';
import {
  entryByAddress,
  entryOfStranger,
  entryWithLogin,
  isAnyHashed,
  sessionOf,
  type ClientEntry,
} from '../../runner/client-entry.js';
import type { SendEntry } from '../../schema-tests.js';
import type { SentMessage } from '../evidence.js';
import type { LabRun } from '../run.js';
import { ApiDoor } from './api-door.js';
import { Arrivals } from './arrivals.js';
import type { Door } from './door.js';
import { readEmlFiles } from './eml.js';
import { LetterBox } from './letter-box.js';
import { SendUnderWay } from './send-under-way.js';
import { SmtpDoor } from './smtp-door.js';

/*
 * The mail client of the lab: it generates mail, hands it to the nodes of a run as a good client
 * does, and knows its own mail again where it arrives.
 */

/** For each wait of a session, and for one call of an API. */
const ANSWER_TIMEOUT_MS = 30_000;

export interface LoadOptions {
  run: LabRun;
  /** Of pace, backoff and what is written down; sessions have that of the system. */
  clock: Clock;
  testName: string;
  /** Of what is drawn: sizes and contents. */
  seed: number;
  /** Tells the mail of one run of a test from any other; letters and digits. Default: random. */
  runId?: string;
}

/** What a `send` step is given beside what the file says. */
export interface SendContext {
  /** Index of the step. */
  step: number;
  /** Number of its first message, over all steps of the test. */
  firstNumber: number;
  /** Where names under `eml` start from. */
  folder: string;
  /** Ends it: what is on its way is cut off, what is left stays unsent. */
  signal: AbortSignal;
  onProgress: (settled: number, total: number) => void;
}

/** How the steps see the mail client. */
export interface MailLoad {
  /** How many messages a step hands in. */
  count(entry: SendEntry): number;
  /** Begins to hand in. @throws RelayError LAB_EML_UNREADABLE, LAB_VALUE_INVALID, LAB_NO_ENTRY */
  start(entry: SendEntry, context: SendContext): Promise<MailUnderWay>;
  /** How many different messages of this run a sink has, or had when it was last looked. */
  arrivedAt(sink: string): Promise<number>;
}

/** A `send` step that goes on in the background. */
export interface MailUnderWay {
  readonly total: number;
  /** Messages that were taken, refused or given up. */
  readonly settled: number;
  /** When none is open; never rejects. Cut off by the signal, it resolves at once. */
  readonly ended: Promise<void>;
  /** What is known at present of every message, also of those that were never tried. */
  sent(): SentMessage[];
}

const MESSAGE_ID_DOMAIN = 'relaymesh-lab.test';

export class Load implements MailLoad {
  readonly runId: string;
  readonly #options: LoadOptions;
  readonly #arrivals: Arrivals;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.runId = options.runId ?? randomBytes(6).toString('hex');
    this.#arrivals = new Arrivals(options.run, `.${this.runId}@${MESSAGE_ID_DOMAIN}`);
  }

  count({ count, eml }: SendEntry): number {
    return count ?? (Array.isArray(eml) ? eml.length : 1);
  }

  async start(entry: SendEntry, context: SendContext): Promise<MailUnderWay> {
    const { clock, testName, seed } = this.#options;
    const files = entry.eml === undefined ? [] : [entry.eml].flat();
    const letters = new LetterBox({
      entry,
      testName,
      seed,
      firstNumber: context.firstNumber,
      messageIdOf: (number) => `${number}.${this.runId}@${MESSAGE_ID_DOMAIN}`,
      files: await readEmlFiles(files, context.folder),
    });
    // Whether there is a way in at all is told by the step, not by each of its messages.
    if (entry.by === 'api') this.#client(entry);
    else this.#entry(entry);
    return new SendUnderWay({
      entry,
      total: this.count(entry),
      letters,
      openDoor: () => this.#door(entry),
      clock,
      ...context,
    });
  }

  arrivedAt(sink: string): Promise<number> {
    return this.#arrivals.count(sink);
  }

  #door(entry: SendEntry): Door {
    return entry.by === 'api'
      ? new ApiDoor(() => this.#client(entry), ANSWER_TIMEOUT_MS)
      : new SmtpDoor(() => this.#session(entry));
  }

  async #session(entry: SendEntry): Promise<SessionOptions> {
    const { run } = this.#options;
    const session = await sessionOf(run.topology, run.state, this.#entry(entry));
    return { ...session, hostname: 'lab.relaymesh.test', timeoutMs: ANSWER_TIMEOUT_MS };
  }

  #client({ via }: SendEntry): ApiClient {
    const { state } = this.#options.run;
    const { api = null, apiToken = state.apiToken } = state.nodes[via] ?? {};
    if (api === null) throw noEntry(via, 'it has no API');
    return new ApiClient({
      url: api,
      token: new Secret(apiToken),
      timeoutMs: ANSWER_TIMEOUT_MS,
    });
  }

  #entry({ via, user, listener }: SendEntry): ClientEntry {
    const { topology, state } = this.#options.run;
    const wish = {
      ...(user === undefined ? {} : { user }),
      ...(listener === undefined ? {} : { listener }),
    };
    const welcome =
      entryWithLogin(state, via, wish) ??
      (user === undefined ? entryByAddress(topology, state, via, wish) : null);
    if (welcome === null && isAnyHashed(topology, state, via, wish)) {
      throw noEntry(via, HASHED);
    }
    const found = welcome ?? (user === undefined ? entryOfStranger(state, via, wish) : null);
    if (found === null) throw noEntry(via, 'it has no such listener or user');
    return found;
  }
}

const HASHED =
  'of its user only the hash of the password is known, which nobody can log in with; send as a user whose secret is the password, or from `relay-from`';

function noEntry(node: string, why: string): RelayError {
  return new RelayError('LAB_NO_ENTRY', `no mail can be handed to ${node}: ${why}`, {
    fault: 'operator',
  });
}
