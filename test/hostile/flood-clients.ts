import net from 'node:net';
import { authPlain } from '../intake/running-intake.js';

/**
 * The attackers of the flood test, in a process of their own, so that their work does not count for
 * the node or for good mail. Told by the first argument what to do; tells by IPC how it goes, and
 * ends with the channel.
 */
export interface FloodPlan {
  port: number;
  /** Sessions that say nothing, or nothing more. */
  idle: number;
  /** Sessions that send a byte every half second. */
  slow: number;
  loginsPerSecond: number;
  /** Who is cut comes back five seconds later. */
  comesBack: boolean;
}

export interface FloodReport {
  idle: number;
  slow: number;
  /** Wrong logins that were sent. */
  tried: number;
  /** Replies to them, by code. */
  logins: Record<string, number>;
  bytes: number;
}

const SLOW_STEP_MS = 500;
const REPORT_MS = 200;
const OPENED_AT_ONCE = 100;
const COMES_BACK_MS = 5000;
const IDLE_ADDRESSES = 50;
const SLOW_ADDRESSES = 10;
const GUESSING_SESSIONS = 100;
const GUESSING_ADDRESSES = 20;

const plan = JSON.parse(process.argv[2] ?? '{}') as FloodPlan;
const open = { idle: new Set<net.Socket>(), slow: new Set<net.Socket>() };
const logins: Record<string, number> = {};
let bytes = 0;
let tried = 0;

/** Resolves with the greeting; null when there is none. */
function connect(localAddress: string): Promise<net.Socket | null> {
  return new Promise((resolve) => {
    const socket = net.connect({ port: plan.port, host: '127.0.0.1', localAddress });
    socket.on('error', () => undefined);
    socket.once('data', (greeting) => resolve(String(greeting).startsWith('220') ? socket : null));
    socket.once('close', () => resolve(null));
  });
}

/** What an idle session still said before it fell silent. */
const LAST_WORDS = ['', 'EHLO idle.example\r\n', 'EHLO idle.example\r\nMAIL FROM:<a@x.test>\r\n'];

async function keepOpen(kind: 'idle' | 'slow', index: number): Promise<void> {
  const [third, addresses] = kind === 'idle' ? [2, IDLE_ADDRESSES] : [3, SLOW_ADDRESSES];
  const again = (): void => {
    if (plan.comesBack) setTimeout(() => void keepOpen(kind, index), COMES_BACK_MS);
  };
  const socket = await connect(`127.0.${third}.${1 + (index % addresses)}`);
  if (socket === null) return again();
  open[kind].add(socket);
  socket.resume();
  socket.on('close', () => {
    open[kind].delete(socket);
    again();
  });
  if (kind === 'idle') socket.write(LAST_WORDS[index % LAST_WORDS.length] ?? '');
}

async function openAll(kind: 'idle' | 'slow', count: number): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) await keepOpen(kind, next++);
  };
  await Promise.all(Array.from({ length: OPENED_AT_ONCE }, work));
}

/** Each in its turn of the half second, as they would come from many places. */
function drip(): void {
  let turn = 0;
  const turns = 20;
  setInterval(() => {
    const sockets = [...open.slow].filter((_, index) => index % turns === turn);
    for (const socket of sockets) {
      socket.write('E');
      bytes++;
    }
    turn = (turn + 1) % turns;
  }, SLOW_STEP_MS / turns);
}

async function guess(index: number): Promise<void> {
  const pauseMs = (1000 * GUESSING_SESSIONS) / plan.loginsPerSecond;
  for (let time = 0; ; time++) {
    const socket = await connect(`127.0.4.${1 + (index % GUESSING_ADDRESSES)}`);
    if (socket === null) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      continue;
    }
    socket.write('EHLO guess.example\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    await guessOver(socket, `${index}-${time}`, pauseMs);
  }
}

function guessOver(socket: net.Socket, name: string, pauseMs: number): Promise<void> {
  return new Promise((resolve) => {
    let count = 0;
    const next = (): void => {
      // Every second one tries a user that there is.
      const username = ++count % 2 === 0 ? 'app' : `nobody-${name}-${count}`;
      tried++;
      socket.write(`${authPlain(username, `wrong ${count}`)}\r\n`);
    };
    next();
    const timer = setInterval(next, pauseMs);
    socket.on('data', (reply) => {
      for (const line of String(reply).trim().split('\r\n')) {
        const code = line.slice(0, 3);
        logins[code] = (logins[code] ?? 0) + 1;
      }
    });
    socket.on('close', () => {
      clearInterval(timer);
      resolve();
    });
  });
}

async function main(): Promise<void> {
  process.on('disconnect', () => process.exit(0));
  setInterval(() => {
    const report: FloodReport = {
      idle: open.idle.size,
      slow: open.slow.size,
      tried,
      logins,
      bytes,
    };
    process.send?.(report);
  }, REPORT_MS);
  if (plan.loginsPerSecond > 0) {
    for (let index = 0; index < GUESSING_SESSIONS; index++) void guess(index);
  }
  drip();
  await openAll('slow', plan.slow);
  await openAll('idle', plan.idle);
}

if (process.argv[1] === import.meta.filename) void main();
