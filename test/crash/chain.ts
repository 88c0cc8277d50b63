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
import { startBroker, type TestBroker } from '../broker.js';
import { messagesAt } from './broker-depth.js';
import { topologyText, type Layout, type PlacePorts } from './layout.js';
import type { Plant } from './orders.js';
import { TierProcess } from './tier-process.js';

const KILL_POINTS_URL = new URL('kill-points.js', import.meta.url).href;
const API_TIMEOUT_MS = 5000;
/** Below the ports that systems give to clients: nobody may take the port of a node that is down. */
const PORTS = { first: 12_000, count: 18_000 };

const SINK = 'sink';
type Ports = Readonly<Record<string, PlacePorts>>;

/** What the sink does to mail besides taking it. */
export const REFUSED_DOMAIN = 'refused.crash.test';
export const LATER_DOMAIN = 'later.crash.test';
const FAULTS = [
  { at: 'rcpt', match: `*@${REFUSED_DOMAIN}`, reply: '550 5.1.1 No such user' },
  { at: 'rcpt', match: `*@${LATER_DOMAIN}`, every: 3, reply: '451 4.7.1 Not now' },
  { at: 'message', every: 150, close: true },
];

/** A message in quarantine, by its node. */
export type Quarantined = QuarantinedMessage & { node: string };

interface QuarantinePage {
  messages: QuarantinedMessage[];
  next_cursor: string | null;
}

/** The nodes of a layout, a sink behind them, and a broker where they share mail: processes with folders of their own. */
export class Chain {
  readonly folder: string;
  readonly layout: Layout;
  readonly broker: TestBroker | null;
  readonly #ports: Ports;
  readonly #token: string;
  readonly #processes: ReadonlyMap<string, TierProcess>;
  readonly #endings: Array<() => unknown>;

  private constructor(
    folder: string,
    layout: Layout,
    ports: Ports,
    { broker, endings }: { broker: TestBroker | null; endings: Array<() => unknown> },
    plant: Plant | null,
  ) {
    this.folder = folder;
    this.layout = layout;
    this.broker = broker;
    this.#ports = ports;
    this.#endings = endings;
    this.#token = randomBytes(16).toString('hex');
    const env = {
      CRASH_API_TOKEN: this.#token,
      CRASH_LINK_PASSWORD: randomBytes(16).toString('hex'),
      ...(broker === null ? {} : { CRASH_BROKER_PASSWORD: broker.password }),
      ...(plant === null ? {} : { CRASH_PLANT: plant }),
    };
    const logFile = (name: string): string => join(folder, `${name}.log`);
    const processes = this.names.map((name): [string, TierProcess] => {
      const args = this.#nodeArgs(name);
      return [name, new TierProcess({ name, args, env, logFile: logFile(name) })];
    });
    const args = this.#sinkArgs();
    const sink = new TierProcess({ name: SINK, args, env: {}, logFile: logFile(SINK) });
    this.#processes = new Map([...processes, [SINK, sink]]);
  }

