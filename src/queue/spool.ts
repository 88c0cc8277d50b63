import type { Readable } from 'node:stream';
import type { BodyPlace, Item } from './item.js';

/**
 * Where messages are safe. The contract of every implementation; one conformance suite runs
 * against each.
 *
 * - `accept` resolves only when message and body are durable: after it, a 250 is a promise.
 * - `update` and `remove` reach the operating system before they resolve; they are durable with
 *   the next accept at the latest. Losing one costs a repeated attempt, never a message.
 * - What cannot be read is a value (`Corrupt`), never an exception.
 * - After a failed write nothing more is acknowledged: every call rejects with `SPOOL_FAILED`
 *   until the spool is opened again.
 */
export interface Spool {
  open(): Promise<void>;
  close(): Promise<void>;
  /** False after a failed write. */
  readonly healthy: boolean;
  writeBody(id: string): BodyWriter;
  accept(item: Item, body: FinishedBody, also?: AlsoDurable): Promise<void>;
  /** The value noted under a key, or null when there is none or its time is over. */
  recall(key: string, nowMs: number): Promise<string | null>;
  /** Forgets the notes whose time is over. */
  forgetNotes(nowMs: number): Promise<void>;
  /** Stores the recipients' states and the doubt mark. */
  update(item: Item): Promise<void>;
  /** Forgets the message and its body. */
  remove(item: Item): Promise<void>;
  /** Every message that is stored at the time of the call, in order of arrival. */
  scan(): AsyncGenerator<ScanEntry>;
  /** The body as stored, or null when it is missing, short or damaged. */
  openBody(item: Item): Promise<Buffer | Readable | null>;
}

/** What becomes durable in the same write as an accepted message. */
export interface AlsoDurable {
  /** An item whose state has changed (the cause of a bounce). */
  settles?: Item;
  note?: Note;
}

/** A few words that are found again by their key, for as long as somebody may ask. */
export interface Note {
  key: string;
  value: string;
  /** Wall time. */
  untilMs: number;
}

export type ScanEntry = { kind: 'item'; item: Item } | { kind: 'corrupt'; corrupt: Corrupt };

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

export type FinishedBody = { kind: 'inline'; bytes: Buffer } | { kind: 'file'; sizeBytes: number };

export function bodyPlace(body: FinishedBody, ownHeaderBytes: number): BodyPlace {
  return body.kind === 'inline'
    ? { kind: 'inline', sizeBytes: body.bytes.length, ownHeaderBytes }
    : { kind: 'file', sizeBytes: body.sizeBytes, ownHeaderBytes };
}
