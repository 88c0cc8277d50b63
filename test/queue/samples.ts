import type { Item, ItemRecipient } from '../../src/queue/item.js';
import { NEW_RECIPIENT } from '../../src/queue/item.js';
import type { QueueEntry, RoutedEntry } from '../../src/queue/destination.js';
import type { Route } from '../../src/queue/route-groups.js';
import { DEFAULT_CAPACITY, type Capacity } from '../../src/send/capacity.js';
import type { AttemptReport, Outcome } from '../../src/send/outcome.js';
import type { NextHop } from '../../src/send/next-hop.js';
import type { AttemptRequest } from '../../src/send/request.js';
import type { AttemptRecord } from '../../src/trace/record.js';
import type { QueueLimits, QueueSettings } from '../../src/queue/settings.js';

/** A Monday at noon, UTC. */
export const NOW_MS = Date.UTC(2026, 0, 5, 12);
export const DAY_MS = 86_400_000;

export function aRecipient(address: string, changes: Partial<ItemRecipient> = {}): ItemRecipient {
  return { ...NEW_RECIPIENT, address, ...changes };
}

export function anItem(id: string, changes: Partial<Item> = {}): Item {
  return {
    id,
    sender: 'sender@a.example',
    recipients: [aRecipient('one@b.example')],
    ret: null,
    envid: null,
    smtpUtf8: false,
    eightBit: false,
    receivedAtMs: NOW_MS,
    expiresAtMs: NOW_MS + 5 * DAY_MS,
    messageId: `<${id}@a.example>`,
    trace: {
      traceId: id
        .padStart(32, '0')
        .toLowerCase()
        .replaceAll(/[^0-9a-f]/g, 'e'),
      spanId: 'aaaaaaaaaaaaaaa1',
      parentSpanId: null,
      path: [],
    },
    arrival: {
      protocol: 'ESMTP',
      client: { address: '192.0.2.1', helo: 'client.example', user: null },
    },
    body: { kind: 'inline', sizeBytes: 0, ownHeaderBytes: 0 },
    bounceOf: null,
    doubt: false,
    lostSessions: 0,
    ...changes,
  };
}

export function anEntry(id: string, changes: Partial<Item> = {}): QueueEntry {
  const item = anItem(id, changes);
  return { item, recipients: item.recipients };
}

export function aHop(name: string, changes: Partial<NextHop> = {}): NextHop {
  return {
    name,
    kind: 'node',
    host: '127.0.0.1',
    port: 2525,
    tls: 'none',
    implicitTls: false,
    allowInsecureAuth: false,
    trace: 'envelope',
    ...changes,
  };
}

export function aCapacity(changes: Partial<Capacity> = {}): Capacity {
  return { ...DEFAULT_CAPACITY, maxConnections: 2, ...changes };
}

/** A queue of the hop's own name. */
export function aRoute(nextHop: NextHop, changes: Partial<Route> = {}): Route {
  return { queue: nextHop.name, nextHop, capacity: aCapacity(), movable: false, ...changes };
}

/** An entry as it stands in a queue. */
export function aRoutedEntry(id: string, changes: Partial<RoutedEntry> = {}): RoutedEntry {
  return { ...anEntry(id), nextHop: aHop('core'), movable: false, ...changes };
}

/** What a hop said, as an outcome: `outcome('deferred', 451, '4.7.1', 'try later')`. */
export function outcome(
  kind: Outcome['kind'],
  code: number | null = null,
  enhanced: string | null = null,
  text = '',
): Outcome {
  return { kind, inTransaction: true, code, enhanced, text };
}

export const DELIVERED = outcome('delivered', 250, '2.0.0', 'Ok: queued as 4ABC');
export const DEFERRED = outcome('deferred', 451, '4.7.1', 'greylisted, come back');
export const FAILED = outcome('failed', 550, '5.1.1', 'no such user here');
/** No connection: nothing was learnt about the message. */
export const HOP_FAULT: Outcome = {
  ...outcome('hop-fault', null, null, 'connection refused'),
  inTransaction: false,
};
export const LOST_REPLY = outcome('in-doubt', null, null, 'connection lost after the final dot');

/** We could not read what we had stored. */
export const UNREADABLE: Outcome = {
  ...outcome('unreadable', null, null, 'the stored body is damaged'),
  inTransaction: false,
};

export function anAttemptRecord(changes: Partial<AttemptRecord> = {}): AttemptRecord {
  return {
    span_id: 'bbbbbbbbbbbbbbb1',
    started_at: new Date(NOW_MS).toISOString(),
    duration_ms: 12,
    next_hop: 'core',
    remote: '127.0.0.1:2525',
    reused: false,
    tls: null,
    user: null,
    state: 'message',
    result: 'accepted',
    code: 250,
    enhanced_code: '2.0.0',
    description: 'Ok',
    remote_queue_id: null,
    phases_ms: {},
    recipients: ['one@b.example'],
    ...changes,
  };
}

/** The report on an attempt: one outcome for all recipients, or one for each. */
export function reportOn(request: AttemptRequest, ...outcomes: Outcome[]): AttemptReport {
  const each = request.recipients.map(
    (_, index) => outcomes[index] ?? (outcomes.at(-1) as Outcome),
  );
  const telling = each.find(({ kind }) => kind !== 'delivered') ?? DELIVERED;
  return {
    outcomes: each,
    record: anAttemptRecord({
      next_hop: request.nextHop.name,
      state: telling.inTransaction ? 'message' : 'connect',
      result: telling.kind === 'delivered' ? 'accepted' : 'error',
      code: telling.code,
      enhanced_code: telling.enhanced,
      description: telling.text,
      recipients: request.recipients.map(({ address }) => address),
    }),
  };
}

/** The id of the n-th message of a test; ids sort as numbers do. */
export function idOf(number: number): string {
  return `01KE6Q1XB5${String(number).padStart(8, '0')}`;
}

/** Limits that no test comes near to, unless it wants to. */
export const LIMITS: QueueLimits = {
  maxMessages: 100_000,
  maxBytes: 1024 ** 3,
  diskReserveBytes: 0,
  bodyMemoryBytes: 64 * 1024 ** 2,
  maxAttemptsAtOnce: 1000,
  maxAttempts: null,
  maxQuarantined: 100,
};

/** What of the queue's settings most tests do not care for. */
export const COMMON_SETTINGS: Pick<QueueSettings, 'limits' | 'deliveryKeys' | 'reports'> = {
  limits: LIMITS,
  deliveryKeys: { lifetimeSeconds: 86_400, maxBytes: 1_000_000 },
  reports: { maxPerMinute: 1000, delayAfterSeconds: 14_400 },
};
