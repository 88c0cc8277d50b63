import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { WebSocket } from 'undici';
import { freePort, scratchFolder } from '../scenario/programs.js';
import { makeCertificate } from '../send/certificates.js';
import { within } from '../scenario/waiting.js';
import type { Contender } from './contender.js';
import { floor } from './floor-relay.js';
import { startHop } from './hop.js';
import { machineLine, machineOf } from './machine.js';
import { parseStat } from './process-cost.js';
import { sharesByFunction, sharesByOwner, type CpuProfile, type Share } from './profile-shares.js';
import { relaymesh } from './relaymesh-node.js';
import { tierOf } from './relaymesh-tier.js';
import { measureRound, type Bench } from './round.js';
import { Scope } from './scope.js';
import { startSource } from './source.js';
import type { Load, Protection } from './traffic.js';

/*
 *   node dist/test/bench/profile.js [--messages N] [--bytes N] [--sessions N] [--not-kept]
 *     [--protection clear|tls|tls-login] [--node-option KEY=VALUE]…
 *     [--floor | --shared] [--save FILE]
 *
 * Where the time of one relay goes under the load of the benchmark's base case, in microseconds a
 * message, by V8's sampling profiler: by whose code it is, then the functions that take the most.
 * Idle time is left out. What other threads take (the store's writes, the collector) is beside it,
 * as Linux counts it. `--shared` is about a node with its spool at a broker. `--save` writes the profile as Chromium's developer tools open it.
 */

const OWNERS = 16;
const FUNCTIONS = 40;
const INTERVAL_US = 200;
const DEADLINE_MS = 300_000;
const ANSWER_DEADLINE_MS = 30_000;
const QUIET_MS = 500;

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '20000' },
    'warm-up': { type: 'string', default: '15000' },
    bytes: { type: 'string', default: '5000' },
    sessions: { type: 'string', default: '50' },
    'not-kept': { type: 'boolean', default: false },
    protection: { type: 'string', default: 'clear' },
    'node-option': { type: 'string', multiple: true, default: [] },
    floor: { type: 'boolean', default: false },
    shared: { type: 'boolean', default: false },
    save: { type: 'string' },
  },
});
const owner = new Scope();
try {
  await main();
} finally {
  await owner.end();
}
process.exit();

async function main(): Promise<void> {
  const protection = values.protection as Protection;
  const load: Load = {
    sessions: Number(values.sessions),
    messages: Number(values.messages),
    bytes: Number(values.bytes),
    kept: !values['not-kept'],
  };
  const folder = await scratchFolder(owner);
  const certificate = await makeCertificate('profile');
  const hop = await startHop(owner, {
    protection,
    certificate,
    replyDelayMs: 0,
    measuresDelay: false,
  });
  const { ca } = certificate;
  const deadlineMs = DEADLINE_MS;
  const source = await startSource(owner, { protection, ca, measuresDelay: false, deadlineMs });
  const bench: Bench = { hop, source, deadlineMs, quietMs: QUIET_MS };
  const inspectorPort = await freePort();
  const contender = contenderOf(values['node-option']);
  const running = await contender.start(owner, {
    hopPort: hop.port,
    protection,
    certificate,
    folder,
    wrap: ['env', `NODE_OPTIONS=--inspect=127.0.0.1:${inspectorPort}`],
  });
  await measureRound(running, { ...load, messages: Number(values['warm-up']) }, bench);
  const inspector = await connect(inspectorPort);
  owner.after(() => inspector.close());
  const [pid = 0] = running.pids;
  await inspector.ask('Profiler.enable');
  await inspector.ask('Profiler.setSamplingInterval', { interval: INTERVAL_US });
  const beforeUs = threadTimesUs(pid);
  await inspector.ask('Profiler.start');
  const round = await measureRound(running, load, bench);
  const { profile } = (await inspector.ask('Profiler.stop')) as { profile: CpuProfile };
  const afterUs = threadTimesUs(pid);
  if (values.save !== undefined) await writeFile(values.save, JSON.stringify(profile));
  const row = ({ name, us }: Share): string => `| ${name} | ${(us / load.messages).toFixed(1)} |\n`;
  const all = sharesByOwner(profile);
  const others = { name: 'other threads', us: afterUs.others - beforeUs.others };
  const rest = { name: 'the rest', us: all.slice(OWNERS).reduce((sum, { us }) => sum + us, 0) };
  const rows = [...all.slice(0, OWNERS), rest, others].map(row).join('');
  process.stdout.write(
    `${machineLine(machineOf(folder))}\n` +
      `${contender.name}: ${round.perSecond.toFixed(0)} messages/s; main thread ` +
      `${((afterUs.main - beforeUs.main) / load.messages).toFixed(0)} µs of CPU a message\n\n` +
      `| whose code | µs a message |\n| --- | --: |\n${rows}\n` +
      `| function | µs a message |\n| --- | --: |\n` +
      sharesByFunction(profile).slice(0, FUNCTIONS).map(row).join(''),
  );
}

function contenderOf(nodeOptions: readonly string[]): Contender {
  if (values.floor) return floor();
  if (!values.shared) return relaymesh(nodeOptions);
  const shared = tierOf(1, nodeOptions, 'relaymesh shared');
  if ('start' in shared) return shared;
  throw new Error(shared.reason);
}

/** CPU time of the main thread and of all others, in microseconds, in steps of 10 ms. */
function threadTimesUs(pid: number): { main: number; others: number } {
  const folder = `/proc/${pid}/task`;
  const times = readdirSync(folder).map((tid) => ({
    isMain: Number(tid) === pid,
    us: parseStat(readFileSync(path.join(folder, tid, 'stat'), 'latin1'))?.cpuUs ?? 0,
  }));
  const sum = (ofMain: boolean): number =>
    times.filter(({ isMain }) => isMain === ofMain).reduce((total, { us }) => total + us, 0);
  return { main: sum(true), others: sum(false) };
}

interface Inspector {
  ask(method: string, params?: object): Promise<unknown>;
  close(): void;
}

async function connect(port: number): Promise<Inspector> {
  const response = await fetch(`http://127.0.0.1:${port}/json/list`, {
    signal: AbortSignal.timeout(ANSWER_DEADLINE_MS),
  });
  const [target] = (await response.json()) as Array<{ webSocketDebuggerUrl: string }>;
  const socket = new WebSocket(target?.webSocketDebuggerUrl ?? '');
  const waiting = new Map<number, (answer: unknown) => void>();
  let last = 0;
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id?: number; result?: unknown };
    if (id !== undefined) waiting.get(id)?.(result);
  });
  await within(
    'the inspector',
    ANSWER_DEADLINE_MS,
    new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', reject);
    }),
  );
  return {
    ask: (method, params = {}) => {
      const id = ++last;
      const answer = new Promise((resolve) => waiting.set(id, resolve));
      socket.send(JSON.stringify({ id, method, params }));
      return within(method, ANSWER_DEADLINE_MS, answer);
    },
    close: () => socket.close(),
  };
}
