import type { HandedOver } from '../queue/delivery-keys.js';
import type { PackedSettings } from './settings-message.js';

/* What the front and its workers tell each other, over the channel that each worker is born with. */

/** A message of an upstream node, and the recipients that it names now. */
export interface KeyQuestion {
  handedOver: Pick<HandedOver, 'node' | 'queueId'>;
  recipients: readonly string[];
}

/** Our queue id for each recipient, or null where none was stored. */
export type KnownKeys = Array<string | null>;

/** What went wrong, in the words of a `RelayError`. */
export interface Problem {
  code: string;
  message: string;
  where?: string;
  hint?: string;
}

export type ToWorker =
  /** The first one. */
  | {
      type: 'start';
      settings: PackedSettings;
      /** False: it drains its spool and takes no connections. */
      listens: boolean;
    }
  /** `restart`: what needs one, by the names of the topology file. */
  | { type: 'reload'; settings: PackedSettings; restart: readonly string[] }
  /** The node was asked to reload, and its settings stay as they are. */
  | { type: 'reload-refused'; problem: string }
  /** Has it stored these? From now on it asks the others before it stores them. */
  | { type: 'look'; id: number; question: KeyQuestion }
  /** To `ask`: what the others have stored; null: one of them could not be asked. */
  | { type: 'known'; id: number; known: KnownKeys | null };

/** What a worker says of itself once a second. */
export interface WorkerState {
  /** What a new start may mend, or null. */
  trouble: string | null;
  queued: number;
  quarantined: number;
  sessions: number;
}

export interface ListeningAt {
  name: string;
  host: string;
  port: number;
  tls: string;
}

export type FromWorker =
  /** It hears now. */
  | { type: 'born' }
  | { type: 'ready'; smtp: ListeningAt[]; apiPort: number; state: WorkerState }
  | { type: 'failed'; problem: Problem }
  | { type: 'state'; state: WorkerState }
  /** `problem`: why the settings stayed as they were; null: the new ones are in force. */
  | { type: 'reloaded'; problem: Problem | null }
  /** Have the others stored these? `done` has to follow, whatever comes of it. */
  | { type: 'ask'; id: number; question: KeyQuestion }
  | { type: 'done'; id: number }
  /** To `look`; null: it cannot say. */
  | { type: 'looked'; id: number; known: KnownKeys | null };
