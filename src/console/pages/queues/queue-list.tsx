import { useQueries, type UseQueryOptions } from '@tanstack/react-query';
import { useDeferredValue, useId, type ReactNode } from 'react';
import { Link, useLocation, useSearchParams } from 'wouter';
import type { ApiProblem } from '../../api.js';
import { AsOf } from '../../pieces/as-of.js';
import { FaultText } from '../../pieces/fault-text.js';
import { NodePicker } from '../../pieces/node-picker.js';
import { Table, type Column } from '../../pieces/table.js';
import { Count, Duration, FromNow } from '../../pieces/value.js';
import { liveOf, liveQuery, useIsHidden, useOwnNode, type Live } from '../../queries.js';
import { QueueActions } from './queue-actions.js';
import { QUARANTINE, queueHref, type Queue } from './queue-names.js';
import { InTier } from './in-tier.js';
import { QueueState } from './queue-state.js';

const QUEUES_MS = 3000;
const STATES = ['active', 'probing', 'backoff', 'paused'] as const;

/** A queue, and whose it is. `node`: null for the node that serves the console. */
interface Row {
  queue: Queue;
  name: string;
  node: string | null;
}

interface NodeQueues {
  name: string;
  node: string | null;
  live: Live<{ queues: Queue[] }>;
}

/** The active domains, as SMARTHOST.md calls them, with what waits for each. */
export function QueueList({ node, names }: { node: string; names: readonly string[] }): ReactNode {
  const answers = useQueuesOf(names);
  const [, navigate] = useLocation();
  const [search, setSearch] = useSearchParams();
  const text = search.get('find') ?? '';
  const state = search.get('state') ?? '';
  const wanted = useDeferredValue(text);
  const set = (key: string, value: string): void =>
    setSearch(
      (before) => {
        const next = new URLSearchParams(before);
        if (value === '') {
          next.delete(key);
        } else {
          next.set(key, value);
        }
        return next;
      },
      { replace: true },
    );
  const rows = answers.flatMap(({ name, node, live }) =>
    (live.value?.queues ?? []).map((queue) => ({ queue, name, node })),
  );
  const shown = rows.filter((row) => isWanted(row, wanted, state));
  const isKnown = answers.some(({ live }) => live.value !== undefined);
  return (
    <>
      <div className="page-head">
        <h1>Queues</h1>
        <NodeAges answers={answers} />
      </div>
      <search className="toolbar queue-filter">
        <NodePicker
          all
          value={node}
          onChange={(to) => navigate(to === '' ? '/queues' : `/queues/${encodeURIComponent(to)}`)}
        />
        <Filter text={text} state={state} set={set} />
        {isKnown && (
          <span className="soft number">
            {shown.length} of {rows.length} queues
          </span>
        )}
      </search>
      {isKnown && (
        <div className="panel flush">
          <Table
            caption="Queues"
            columns={columnsFor(rows)}
            rows={shown}
            keyOf={({ name, queue }) => `${name} ${queue.name}`}
            empty={rows.length === 0 ? 'Nothing waits in any queue.' : 'No queue is like that.'}
          />
        </div>
      )}
    </>
  );
}

