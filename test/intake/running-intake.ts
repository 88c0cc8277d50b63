import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { systemClock, type Clock } from '../../src/base/clock.js';
import { silentLogger, type Logger } from '../../src/base/log.js';
import { Sealer } from '../../src/base/sealer.js';
import { Secret } from '../../src/base/secret.js';
import { Injection } from '../../src/intake/injection.js';
import { Listener } from '../../src/intake/listener.js';
import type { IntakeSettings, ListenerSettings } from '../../src/intake/settings.js';
import { ClientLimits } from '../../src/policy/client-limits.js';
import { Policy } from '../../src/policy/policy.js';
import type { PolicySettings } from '../../src/policy/settings.js';
import { MailQueue } from '../../src/queue/mail-queue.js';
import type { QueueLimits } from '../../src/queue/settings.js';
import { DEFAULT_CAPACITY } from '../../src/send/capacity.js';
import type { NextHop } from '../../src/send/next-hop.js';
import type { Attempt } from '../../src/send/request.js';
import { TraceRecorder } from '../../src/trace/recorder.js';
import { CLIENT_LIMITS } from '../policy/usual-limits.js';
import { makeCertificate } from '../send/certificates.js';
import { MemorySpool } from './memory-spool.js';
import { COMMON_SETTINGS, LIMITS } from '../queue/samples.js';
import { BodyMemory } from '../../src/queue/body-memory.js';

export const HOSTNAME = 'edge.example';
export const APP_PASSWORD = 'correct horse';
export const PEER_PASSWORD = 'battery staple';

/** One for all listeners of a test file: making it costs more than most tests. */
const certificate = makeCertificate('edge');

export interface IntakeOptions {
  settings?: Partial<IntakeSettings>;
  listener?: Partial<ListenerSettings>;
  policy?: Partial<PolicySettings>;
  clock?: Clock;
  /** Addresses by name; a name that is missing does not exist, an error is thrown. */
  dns?: Record<string, string[] | Error>;
  log?: Logger;
  limits?: Partial<QueueLimits>;
  /** What becomes of the messages; else they are delivered at once. */
  attempt?: Attempt;
  /** What is free on the disk; else it does not say. */
  freeBytes?: () => number;
}

export interface RunningIntake {
  port: number;
  listener: Listener;
  queue: MailQueue;
  spool: MemorySpool;
  policy: Policy;
  injection: Injection;
  sealer: Sealer;
  /** Names that a resolver was asked for, in order. */
  resolved: string[];
}

/**
 * A listener as `node.ts` builds it, on a free port, before a real queue whose attempts succeed at
 * once. Loopback may relay unless the policy says otherwise; `app` may log in, `core` is a peer.
 */
export async function runIntake(
  t: Pick<TestContext, 'after'>,
  options: IntakeOptions = {},
): Promise<RunningIntake> {
  const clock = options.clock ?? systemClock;
  const spool = new MemorySpool();
  const queue = makeQueue(spool, clock, options);
  const policy = new Policy({ ...POLICY, ...options.policy });
  const { cert, key } = await certificate;
  const sealer = aSealer(t);
  const resolved: string[] = [];
  const settings = { ...SETTINGS, certificate: { cert, key }, ...options.settings };
  const shared = {
    node: 'edge',
    policy,
    queue,
    clock,
    log: options.log ?? silentLogger,
    expireAfterMs: () => EXPIRE_AFTER_MS,
    resolve: resolverOf(options.dns ?? {}, resolved),
    sealer: () => sealer,
  };
  const listener: Listener = new Listener({
    ...shared,
    settings,
    listener: { ...LISTENER, ...options.listener },
    limits: new ClientLimits(settings, clock),
  });
  const injection = new Injection({ ...shared, settings: () => settings });
  await queue.start();
  await listener.start();
  t.after(async () => {
    await listener.stop();
    await queue.stop();
  });
  return { port: listener.port, listener, queue, spool, policy, injection, sealer, resolved };
}

export const EXPIRE_AFTER_MS = 432_000_000;

