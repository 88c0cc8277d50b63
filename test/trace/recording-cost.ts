import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cleanEnvironment, endChild, freePort, MAIN_JS } from '../scenario/programs.js';
import { SinkClient } from '../scenario/sink-client.js';
import { until, within } from '../scenario/waiting.js';
import { SmtpClient } from '../sink/client.js';

/*
 * node dist/test/trace/recording-cost.js [--messages N] [--rounds R] [--bytes B]
 *
 * What recording costs: two nodes relay the same load to a sink, one of them records and the other
 * does not, in turns. Each is a process of its own, and so is the sink; the load comes from here.
 * Printed are the medians of the rounds, and the medians of what differs between the two of a round,
 * which other work on the machine disturbs least. Each round ends when the records are written.
 */

const SESSIONS = 50;
const START_DEADLINE_MS = 30_000;
const ROUND_DEADLINE_MS = 300_000;
const STOP_DEADLINE_MS = 30_000;
/** After it every record is with the store. */
const WRITTEN_MS = 1500;

interface Ready {
  smtp: Array<{ port: number }> & { port: number };
  api: { host: string; port: number };
}

interface Round {
  cpuUs: number;
  perSecond: number;
}

interface Node {
  child: ChildProcess;
  port: number;
  rounds: Round[];
}

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '4000' },
    rounds: { type: 'string', default: '15' },
    bytes: { type: 'string', default: '5000' },
  },
});
const messages = Number(values.messages);
const content = contentOf(Number(values.bytes));
const children: ChildProcess[] = [];
const folder = await mkdtemp(join(tmpdir(), 'relaymesh-recording-'));
try {
  const sink = await program(['sink', '--port', '0']);
  const client = new SinkClient(`http://${sink.ready.api.host}:${sink.ready.api.port}`);
  const recorded = await node('on', sink.ready.smtp.port);
  const silent = await node('off', sink.ready.smtp.port);
  // One round each to warm up, which does not count.
  for (let round = 0; round <= Number(values.rounds); round++) {
    for (const one of round % 2 === 0 ? [recorded, silent] : [silent, recorded]) {
      const result = await relay(one, client);
      if (round > 0) one.rounds.push(result);
    }
    print(`round ${round}: ${line(recorded.rounds.at(-1))} | ${line(silent.rounds.at(-1))}`);
  }
  const [on, off] = [recorded, silent].map(({ rounds }) => medianOf(rounds)) as [Round, Round];
  print(`recording on:  ${line(on)}`);
  print(`recording off: ${line(off)}`);
  const pairs = recorded.rounds.map((one, index) => [one, silent.rounds[index] as Round] as const);
  const moreUs = median(pairs.map(([a, b]) => a.cpuUs - b.cpuUs));
  const moreCpu = median(pairs.map(([a, b]) => a.cpuUs / b.cpuUs - 1));
  print(`recording costs ${moreUs.toFixed(1)} µs of CPU a message, ${percent(moreCpu)};`);
  const faster = median(pairs.map(([a, b]) => a.perSecond / b.perSecond - 1));
  print(`messages a second: ${percent(faster)}`);
} finally {
  await Promise.all(children.map((child) => endChild(child, STOP_DEADLINE_MS)));
  await rm(folder, { recursive: true, force: true });
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function line(round: Round | undefined): string {
  if (round === undefined) return 'warming up';
  return `${round.cpuUs.toFixed(1)} µs of CPU a message, ${round.perSecond.toFixed(0)} messages/s`;
}

function percent(share: number): string {
  return `${share < 0 ? '' : '+'}${(share * 100).toFixed(1)} %`;
}

function median(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? NaN;
}

function medianOf(rounds: Round[]): Round {
  return {
    cpuUs: median(rounds.map(({ cpuUs }) => cpuUs)),
    perSecond: median(rounds.map(({ perSecond }) => perSecond)),
  };
}

async function program(
  args: readonly string[],
  imports: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<{ child: ChildProcess; ready: Ready }> {
  const preloaded = imports.map((module) => `--import=${module}`);
  const child = spawn(process.execPath, [...preloaded, MAIN_JS, ...args], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: cleanEnvironment(env),
  });
  children.push(child);
  const ready = once(child, 'message') as Promise<[Ready]>;
  return { child, ready: (await within('a program', START_DEADLINE_MS, ready))[0] };
}

async function node(recording: 'on' | 'off', hopPort: number): Promise<Node> {
  const settings = {
    'smtp-port': await freePort(),
    'api-port': await freePort(),
    'relay-from': '127.0.0.1/32',
    smarthost: '127.0.0.1',
    'smarthost-port': hopPort,
    'smarthost-tls': 'none',
    'log-level': 'error',
    data: join(folder, recording),
  };
  const file = join(folder, `${recording}.conf`);
  const lines = Object.entries(settings).map(([key, value]) => `${key}: ${value}\n`);
  await writeFile(file, lines.join(''), { mode: 0o600 });
  const preload = fileURLToPath(new URL('recording-cost-node.js', import.meta.url));
  const { child, ready } = await program(['node', '--config', file], [preload], {
    RECORDING: recording,
  });
  return { child, port: ready.smtp[0]?.port ?? 0, rounds: [] };
}

async function relay({ child, port }: Node, sink: SinkClient): Promise<Round> {
  const goal = (await sink.stats()).accepted + messages;
  const beforeUs = await cpuUsOf(child);
  const startMs = performance.now();
  let next = 0;
  const session = async (): Promise<void> => {
    const smtp = await SmtpClient.greeted(port);
    while (next < messages) {
      const number = next++;
      const sender = `news-${number % 10}@sender.example`;
      const recipient = `user-${Math.floor(Math.random() * 1e9)}@domain-${number % 500}.example`;
      const id = `Message-ID: <${performance.now()}.${number}@client.sender.example>\r\n`;
      const replies = await smtp.send(sender, [recipient], id + content);
      if (!replies.at(-1)?.startsWith('250')) throw new Error(replies.at(-1));
    }
    smtp.destroy();
  };
  await Promise.all(Array.from({ length: SESSIONS }, session));
  await until('the mail at the sink', async () => (await sink.stats()).accepted >= goal, {
    deadlineMs: ROUND_DEADLINE_MS,
  });
  const seconds = (performance.now() - startMs) / 1000;
  await pause(WRITTEN_MS);
  return {
    cpuUs: ((await cpuUsOf(child)) - beforeUs) / messages,
    perSecond: messages / seconds,
  };
}

async function cpuUsOf(child: ChildProcess): Promise<number> {
  const answer = once(child, 'message') as Promise<[{ cpuUs: number }]>;
  child.send('cpu-usage');
  return (await within('the CPU time', START_DEADLINE_MS, answer))[0].cpuUs;
}

function contentOf(bytes: number): string {
  const header = 'From: <news@sender.example>\r\nSubject: what recording costs\r\n\r\n';
  const text = 'The quick brown fox jumps over the lazy dog, again and again.\r\n';
  const lines = Math.max(1, Math.ceil((bytes - header.length) / text.length));
  return header + text.repeat(lines).trimEnd();
}