  /** A chain in a folder of its own below that of temporary files; of it only a broker runs yet. */
  static async create(layout: Layout, plant: Plant | null): Promise<Chain> {
    const folder = await mkdtemp(join(tmpdir(), 'relaymesh-crash-'));
    const ports = await freePorts([...layout.nodes.map(({ name }) => name), SINK]);
    const endings: Array<() => unknown> = [];
    const owner = { after: (task: unknown) => void endings.push(task as () => unknown) };
    const broker = layout.tier.length === 0 ? null : await startBroker(owner);
    const chain = new Chain(folder, layout, ports, { broker, endings }, plant);
    await writeFile(chain.#file('topology.yaml'), topologyText(layout, ports, broker));
    await writeFile(chain.#file('faults.json'), JSON.stringify(FAULTS));
    for (const name of chain.names) await mkdir(chain.#file(name), { mode: 0o700 });
    return chain;
  }

  /** Of the nodes, in the order of the way. */
  get names(): string[] {
    return this.layout.nodes.map(({ name }) => name);
  }

  /** Where clients hand in. */
  get submissionPort(): number {
    return this.#port('edge').smtp;
  }

  get all(): TierProcess[] {
    return [...this.#processes.values()];
  }

  get nodes(): TierProcess[] {
    return this.names.map((name) => this.process(name));
  }

  process(name: string): TierProcess {
    const found = this.#processes.get(name);
    if (found === undefined) throw new Error(`no process is called ${name}`);
    return found;
  }

  async start(): Promise<void> {
    const started = await Promise.all(this.all.map((one) => one.start()));
    if (started.includes(false)) throw new Error(`not everything started; see ${this.folder}`);
  }

  /** Ends everything at once, whatever it is doing. */
  kill(): void {
    for (const one of this.all) one.signal('SIGKILL');
    for (const end of this.#endings.splice(0)) void Promise.resolve(end()).catch(() => undefined);
  }

  /** Messages that wait at the broker for any node, also those that wait for a time. */
  async atBroker(): Promise<number> {
    return this.broker === null ? 0 : messagesAt(this.broker);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** All but the quarantine, which waits for an operator. */
  async queues(name: string): Promise<QueueView[]> {
    const { queues } = (await this.#json(name, '/v1/queues')) as { queues: QueueView[] };
    return queues.filter((queue) => queue.name !== QUARANTINE_QUEUE);
  }

  /** Ends the pauses and waits of a node; one that is down has none. */
  async hurry(name: string): Promise<void> {
    const queues = await this.queues(name).catch(() => []);
    for (const { name: queue, state, deferred } of queues) {
      if (state === 'backoff' || deferred > 0)
        await this.#retry(name, queue).catch(() => undefined);
    }
  }

  /** Has everything tried again that is in the quarantine of a node. */
  async release(name: string): Promise<void> {
    await this.#retry(name, QUARANTINE_QUEUE);
  }

  async quarantined(name: string): Promise<Quarantined[]> {
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
  async bodyFiles(name: string): Promise<string[]> {
    return readdir(join(this.#file(name), 'spool', 'bodies'));
  }

  async #retry(name: string, queue: string): Promise<void> {
    const path = `/v1/queues/${encodeURIComponent(queue)}/retry`;
    await this.#fetch(name, path, { method: 'POST' });
  }

  async #json(name: string, path: string): Promise<unknown> {
    const response = await this.#fetch(name, path);
    if (!response.ok) throw new Error(`${name}${path}: ${response.status}`);
    return response.json();
  }

  #fetch(
    name: string,
    path: string,
    { method = 'GET', accept = 'application/json' } = {},
  ): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.#port(name).api}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, accept },
      signal: AbortSignal.timeout(API_TIMEOUT_MS),
    });
  }

  #nodeArgs(name: string): string[] {
    const data = this.#file(name);
    const program = ['--import', KILL_POINTS_URL, MAIN_JS];
    return [...program, 'node', '--topology', this.#file('topology.yaml'), '--name', name].concat(
      '--data',
      data,
    );
  }

  #sinkArgs(): string[] {
    const { smtp, api } = this.#port(SINK);
    const ports = ['--port', String(smtp), '--api-port', String(api)];
    const files = ['--journal', this.#file('journal.jsonl'), '--faults', this.#file('faults.json')];
    return [MAIN_JS, 'sink', ...ports, ...files];
  }

  #port(name: string): PlacePorts {
    return this.#ports[name] ?? { smtp: 0, api: 0 };
  }

  #file(name: string): string {
    return join(this.folder, name);
  }
}

async function freePorts(places: readonly string[]): Promise<Ports> {
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
  const pair = async (): Promise<PlacePorts> => ({
    smtp: await next(),
    api: await next(),
  });
  const ports: Record<string, PlacePorts> = {};
  for (const place of places) ports[place] = await pair();
  return ports;
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
