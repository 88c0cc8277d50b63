import type { RouteAnswer, RouteQuestion } from '../api/shape/node.js';
import type { Output } from './api-access.js';
import { writeJson } from './json-output.js';
import { renderPairs } from './table.js';

/** What a running node says it would do with a message, for `relaymesh route`. */

export type LiveAnswer = RouteAnswer;
export type LiveQuestion = RouteQuestion;

export function printAnswer(answer: LiveAnswer, json: boolean, output: Output): void {
  if (json) writeJson(output, answer);
  else output.write(answer.recipients.map((one) => renderPairs(pairsOf(one))).join('\n'));
}

type Recipient = LiveAnswer['recipients'][number];

function pairsOf(recipient: Recipient): [string, string][] {
  const { next_hop: hop, next_node: node, queue, state, failover } = recipient;
  const known: [string, string | null][] = [
    ['Recipient', recipient.recipient],
    ['Outcome', recipient.outcome === 'refused' ? 'refused' : null],
    ['Rule', recipient.because],
    ['Queue', queue === null || state === null ? queue : `${queue}, now ${state}`],
    ['Next hop', node === null || node === hop ? hop : `${hop ?? '?'}, node ${node}`],
    ['Login', recipient.outcome === 'relay' ? (recipient.login ?? 'none') : null],
    ['TLS', recipient.tls],
    ['Failover', failover.length === 0 ? null : failover.join(', ')],
  ];
  return known.flatMap(([name, value]): [string, string][] =>
    value === null ? [] : [[name, value]],
  );
}
