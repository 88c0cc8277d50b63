import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isatty } from 'node:tty';
import { Command } from 'commander';
import type { ApiClient } from '../api/client.js';
import type { Injected } from '../api/shape/queues.js';
import { messageOf } from '../base/errors.js';
import {
  addAccessOptions,
  CommandFault,
  processSurroundings,
  runCommand,
  type AccessOptions,
  type ApiCaller,
  type Surroundings,
} from './api-access.js';
import { writeJson } from './json-output.js';
import { renderPairs } from './table.js';

/** `relaymesh send`: hands one message to a node, by its API. */

/** The part of `ApiClient` that the command uses. */
export interface MessageCaller extends ApiCaller {
  postMessage: ApiClient['postMessage'];
}

export interface SendSurroundings extends Surroundings<MessageCaller> {
  /** Standard input. */
  input: AsyncIterable<Buffer>;
  isInputTerminal: boolean;
}

interface SendOptions extends AccessOptions {
  from: string;
  to: string[];
  smarthost?: string;
  smarthostUsername?: string;
  smarthostPasswordFile?: string;
  tag?: string[];
  requireTls?: boolean;
  idempotencyKey?: string;
  json?: boolean;
}

const EXAMPLES = `
Examples:
  $ relaymesh send --url http://127.0.0.1:8025 --from a@example.com --to b@example.net mail.eml
  $ printf 'Subject: hello\\n\\nHello!\\n' | relaymesh send --url http://127.0.0.1:8025 \\
      --from a@example.com --to b@example.net --smarthost esp.example:587 \\
      --smarthost-username me --smarthost-password-file password.txt

The smarthost must stand in the node's steer-to list.

Exit: 0 the message is stored; 2 bad usage or token, or the node refuses the message;
3 the API could not be reached, or cannot store it now.`;

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;

/** The command. `setExitCode` is called once, when it is done. */
export function sendCommand(
  setExitCode: (code: number) => void,
  around: SendSurroundings = processSendSurroundings(),
): Command {
  const several = (value: string, before: string[] = []): string[] => [...before, value];
  const command = new Command('send')
    .description('hand one message to a node')
    .argument('[file]', 'the message (RFC 5322); without it, it is read from standard input')
    .requiredOption('--from <address>', "sender of the envelope; '' or '<>' for none")
    .requiredOption('--to <address>', 'recipient; may be given several times', several);
  return addAccessOptions(command)
    .option('--smarthost <host[:port]>', 'send the message there instead of its usual way')
    .option('--smarthost-username <name>', 'login at that smarthost')
    .option('--smarthost-password-file <file>', 'file with the password of that login')
    .option('--tag <tag>', 'tag that routes may match; may be given several times', several)
    .option('--require-tls', 'send it only by verified TLS, all the way (RFC 8689), or return it')
    .option('--idempotency-key <key>', 'do not store it again when this command is repeated')
    .option('--json', 'print what the API answers')
    .addHelpText('after', EXAMPLES)
    .action(async (file: string | undefined, options: SendOptions) => {
      await runCommand(
        options,
        around,
        setExitCode,
        'no such path at this API',
        async (api, words) => {
          await send(api, file, options, words, around);
          return 0;
        },
      );
    });
}

async function send(
  api: MessageCaller,
  file: string | undefined,
  options: SendOptions,
  words: string,
  around: SendSurroundings,
): Promise<void> {
  const header = await steeringHeader(options);
  if (file === undefined && around.isInputTerminal) {
    around.output.notice('reading the message from the terminal; Ctrl-D ends it');
  }
  const source = file === undefined ? around.input : fileContent(file);
  const content = await mailContent(header, source);
  const query = new URLSearchParams({ envelope: options.from === '<>' ? '' : options.from });
  for (const recipient of options.to) query.append('recipient', recipient);
  if (options.requireTls === true) query.append('requiretls', 'true');
  const key = options.idempotencyKey;
  const answer = await api.postMessage<Injected>(
    `/v1/inject?${query.toString()}`,
    content,
    key === undefined ? {} : { 'idempotency-key': clean('--idempotency-key', key) },
  );
  report(answer, options, words, around);
}

function report(
  answer: Injected,
  options: SendOptions,
  words: string,
  { output }: SendSurroundings,
): void {
  if (options.json === true) {
    writeJson(output, answer);
    return;
  }
  const [first] = answer.messages;
  if (first === undefined) throw new CommandFault(3, 'the answer of the API names no message');
  const { queue_id: queueId, trace_id: traceId } = first;
  output.write(
    renderPairs([
      ['queue id', queueId],
      ['trace id', traceId],
    ]),
  );
  output.notice(`\nfollow it with:\n  relaymesh trace ${traceId} ${words} --chain --follow`);
}

