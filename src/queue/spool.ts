import type { Readable } from 'node:stream';
import type { RelayError } from '../base/errors.js';
import type { InlineBody } from './inline-body.js';
import type { BodyPlace, Item } from './item.js';

/**
 * Where messages are safe. The contract of every implementation; one conformance suite runs
 * against each.
 *
 * - `accept` resolves only when message and body are durable: after it, a 250 is a promise.
 * - `update` and `remove` reach the operating system before they resolve; they are durable with
 *   the next accept at the latest. Losing one costs a repeated attempt, never a message.
 * - What cannot be read is a value (`Corrupt`), never an exception.
 * - After a failed write nothing more is acknowledged: every write rejects, with `SPOOL_FULL` where
 *   room was wanting and else with `SPOOL_FAILED`, until the spool is opened again.
 * - A delivery key is durable exactly when the message that came with it is.
 */
export interface Spool {
  open(): Promise<void>;
  close(): Promise<void>;
  /** False after a failed write. */
  readonly healthy: boolean;
  /** The failed write wanted for room only: opening it again is worth a try once there is some. */
  readonly failurePasses: boolean;
  /** Hears of the first failed write after each opening. One listener. */
  onFailure(listener: (error: RelayError) => void): void;
  /**
   * After a failed write: opens the spool again and writes what was refused of updates and removals;
   * what was refused of messages is not there. Rejects, and stays failed, while the medium refuses.
   */
  reopen(): Promise<void>;
  writeBody(id: string): BodyWriter;
  /** The body is the spool's from here on, also when it is refused. */
  accept(item: Item, body: FinishedBody, also?: AlsoDurable): Promise<void>;
  /** The value noted under a key, or null when there is none or its time is over. */
  recall(key: string, nowMs: number): Promise<string | null>;
  /** Forgets notes before their time; that is durable with the next accept at the latest. */
  eraseNotes(keys: readonly string[]): Promise<void>;
  /** Forgets the notes whose time is over. */
  forgetNotes(nowMs: number): Promise<void>;
  /** Queue id of the message that was accepted with each key, or null. */
  findKeys(keys: readonly DeliveryKey[]): Promise<Array<string | null>>;
  /**
   * Forgets the keys of messages that their senders' queue ids date before `bornBeforeMs`; of all
   * others the oldest, until they take `maxBytes` or less. Resolves with the time to which keys were
   * forgotten for want of room, or null.
   */
  forgetKeys(bornBeforeMs: number, nowMs: number, maxBytes: number): Promise<number | null>;
  /** Stores the recipients' states and the doubt mark; with `sync` it is durable when it resolves. */
  update(item: Item, options?: { sync: boolean }): Promise<void>;
  /** Forgets the message and its body; with `sync` for good when it resolves. */
  remove(item: Item, options?: { sync: boolean }): Promise<void>;
  /** Deletes a record that cannot be read, and its body. */
  removeCorrupt(id: string): Promise<void>;
  /** Gives the medium back what removed messages still take. */
  compact(): Promise<void>;
  /** Every message that is stored at the time of the call, in order of arrival. */
  scan(): AsyncGenerator<ScanEntry>;
  /**
   * A message as it is stored now, with its body where that is inline; its reason where it cannot be
   * read, null when there is none. It is read at once, while everything else waits: of one message at
   * a time. Throws when nothing can be read now.
   */
  peek(id: string): StoredMessage | { reason: string } | null;
  /**
   * The body as stored, or null when it is missing, short or damaged. A stream fails with
   * `BODY_DAMAGED` at its end when it was not what had been stored. Rejects when nothing can be read
   * now; while the spool is opened again it waits.
   */
  openBody(item: Item): Promise<Buffer | Readable | null>;
}

/** What becomes durable in the same write as an accepted message. */
export interface AlsoDurable {
  /** An item whose state has changed (the cause of a report), as it is when `accept` is called. */
  settles?: Item;
  note?: Note | undefined;
  /** What a sending node calls what it hands over here. */
  keys?: readonly DeliveryKey[];
}

/** The name of one recipient's copy of a message between two nodes: the same whenever it is sent again. */
export interface DeliveryKey {
  /** The sending node. */
  node: string;
  /** Its queue id. */
  queueId: string;
  recipient: string;
}

/** A few words that are found again by their key, for as long as somebody may ask. */
export interface Note {
  key: string;
  value: string;
  /** Wall time. */
  untilMs: number;
}

export type ScanEntry = { kind: 'item'; item: Item } | { kind: 'corrupt'; corrupt: Corrupt };

/** `body`: empty where it is in a file. */
export interface StoredMessage {
  item: Item;
  body: Buffer;
}

/** Stands in quarantine for records that are not even known by their ids. */
export const UNREADABLE_PART = 'unreadable-part';

/** A record that could not be read. It stays where it is and is shown. */
export interface Corrupt {
  id: string;
  reason: string;
}

/** A body on its way in. It has to end with `finish` or `discard`. */
export interface BodyWriter {
  readonly sizeBytes: number;
  /** A promise that the caller has to wait for before it writes on. Rejects when the disk refuses. */
  write(chunk: Buffer): Promise<void> | undefined;
  /** Resolves when a body in a file is durable, its folder entry included. */
  finish(): Promise<FinishedBody>;
  /** Drops everything that was written. Never rejects. */
  discard(): Promise<void>;
}

export type FinishedBody =
  | InlineBody
  /** `crc32`: of the whole content, so that damage is noticed when it is read. */
  | { kind: 'file'; sizeBytes: number; crc32?: number };

export function bodyPlace(body: FinishedBody, ownHeaderBytes: number): BodyPlace {
  return body.kind === 'inline'
    ? { kind: 'inline', sizeBytes: body.sizeBytes, ownHeaderBytes }
    : {
        kind: 'file',
        sizeBytes: body.sizeBytes,
        ownHeaderBytes,
        ...(body.crc32 === undefined ? {} : { crc32: body.crc32 }),
      };
}
