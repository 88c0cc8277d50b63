import type { ReactNode } from 'react';
import { Badge, type Tone } from '../../pieces/badge.js';
import type { HopRecord } from './search.js';

type Action = HopRecord['action'];

const TONES: Record<Action, Tone> = {
  queued: 'info',
  delivered: 'ok',
  transferred: 'ok',
  relayed: 'ok',
  delayed: 'warn',
  failed: 'bad',
  expanded: 'ok',
  opaque: 'idle',
};

const MEANINGS: Record<Action, string> = {
  queued: 'in the queue of this node, nothing to tell yet',
  delivered: 'the next hop has it, and it is the end of the way',
  transferred: 'the next node has it and reports in turn',
  relayed: 'a host outside of the mesh has it; nothing further is known',
  delayed: 'an attempt has left it waiting',
  failed: 'given up',
  expanded: 'sent on to the members of a list',
  opaque: 'a host has it that does not report',
};

/**
 * What a hop did for a recipient (RFC 3886 §3.3).
 *
 * @param tier of the record of one node, where others of the tier may know more
 */
export function ActionBadge({
  action,
  tier = null,
}: {
  action: Action;
  tier?: string | null;
}): ReactNode {
  const isShared = tier !== null && (action === 'queued' || action === 'delayed');
  return (
    <Badge tone={TONES[action]} title={MEANINGS[action]}>
      {isShared ? `${action} in tier ${tier}` : action}
    </Badge>
  );
}
