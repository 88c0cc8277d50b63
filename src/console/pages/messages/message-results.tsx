import { useState, type ReactNode } from 'react';
import type { z } from 'zod';
import type { message } from '../../../api/shape/queues.js';
import { pathOf } from '../../api.js';
import { ReplyText } from '../../pieces/fault-text.js';
import { Table, type Column } from '../../pieces/table.js';
import { useAskedNode } from '../../mesh-query.js';
import { useLive } from '../../queries.js';
import { shownText } from '../../words.js';
import type { ChainTrace } from './timeline.js';

type Message = z.output<typeof message>;
type Result = Message['results'][number];

const EVERY_MS = 5000;

const COLUMNS: ReadonlyArray<Column<Result & { key: string }>> = [
  { key: 'time', title: 'Time (UTC)', sortBy: ({ time }) => time, cell: ({ time }) => time },
  {
    key: 'recipient',
    title: 'Recipient',
    isHeader: true,
    cell: ({ recipient }) => shownText(recipient),
  },
  {
    key: 'result',
    title: 'Result',
    cell: ({ state, result }) => (result === 'accepted' ? result : `${result} in ${state}`),
  },
  { key: 'to', title: 'Remote', cell: ({ mta, to }) => (to === null ? mta : `${mta} (${to})`) },
  {
    key: 'reply',
    title: 'Reply',
    cell: ({ code, status, description, result }) => (
      <span className="reply" data-accepted={result === 'accepted'}>
        <ReplyText code={code} enhanced_code={status} description={description} />
      </span>
    ),
  },
];

/** What each attempt for each recipient ended with, node by node: the results of the API. */
export function MessageResults({ trace }: { trace: ChainTrace }): ReactNode {
  return trace.hops.flatMap(({ node: first, queue_id: id, attempts }) =>
    // Of a tier, each node knows its own.
    [...new Set([first, ...attempts.map(({ node = first }) => node)])].map((node) => (
      <ResultsAt key={`${node} ${id}`} node={node} id={id} />
    )),
  );
}

function ResultsAt({ node, id }: { node: string; id: string }): ReactNode {
  const [isShown, setShown] = useState(false);
  return (
    <details className="panel" onToggle={(event) => setShown(event.currentTarget.open)}>
      <summary>
        Results at {node} <span className="soft">{id}</span>
      </summary>
      {isShown && <Results node={node} id={id} />}
    </details>
  );
}

function Results({ node, id }: { node: string; id: string }): ReactNode {
  const { value, problem } = useLive<Message>(useAskedNode(node), pathOf`/v1/messages/${id}`, {
    everyMs: EVERY_MS,
  });
  if (value === undefined) {
    return <p className="soft">{problem === null ? 'asking …' : problem.message}</p>;
  }
  return (
    <Table
      caption={`Results at ${node}`}
      columns={COLUMNS}
      rows={value.results.map((result, index) => ({ ...result, key: String(index) }))}
      keyOf={({ key }) => key}
      empty="No attempt has ended yet."
    />
  );
}
