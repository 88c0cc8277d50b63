import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { QuarantinedMessage } from '../../src/queue/quarantine.js';
import { QUARANTINE_QUEUE, type QueueView } from '../../src/queue/queue-view.js';
import type { JournalEntry } from '../../src/sink/journal.js';
import { MAIN_JS } from '../scenario/programs.js';
import type { Plant } from './orders.js';
import { TierProcess } from './tier-process.js';

const KILL_POINTS_URL = new URL('kill-points.js', import.meta.url).href;
const API_TIMEOUT_MS = 5000;
/** Below the ports that systems give to clients: nobody may take the port of a node that is down. */
const PORTS = { first: 12_000, count: 18_000 };

export const NODES = ['edge', 'core', 'exit'] as const;
export type NodeName = (typeof NODES)[number];
type Place = NodeName | 'sink';
type Ports = Record<Place, { smtp: number; api: number }>;

/** What the sink does to mail besides taking it. */
export const REFUSED_DOMAIN = 'refused.crash.test';
export const LATER_DOMAIN = 'later.crash.test';
const FAULTS = [
  { at: 'rcpt', match: `*@${REFUSED_DOMAIN}`, reply: '550 5.1.1 No such user' },
  { at: 'rcpt', match: `*@${LATER_DOMAIN}`, every: 3, reply: '451 4.7.1 Not now' },
  { at: 'message', every: 150, close: true },
];

/** A message in quarantine, by its node. */
export type Quarantined = QuarantinedMessage & { node: NodeName };

interface QuarantinePage {
  messages: QuarantinedMessage[];
  next_cursor: string | null;
}

/** Three nodes in a row and a sink behind them, as processes with folders of their own. */
export class Chain {
  readonly folder: string;
  readonly #ports: Ports;
  readonly #token: string;
  readonly #processes: Record<Place, TierProcess>;