/** What the node is to do with the message, as header fields; they leave no node. */
async function steeringHeader(options: SendOptions): Promise<string> {
  const { smarthost, smarthostUsername: username, smarthostPasswordFile: file } = options;
  if ((username === undefined) !== (file === undefined)) {
    throw new CommandFault(2, '--smarthost-username and --smarthost-password-file go together');
  }
  if (smarthost === undefined && username !== undefined) {
    throw new CommandFault(2, '--smarthost-username needs --smarthost');
  }
  const fields: string[] = [];
  if (smarthost !== undefined) {
    const [host, port] = hostAndPort(clean('--smarthost', smarthost));
    fields.push(`Smarthost-Hostname: ${host}`);
    if (port !== undefined) fields.push(`Smarthost-Port: ${port}`);
  }
  if (username !== undefined && file !== undefined) {
    fields.push(`Smarthost-Username: ${clean('--smarthost-username', username)}`);
    fields.push(`Smarthost-Password: ${clean(file, await readPassword(file))}`);
  }
  const tags = (options.tag ?? []).map((tag) => clean('--tag', tag));
  if (tags.some((tag) => tag.includes(','))) {
    throw new CommandFault(2, '--tag must not hold a comma');
  }
  if (tags.length > 0) fields.push(`Tags: ${tags.join(', ')}`);
  return fields.map((field) => `X-MQ-${field}\r\n`).join('');
}

/** `HOST`, `HOST:PORT`, `[IPv6]:PORT` or an IPv6 address alone; the node judges the parts. */
function hostAndPort(text: string): [host: string, port: string | undefined] {
  const [, host, port] = /^(\[[^\]]*\]|[^:]*):([^:]*)$/.exec(text) ?? [];
  return host === undefined ? [text, undefined] : [host, port];
}

/** A header field carries no control characters, and no white space at the ends of its value. */
function clean(where: string, value: string): string {
  if (value === '' || value.trim() !== value || /\p{Cc}/u.test(value)) {
    throw new CommandFault(
      2,
      `${where} must not be empty, hold control characters, or begin or end with white space`,
    );
  }
  return value;
}

async function readPassword(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).replace(/\r?\n$/, '');
  } catch (error) {
    throw new CommandFault(2, `cannot read the password file: ${messageOf(error)}`);
  }
}

async function* fileContent(file: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of createReadStream(file)) yield chunk as Buffer;
  } catch (error) {
    throw new CommandFault(2, `cannot read the message: ${messageOf(error)}`);
  }
}

/**
 * The message with our fields on top and with CRLF at the end of each line (RFC 5322 §2.3). Its
 * beginning is read before anybody is called, so that a file that is not there is no fault of theirs.
 */
async function mailContent(
  header: string,
  content: AsyncIterable<Buffer>,
): Promise<AsyncIterable<Buffer>> {
  const chunks = content[Symbol.asyncIterator]();
  const first = await chunks.next();
  const start = first.done === true ? undefined : first.value;
  if (start === undefined || start.length === 0) {
    throw new CommandFault(2, 'the message is empty');
  }
  if (start[0] === SPACE || start[0] === TAB) {
    throw new CommandFault(2, 'the message begins with white space instead of a header field');
  }
  return withHeader(header, start, chunks);
}

async function* withHeader(
  header: string,
  start: Buffer,
  rest: AsyncIterator<Buffer>,
): AsyncGenerator<Buffer> {
  if (header !== '') yield Buffer.from(header, 'utf8');
  yield withCrlf(start, LF);
  let last = start.at(-1);
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
    yield withCrlf(next.value, last);
    last = next.value.at(-1) ?? last;
  }
}

/** @param before the last byte of what came before */
function withCrlf(chunk: Buffer, before: number | undefined): Buffer {
  const lone: number[] = [];
  for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, at + 1)) {
    if ((at === 0 ? before : chunk[at - 1]) !== CR) lone.push(at);
  }
  if (lone.length === 0) return chunk;
  const whole = Buffer.allocUnsafe(chunk.length + lone.length);
  let from = 0;
  lone.forEach((at, index) => {
    chunk.copy(whole, from + index, from, at);
    whole[at + index] = CR;
    from = at;
  });
  chunk.copy(whole, from + lone.length, from);
  return whole;
}

function processSendSurroundings(): SendSurroundings {
  return {
    ...processSurroundings(),
    input: process.stdin as AsyncIterable<Buffer>,
    isInputTerminal: isatty(process.stdin.fd),
  };
}
