import { type ReactNode } from 'react';
import { Link } from 'wouter';
import { FromNow } from '../../pieces/value.js';
import { ReplyText } from '../../pieces/fault-text.js';
import { Table, type Column } from '../../pieces/table.js';
import { formatInstant } from '../../quantities.js';
import { shownText } from '../../words.js';
import { ActionBadge } from './action-badge.js';
import { messageHref, someOf } from './addresses.js';
import { groupByMessage, type Found, type HopRecord, type MessageRow } from './search.js';

const COLUMNS: ReadonlyArray<Column<MessageRow>> = [
  {
    key: 'to',
    title: 'To',
    isHeader: true,
    cell: ({ first }) => (
      <Link href={messageHref(first.node, first.queue_id)}>
        {someOf(first.envelope.recipients, 1)}
      </Link>
    ),
  },
  {
    key: 'from',
    title: 'From',
    cell: ({ first }) =>
      first.bounce_of === null ? senderOf(first) : `<> report on ${first.bounce_of}`,
  },
  {
    key: 'received',
    title: 'Received',
    sortBy: ({ first }) => Date.parse(first.received_at),
    cell: ({ first }) => (
      <span className="found-time">
        <span className="number">{formatInstant(Date.parse(first.received_at))}</span>{' '}
        <span className="soft">
          <FromNow at={first.received_at} />
        </span>
      </span>
    ),
  },
  {
    key: 'way',
    title: 'Way',
    cell: ({ last }) => <Way hops={last} />,
  },
  {
    key: 'state',
    title: 'State',
    sortBy: ({ last }) => last.map(({ action }) => action).join(' '),
    cell: ({ last }) => (
      <span className="found-states">
        {last.map((hop) => (
          <ActionBadge
            key={`${hop.node} ${hop.queue_id}`}
            action={hop.action}
            tier={hop.tier ?? null}
          />
        ))}
      </span>
    ),
  },
  { key: 'reply', title: 'Last reply', cell: ({ last }) => <LastReply hops={last} /> },
];

/** The messages that a search found, newest first. */
export function FoundMessages({
  found,
  isMore,
  onMore,
}: {
  found: Found;
  isMore: boolean;
  onMore: () => void;
}): ReactNode {
  const rows = groupByMessage(found.shown);
  return (
    <div className="panel flush">
      <Table
        caption="Messages, newest first"
        columns={COLUMNS}
        rows={rows}
        keyOf={({ key }) => key}
        pageSize={Math.max(1, rows.length)}
        empty={
          isMore
            ? 'Nothing among the messages that were looked at so far.'
            : 'No message fits. Records are kept for a limited time.'
        }
      />
      {isMore && (
        <p className="found-more">
          <button type="button" onClick={onMore}>
            Show older ones
          </button>
        </p>
      )}
    </div>
  );
}

/** All nodes up to each of the last ones, also those whose records are not among the found. */
function Way({ hops }: { hops: readonly HopRecord[] }): ReactNode {
  const ways = [...new Set(hops.map(({ path, node }) => [...path, node].join(' → ')))];
  return ways.map((way) => (
    <span key={way} className="found-way">
      {way}
    </span>
  ));
}

function senderOf({ envelope }: HopRecord): string {
  return envelope.sender === '' ? '<>' : shownText(envelope.sender);
}

/** The words of the attempt that ended last, of the hop that is least settled. */
function LastReply({ hops }: { hops: readonly HopRecord[] }): ReactNode {
  const open = hops.find(({ action }) => action === 'delayed' || action === 'failed') ?? hops[0];
  const attempt = open?.attempts.at(-1);
  if (attempt === undefined) return <span className="soft">not tried yet</span>;
  return (
    <span className="reply" data-accepted={attempt.result === 'accepted'}>
      <ReplyText
        code={attempt.code}
        enhanced_code={attempt.enhanced_code}
        description={attempt.description}
      />
    </span>
  );
}
