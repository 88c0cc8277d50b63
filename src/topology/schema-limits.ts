import { z } from 'zod';
import { doc, seconds } from './schema-values.js';
import { sizeSchema, sizeText } from './size.js';

/**
 * The limits of a node: what each counts and in which unit, what holds where nobody says anything,
 * and what happens beyond it. The docs of the topology and of the flat keys, and the built-in
 * values, come from this one table.
 */

interface Limit<S extends z.ZodType> {
  /** `bytes`, `seconds`, or the name of what is counted. */
  unit: string;
  schema: S;
  /** In the unit; null: no limit. */
  standard: number | null;
  /** A value that somebody might write, other than the standard. */
  example: number | string;
  /** What is counted, and after a semicolon the effect. */
  doc: string;
}

function size(
  leastBytes: number,
  standard: number,
  example: string,
  doc: string,
): Limit<SizeSchema> {
  return { unit: 'bytes', schema: sizeSchema(leastBytes), standard, example, doc };
}

function count(
  unit: string,
  most: number,
  standard: number | null,
  example: number,
  doc: string,
): Limit<z.ZodInt> {
  return { unit, schema: z.int().min(1).max(most), standard, example, doc };
}

function time(standard: number, example: number, doc: string): Limit<typeof seconds> {
  return { unit: 'seconds', schema: seconds, standard, example, doc };
}

type SizeSchema = ReturnType<typeof sizeSchema>;

const KIB = 1024;
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

