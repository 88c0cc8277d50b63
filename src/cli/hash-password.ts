import { isatty } from 'node:tty';
import { Command } from 'commander';
import {
  COST_BOUNDS,
  costProblem,
  DEFAULT_COST,
  hashPassword,
  isPasswordHash,
  isWeak,
  MAX_PASSWORD_BYTES,
  type ScryptCost,
} from '../base/password-hash.js';
import { RelayError } from '../base/errors.js';
import { processSurroundings, type Output } from './api-access.js';
import { CommandFault } from './command-fault.js';
import { hiddenLines, Interrupted, type HiddenLines } from './hidden-line.js';
import { writeJson } from './json-output.js';

/** `relaymesh hash-password`: what may stand in place of the password of a user. */

export interface HashSurroundings {
  /** Standard input, when it is no terminal. */
  input: AsyncIterable<Buffer>;
  isInputTerminal: boolean;
  openTerminal(): HiddenLines;
  output: Output;
}

interface HashOptions {
  cost: string;
  json?: boolean;
}

const INTERRUPTED = 130;
const [MIN_COST, MAX_COST] = COST_BOUNDS.ln;

const HELP = `
The password is read from the terminal, twice and unseen, or from standard input, where a line end
behind it is left out. It is never an argument, which every user of the machine could read.

What is printed may stand in a users file (username: $scrypt$…), and in a secret that nobody logs in
with on this machine: that of a user, or of a link at its receiving end.

Each step of --cost doubles the memory and the time of each login that is checked: ${MIN_COST} is 1 MiB,
${DEFAULT_COST.ln} is 32 MiB, ${MAX_COST} is 128 MiB. The users of a node should have the same cost.

Examples:
  $ relaymesh hash-password
  $ openssl rand -base64 24 | tee password.txt | relaymesh hash-password > password.hash

Exit: 0 done; 2 bad usage, or no password that can be used; 130 interrupted.`;

/** The command. `setExitCode` is called once, when it is done. */
export function hashPasswordCommand(
  setExitCode: (code: number) => void,
  around: HashSurroundings = processHashSurroundings(),
): Command {
  return (
    new Command('hash-password')
      .description('hash a password of a user, so that a node can check it without knowing it')
      .option(
        '--cost <number>',
        `memory and time, ${MIN_COST} to ${MAX_COST}`,
        `${DEFAULT_COST.ln}`,
      )
      .option('--json', 'print the hash and its cost as JSON')
      .addHelpText('after', HELP)
      // Whatever stands there may be a password, which no error may show.
      .allowUnknownOption()
      .allowExcessArguments()
      .action(async (options: HashOptions, command: Command) => {
        if (command.args.length > 0) throw passwordInArgv();
        try {
          await hash(options, around);
          setExitCode(0);
        } catch (error) {
          if (error instanceof Interrupted) {
            setExitCode(INTERRUPTED);
            return;
          }
          if (!(error instanceof CommandFault)) throw error;
          around.output.notice(`error: ${error.message}`);
          setExitCode(error.exitCode);
        }
      })
  );
}

async function hash({ cost: ln, json }: HashOptions, around: HashSurroundings): Promise<void> {
  const { output } = around;
  const cost: ScryptCost = { ...DEFAULT_COST, ln: /^\d+$/.test(ln) ? Number(ln) : Number.NaN };
  if (costProblem(cost) !== null) {
    throw new CommandFault(2, `--cost is a whole number from ${MIN_COST} to ${MAX_COST}`);
  }
  const password = around.isInputTerminal
    ? await askTwice(around.openTerminal())
    : await readInput(around.input);
  refuseUnfit(password);
  if (isWeak(cost)) output.notice('warning: of so low a cost a password is cheap to guess');
  const text = await hashPassword(password, cost);
  if (json === true) writeJson(output, { hash: text, algorithm: 'scrypt', ...cost });
  else output.write(`${text}\n`);
}

async function askTwice(lines: HiddenLines): Promise<string> {
  try {
    const first = await lines.ask('Password: ');
    if (first === null) throw new CommandFault(2, 'no password was given');
    refuseUnfit(first);
    if ((await lines.ask('Again: ')) !== first) {
      throw new CommandFault(2, 'the two passwords differ; nothing was made');
    }
    return first;
  } finally {
    lines.close();
  }
}

async function readInput(input: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of input) {
    chunks.push(chunk);
    length += chunk.length;
    // with a line end behind it
    if (length > MAX_PASSWORD_BYTES + 2) throw tooLong();
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      Buffer.concat(chunks),
    );
    return text.replace(/\r?\n$/, '');
  } catch {
    throw new CommandFault(2, 'the password is not UTF-8 text');
  }
}

/** Faults quote nothing of it. */
function refuseUnfit(password: string): void {
  if (password === '') throw new CommandFault(2, 'the password is empty');
  if (Buffer.byteLength(password) > MAX_PASSWORD_BYTES) throw tooLong();
  // oxlint-disable-next-line no-control-regex
  if (/[\x00-\x1f\x7f]/.test(password)) {
    const problem = 'the password holds a line end or another control character';
    throw new CommandFault(2, `${problem}, with which no client could log in`);
  }
  if (isPasswordHash(password)) throw new CommandFault(2, 'this is a hash already');
}

function tooLong(): CommandFault {
  return new CommandFault(2, `the password is longer than ${MAX_PASSWORD_BYTES} bytes`);
}

function passwordInArgv(): RelayError {
  return new RelayError('SECRET_IN_ARGV', 'a password is not taken from the command line', {
    fault: 'operator',
    where: 'command line',
    hint: 'every user of this machine can read a command line: type it when asked, or pipe it in; `relaymesh hash-password --help` shows how',
  });
}

function processHashSurroundings(): HashSurroundings {
  return {
    input: process.stdin,
    isInputTerminal: isatty(0),
    openTerminal: () => hiddenLines(process.stdin, process.stderr),
    output: processSurroundings().output,
  };
}
