import type { AttemptRecord, ChainHop } from './record.js';

/** How other records name a hop: by its nodes, and by the queue id of a reply. */

/** The nodes that are known to have worked on a message at a hop, that of the hop first. */
export function nodesAt({ node, attempts }: ChainHop): Set<string> {
  return new Set([node, ...attempts.map((attempt) => attempt.node ?? node)]);
}

/**
 * Finds the hop whose queue id a reply names. A node of a tier may answer with the queue id under which
 * another one has accepted the message.
 */
export function hopsByReply(
  hops: readonly ChainHop[],
): (reply: Pick<AttemptRecord, 'next_hop' | 'remote_queue_id'>) => ChainHop | undefined {
  const ofNode = new Map<string, ChainHop>();
  const ofTier = new Map<string, ChainHop>();
  for (const hop of hops) {
    ofNode.set(`${hop.node} ${hop.queue_id}`, hop);
    if (hop.tier !== undefined) ofTier.set(hop.queue_id, hop);
  }
  return ({ next_hop: node, remote_queue_id: queueId }) =>
    queueId === null ? undefined : (ofNode.get(`${node} ${queueId}`) ?? ofTier.get(queueId));
}
