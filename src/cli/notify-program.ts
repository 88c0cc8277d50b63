import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Clock } from '../base/clock.js';
import { within } from '../base/deadline.js';
import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/log.js';

/**
 * Sends to the notification socket of systemd by its own program, `systemd-notify`, since Node.js knows
 * no datagrams of Unix sockets. To start a program copies the page tables of the process, which holds
 * up a node with much memory for 20 to 100 ms (measured with 360 MB); so a shell is started once, while
 * the process is small, and starts the program for each line that it reads. It ends with our end of the
 * pipe, also when this process is killed.
 */

/** What systemd tells all processes of a service is for the node alone; a tab is between assignments. */
const SCRIPT = `trap '' TERM INT HUP
tab=$(printf '\\t')
while IFS=$tab read -r first second third; do
  systemd-notify "$first" \${second:+"$second"} \${third:+"$third"}
done`;
/** To send what is left, at the end. */
const CLOSE_TIMEOUT_MS = 2000;
const MAX_SHOWN_CHARACTERS = 200;

export class NotifyProgram {
  readonly #env: NodeJS.ProcessEnv;
  readonly #log: Logger;
  readonly #clock: Clock;
  #shell: ChildProcess | null;
  #failed = false;
  #closed = false;

  /** @param env of the child: `NOTIFY_SOCKET`, and where programs are */
  constructor(env: NodeJS.ProcessEnv, log: Logger, clock: Clock) {
    this.#env = env;
    this.#log = log;
    this.#clock = clock;
    this.#shell = this.#start();
  }

  /** True while what was sent before is not taken yet. */
  get busy(): boolean {
    return (this.#shell?.stdin?.writableLength ?? 0) > 0;
  }

  /** At most three assignments, without control characters. Returns at once and never throws. */
  send(assignments: readonly string[]): void {
    if (this.#closed) return;
    this.#shell ??= this.#start();
    this.#shell.stdin?.write(`${assignments.join('\t')}\n`);
  }

  /** Resolves when all of it was sent, or after two seconds. */
  async close(): Promise<void> {
    this.#closed = true;
    const shell = this.#shell;
    if (shell === null) return;
    const ended = once(shell, 'close').then(
      () => true,
      () => true,
    );
    shell.stdin?.end();
    if (!(await within(ended, CLOSE_TIMEOUT_MS, this.#clock, () => false))) {
      shell.kill('SIGKILL');
    }
  }

  #start(): ChildProcess {
    const shell = spawn('/bin/sh', ['-c', SCRIPT], {
      env: this.#env,
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    shell.stdin.on('error', (error) => this.#fail(messageOf(error)));
    shell.stderr.on('data', (words: Buffer) => this.#fail(words.toString('utf8')));
    shell.on('error', (error) => this.#fail(messageOf(error)));
    // One that was killed is started again by the next notification.
    shell.on('close', () => {
      if (this.#shell === shell) this.#shell = null;
    });
    return shell;
  }

  /** Only the first one is logged: they come time and again. */
  #fail(words: string): void {
    if (!this.#failed) {
      const text = words.trim().slice(0, MAX_SHOWN_CHARACTERS);
      this.#log.warn({ code: 'NOTIFY_FAILED' }, `systemd was not told: ${text}`);
    }
    this.#failed = true;
  }
}
