import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { Badge } from '../../pieces/badge.js';
import { Table, type Column } from '../../pieces/table.js';
import { Count } from '../../pieces/value.js';
import type { MeshNode } from './mesh-links.js';

/** The nodes of the picture as a table. */
export function NodeTable({ nodes }: { nodes: readonly MeshNode[] }): ReactNode {
  return (
    <Table
      caption="Nodes"
      columns={COLUMNS}
      rows={nodes}
      keyOf={({ node }) => node}
      empty="No node is known."
    />
  );
}

function State({ node: { reachable, reason, ready } }: { node: MeshNode }): ReactNode {
  if (!reachable) {
    return (
      <>
        <Badge tone="bad">does not answer</Badge> {reason}
      </>
    );
  }
  return ready === false ? (
    <Badge tone="warn">takes no mail</Badge>
  ) : (
    <Badge tone="ok">takes mail</Badge>
  );
}

function number(
  key: 'messages' | 'quarantined' | 'received_per_minute',
  title: string,
): Column<MeshNode> {
  return {
    key,
    title,
    align: 'end',
    sortBy: (node) => node[key],
    cell: (node) => <Count value={node[key]} why={`${node.node} does not answer`} />,
  };
}

const COLUMNS: ReadonlyArray<Column<MeshNode>> = [
  {
    key: 'node',
    title: 'Node',
    isHeader: true,
    sortBy: ({ node }) => node,
    cell: ({ node }) => <Link href={`/node/${encodeURIComponent(node)}`}>{node}</Link>,
  },
  { key: 'state', title: 'State', cell: (node) => <State node={node} /> },
  number('messages', 'Queued'),
  number('quarantined', 'Quarantined'),
  number('received_per_minute', 'Received/min'),
];
