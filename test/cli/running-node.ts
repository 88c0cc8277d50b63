import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { atEnd } from '../scenario/at-end.js';
import { cleanEnvironment, endChild, MAIN_JS, scratchFolder } from '../scenario/programs.js';
import { SinkClient } from '../scenario/sink-client.js';
import { until, within } from '../scenario/waiting.js';

const START_DEADLINE_MS = 20_000;
const STOP_DEADLINE_MS = 15_000;

interface Ready {
  smtp: unknown;
  api: { host: string; port: number };
}

/** A process of `relaymesh`, started by its arguments alone. */
class Program<Message extends object> {
  output = '';
  readonly child: ChildProcess;

  constructor(t: TestContext, args: readonly string[], environment: Record<string, string> = {}) {
    this.child = spawn(process.execPath, [MAIN_JS, ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: cleanEnvironment(environment),
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
    atEnd(t, () => endChild(this.child, STOP_DEADLINE_MS));
  }

  async ready(): Promise<Message> {
    const first = once(this.child, 'message') as Promise<[Message]>;
    const [message] = await within('a program to be ready', START_DEADLINE_MS, first);
    if ('message' in message) throw new Error(String(message.message));
    return message;
  }
}

export interface StartedNode {
  /** Port of its first listener. */
  port: number;
  api: string;
  /** All that it has written. */
  output: () => string;
  /** Its command line, as every user of the machine sees it. */
  commandLine: () => string;
  /** Sends SIGHUP and waits for the event in the log that comes of it. */
  reload: (event: 'reloaded' | 'reload-refused') => Promise<void>;
}

/** Starts `relaymesh node` with these arguments and waits until it is ready. */
export async function startNode(
  t: TestContext,
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<StartedNode> {
  const program = new Program<Ready & { smtp: Array<{ port: number }> }>(
    t,
    ['node', ...args],
    environment,
  );
  const { smtp, api } = await program.ready();
  const count = (event: string): number => program.output.split(`"event":"${event}"`).length - 1;
  return {
    port: smtp[0]?.port ?? 0,
    api: `http://${api.host}:${api.port}`,
    output: () => program.output,
    commandLine: () => readFileSync(`/proc/${program.child.pid}/cmdline`, 'utf8'),
    async reload(event) {
      const before = count(event);
      program.child.kill('SIGHUP');
      await until(`the event ${event}`, () => count(event) > before, {
        seen: () => program.output.slice(-2000),
      });
    },
  };
}

/** Starts a sink; with a login only who knows it can hand in mail. */
export async function startSink(
  t: TestContext,
  login?: { username: string; password: string },
): Promise<{ port: number; client: SinkClient }> {
  const args = ['sink', '--port', '0'];
  if (login !== undefined) {
    const file = path.join(await scratchFolder(t), 'users');
    await writeFile(file, `${login.username}:${login.password}\n`, { mode: 0o600 });
    args.push('--users-file', file);
  }
  const program = new Program<Ready & { smtp: { port: number } }>(t, args);
  const { smtp, api } = await program.ready();
  return { port: smtp.port, client: new SinkClient(`http://${api.host}:${api.port}`) };
}
