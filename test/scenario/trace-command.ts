import assert from 'node:assert/strict';
import type { ChainTrace } from '../../src/trace/record.js';
import { relaymesh, type Ended } from './programs.js';
import type { RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

/** Runs `relaymesh trace` against a node as a person would, with the token in the environment. */
export function askTrace(
  topology: RunningTopology,
  node: string,
  args: readonly string[],
): Promise<Ended> {
  const { api, apiToken = topology.state.apiToken } = topology.node(node);
  assert.ok(api !== null);
  return relaymesh(['trace', ...args, '--url', api], { env: { RELAYMESH_API_TOKEN: apiToken } });
}

/** The sentence that says where the message is: it stands between the header and the drawing. */
export function sentenceIn(picture: string): string {
  const [, sentence = ''] = picture.split('\n\n');
  return sentence.replaceAll('\n', ' ');
}

/** The queue id in the table that lists the messages of one recipient. */
export async function findQueueId(
  topology: RunningTopology,
  node: string,
  recipient: string,
): Promise<string> {
  const listed = await askTrace(topology, node, ['--recipient', recipient, '--since', '1h']);
  assert.equal(listed.code, 0, listed.stderr);
  const [head, row, ...more] = listed.stdout.trimEnd().split('\n');
  assert.match(head ?? '', /^RECEIVED +QUEUE ID +STATE +FROM +TO +LAST REPLY$/);
  assert.deepEqual(more, [], 'one message');
  assert.match(row ?? '', new RegExp(` ${recipient}(?: |$)`));
  const [, queueId = ''] = (row ?? '').split(/ {2,}/);
  return queueId;
}

/** The whole path, from each of these nodes; fails when two of them answer differently. */
export async function traceFromAll(
  topology: RunningTopology,
  nodes: readonly string[],
  id: string,
): Promise<ChainTrace> {
  const answers = await Promise.all(nodes.map((node) => topology.api(node).trace(id)));
  const [first, ...others] = answers;
  assert.ok(first !== undefined);
  others.forEach((answer, index) => assert.deepEqual(answer, first, nodes[index + 1]));
  return first;
}

/** Waits until the path that a node tells is as it should be. */
export function untilTrace(
  topology: RunningTopology,
  node: string,
  id: string,
  isAsWanted: (chain: ChainTrace) => boolean,
): Promise<ChainTrace> {
  let last: ChainTrace | null = null;
  const look = async (): Promise<ChainTrace | null> => {
    last = await topology.api(node).trace(id);
    return isAsWanted(last) ? last : null;
  };
  return until(`the trace of ${id} at ${node}`, look, { seen: () => last });
}

/**
 * Each hop has the one before as its parent: the attempt that was accepted there. The first one
 * stands alone unless the client had a span.
 */
export function assertLinked({ hops }: ChainTrace): void {
  hops.forEach((hop, index) => {
    const before = hops.slice(0, index).map(({ node }) => node);
    assert.deepEqual(hop.path, before, hop.node);
    if (index === 0) return;
    const accepted = hops[index - 1]?.attempts.find(({ result }) => result === 'accepted');
    assert.equal(hop.parent_span_id, accepted?.span_id, `the parent of ${hop.node}`);
  });
}