/** A sealer whose key file goes away with the test. */
export function aSealer(t: Pick<TestContext, 'after'>): Sealer {
  const folder = mkdtempSync(join(tmpdir(), 'relaymesh-key-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return Sealer.keptIn(join(folder, 'message-key'));
}

export function resolverOf(
  dns: Record<string, string[] | Error>,
  asked: string[] = [],
): (host: string) => Promise<string[]> {
  return async (host) => {
    asked.push(host);
    const addresses = dns[host];
    if (addresses === undefined) {
      throw Object.assign(new Error(`no ${host}`), { code: 'ENOTFOUND' });
    }
    if (addresses instanceof Error) {
      throw addresses;
    }
    return addresses;
  };
}

export const POLICY: PolicySettings = {
  users: [
    { username: 'app', password: new Secret(APP_PASSWORD), may: ['relay'], steerTo: [] },
    { username: 'reader', password: new Secret('only reads'), may: [], steerTo: [] },
  ],
  peers: [
    {
      node: 'core',
      username: 'core-login',
      passwords: [new Secret(PEER_PASSWORD)],
      may: [],
      steerTo: [],
    },
  ],
  relayFrom: ['127.0.0.0/8'],
  apiSteerTo: [],
};

const LISTENER: ListenerSettings = {
  name: 'relay',
  host: '127.0.0.1',
  port: 0,
  tls: 'opportunistic',
  acceptTraceHeader: false,
};

export const SETTINGS: IntakeSettings = {
  hostname: HOSTNAME,
  listeners: [],
  maxMessageBytes: 10_000_000,
  maxRecipients: 100,
  maxSessions: 1000,
  clients: CLIENT_LIMITS,
  maxHeaderBytes: 262_144,
  idleTimeoutMs: 30_000,
  dataTimeoutMs: 30_000,
};

function makeQueue(spool: MemorySpool, clock: Clock, options: IntakeOptions): MailQueue {
  const { limits, attempt = deliverAtOnce, freeBytes } = options;
  return new MailQueue({
    settings: {
      directory: '',
      retryIntervalsSeconds: [60],
      expireAfterSeconds: 432_000,
      hopPauseMinSeconds: 1,
      hopPauseMaxSeconds: 60,
      doubtTimeoutSeconds: 3600,
      inlineBodyBytes: 262_144,
      ...COMMON_SETTINGS,
      limits: { ...LIMITS, ...limits },
    },
    hostname: HOSTNAME,
    disk: { freeBytes: async () => freeBytes?.() ?? null },
    bodyMemory: new BodyMemory(() => 64 * 1024 * 1024),
    spool,
    chooseRoute: () => ({
      queue: '(smarthost)',
      nextHop: SMARTHOST,
      capacity: DEFAULT_CAPACITY,
      movable: false,
    }),
    attempt,
    hasFreeSession: () => true,
    recorder: new TraceRecorder({ node: 'edge', tier: null }, forgetfulStore, clock, silentLogger),
    clock,
    log: silentLogger,
    chance: () => 0.5,
  });
}

const SMARTHOST: NextHop = {
  name: 'core',
  kind: 'node',
  host: '127.0.0.1',
  port: 1,
  tls: 'none',
  implicitTls: false,
  allowInsecureAuth: false,
  trace: 'envelope',
};

export const deliverAtOnce: Attempt = async ({ recipients }) => ({
  outcomes: recipients.map(() => ({
    kind: 'delivered',
    inTransaction: true,
    code: 250,
    enhanced: '2.0.0',
    text: 'Ok',
  })),
  record: {
    span_id: '0123456789abcdef',
    started_at: '2026-01-01T00:00:00.000Z',
    duration_ms: 1,
    next_hop: 'core',
    remote: null,
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
    recipients: recipients.map(({ address }) => address),
  },
});

const forgetfulStore: ConstructorParameters<typeof TraceRecorder>[1] = {
  open: async () => undefined,
  close: async () => undefined,
  put: () => undefined,
  has: async () => false,
  change: () => undefined,
  find: async () => [],
  list: async () => ({ records: [], nextCursor: null }),
};

/** The content of a stored message without the lines that the node itself put on top. */
export function contentOf(
  message: { item: { body: { ownHeaderBytes: number } }; bytes: Buffer } | undefined,
): string {
  return message === undefined
    ? '(nothing stored)'
    : message.bytes.subarray(message.item.body.ownHeaderBytes).toString('latin1');
}

/** AUTH PLAIN with its initial response. */
export function authPlain(username: string, password: string): string {
  return `AUTH PLAIN ${Buffer.from(`\0${username}\0${password}`).toString('base64')}`;
}