function Filter({
  text,
  state,
  set,
}: {
  text: string;
  state: string;
  set: (key: string, value: string) => void;
}): ReactNode {
  const id = useId();
  return (
    <>
      <span className="field">
        <label htmlFor={`${id}-find`}>Find</label>
        <input
          id={`${id}-find`}
          type="search"
          placeholder="queue, hop or fault"
          value={text}
          onChange={(event) => set('find', event.currentTarget.value)}
        />
      </span>
      <span className="field">
        <label htmlFor={`${id}-state`}>State</label>
        <select
          id={`${id}-state`}
          value={state}
          onChange={(event) => set('state', event.currentTarget.value)}
        >
          <option value="">any</option>
          {STATES.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
      </span>
    </>
  );
}

/** One age where all answer, and one of each node that does not. */
function NodeAges({ answers }: { answers: readonly NodeQueues[] }): ReactNode {
  const failed = answers.filter(({ live }) => live.problem !== null);
  const first = answers.find(({ live }) => live.problem === null);
  return (
    <>
      {first !== undefined && <AsOf of={first.live} />}
      {failed.map(({ name, live }) => (
        <span key={name}>
          <strong>{name}</strong> <AsOf of={live} />
        </span>
      ))}
    </>
  );
}

function useQueuesOf(names: readonly string[]): NodeQueues[] {
  const own = useOwnNode().value?.node;
  const isHidden = useIsHidden();
  const asked = names.map((name) => ({ name, node: name === own ? null : name }));
  const answers = useQueries({
    queries: asked.map(({ node }): UseQueryOptions<{ queues: Queue[] }, ApiProblem> =>
      liveQuery(node, '/v1/queues', { everyMs: QUEUES_MS }, isHidden),
    ),
  });
  return asked.map((one, index) => ({
    ...one,
    live: liveOf(answers[index], QUEUES_MS),
  }));
}

function isWanted({ queue, name }: Row, text: string, state: string): boolean {
  if (state !== '' && queue.state !== state) {
    return false;
  }
  const { last_fault: fault } = queue;
  const words = [queue.name, queue.next_hop, name, fault?.code, fault?.description].join(' ');
  return words.toLowerCase().includes(text.trim().toLowerCase());
}

function number(key: 'ready' | 'sending' | 'deferred' | 'held', title: string): Column<Row> {
  return {
    key,
    title,
    align: 'end',
    sortBy: ({ queue }) => queue[key],
    cell: ({ queue }) => <Count value={queue[key]} />,
  };
}

const TIER_COLUMN: Column<Row> = {
  key: 'tier',
  title: 'In tier',
  align: 'end',
  sortBy: ({ queue }) => queue.tier?.waiting ?? null,
  cell: ({ queue: { tier } }) => tier !== undefined && <InTier tier={tier} />,
};

/** What waits for a whole tier stands beside what this node holds, where there is any. */
function columnsFor(rows: readonly Row[]): ReadonlyArray<Column<Row>> {
  if (!rows.some(({ queue }) => queue.tier !== undefined)) return COLUMNS;
  const behind = COLUMNS.findIndex(({ key }) => key === 'held') + 1;
  return COLUMNS.toSpliced(behind, 0, TIER_COLUMN);
}

const COLUMNS: ReadonlyArray<Column<Row>> = [
  {
    key: 'queue',
    title: 'Queue',
    wraps: true,
    isHeader: true,
    sortBy: ({ queue }) => queue.name,
    cell: ({ queue, name }) => <Link href={queueHref(name, queue.name)}>{queue.name}</Link>,
  },
  { key: 'node', title: 'Node', sortBy: ({ name }) => name, cell: ({ name }) => name },
  {
    key: 'hop',
    title: 'Next hop',
    wraps: true,
    sortBy: ({ queue }) => queue.next_hop,
    cell: ({ queue }) => queue.next_hop,
  },
  {
    key: 'state',
    title: 'State',
    sortBy: ({ queue }) => queue.state,
    cell: ({ queue }) => (queue.name === QUARANTINE ? '' : <QueueState state={queue.state} />),
  },
  number('ready', 'Ready'),
  number('sending', 'Sending'),
  number('deferred', 'Deferred'),
  number('held', 'Held'),
  {
    key: 'oldest',
    title: 'Oldest',
    align: 'end',
    sortBy: ({ queue }) => queue.oldest_age_seconds,
    cell: ({ queue }) => <Duration value={queue.oldest_age_seconds} why="nothing waits" />,
  },
  {
    key: 'next',
    title: 'Next attempt',
    align: 'end',
    sortBy: ({ queue }) => queue.next_attempt_at,
    cell: ({ queue }) => <FromNow at={queue.next_attempt_at} why="none is planned" />,
  },
  {
    key: 'fault',
    title: 'Last fault',
    wraps: true,
    cell: ({ queue }) => <FaultText fault={queue.last_fault} />,
  },
  {
    key: 'actions',
    title: 'Actions',
    cell: ({ queue, node }) => <QueueActions node={node} name={queue.name} state={queue.state} />,
  },
];
