import { parseArgs } from 'node:util';
import { RelayError } from '../../src/base/errors.js';
import { unknownOption } from './relaymesh-node.js';

export interface BenchOptions {
  help: boolean;
  list: boolean;
  /** Patterns of case names, in which `*` stands for anything. */
  cases: string[];
  /** Null: everyone. */
  contenders: string[] | null;
  rounds: number;
  /** Messages a round in place of each case's own. */
  messages: number | null;
  /** At most so many, whatever the case says. */
  maxMessages: number;
  warmUpMessages: number;
  backlogs: number[];
  nodeOptions: string[];
  json: string | null;
  /** Where filled queues are kept between runs; null: nowhere. */
  prepared: string | null;
  countsSyncs: boolean;
}

export const CONTENDERS = ['relaymesh', 'floor', 'postfix', 'haraka'];
const ROUNDS = 5;
/** The compiler is done with a relay after some 10,000 messages. */
const WARM_UP_MESSAGES = 10_000;
const MAX_ROUNDS = 1000;
const MAX_MESSAGES = 10_000_000;
const BACKLOGS = [100_000, 1_000_000];
const QUICK = { rounds: 1, messages: 200, warmUpMessages: 50, backlogs: [1000] };

export const USAGE = `Usage: npm run bench -- [options]

Compares relaymesh with the two libraries it is built on (the floor), Postfix and Haraka, as relays
to one next hop on this machine, case by case: contenders in turns, medians of the rounds.

  --list                    names the cases and who is in them
  --cases PATTERN,…         only these, as in base,size/*      (default: all)
  --contenders NAME,…       only these of ${CONTENDERS.join(', ')}
  --rounds N                rounds after the one to warm up    (default: ${ROUNDS})
  --messages N              messages a round                   (default: each case's own)
  --node-option KEY=VALUE   for every relaymesh node; may be given several times
  --prepared DIR            keeps the filled queues of the case backlog there for the next run
  --no-syncs                does not count syncs, which takes a run of its own under strace
  --quick                   one round of few messages: shows that it works, measures nothing
  --json FILE               writes all that was measured there

Exit: 0 done; 1 mail was lost or doubled, or a contender failed; 2 bad usage; 3 nothing could be
measured; 130 interrupted.

Example:
  $ npm run bench -- --cases base,tls-login --rounds 7 --json bench.json
`;

/** @throws RelayError `BAD_USAGE` */
export function parseOptions(argv: readonly string[]): BenchOptions {
  const values = parsed(argv);
  const quick = values.quick;
  const contenders = listOf(values.contenders);
  const stranger = contenders?.find((name) => !CONTENDERS.includes(name));
  if (stranger !== undefined) throw badUsage(`there is no contender ${stranger}`);
  const nodeOptions = values['node-option'] ?? [];
  const unknown = unknownOption(nodeOptions);
  if (unknown !== null) throw badUsage(`--node-option ${unknown}: there is no such key`);
  return {
    help: values.help,
    list: values.list,
    cases: listOf(values.cases) ?? ['*'],
    contenders,
    rounds: numberOf('rounds', values.rounds, MAX_ROUNDS) ?? (quick ? QUICK.rounds : ROUNDS),
    messages: numberOf('messages', values.messages, MAX_MESSAGES),
    maxMessages: quick ? QUICK.messages : Infinity,
    warmUpMessages: quick ? QUICK.warmUpMessages : WARM_UP_MESSAGES,
    backlogs: quick ? QUICK.backlogs : BACKLOGS,
    nodeOptions,
    json: values.json ?? null,
    prepared: values.prepared ?? null,
    countsSyncs: !values['no-syncs'],
  };
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        help: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        cases: { type: 'string' },
        contenders: { type: 'string' },
        rounds: { type: 'string' },
        messages: { type: 'string' },
        'node-option': { type: 'string', multiple: true },
        prepared: { type: 'string' },
        'no-syncs': { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        json: { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw badUsage(String(error instanceof Error ? error.message : error));
  }
}

function listOf(text: string | undefined): string[] | null {
  if (text === undefined) return null;
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function numberOf(name: string, text: string | undefined, max: number): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw badUsage(`--${name} takes a whole number from 1 to ${max}, not ${text}`);
}

function badUsage(message: string): RelayError {
  return new RelayError('BAD_USAGE', message, {
    fault: 'operator',
    hint: '--help shows what there is',
  });
}
