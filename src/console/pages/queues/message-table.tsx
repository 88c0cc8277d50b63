import { useState, type ReactNode } from 'react';
import { Link } from 'wouter';
import { pathOf } from '../../api.js';
import { AsOf } from '../../pieces/as-of.js';
import { Badge, type Tone } from '../../pieces/badge.js';
import { ReplyText } from '../../pieces/fault-text.js';
import { Pager, Table, type Column } from '../../pieces/table.js';
import { Bytes, FromNow, Unknown } from '../../pieces/value.js';
import { useLive } from '../../queries.js';
import { shownText } from '../../words.js';
import { QueuedActions } from './message-actions.js';
import { messageHref, type QueuedMessage, type QueuedPage } from './queue-names.js';

const PAGE = 50;
const MESSAGES_MS = 3000;

type RecipientState = QueuedMessage['recipients'][number]['state'];
const TONES: Readonly<Record<RecipientState, Tone>> = {
  ready: 'ok',
  sending: 'info',
  deferred: 'warn',
  held: 'idle',
  quarantined: 'bad',
};

/** What is in a queue, a page at a time, so that a hundred thousand messages are no more than fifty. */
export function MessageTable({
  nodeName,
  node,
  queue,
}: {
  nodeName: string;
  node: string | null;
  queue: string;
}): ReactNode {
  // The cursors of the pages up to this one; the first page has none.
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const query = new URLSearchParams({ limit: String(PAGE) });
  const cursor = cursors.at(-1);
  if (cursor !== undefined) {
    query.set('cursor', cursor);
  }
  const live = useLive<QueuedPage>(node, `${pathOf`/v1/queues/${queue}/messages`}?${query}`, {
    everyMs: MESSAGES_MS,
    keepsPrevious: true,
  });
  const page = live.value;
  const next = page?.next_cursor ?? null;
  return (
    <section aria-labelledby="queue-messages">
      <div className="page-head">
        <h2 id="queue-messages">Messages, oldest first</h2>
        <AsOf of={live} />
      </div>
      <div className="panel flush">
        {page !== undefined && (
          <Table
            caption={`Messages in ${queue}`}
            columns={columns(nodeName, node)}
            rows={page.messages}
            keyOf={({ queue_id: id }) => id}
            pageSize={PAGE}
            empty="Nothing more waits here."
          />
        )}
        {(cursors.length > 0 || next !== null) && (
          <Pager
            label="Pages of messages"
            text={`Page ${cursors.length + 1}`}
            onBack={cursors.length > 0 ? () => setCursors(cursors.slice(0, -1)) : null}
            onNext={next === null ? null : () => setCursors([...cursors, next])}
          />
        )}
      </div>
    </section>
  );
}

function columns(nodeName: string, node: string | null): ReadonlyArray<Column<QueuedMessage>> {
  return [
    {
      key: 'id',
      title: 'Message',
      isHeader: true,
      cell: ({ queue_id: id }) => (
        <Link href={messageHref(nodeName, id)}>
          <code>{id}</code>
        </Link>
      ),
    },
    {
      key: 'received',
      title: 'Received',
      cell: ({ received_at: at }) => <FromNow at={at} />,
    },
    {
      key: 'sender',
      title: 'Sender',
      wraps: true,
      cell: ({ sender }) =>
        sender === '' ? <span className="soft">null sender</span> : shownText(sender),
    },
    {
      key: 'recipients',
      title: 'Recipients',
      wraps: true,
      cell: (message) => <Recipients message={message} />,
    },
    {
      key: 'size',
      title: 'Size',
      align: 'end',
      cell: ({ size_bytes: size }) => <Bytes value={size} />,
    },
    {
      key: 'reply',
      title: 'Last reply',
      wraps: true,
      cell: (message) => <LastReply message={message} />,
    },
    {
      key: 'expires',
      title: 'Expires',
      align: 'end',
      cell: ({ expires_at: at }) => <FromNow at={at} />,
    },
    {
      key: 'actions',
      title: 'Actions',
      cell: (message) => (
        <QueuedActions
          node={node}
          queueId={message.queue_id}
          isHeld={message.held_since !== null}
          isSending={message.recipients.some(({ state }) => state === 'sending')}
        />
      ),
    },
  ];
}

function Recipients({ message }: { message: QueuedMessage }): ReactNode {
  const [first] = message.recipients;
  const more = message.recipient_count - 1;
  if (first === undefined) {
    return <Unknown why="none is told" />;
  }
  return (
    <>
      {shownText(first.address)}
      {more > 0 && <span className="soft"> and {more} more</span>}{' '}
      <Badge tone={TONES[first.state]}>{first.state}</Badge>
    </>
  );
}

function LastReply({ message }: { message: QueuedMessage }): ReactNode {
  const told = message.recipients.find(({ description }) => description !== null);
  if (told === undefined) {
    return <Unknown why="no attempt yet" />;
  }
  return (
    <>
      <ReplyText {...told} />{' '}
      {told.next_attempt_at !== null && (
        <span className="soft">
          again <FromNow at={told.next_attempt_at} />
        </span>
      )}
    </>
  );
}
