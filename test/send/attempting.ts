import type { TestContext } from 'node:test';
import { systemClock, type Clock } from '../../src/base/clock.js';
import { Secret } from '../../src/base/secret.js';
import { createAttempt } from '../../src/send/attempt.js';
import { DEFAULT_CAPACITY, type Capacity } from '../../src/send/capacity.js';
import { ConnectionPool } from '../../src/send/connection-pool.js';
import type { NextHop } from '../../src/send/next-hop.js';
import type { AttemptReport } from '../../src/send/outcome.js';
import type {
  Attempt,
  AttemptRequest,
  LocateHosts,
  OutgoingMessage,
} from '../../src/send/request.js';
import type { SendSettings } from '../../src/send/settings.js';

export const USERNAME = 'edge-login';
export const PASSWORD = 'pw-Ckvjwqzt';

export const BODY = Buffer.from('Subject: x\r\n\r\n.body\r\n');

const SETTINGS: SendSettings = {
  hostname: 'edge.example',
  connectTimeoutMs: 5000,
  commandTimeoutMs: 5000,
  envelopeTimeoutMs: 5000,
  finalReplyTimeoutMs: 5000,
  dnsServers: [],
};

export function hopTo(port: number, changes: Partial<NextHop> = {}): NextHop {
  return {
    name: 'core',
    kind: 'node',
    host: '127.0.0.1',
    port,
    tls: 'none',
    implicitTls: false,
    allowInsecureAuth: false,
    trace: 'none',
    ...changes,
  };
}

export const LOGIN = { username: USERNAME, password: new Secret(PASSWORD) };

export interface Sender {
  pool: ConnectionPool;
  attempt: Attempt;
  /** Connections that were announced. */
  connects: number;
  /** One attempt of a message to `hop`, with whatever a test wants to be different. */
  send(hop: NextHop, changes?: SendChanges): Promise<AttemptReport>;
}

export interface SendChanges {
  message?: Partial<OutgoingMessage>;
  recipients?: AttemptRequest['recipients'];
  body?: Buffer;
  openBody?: AttemptRequest['openBody'];
  capacity?: Partial<Capacity>;
  onlyHost?: string;
}

/** Attempts over a pool as `node.ts` builds them; the pool is closed after the test. */
export function makeSender(
  t: Pick<TestContext, 'after'>,
  settings: Partial<SendSettings> = {},
  clock: Clock = systemClock,
  locate: LocateHosts = async (hop) => ({ hosts: [hop] }),
): Sender {
  const pool = new ConnectionPool({ ...SETTINGS, ...settings }, clock);
  t.after(() => pool.close());
  const attempt = createAttempt({ pool, clock, node: 'edge', locate });
  const sender: Sender = {
    pool,
    attempt,
    connects: 0,
    send: (nextHop, { message, recipients, body = BODY, openBody, capacity, onlyHost } = {}) =>
      attempt({
        message: { ...MESSAGE, sizeBytes: body.length, ...message },
        recipients: recipients ?? [to('b@y.test')],
        nextHop,
        capacity: { ...DEFAULT_CAPACITY, ...capacity },
        onlyHost: onlyHost ?? null,
        onConnect: () => sender.connects++,
        openBody: openBody ?? (async () => body),
      }),
  };
  return sender;
}

export function to(address: string, changes: { notify?: string; orcpt?: string } = {}) {
  return { address, notify: changes.notify ?? null, orcpt: changes.orcpt ?? null };
}

const MESSAGE: Omit<OutgoingMessage, 'sizeBytes'> = {
  queueId: '0ABC',
  sender: 'a@x.test',
  ret: null,
  envid: null,
  smtpUtf8: false,
  eightBit: false,
  requireTls: false,
  trace: { traceId: '0123456789abcdef0123456789abcdef', path: ['first'] },
  doubt: false,
};

/** The kinds of the outcomes, in order. */
export function kinds({ outcomes }: AttemptReport): string[] {
  return outcomes.map(({ kind }) => kind);
}

/** True when nothing of the login shows in `text`, raw or in any alignment of base64. */
export function showsNoCredential(text: string): boolean {
  const forms = [USERNAME, PASSWORD].flatMap((secret) => [
    secret,
    ...[0, 1, 2].map((shift) =>
      Buffer.from('\0'.repeat(shift) + secret)
        .toString('base64')
        .slice(shift + 1, -4),
    ),
  ]);
  return forms.every((form) => !text.includes(form));
}
