import { parseMailbox } from '../format/address.js';
import { SettingsDraft, type StatedSettings } from './message-settings.js';

/** A message in MailerQ's JSON (SMARTHOST: one message), checked in form. */
export interface JsonMessage {
  /** '' is the null sender. */
  sender: string;
  recipients: string[];
  /** The message as it was given. */
  mime: Buffer;
  settings: StatedSettings;
  /** Keys that mean nothing here; they come back in the results. */
  unknownKeys: Record<string, unknown> | undefined;
}

/** What is wrong with one value, and where it stands: `smarthost.port`, `recipient.2`. */
export interface JsonFault {
  path: string;
  detail: string;
}

const MAX_UNKNOWN_BYTES = 16_384;
/** Enough to repair a message by. */
const MAX_FAULTS = 20;
const HALF_PAIR = /\p{Cs}/u;

/**
 * Reads one parsed value. All faults are told at once, each with its path below `path` ('' for a
 * message that stands alone). Nothing of a value is ever repeated in them.
 */
export function readJsonMessage(
  value: unknown,
  path: string,
  maxRecipients: number,
): { message: JsonMessage } | { faults: JsonFault[] } {
  const reader = new Reader(path, maxRecipients);
  const message = reader.read(value);
  return reader.faults.length > 0 || message === null
    ? { faults: reader.faults.slice(0, MAX_FAULTS) }
    : { message };
}

type ReadKey = (reader: Reader, value: unknown) => void;

class Reader {
  readonly faults: JsonFault[] = [];
  readonly draft = new SettingsDraft();
  readonly #path: string;
  readonly #maxRecipients: number;
  sender = '';
  recipients: string[] | null = null;
  mime: string | null = null;
  mimeEncoding: 'utf8' | 'base64' = 'utf8';

  constructor(path: string, maxRecipients: number) {
    this.#path = path;
    this.#maxRecipients = maxRecipients;
  }

  read(value: unknown): JsonMessage | null {
    if (!isObject(value)) {
      this.fault('', 'must be an object');
      return null;
    }
    const unknown: Array<[string, unknown]> = [];
    for (const [key, entry] of Object.entries(value)) {
      const readKey = KEYS.get(key);
      if (readKey === undefined) {
        unknown.push([key, entry]);
      } else {
        readKey(this, entry);
      }
    }
    if (this.recipients === null && !Object.hasOwn(value, 'recipient')) {
      this.fault('recipient', 'is missing');
    }
    if (this.mime === null && !Object.hasOwn(value, 'mime')) {
      this.fault('mime', 'is missing');
    }
    // Not by assignment: a key `__proto__` is a key like any other.
    const unknownKeys = unknown.length === 0 ? undefined : Object.fromEntries(unknown);
    if (Buffer.byteLength(JSON.stringify(unknownKeys ?? {})) > MAX_UNKNOWN_BYTES) {
      this.fault('', `has more than ${MAX_UNKNOWN_BYTES} bytes of keys that are not known here`);
    }
    const { sender, recipients } = this;
    const { settings } = this.draft;
    const mime = this.#content();
    return recipients === null || mime === null
      ? null
      : { sender, recipients, mime, settings, unknownKeys };
  }

  #content(): Buffer | null {
    if (this.mime === null) {
      return null;
    }
    const bytes = Buffer.from(this.mime, this.mimeEncoding);
    if (this.mimeEncoding === 'base64' && bytes.toString('base64') !== this.mime) {
      this.fault('mime', 'must be base64, as `mime-encoding` says');
    }
    return bytes;
  }

  fault(path: string, detail: string): void {
    const whole = [this.#path, path].filter((part) => part !== '').join('.');
    this.faults.push({ path: whole, detail });
  }

  /** Hands on what is of the right type; reports what is not, and what `take` says. */
  text(path: string, value: unknown, take: (text: string) => string | null): void {
    this.#report(path, typeof value === 'string' ? take(value) : 'must be a string');
  }

  number(path: string, value: unknown, take: (number: number) => string | null): void {
    this.#report(path, typeof value === 'number' ? take(value) : 'must be a number');
  }

  flag(path: string, value: unknown, take: (flag: boolean) => string | null): void {
    this.#report(path, typeof value === 'boolean' ? take(value) : 'must be true or false');
  }

  port(path: string, value: unknown): void {
    const valid = typeof value === 'number' || typeof value === 'string';
    this.#report(path, valid ? this.draft.setPort(value) : 'must be a number or a string');
  }

  retries(path: string, value: unknown): void {
    const list = Array.isArray(value) ? value : [value];
    const valid = list.every((wait) => typeof wait === 'number');
    this.#report(
      path,
      valid ? this.draft.setRetries(list) : 'must be a number or an array of numbers',
    );
  }

  tags(path: string, value: unknown): void {
    const valid = Array.isArray(value) && value.every((tag) => typeof tag === 'string');
    this.#report(path, valid ? this.draft.addTags(value) : 'must be an array of strings');
  }

  /** The keys of an object below; one that is not known there is a fault, or would be forgotten. */
  below(path: string, value: unknown, keys: ReadonlyMap<string, ReadKey>): void {
    if (!isObject(value)) {
      this.fault(path, 'must be an object');
      return;
    }
    for (const [key, entry] of Object.entries(value)) {
      const readKey = keys.get(key);
      if (readKey === undefined) {
        this.fault(`${path}.${key.slice(0, 100)}`, 'is not known');
      } else {
        readKey(this, entry);
      }
    }
  }

  readRecipients(value: unknown): void {
    const list: unknown[] = Array.isArray(value) ? value : [value];
    if (list.length === 0 || list.length > this.#maxRecipients) {
      this.fault('recipient', `must be 1 to ${this.#maxRecipients} addresses`);
      return;
    }
    this.recipients = [];
    for (const [index, address] of list.entries()) {
      const path = Array.isArray(value) ? `recipient.${index}` : 'recipient';
      this.text(path, address, (text) => {
        this.recipients?.push(text);
        return parseMailbox(text) === null ? 'must be an address like name@example.org' : null;
      });
    }
  }

  #report(path: string, wrong: string | null): void {
    if (wrong !== null) {
      this.fault(path, wrong);
    }
  }
}

