import type { ArrivedMessage, Evidence, SentMessage } from '../../../src/topology/lab/evidence.js';
import type { ChainHop, ChainTrace } from '../../../src/trace/record.js';
import {
  NOON_MS,
  sampleAttempt,
  sampleChain,
  sampleHop,
  sampleRecipient,
} from '../../trace/chain-samples.js';
import { parsed } from '../topology-files.js';

/** Evidence of tests: mail that went edge -> core -> mx as it should, unless told otherwise. */

export const TOPOLOGY = parsed(`version: 1
name: mesh
nodes:
  edge: { listen: [{ port: auto }], relay-from: [127.0.0.1], smarthost: { pool: [{ to: core }, { to: spare }] } }
  core: { listen: [{ port: auto }], smarthost: mx }
  spare: { listen: [{ port: auto }], smarthost: mx }
sinks: { mx: { port: auto }, other: { port: auto } }
`).topology;

export const BODY = 'ab'.repeat(32);

export function idOf(number: number): string {
  return `lab.${number}@mesh.test`;
}

export function sentMessage(number: number, fields: Partial<SentMessage> = {}): SentMessage {
  return {
    number,
    step: 0,
    via: 'edge',
    messageId: idOf(number),
    sender: 'lab@relaymesh.test',
    recipients: [`u${number}@x.test`],
    sizeBytes: 2000,
    bodySha256: BODY,
    startedAtMs: NOON_MS,
    outcome: 'accepted',
    doubtful: false,
    reply: '250 2.6.0 queued',
    queueId: `01KJZ0000EDGE000${number}X`,
    ...fields,
  };
}

export function arrivedMessage(
  number: number,
  fields: Partial<ArrivedMessage> = {},
): ArrivedMessage {
  return {
    sink: 'mx',
    id: `sink-${number}`,
    messageId: idOf(number),
    sender: 'lab@relaymesh.test',
    recipients: [`u${number}@x.test`],
    receivedAtMs: NOON_MS + number * 100,
    bodySha256: BODY,
    tls: true,
    user: 'core',
    headerNames: ['received', 'from', 'subject', 'message-id'],
    ...fields,
  };
}

/** A hop of a message, with one accepted attempt to `next`. */
export function hopOf(
  number: number,
  node: string,
  next: string,
  fields: Partial<ChainHop> = {},
  attempt: Parameters<typeof sampleAttempt>[3] = {},
): ChainHop {
  const recipients = [`u${number}@x.test`];
  const isLast = next === 'mx' || next === 'other';
  const remote = isLast ? {} : { remote_queue_id: `queue-${number}-${next}` };
  return sampleHop(node, 0, {
    span_id: `hop-${number}-${node}`,
    queue_id: `queue-${number}-${node}`,
    action: isLast ? 'relayed' : 'transferred',
    attempts: [
      sampleAttempt(`try-${number}-${node}`, 10, next, { recipients, ...remote, ...attempt }),
    ],
    recipients: [
      sampleRecipient(isLast ? 'relayed' : 'transferred', { address: `u${number}@x.test` }),
    ],
    ...fields,
  });
}

/** The trace of a message over these nodes to a sink. */
export function traceOver(number: number, way: readonly string[]): ChainTrace {
  const nodes = way.slice(0, -1);
  return sampleChain(
    nodes.map((node, index) =>
      hopOf(number, node, way[index + 1] ?? 'mx', {
        parent_span_id: index === 0 ? null : `try-${number}-${nodes[index - 1] ?? ''}`,
        path: nodes.slice(0, index),
      }),
    ),
  );
}

/** `count` messages that all went well. */
export function goodEvidence(count: number, fields: Partial<Evidence> = {}): Evidence {
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  return {
    topology: TOPOLOGY,
    sent: numbers.map((number) => sentMessage(number)),
    arrived: numbers.map((number) => arrivedMessage(number)),
    traces: new Map(
      numbers.map((number) => [idOf(number), traceOver(number, ['edge', 'core', 'mx'])]),
    ),
    tracesSampled: false,
    queued: { edge: 0, core: 0, spare: 0 },
    steps: [],
    stallMs: 0,
    ...fields,
  };
}

/** The same traces with some of them replaced. */
export function tracesWith(
  evidence: Evidence,
  changed: Readonly<Record<number, ChainTrace | null>>,
): Map<string, ChainTrace> {
  const traces = new Map(evidence.traces);
  for (const [number, trace] of Object.entries(changed)) {
    if (trace === null) traces.delete(idOf(Number(number)));
    else traces.set(idOf(Number(number)), trace);
  }
  return traces;
}