export const LIMITS = {
  'max-message-size': size(
    KIB,
    50 * MIB,
    '25MiB',
    'Size of one message; a larger one is refused with 552, at MAIL FROM if its SIZE says so.',
  ),
  'max-header-size': size(
    KIB,
    256 * KIB,
    '64KiB',
    'Size of the header section of one message; a message with a larger one is refused with 552.',
  ),
  'max-recipients': count(
    'recipients',
    50_000,
    1000,
    100,
    'Recipients of one message; further ones are refused with 452 4.5.3, which makes clients send them in another transaction.',
  ),
  'max-sessions': count(
    'sessions',
    100_000,
    1000,
    5000,
    'SMTP sessions at once, over all listeners; beyond it a new one takes the place of the client that has been silent longest, of those that have neither logged in nor are in `relay-from`, and hears 421 4.7.0 when there is none.',
  ),
  'max-sessions-per-client': count(
    'sessions',
    100_000,
    100,
    500,
    'SMTP sessions of one client at once (an IPv4 address or a /64 of IPv6), but for clients in `relay-from` and for link peers; further ones are closed with 421 4.7.0.',
  ),
  'max-connects-per-client-per-minute': count(
    'sessions',
    1_000_000,
    1000,
    6000,
    'SMTP sessions that one client may begin in a minute, but for clients in `relay-from` and for link peers; further ones are closed with 421 4.7.0.',
  ),
  'max-messages-per-client-per-minute': count(
    'messages',
    10_000_000,
    60_000,
    600,
    'Messages that one client may begin in a minute, but for clients in `relay-from` and for link peers; further ones are refused with 450 4.7.1.',
  ),
  'max-messages-per-user-per-minute': count(
    'messages',
    10_000_000,
    60_000,
    600,
    'Messages that one user may begin in a minute, from whatever clients, but for link peers; further ones are refused with 450 4.7.1.',
  ),
  'max-login-failures-per-client': count(
    'failures',
    1_000_000,
    50,
    10,
    'Failed logins of one client in a `login-failure-window`, whatever the names; beyond it its logins are answered 454 4.7.0 and not looked at until the window has ended, but for names with which it has logged in within seven days: each of these is counted alone.',
  ),
  'max-login-failures-per-user': count(
    'failures',
    1_000_000,
    50,
    20,
    'Failed logins with one user name in a `login-failure-window`, from whatever clients; beyond it logins with the name are answered 454 4.7.0 and not looked at until the window has ended, but for clients that have logged in with it within seven days.',
  ),
  'login-failure-window': time(
    900,
    3600,
    'Seconds over which failed logins are counted, from the first one; then they are forgotten.',
  ),
  'max-errors-per-session': count(
    'errors',
    100_000,
    20,
    50,
    'Commands refused with 5xx, and failed logins, of a client that has neither logged in nor is in `relay-from`, since its last message; then it hears 421 4.7.0 and is cut off.',
  ),
  'max-errors-per-client-per-minute': count(
    'errors',
    1_000_000,
    500,
    100,
    'The same errors of one client in a minute, over all its sessions; then its sessions are cut off at their next error, and new ones are closed with 421 4.7.0 until the minute has ended.',
  ),
  'login-timeout': time(
    120,
    30,
    'Seconds that a client which is not in `relay-from` may take until it has logged in, and any client for the handshake of implicit TLS; then it hears 421 4.4.2 and is cut off.',
  ),
  'min-data-rate': count(
    'bytes a second',
    1_000_000_000,
    100,
    1000,
    'Bytes of content that a client has to send in a second, over each half minute in which the node did not let it wait; a client that sends in turn over several sessions may send as much over all of them together; one that is slower hears 421 4.4.2 and is cut off, and nothing of the message stays.',
  ),
  'command-timeout': time(
    300,
    120,
    'Seconds that a client may take until its next command; then it hears 421 4.4.2 and is cut off.',
  ),
  'data-timeout': time(
    600,
    1200,
    'Seconds that a client may take for the content of one message, and up to as many again in which it had to wait for the disk of the node; then it hears 421 4.4.2 and is cut off, and nothing of the message stays.',
  ),
  'max-queue-messages': count(
    'messages',
    100_000_000,
    2_000_000,
    1_000_000,
    'Messages in the queue, less than 0.1 kB of memory each, and 2 kB of the first ones of each hop; beyond it mail is refused with 452 4.3.1 (at the API with 503) until one has left. Reports of the node itself are always taken.',
  ),
  'max-queue-size': size(
    MIB,
    20 * GIB,
    '100GiB',
    'Size of all bodies in the queue; beyond it mail is refused with 452 4.3.1 (at the API with 503) until there is room. Reports of the node itself are always taken.',
  ),
  'disk-reserve': size(
    0,
    256 * MIB,
    '1GiB',
    'What mail leaves free on the disk of the data folder, for what the spool and the traces still have to write; beyond it mail is refused with 452 4.3.1 (at the API with 503) until there is room.',
  ),
  'max-body-memory': size(
    0,
    64 * MIB,
    '256MiB',
    'Memory for the bodies of messages, on their way in and kept for their first attempt; beyond it a body goes to a file and is read back, which is slower, and nothing is refused.',
  ),
  'max-attempts-at-once': count(
    'attempts',
    100_000,
    1000,
    2000,
    'Attempts under way at once, over all queues; beyond it mail that is due waits until one has ended.',
  ),
  'max-attempts': count(
    'attempts',
    100_000,
    null,
    20,
    'Attempts for one recipient; one that is deferred at the last of them bounces. What a message says itself (`maxattempts`) goes first.',
  ),
  'max-quarantined': count(
    'reports',
    1_000_000,
    10_000,
    50_000,
    'Reports of the node itself in quarantine, which neither arrived nor can be bounced; beyond it the oldest is deleted, and that is logged. Mail in quarantine is never deleted, and counts for the queue.',
  ),
  'delivery-keys-size': size(
    MIB,
    GIB,
    '3GiB',
    'What the keys of messages that other nodes have handed over take on the disk, about 55 bytes a recipient; beyond it the oldest are forgotten, and a repeat of such a message is delivered twice.',
  ),
  'max-reports-per-minute': count(
    'reports',
    1_000_000,
    600,
    60,
    'Reports to senders sent in a minute; beyond it they wait, an hour at most.',
  ),
  'delay-report-after': time(
    14_400,
    3600,
    'Seconds that a message waits; then a sender that asked for it (NOTIFY=DELAY) is told, once.',
  ),
  'trace-max-age': time(
    864_000,
    2_592_000,
    'Seconds that the records of messages are kept; then they are deleted, and /trace does not know the messages any more.',
  ),
  'trace-max-records': count(
    'records',
    100_000_000,
    1_000_000,
    5_000_000,
    'Records of messages that are kept, one a message and node; beyond it the oldest are deleted, but never that of a message in the queue.',
  ),
  'trace-max-size': size(
    MIB,
    GIB,
    '4GiB',
    'What the records of messages take before compression, looked at once a minute; beyond it the oldest are deleted, but never that of a message in the queue. On the disk it is about half.',
  ),
};

export type LimitKey = keyof typeof LIMITS;
export const LIMIT_KEYS = Object.keys(LIMITS) as LimitKey[];

type LimitSchemas = { [K in LimitKey]: (typeof LIMITS)[K]['schema'] };

/** Values of limits; sizes are in bytes. Only one of them can be absent. */
export type LimitValues = Record<Exclude<LimitKey, 'max-attempts'>, number> & {
  'max-attempts': number | null;
};

/** What holds where nobody says anything. */
export const LIMIT_DEFAULTS = Object.fromEntries(
  LIMIT_KEYS.map((key) => [key, LIMITS[key].standard]),
) as LimitValues;

/** A default for people: `64MiB`, `300`, `no limit`. */
export function limitDefaultText(key: LimitKey): string {
  const { unit, standard } = LIMITS[key];
  if (standard === null) return 'no limit';
  return unit === 'bytes' ? sizeText(standard) : String(standard);
}

/** The limits as they stand in `defaults` and in a node. */
export const limitKeys = Object.fromEntries(
  LIMIT_KEYS.map((key) => {
    const { unit, doc: what, example, schema } = LIMITS[key];
    const form = unit === 'bytes' ? ' In bytes, or as in 64MiB.' : '';
    return [key, schema.meta(doc(`${what}${form} Default: ${limitDefaultText(key)}.`, example))];
  }),
) as LimitSchemas;
