import { useState, type ReactNode } from 'react';
import { Link } from 'wouter';
import { useAskedNode } from '../../mesh-query.js';
import { AsOf } from '../../pieces/as-of.js';
import { Badge } from '../../pieces/badge.js';
import { Pager, Table, type Column } from '../../pieces/table.js';
import { Bytes, FromNow, Unknown } from '../../pieces/value.js';
import { useLive } from '../../queries.js';
import { shownText, shownWords } from '../../words.js';
import { QuarantinedActions } from './message-actions.js';
import { QueueActions } from './queue-actions.js';
import {
  messageHref,
  QUARANTINE,
  type QuarantinedMessage,
  type QuarantinePage,
} from './queue-names.js';

const PAGE = 50;
const QUARANTINE_MS = 5000;

const KINDS: Readonly<Record<QuarantinedMessage['kind'], string>> = {
  unreadable: 'Its content cannot be read.',
  undeliverable: 'It can neither go on nor be reported to its sender.',
  crashed: 'The node ended while it worked on it, more than once.',
  corrupt: 'Its record cannot be read; it can only be deleted.',
};

/** Messages of a node that wait for an operator. */
export function QuarantineTable({ node: name }: { node: string }): ReactNode {
  const node = useAskedNode(name);
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const query = new URLSearchParams({ limit: String(PAGE) });
  const cursor = cursors.at(-1);
  if (cursor !== undefined) {
    query.set('cursor', cursor);
  }
  const live = useLive<QuarantinePage>(node, `/v1/quarantine?${query}`, {
    everyMs: QUARANTINE_MS,
    keepsPrevious: true,
  });
  const next = live.value?.next_cursor ?? null;
  return (
    <>
      <p className="crumbs">
        <Link href="/queues">Queues</Link> /{' '}
        <Link href={`/queues/${encodeURIComponent(name)}`}>{name}</Link>
      </p>
      <div className="page-head">
        <h1>{QUARANTINE}</h1>
        <AsOf of={live} />
        {(live.value?.messages.length ?? 0) > 0 && (
          <span className="page-actions">
            <QueueActions node={node} name={QUARANTINE} />
          </span>
        )}
      </div>
      <p className="hint">
        Messages that were taken, and that can neither go on nor be returned. They stay until an
        operator decides.
      </p>
      <div className="panel flush">
        {live.value !== undefined && (
          <Table
            caption="Messages in quarantine"
            columns={columns(name, node)}
            rows={live.value.messages}
            keyOf={({ queue_id: id }) => id}
            pageSize={PAGE}
            empty="Nothing is in quarantine."
          />
        )}
        {(cursors.length > 0 || next !== null) && (
          <Pager
            label="Pages of the quarantine"
            text={`Page ${cursors.length + 1}`}
            onBack={cursors.length > 0 ? () => setCursors(cursors.slice(0, -1)) : null}
            onNext={next === null ? null : () => setCursors([...cursors, next])}
          />
        )}
      </div>
    </>
  );
}

function columns(name: string, node: string | null): ReadonlyArray<Column<QuarantinedMessage>> {
  return [
    {
      key: 'id',
      title: 'Message',
      isHeader: true,
      cell: ({ queue_id: id }) => (
        <Link href={messageHref(name, id)}>
          <code>{id}</code>
        </Link>
      ),
    },
    {
      key: 'kind',
      title: 'Kind',
      cell: ({ kind }) => (
        <Badge tone="bad" title={KINDS[kind]}>
          {kind}
        </Badge>
      ),
    },
    { key: 'since', title: 'Since', cell: ({ since }) => <FromNow at={since} /> },
    { key: 'reason', title: 'Reason', wraps: true, cell: ({ reason }) => shownWords(reason) },
    {
      key: 'sender',
      title: 'Sender',
      wraps: true,
      cell: ({ sender }) =>
        sender === null ? (
          <Unknown why="it cannot be read" />
        ) : sender === '' ? (
          <span className="soft">null sender</span>
        ) : (
          shownText(sender)
        ),
    },
    {
      key: 'recipients',
      title: 'Recipients',
      wraps: true,
      cell: ({ recipients }) => recipients.map(({ address }) => shownText(address)).join(', '),
    },
    {
      key: 'size',
      title: 'Size',
      align: 'end',
      cell: ({ size_bytes: size }) => <Bytes value={size} why="it cannot be read" />,
    },
    {
      key: 'actions',
      title: 'Actions',
      cell: ({ queue_id: id, kind }) => (
        <QuarantinedActions node={node} queueId={id} isCorrupt={kind === 'corrupt'} />
      ),
    },
  ];
}
