import { shared } from './rule-changes.js';
import type { Pair } from './rule-pairs.js';
import { soundBut } from './topology-files.js';

/** Those of `rule-pairs.ts` that are about shared spools and their brokers. */
export const SPOOL_PAIRS = {
  'different-brokers': {
    wrong: shared('amqp: hare, tier: t', 'amqp: rabbit, tier: t'),
    at: '17:20',
    near: shared('amqp: hare, tier: t', 'amqp: rabbit, tier: u'),
  },
  'unfit-spool': {
    wrong: shared('amqp: rabbit', 'amqp: rabbit', 'workers: 2'),
    at: '18:14',
    near: shared('amqp: rabbit', 'amqp: rabbit', 'workers: 1'),
  },
  'unknown-broker': {
    wrong: shared('amqp: rabbit', 'amqp: rabit'),
    at: '17:20',
    near: shared('amqp: rabbit', 'amqp: rabbit'),
  },
  'unused-broker': {
    wrong: soundBut(['sinks:', 'brokers:\n  rabbit: { port: auto }\nsinks:']),
    at: '20:3',
    near: shared('amqp: rabbit', 'amqp: rabbit'),
  },
} satisfies Record<string, Pair>;
