import type { ReactNode } from 'react';
import { Badge, type Tone } from '../../pieces/badge.js';
import { FaultText } from '../../pieces/fault-text.js';
import { Table, type Column } from '../../pieces/table.js';
import { Count, Unknown } from '../../pieces/value.js';
import { depthOf, stateText, TLS_TEXT, type MeshLink, type ShownLink } from './mesh-links.js';

const TONES: Readonly<Record<MeshLink['state'], Tone>> = {
  active: 'ok',
  probing: 'warn',
  backoff: 'bad',
  paused: 'info',
};

/** The state of a link in a word; of one whose node does not answer it is not known. */
export function LinkState({ shown: { link, seenAt } }: { shown: ShownLink }): ReactNode {
  return seenAt === null ? (
    <Badge tone={TONES[link.state]} title={stateText(link)}>
      {link.state}
    </Badge>
  ) : (
    <Unknown why={`${link.from} does not answer`} />
  );
}

/** The picture as a table, for readers of the screen and for narrow ones. */
export function LinkTable({
  links,
  selected,
  onSelect,
}: {
  links: readonly ShownLink[];
  selected: string | null;
  onSelect: (link: ShownLink) => void;
}): ReactNode {
  return (
    <Table
      caption="Links"
      columns={columns(onSelect)}
      rows={links}
      keyOf={({ key }) => key}
      isMarked={({ key }) => key === selected}
      empty="No node that answers has a link."
    />
  );
}

function columns(onSelect: (link: ShownLink) => void): ReadonlyArray<Column<ShownLink>> {
  const number = (
    key: string,
    title: string,
    of: (link: MeshLink) => number,
  ): Column<ShownLink> => ({
    key,
    title,
    align: 'end',
    sortBy: ({ link, seenAt }) => (seenAt === null ? of(link) : null),
    cell: ({ link, seenAt }) => (
      <Count value={seenAt === null ? of(link) : null} why={`${link.from} does not answer`} />
    ),
  });
  return [
    {
      key: 'link',
      title: 'Link',
      isHeader: true,
      sortBy: ({ key }) => key,
      cell: (shown) => (
        <button type="button" className="link" onClick={() => onSelect(shown)}>
          {shown.key}
        </button>
      ),
    },
    {
      key: 'state',
      title: 'State',
      sortBy: ({ link }) => link.state,
      cell: (shown) => <LinkState shown={shown} />,
    },
    number('rate', 'Delivered/min', (link) => link.delivered_per_minute),
    number('faults', 'Faults/min', (link) => link.faults_per_minute),
    number('waiting', 'Waiting', depthOf),
    {
      key: 'security',
      title: 'Security',
      cell: ({ link }) =>
        [TLS_TEXT[link.tls], link.login ? 'login' : '', link.failover ? 'failover' : '']
          .filter((word) => word !== '')
          .join(', '),
    },
    {
      key: 'fault',
      title: 'Last fault',
      wraps: true,
      cell: ({ link }) => <FaultText fault={link.last_fault} />,
    },
  ];
}
