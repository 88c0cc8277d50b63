import { useId, type ReactNode } from 'react';
import { Link } from 'wouter';
import type { RouteAnswer } from '../../../api/shape/node.js';
import { Badge } from '../../pieces/badge.js';
import { CommandTwin } from '../../pieces/command-twin.js';
import { Table, type Column } from '../../pieces/table.js';
import { Unknown } from '../../pieces/value.js';
import { queueHref } from '../messages/addresses.js';
import type { Draft } from './draft.js';
import { FocusedHeading } from './focused-heading.js';
import { addressesOf } from './letter.js';

type Row = RouteAnswer['recipients'][number] & { node: string };

const TONES = { active: 'ok', probing: 'warn', backoff: 'bad', paused: 'warn' } as const;

const COLUMNS: ReadonlyArray<Column<Row>> = [
  {
    key: 'recipient',
    title: 'Recipient',
    isHeader: true,
    sortBy: ({ recipient }) => recipient,
    cell: ({ recipient }) => recipient,
  },
  {
    key: 'outcome',
    title: 'Outcome',
    sortBy: ({ outcome }) => outcome,
    cell: ({ outcome }) => (
      <Badge tone={outcome === 'relay' ? 'ok' : 'bad'}>
        {outcome === 'relay' ? 'goes on' : 'refused'}
      </Badge>
    ),
  },
  {
    key: 'next',
    title: 'Next hop',
    cell: ({ next_hop: hop, next_node: node }) => (
      <>
        {hop ?? <Unknown why="there is none" />}
        {node !== null && (
          <span className="soft"> {node === hop ? '(a node)' : `(node ${node})`}</span>
        )}
      </>
    ),
  },
  { key: 'queue', title: 'Queue', cell: (row) => <QueueCell row={row} /> },
  {
    key: 'tls',
    title: 'TLS and login',
    cell: ({ tls, login }) => `${tls ?? '–'}${login === null ? ', no login' : `, login ${login}`}`,
  },
  {
    key: 'failover',
    title: 'If it fails',
    cell: ({ failover }) =>
      failover.length === 0 ? <span className="soft">it waits</span> : failover.join(', then '),
  },
  { key: 'because', title: 'Because', cell: ({ because }) => because },
];

/** Where each recipient's message would go, and which rule says so. */
export function Routes({
  answer,
  draft,
  node,
}: {
  answer: RouteAnswer;
  /** What was asked. */
  draft: Draft;
  node: string | null;
}): ReactNode {
  const titleId = useId();
  const recipients = addressesOf(draft.recipients).flatMap((one) => ['--to', one]);
  return (
    <section className="panel flush" aria-labelledby={titleId}>
      <FocusedHeading id={titleId} className="panel-title">
        From {answer.node} it would go this way; nothing was sent
      </FocusedHeading>
      <Table
        caption="Routes"
        columns={COLUMNS}
        rows={answer.recipients.map((one) => ({ ...one, node: answer.node }))}
        keyOf={({ recipient }) => recipient}
        empty="There is no recipient."
      />
      <div className="panel-foot">
        <CommandTwin words={['route', '--from', draft.sender.trim(), ...recipients]} node={node} />
      </div>
    </section>
  );
}

function QueueCell({ row: { queue, state, node } }: { row: Row }): ReactNode {
  if (queue === null) return <Unknown why="none" />;
  // A queue is there as long as mail waits in it.
  if (state === null) return queue;
  const tone = state in TONES ? TONES[state as keyof typeof TONES] : 'idle';
  return (
    <>
      <Link href={queueHref(node, queue)}>{queue}</Link> <Badge tone={tone}>{state}</Badge>
    </>
  );
}
