import { TRANSACTION, type ReplyRule } from '../send/reply-table.js';
import { replyCodes, type ReplyEntry } from './schema-replies.js';

/** What the actions of the file are in the table; none of them delivers. */
const MEANINGS: Readonly<
  Record<ReplyEntry['action'], Pick<ReplyRule, 'kind'> & { slowDown?: true }>
> = {
  retry: { kind: 'deferred' },
  'slow-down': { kind: 'deferred', slowDown: true },
  pause: { kind: 'hop-fault' },
  bounce: { kind: 'failed' },
};

/** Rows of the file as rows of the table, in their order. The schema has checked their form. */
export function compileReplies(entries: readonly ReplyEntry[] = []): ReplyRule[] {
  return entries.map(({ stage, code, match, action }) => ({
    stages: stage === undefined ? TRANSACTION : [stage].flat(),
    codes: replyCodes(code) as [number, number],
    ...(match === undefined ? {} : { match: [match] }),
    ...MEANINGS[action],
  }));
}