const SMARTHOST_KEYS: ReadonlyMap<string, ReadKey> = new Map<string, ReadKey>([
  ['hostname', (r, value) => r.text('smarthost.hostname', value, (t) => r.draft.setHostname(t))],
  ['port', (r, value) => r.port('smarthost.port', value)],
  ['username', (r, value) => r.text('smarthost.username', value, (t) => r.draft.setUsername(t))],
  ['password', (r, value) => r.text('smarthost.password', value, (t) => r.draft.setPassword(t))],
]);

const DSN_KEYS: ReadonlyMap<string, ReadKey> = new Map<string, ReadKey>([
  ['notify', (r, value) => r.text('dsn.notify', value, (t) => r.draft.setNotify(t))],
  ['ret', (r, value) => r.text('dsn.ret', value, (t) => r.draft.setRet(t))],
  ['orcpt', (r, value) => r.text('dsn.orcpt', value, (t) => r.draft.setOrcpt(t))],
  ['envid', (r, value) => r.text('dsn.envid', value, (t) => r.draft.setEnvid(t))],
]);

const KEYS: ReadonlyMap<string, ReadKey> = new Map<string, ReadKey>([
  [
    'envelope',
    (r, value) =>
      r.text('envelope', value, (text) => {
        r.sender = text;
        return text === '' || parseMailbox(text) !== null
          ? null
          : 'must be an address like name@example.org, or empty';
      }),
  ],
  ['recipient', (r, value) => r.readRecipients(value)],
  [
    'mime',
    (r, value) =>
      r.text('mime', value, (text) => {
        r.mime = text;
        return HALF_PAIR.test(text) ? 'must be text: it holds half of a surrogate pair' : null;
      }),
  ],
  [
    'mime-encoding',
    (r, value) =>
      r.text('mime-encoding', value, (text) => {
        r.mimeEncoding = text === 'base64' ? 'base64' : 'utf8';
        return text === 'base64' ? null : 'must be base64';
      }),
  ],
  [
    'smarthost',
    (r, value) => {
      r.below('smarthost', value, SMARTHOST_KEYS);
      if (isObject(value) && !r.draft.hasHostname) {
        r.fault('smarthost.hostname', 'is missing');
      }
    },
  ],
  ['maxattempts', (r, value) => r.number('maxattempts', value, (n) => r.draft.setMaxAttempts(n))],
  [
    'maxdelivertime',
    (r, value) => r.text('maxdelivertime', value, (t) => r.draft.setMaxDeliverTime(t)),
  ],
  ['retries', (r, value) => r.retries('retries', value)],
  ['delayed', (r, value) => r.text('delayed', value, (t) => r.draft.setNotBefore('delayed', t))],
  [
    'nextattempt',
    (r, value) => r.text('nextattempt', value, (t) => r.draft.setNotBefore('nextattempt', t)),
  ],
  ['tag', (r, value) => r.text('tag', value, (t) => r.draft.addTags([t]))],
  ['tags', (r, value) => r.tags('tags', value)],
  ['dsn', (r, value) => r.below('dsn', value, DSN_KEYS)],
  ['requiretls', (r, value) => r.flag('requiretls', value, (flag) => r.draft.setRequireTls(flag))],
  ['security', (r, value) => r.text('security', value, (t) => r.draft.setSecurity(t))],
]);

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The deepest nesting in JSON text. Looked at before it is parsed: a parser would build every level
 * of it. Strings are skipped; broken JSON gives some number.
 */
export function nestingDepth(json: Buffer): number {
  let depth = 0;
  let deepest = 0;
  for (let index = 0; index < json.length; index++) {
    switch (json[index]) {
      case 0x22:
        index = endOfString(json, index);
        break;
      case 0x5b:
      case 0x7b:
        deepest = Math.max(deepest, ++depth);
        break;
      case 0x5d:
      case 0x7d:
        depth--;
        break;
      default:
        break;
    }
  }
  return deepest;
}

/** Offset of the quote that ends the string which begins at `start`. */
function endOfString(json: Buffer, start: number): number {
  let index = start + 1;
  while (index < json.length && json[index] !== 0x22) {
    index += json[index] === 0x5c ? 2 : 1;
  }
  return index;
}
