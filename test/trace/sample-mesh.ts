import type { CollectOptions } from '../../src/trace/collect.js';
import type { ChainTrace, HopRecord } from '../../src/trace/record.js';
import { VirtualClock } from '../base/virtual-clock.js';
import { aHopRecord, anAttempt, aRecipientRecord } from './hop-records.js';

/** Records of a mesh, and the mesh as one of its nodes sees it. */

export const TRACE = 'c'.repeat(32);

export function span(name: string): string {
  return Buffer.from(name.padEnd(8, '.')).toString('hex');
}

/** The hop of `node`, which handed over to `next`; its parent is the attempt of the node before. */
export function hop(
  node: string,
  next: string,
  path: string[],
  changes: Partial<HopRecord> = {},
): HopRecord {
  const before = path.at(-1);
  const toNode = !next.includes(':');
  return aHopRecord(`Q${node.toUpperCase()}`, {
    node,
    path,
    trace_id: TRACE,
    span_id: span(node),
    parent_span_id: before === undefined ? null : span(`${before}>${node}`),
    action: toNode ? 'transferred' : 'relayed',
    attempts: [anAttempt({ span_id: span(`${node}>${next}`), next_hop: next })],
    recipients: [aRecipientRecord({ action: toNode ? 'transferred' : 'relayed' })],
    ...changes,
  });
}

/** A → B → C → mx outside of the mesh. */
export function chain(): HopRecord[] {
  return [hop('a', 'b', []), hop('b', 'c', ['a']), hop('c', 'mx:25', ['a', 'b'])];
}

export interface Mesh extends CollectOptions {
  clock: VirtualClock;
  asked: Array<[string, string]>;
}

/** The mesh as `node` sees it; `down` cannot be asked. A record is found as a store finds it. */
export function mesh(
  node: string,
  records: HopRecord[],
  down: string[] = [],
  others: string[] = [],
): Mesh {
  const nodes = new Set([...records.map((record) => record.node), ...down, ...others]);
  const known = (owner: string, id: string): HopRecord[] => {
    const own = records.filter((record) => record.node === owner);
    const direct = own.filter((record) => record.queue_id === id);
    if (direct.length > 0) return direct;
    return own.filter((record) => record.trace_id === id || record.message_id === id);
  };
  const asked: Array<[string, string]> = [];
  return {
    node,
    tierOf: (peer) => (/^(\w+)-\d+$/.exec(peer) ?? [])[1],
    peers: [...nodes].filter((peer) => peer !== node),
    asked,
    clock: new VirtualClock(),
    local: async (id) => known(node, id),
    ask: async (peer, id) => {
      asked.push([peer, id]);
      if (down.includes(peer)) throw new Error('no answer within 2000 ms');
      return known(peer, id);
    },
  };
}

export function nodesOf(found: ChainTrace | null): string[] {
  return found?.hops.map(({ node }) => node) ?? [];
}
