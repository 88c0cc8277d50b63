import { useId, useMemo, type ReactNode } from 'react';
import { ReplyText } from '../../pieces/fault-text.js';
import { Table, type Column } from '../../pieces/table.js';
import { FromNow, Unknown } from '../../pieces/value.js';
import { formatCount } from '../../quantities.js';
import { shownText } from '../../words.js';
import { ActionBadge } from './action-badge.js';
import { fatesOf, type Fate } from './fates.js';
import type { ChainTrace } from './timeline.js';

const COLUMNS: ReadonlyArray<Column<Fate>> = [
  {
    key: 'address',
    title: 'Recipient',
    isHeader: true,
    sortBy: ({ record }) => record.address,
    cell: ({ record, reportOf }) => (
      <>
        {shownText(record.address)}
        {reportOf !== null && <span className="soft"> (of the report)</span>}
      </>
    ),
  },
  { key: 'node', title: 'At', sortBy: ({ node }) => node, cell: ({ node }) => node },
  {
    key: 'state',
    title: 'State',
    sortBy: ({ record }) => record.action,
    cell: ({ record }) => <ActionBadge action={record.action} />,
  },
  {
    key: 'reply',
    title: 'Last reply',
    cell: ({ record }) =>
      record.description === null && record.code === null ? (
        <Unknown why="nothing was said yet" />
      ) : (
        <span className="reply" data-accepted={(record.code ?? 400) < 400}>
          <ReplyText
            code={record.code}
            enhanced_code={record.enhanced_code}
            description={record.description}
          />
        </span>
      ),
  },
  {
    key: 'attempts',
    title: 'Attempts',
    align: 'end',
    sortBy: ({ record }) => record.attempts,
    cell: ({ record }) => (
      <span title="What is the fault of a hop, such as a login that it refuses, does not count.">
        {formatCount(record.attempts)}
      </span>
    ),
  },
  {
    key: 'next',
    title: 'Next attempt',
    cell: ({ record }) => <FromNow at={record.next_attempt_at} why="none is planned by itself" />,
  },
];

/** What became of each recipient, as the last node that knows of it says. */
export function Recipients({ trace }: { trace: ChainTrace }): ReactNode {
  const titleId = useId();
  const fates = useMemo(() => fatesOf(trace), [trace]);
  return (
    <section className="panel flush" aria-labelledby={titleId}>
      <h2 id={titleId} className="panel-title">
        Recipients
      </h2>
      <Table
        caption="Recipients"
        columns={COLUMNS}
        rows={fates}
        keyOf={({ key }) => key}
        empty="No recipient is known."
      />
    </section>
  );
}
