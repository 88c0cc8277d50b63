import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { makeSecretText } from '../src/base/secret.js';
import { ensureEphemeralTls } from '../src/topology/ephemeral-tls.js';
import { PortAllotter } from '../src/topology/ports.js';
import { Child, PortTakenError } from '../src/topology/runner/child.js';
import {
  BROKER_READY_MS,
  BROKER_STOP_MS,
  brokerProgram,
  brokerSpec,
  type LocalBroker,
} from '../src/topology/runner/local-broker.js';
import { atEnd, type Ending } from './scenario/at-end.js';

/*
 * A RabbitMQ for tests, the same that `topology up` starts: on loopback, in a folder of its own,
 * without anything that outlives it. A first start takes some seconds, so that the tests
 * of a file better share one, as the subtests of one test.
 */

const HOST = '127.0.0.1';
const KILL_DEADLINE_MS = 5000;
const PORT_TRIES = 3;

export interface TestBroker {
  host: string;
  /** Without TLS. */
  port: number;
  username: string;
  password: string;
  /** Where TLS is spoken, and the PEM text of the CA that vouches for 127.0.0.1 and localhost. */
  tls?: { port: number; ca: string; caFile: string };
  folder: string;
  logFile: string;
  /** `amqp://…` with the login in it, for a client library. */
  url: string;
  /** The living process, or null. */
  pid(): number | null;
  /** Ends it in order. */
  stop(): Promise<void>;
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again, on the same port and with what it has kept. */
  start(): Promise<void>;
  /** Halts the process, or lets it go on: connections stay open and nothing answers. */
  freeze(): void;
  thaw(): void;
}

/** The reason why a test that needs a broker has to be skipped, else false. */
export function withoutBroker(): string | false {
  return brokerProgram() === null ? 'not installed here: rabbitmq-server' : false;
}

/**
 * Starts a broker; when it has resolved, AMQP is answered.
 *
 * @param owner The test with which it ends.
 */
export async function startBroker(
  owner: Ending,
  options: { tls?: boolean } = {},
): Promise<TestBroker> {
  const root = await mkdtemp(path.join(tmpdir(), 'relaymesh broker '));
  atEnd(owner, () => rm(root, { recursive: true, force: true, maxRetries: 5 }));
  for (let attempt = 1; ; attempt++) {
    const folder = path.join(root, String(attempt));
    const broker = await newBroker(folder, options.tls === true);
    const child = new Child(await brokerSpec(broker), () => undefined);
    atEnd(owner, () => end(child));
    try {
      await child.start(BROKER_READY_MS);
      return await handleOf(broker, child);
    } catch (error) {
      if (!(error instanceof PortTakenError) || attempt === PORT_TRIES) throw error;
    }
  }
}

async function newBroker(folder: string, withTls: boolean): Promise<LocalBroker> {
  const ports = new PortAllotter();
  const broker: LocalBroker = {
    name: 'rabbit',
    host: HOST,
    port: await ports.allot(HOST),
    username: 'relaymesh',
    password: makeSecretText(),
    folder,
    logFile: path.join(folder, 'broker.log'),
  };
  if (!withTls) return broker;
  const request = { name: broker.name, hosts: [HOST] };
  const { caFile, certificates } = await ensureEphemeralTls(path.join(folder, 'tls'), [request]);
  const files = certificates.get(broker.name);
  if (files === undefined) throw new Error('the broker has no certificate');
  return { ...broker, tls: { port: await ports.allot(HOST), caFile, ...files } };
}

async function handleOf(broker: LocalBroker, child: Child): Promise<TestBroker> {
  const { host, port, username, password, tls, folder, logFile } = broker;
  return {
    host,
    port,
    username,
    password,
    ...(tls === undefined
      ? {}
      : {
          tls: { port: tls.port, caFile: tls.caFile, ca: await readFile(tls.caFile, 'utf8') },
        }),
    folder,
    logFile,
    url: `amqp://${username}:${password}@${host}:${port}`,
    pid: () => child.pid,
    stop: () => end(child),
    kill: () => kill(child),
    async start() {
      await child.start(BROKER_READY_MS);
    },
    freeze: () => child.signal('SIGSTOP'),
    thaw: () => child.signal('SIGCONT'),
  };
}

async function end(child: Child): Promise<void> {
  if (!(await child.endWithin('SIGTERM', BROKER_STOP_MS))) await kill(child);
}

async function kill(child: Child): Promise<void> {
  if (!(await child.endWithin('SIGKILL', KILL_DEADLINE_MS))) throw child.notStopped();
}
