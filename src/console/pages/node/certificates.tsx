import type { ReactNode } from 'react';
import type { NodeStatus } from '../../../api/shape/node.js';
import { Badge } from '../../pieces/badge.js';
import { Table, type Column } from '../../pieces/table.js';
import { daysLeft, expiryOf } from './expiry.js';

type Certificate = NodeStatus['certificates'][number];
interface Row extends Certificate {
  atMs: number;
}

const COLUMNS: ReadonlyArray<Column<Row>> = [
  {
    key: 'subject',
    title: 'Subject',
    isHeader: true,
    sortBy: ({ subject }) => subject,
    cell: ({ subject, sha256 }) => <span title={`SHA-256 ${sha256}`}>{subject}</span>,
  },
  {
    key: 'used_by',
    title: 'Used by',
    cell: ({ used_by: users }) => users.join(', '),
  },
  { key: 'names', title: 'Names', cell: ({ names }) => names.join(', ') || '–' },
  { key: 'issuer', title: 'Issuer', cell: ({ issuer }) => issuer },
  {
    key: 'not_after',
    title: 'Expires',
    sortBy: ({ not_after: end }) => Date.parse(end),
    cell: (row) => <Expiry certificate={row} />,
  },
];

/** The certificates that the node shows or trusts in, the one that expires first on top. */
export function Certificates({ status }: { status: NodeStatus }): ReactNode {
  const atMs = Date.parse(status.asked_at);
  const rows = status.certificates
    .map((certificate): Row => ({ ...certificate, atMs }))
    .toSorted((a, b) => Date.parse(a.not_after) - Date.parse(b.not_after));
  return (
    <section className="panel flush" aria-labelledby="certificates">
      <h2 id="certificates" className="panel-title">
        Certificates
      </h2>
      <Table
        caption="Certificates"
        columns={COLUMNS}
        rows={rows}
        keyOf={({ sha256 }) => sha256}
        empty="The node uses no certificate of its own."
      />
    </section>
  );
}

function Expiry({ certificate }: { certificate: Row }): ReactNode {
  const { tone, words } = expiryOf(certificate, certificate.atMs);
  const day = certificate.not_after.slice(0, 10);
  return (
    <span className="expiry" title={`${daysLeft(certificate, certificate.atMs)} days left`}>
      <Badge tone={tone}>{words}</Badge> <span className="soft number">{day}</span>
    </span>
  );
}
