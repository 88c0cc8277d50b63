import type { ReactNode } from 'react';
import type { NodeStatus } from '../../../api/shape/node.js';
import { Table, type Column } from '../../pieces/table.js';
import { formatCount } from '../../quantities.js';

type Listener = NodeStatus['listeners'][number];
type NextHop = NodeStatus['next_hops'][number];

const LISTENERS: ReadonlyArray<Column<Listener>> = [
  {
    key: 'name',
    title: 'Listener',
    isHeader: true,
    sortBy: ({ name }) => name,
    cell: ({ name }) => name,
  },
  { key: 'address', title: 'Address', cell: ({ host, port }) => `${host}:${port}` },
  { key: 'tls', title: 'TLS', cell: ({ tls }) => tls },
  {
    key: 'connections',
    title: 'Connections',
    align: 'end',
    sortBy: ({ connections }) => connections,
    cell: ({ connections, max_connections: most }) =>
      `${formatCount(connections)} of ${formatCount(most)}`,
  },
];

const NEXT_HOPS: ReadonlyArray<Column<NextHop>> = [
  {
    key: 'name',
    title: 'Next hop',
    isHeader: true,
    sortBy: ({ name }) => name,
    cell: ({ name }) => name,
  },
  {
    key: 'open',
    title: 'Open',
    align: 'end',
    sortBy: ({ open }) => open,
    cell: ({ open }) => formatCount(open),
  },
  {
    key: 'busy',
    title: 'Busy',
    align: 'end',
    sortBy: ({ busy }) => busy,
    cell: ({ busy }) => formatCount(busy),
  },
];

/** SMTP connections, in and out. */
export function Connections({ status }: { status: NodeStatus }): ReactNode {
  return (
    <div className="node-columns">
      <section className="panel flush" aria-labelledby="connections-in">
        <h2 id="connections-in" className="panel-title">
          Connections in
        </h2>
        <Table
          caption="Listeners"
          columns={LISTENERS}
          rows={status.listeners}
          keyOf={({ name, host, port }) => `${name} ${host} ${port}`}
          empty="The node takes no mail by SMTP."
        />
      </section>
      <section className="panel flush" aria-labelledby="connections-out">
        <h2 id="connections-out" className="panel-title">
          Connections out
        </h2>
        <Table
          caption="Next hops"
          columns={NEXT_HOPS}
          rows={status.next_hops}
          keyOf={({ name }) => name}
          empty="No connection is open."
        />
      </section>
    </div>
  );
}
