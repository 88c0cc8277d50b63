import { run } from '../scenario/programs.js';
import { locate } from '../scenario/programs.js';
import type { Ending } from '../scenario/at-end.js';
import { ask, programHere, startProgram } from './node-program.js';
import {
  monotonicMs,
  RECIPIENT,
  SENDER,
  type Load,
  type Protection,
  type Sent,
} from './traffic.js';

/*
 * The client of all relays of a case: Postfix's `smtp-source` where it is installed and knows what
 * the case wants, else a source of ours.
 */

export interface Source {
  program: 'smtp-source' | 'ours';
  /** Resolves when the last message has got its 250; rejects when one is refused. */
  send(load: Load, port: number, recipient?: string): Promise<Sent>;
}

export interface SourceOptions {
  protection: Protection;
  /** PEM of the CA that vouches for the relays. */
  ca: string;
  /** Whether each message is stamped and its reply timed. */
  measuresDelay: boolean;
  deadlineMs: number;
}

export async function startSource(owner: Ending, options: SourceOptions): Promise<Source> {
  const { protection, ca, measuresDelay, deadlineMs } = options;
  const program = locate('smtp-source');
  if (program !== null && protection === 'clear' && !measuresDelay) {
    return {
      program: 'smtp-source',
      send: (load, port, recipient = RECIPIENT) =>
        smtpSource(program, { load, port, recipient, deadlineMs }),
    };
  }
  const child = startProgram(owner, [programHere('raw-source')]);
  return {
    program: 'ours',
    send: async (load, port, recipient = RECIPIENT) => {
      const job = { ...load, port, protection, ca, recipient };
      const sent = await ask<Sent | { failed: string }>(child, job, deadlineMs);
      if ('failed' in sent) throw new Error(`the source failed: ${sent.failed}`);
      return measuresDelay ? sent : { ...sent, replyMs: [] };
    },
  };
}

interface Job {
  load: Load;
  port: number;
  recipient: string;
  deadlineMs: number;
}

async function smtpSource(
  program: string,
  { load, port, recipient, deadlineMs }: Job,
): Promise<Sent> {
  const { sessions, messages, bytes, kept } = load;
  const args = ['-s', String(Math.min(sessions, messages)), '-m', String(messages)];
  args.push('-l', String(bytes), '-f', SENDER, '-t', recipient, '-N', ...(kept ? ['-d'] : []));
  const startedMs = monotonicMs();
  const { code, stderr } = await run(program, [...args, `127.0.0.1:${port}`], { deadlineMs });
  if (code !== 0) throw new Error(`smtp-source ended with ${code}: ${stderr.trim()}`);
  return { startedMs, endedMs: monotonicMs(), replyMs: [] };
}
