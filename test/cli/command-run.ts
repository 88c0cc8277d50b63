import assert from 'node:assert/strict';
import type { Command } from 'commander';
import { RelayError } from '../../src/base/errors.js';
import type { Secret } from '../../src/base/secret.js';
import type { Surroundings } from '../../src/cli/api-access.js';
import type { QueueCaller } from '../../src/cli/queue-api.js';
import type { TraceCaller } from '../../src/cli/trace.js';
import { NOON_MS } from '../trace/chain-samples.js';

export const URL_OPTION = ['--url', 'http://127.0.0.1:8025'];

export const UNREACHABLE = new RelayError('API_UNREACHABLE', 'gone', { fault: 'system' });
export const NOT_FOUND = new RelayError('NOT_FOUND', 'nothing here', { fault: 'client' });
export const UNAUTHORIZED = new RelayError('API_UNAUTHORIZED', 'no', { fault: 'client' });
export const BROKEN = new RelayError('API_REFUSED', 'disk full', { fault: 'system' });

/** What all commands together ask of an API. */
type Caller = QueueCaller & TraceCaller;

export interface Run {
  stdout: string;
  stderr: string;
  exitCode: number | null;
  /** `GET path`, `POST path` and `DELETE path`, in order. */
  requests: string[];
  token: Secret | undefined;
  pauses: number;
}

export type MakeCommand = (
  setExitCode: (code: number) => void,
  around: Surroundings<Caller>,
) => Command;

/**
 * Runs a command against an API that gives `answers` in order, the last one again and again; an
 * error among them is thrown.
 */
export async function run(
  make: MakeCommand,
  args: string[],
  answers: readonly unknown[],
  fields: {
    terminal?: boolean;
    color?: boolean;
    columns?: number;
    rows?: number;
    token?: string;
    closeAfter?: number;
  } = {},
): Promise<Run> {
  const done: Run = {
    stdout: '',
    stderr: '',
    exitCode: null,
    requests: [],
    token: undefined,
    pauses: 0,
  };
  const answer = (request: string): Promise<never> => {
    const next = answers[Math.min(done.requests.length, answers.length - 1)];
    done.requests.push(request);
    return next instanceof Error ? Promise.reject(next) : Promise.resolve(next as never);
  };
  const api: Caller = {
    getJson: (where) => answer(`GET ${where}`),
    getText: (where, accept) => answer(`GET ${where} as ${accept}`),
    postJson: (where) => answer(`POST ${where}`),
    delete: (where) => answer(`DELETE ${where}`),
  };
  const around: Surroundings<Caller> = {
    connect: (_url, token) => {
      done.token = token;
      return api;
    },
    output: {
      write: (text) => void (done.stdout += text),
      notice: (text) => void (done.stderr += `${text}\n`),
      isTerminal: fields.terminal ?? false,
      color: fields.color ?? false,
      size: () => ({ columns: fields.columns ?? 100, rows: fields.rows ?? 60 }),
      isClosed: () => done.pauses >= (fields.closeAfter ?? Infinity),
    },
    environment: { RELAYMESH_API_TOKEN: fields.token },
    nowMs: () => NOON_MS + 183_000 + done.pauses * 1000,
    pause: () => {
      done.pauses++;
      return Promise.resolve();
    },
  };
  const command = make((code) => void (done.exitCode = code), around);
  for (const one of [command, ...command.commands]) {
    one.exitOverride().configureOutput({
      writeOut: (text) => void (done.stdout += text),
      writeErr: (text) => void (done.stderr += text),
    });
  }
  await command.parseAsync(args, { from: 'user' });
  return done;
}

/** Asserts that the help of a command, or of one below it, has an example. */
export async function assertHelps(make: MakeCommand, name?: string): Promise<void> {
  let help = '';
  const record: MakeCommand = (setExitCode, around) => {
    const command = make(setExitCode, around);
    const asked = command.commands.find((one) => one.name() === name) ?? command;
    asked.configureOutput({ writeOut: (text) => void (help += text) });
    asked.exitOverride();
    asked.outputHelp();
    return command;
  };
  const args = name === undefined ? [] : [name];
  await assert.rejects(run(record, [...args, '--help'], []), { exitCode: 0 });
  assert.match(help, /Examples?:\n {2}\$ relaymesh (?:trace|queue) /, name);
  if (name !== undefined) assert.ok(help.startsWith(`Usage: queue ${name}`), help.slice(0, 100));
}