  private constructor(folder: string, ports: Ports, plant: Plant | null) {
    this.folder = folder;
    this.#ports = ports;
    this.#token = randomBytes(16).toString('hex');
    const env = {
      CRASH_API_TOKEN: this.#token,
      CRASH_LINK_PASSWORD: randomBytes(16).toString('hex'),
      ...(plant === null ? {} : { CRASH_PLANT: plant }),
    };
    const logFile = (name: Place): string => join(folder, `${name}.log`);
    const node = (name: NodeName): TierProcess =>
      new TierProcess({ name, args: this.#nodeArgs(name), env, logFile: logFile(name) });
    this.#processes = {
      edge: node('edge'),
      core: node('core'),
      exit: node('exit'),
      sink: new TierProcess({
        name: 'sink',
        args: this.#sinkArgs(),
        env: {},
        logFile: logFile('sink'),
      }),
    };
  }

  /** A chain in a folder of its own below that of temporary files; nothing runs yet. */
  static async create(plant: Plant | null): Promise<Chain> {
    const folder = await mkdtemp(join(tmpdir(), 'relaymesh-crash-'));
    const ports = await freePorts();
    const chain = new Chain(folder, ports, plant);
    await writeFile(chain.#file('topology.yaml'), topologyText(ports));
    await writeFile(chain.#file('faults.json'), JSON.stringify(FAULTS));
    for (const name of NODES) await mkdir(chain.#file(name), { mode: 0o700 });
    return chain;
  }

  /** Where clients hand in. */
  get submissionPort(): number {
    return this.#ports.edge.smtp;
  }

  get all(): TierProcess[] {
    return Object.values(this.#processes);
  }

  get nodes(): TierProcess[] {
    return NODES.map((name) => this.#processes[name]);
  }

  process(name: Place): TierProcess {
    return this.#processes[name];
  }

  async start(): Promise<void> {
    const started = await Promise.all(this.all.map((one) => one.start()));
    if (started.includes(false)) throw new Error(`not everything started; see ${this.folder}`);
  }

  /** Ends everything at once, whatever it is doing. */
  kill(): void {
    for (const one of this.all) one.signal('SIGKILL');
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** All but the quarantine, which waits for an operator. */
  async queues(name: NodeName): Promise<QueueView[]> {
    const { queues } = (await this.#json(name, '/v1/queues')) as { queues: QueueView[] };
    return queues.filter((queue) => queue.name !== QUARANTINE_QUEUE);
  }

  /** Ends the pauses and waits of a node; one that is down has none. */
  async hurry(name: NodeName): Promise<void> {
    const queues = await this.queues(name).catch(() => []);
    for (const { name: queue, state, deferred } of queues) {
      if (state === 'backoff' || deferred > 0)
        await this.#retry(name, queue).catch(() => undefined);
    }
  }

  /** Has everything tried again that is in the quarantine of a node. */
  async release(name: NodeName): Promise<void> {
    await this.#retry(name, QUARANTINE_QUEUE);
  }

  async quarantined(name: NodeName): Promise<Quarantined[]> {
    const found: Quarantined[] = [];
    for (let query: string | null = ''; query !== null;) {
      const page = (await this.#json(name, `/v1/quarantine${query}`)) as QuarantinePage;
      found.push(...page.messages.map((message) => ({ ...message, node: name })));
      query = page.next_cursor === null ? null : `?cursor=${page.next_cursor}`;
    }
    return found;
  }

  /** The way of a message as a person reads it, or why it is not known. */
  async waterfall(id: string): Promise<string> {
    try {
      const path = `/trace/${encodeURIComponent(id)}?chain=true`;
      return await (await this.#fetch('edge', path, { accept: 'text/plain' })).text();
    } catch (error) {
      return String(error);
    }
  }

  /** Every message that the sink has taken, in order. A line that a kill tore apart is no message. */
  async journal(): Promise<JournalEntry[]> {
    const lines = (await readFile(this.#file('journal.jsonl'), 'utf8')).split('\n');
    return lines.flatMap((line) => {
      try {
        return line === '' ? [] : [JSON.parse(line) as JournalEntry];
      } catch {
        return [];
      }
    });
  }

  /** Body files that are left in the spool of a node. */
  async bodyFiles(name: NodeName): Promise<string[]> {
    return readdir(join(this.#file(name), 'spool', 'bodies'));
  }

  async #retry(name: NodeName, queue: string): Promise<void> {
    const path = `/v1/queues/${encodeURIComponent(queue)}/retry`;
    await this.#fetch(name, path, { method: 'POST' });
  }

  async #json(name: NodeName, path: string): Promise<unknown> {
    const response = await this.#fetch(name, path);
    if (!response.ok) throw new Error(`${name}${path}: ${response.status}`);
    return response.json();
  }

  #fetch(
    name: NodeName,
    path: string,
    { method = 'GET', accept = 'application/json' } = {},
  ): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.#ports[name].api}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, accept },
      signal: AbortSignal.timeout(API_TIMEOUT_MS),
    });
  }

  #nodeArgs(name: NodeName): string[] {
    const data = this.#file(name);
    const program = ['--import', KILL_POINTS_URL, MAIN_JS];
    return [...program, 'node', '--topology', this.#file('topology.yaml'), '--name', name].concat(
      '--data',
      data,
    );
  }

  #sinkArgs(): string[] {
    const { smtp, api } = this.#ports.sink;
    const ports = ['--port', String(smtp), '--api-port', String(api)];
    const files = ['--journal', this.#file('journal.jsonl'), '--faults', this.#file('faults.json')];
    return [MAIN_JS, 'sink', ...ports, ...files];
  }

  #file(name: string): string {
    return join(this.folder, name);
  }
}

function topologyText(ports: Ports): string {
  const node = (name: NodeName, further: string): string =>
    `  ${name}:
    listen: [{ name: relay, port: ${ports[name].smtp} }]
    api: { port: ${ports[name].api}, token: { secret: api } }
    ${further}`;
  return `version: 1
name: crash
secrets:
  api: { env: CRASH_API_TOKEN }
  link: { env: CRASH_LINK_PASSWORD }
defaults: { retry-interval: [1], drain-timeout: 5 }
nodes:
${node('edge', 'relay-from: [127.0.0.1/32]\n    smarthost: core')}
${node('core', 'smarthost: exit')}
${node('exit', 'smarthost: mx')}
links:
  - { from: edge, to: core, username: edge, password: { secret: link }, tls: none }
  - { from: core, to: exit, username: core, password: { secret: link }, tls: none }
sinks:
  mx: { port: ${ports.sink.smtp} }
`;
}

async function freePorts(): Promise<Ports> {
  const taken = new Set<number>();
  const next = async (): Promise<number> => {
    for (;;) {
      const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
      if (!taken.has(port) && (await isFree(port))) {
        taken.add(port);
        return port;
      }
    }
  };
  const pair = async (): Promise<{ smtp: number; api: number }> => ({
    smtp: await next(),
    api: await next(),
  });
  return { edge: await pair(), core: await pair(), exit: await pair(), sink: await pair() };
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
