import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { formatCount, formatMilliseconds } from '../../quantities.js';
import type { HopRow } from './waterfall-layout.js';

const MAX_INDENT = 5;

/** The name of the node, and of the tier that it is one of, how the message came to it, and how long it was there. */
export function HopLabel({ row }: { row: HopRow }): ReactNode {
  const { hop, depth, startMs, endMs } = row.placed;
  // RFC 3848: the S stands for TLS.
  const secured = /^(?:UTF8)?(?:E?SMTP|LMTP)S/i.test(hop.protocol) ? ' with TLS' : '';
  const login = hop.client.user === null ? '' : `, login ${hop.client.user}`;
  const client = hop.client.address === '' ? '' : ` from ${hop.client.address}`;
  return (
    <span className="waterfall-label" data-depth={Math.min(depth, MAX_INDENT)}>
      <span className="waterfall-node">
        <Link href={`/node/${encodeURIComponent(hop.node)}`}>{hop.node}</Link>
        {hop.tier !== undefined && <span className="soft"> (tier {hop.tier})</span>}
        {row.attempts.length > 0 && (
          <span className="soft number"> {formatMilliseconds(endMs - startMs)}</span>
        )}
      </span>
      <span className="waterfall-arrival soft" title={`${hop.queue_id}${client}`}>
        {hop.bounce_of === null
          ? `${hop.protocol}${secured}${login}`
          : `report on ${hop.bounce_of}`}
      </span>
    </span>
  );
}

/** What the bars of a hop do not show. */
export function hopNotes({ placed, dropped, attempts }: HopRow): string[] {
  const { hop, clockOffsetMs } = placed;
  const notes: string[] = [];
  const workers = [...new Set(hop.attempts.flatMap(({ node }) => node ?? []))];
  if (workers.length > 0) {
    notes.push(`Attempts were made by ${workers.join(', ')}, of the same tier.`);
  }
  if (hop.accepted_by !== undefined) notes.push(`Accepted by ${hop.accepted_by}.`);
  if (clockOffsetMs !== null) {
    const differs = formatMilliseconds(Math.abs(clockOffsetMs));
    const side = clockOffsetMs > 0 ? 'ahead' : 'behind';
    notes.push(
      `The clock of ${hop.node} is about ${differs} ${side}; the hop is drawn where the one before sent it.`,
    );
  }
  if (dropped > 0) notes.push(`${formatCount(dropped)} earlier attempts are not kept.`);
  const outside = [
    ...new Set(
      attempts.filter(({ kind }) => kind === 'accepted').map((bar) => bar.attempt.record.next_hop),
    ),
  ];
  if (hop.recipients.some(({ action }) => action === 'relayed' || action === 'opaque')) {
    notes.push(
      `${outside.join(', ') || 'The next hop'} is no node of the mesh: nothing is known of what it does.`,
    );
  }
  if (hop.own_smarthost !== undefined) {
    notes.push(`The message names its own smarthost: ${hop.own_smarthost}.`);
  }
  if (hop.removed_headers !== undefined && hop.removed_headers.length > 0) {
    notes.push(`Taken out unread: ${hop.removed_headers.join(', ')}.`);
  }
  return notes;
}
