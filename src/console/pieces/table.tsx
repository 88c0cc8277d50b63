import './table.css';
import { useState, type ReactNode } from 'react';
import { formatCount } from '../quantities.js';

export interface Column<Row> {
  key: string;
  title: string;
  cell: (row: Row) => ReactNode;
  /** What it is sorted by; absent: it is not. Null stands last in both directions. */
  sortBy?: (row: Row) => string | number | null;
  align?: 'start' | 'end';
  /** Its words may be longer than a line has room for: addresses, replies. */
  wraps?: boolean;
  /** The cell that names the row. One of each table. */
  isHeader?: boolean;
}

export interface TableProps<Row> {
  /** What it is of, for a screen reader. */
  caption: string;
  columns: ReadonlyArray<Column<Row>>;
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  /** What stands in its place when there is no row. */
  empty: ReactNode;
  /** Rows that are drawn at once; the others are on further pages. */
  pageSize?: number;
  isMarked?: (row: Row) => boolean;
}

interface Order {
  key: string;
  isDescending: boolean;
}

/**
 * A table that is sorted by its heads and paged, so that a long list stays quick. On a narrow screen
 * each row becomes a card, and the heads become buttons that sort.
 */
export function Table<Row>(props: TableProps<Row>): ReactNode {
  const { caption, columns, rows, keyOf, empty, pageSize = 50, isMarked } = props;
  const [order, setOrder] = useState<Order | null>(null);
  const [wanted, setPage] = useState(0);
  const pages = Math.max(1, Math.ceil(rows.length / pageSize));
  const page = Math.min(wanted, pages - 1);
  const shown = sorted(rows, columns, order).slice(page * pageSize, (page + 1) * pageSize);
  if (rows.length === 0) {
    return <p className="table-empty">{empty}</p>;
  }
  return (
    <div className="table-frame">
      {/* The roles are said, since a row that is drawn as a card would lose them. */}
      <table role="table">
        <caption className="visually-hidden">{caption}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column) => (
              <Head key={column.key} column={column} order={order} onOrder={setOrder} />
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {shown.map((row) => (
            <tr key={keyOf(row)} role="row" data-marked={isMarked?.(row) === true}>
              {columns.map((column) => (
                <Cell key={column.key} column={column} row={row} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {pages > 1 && (
        <Pager
          label={`${caption}: pages`}
          text={`${formatCount(page * pageSize + 1)} to ${formatCount(page * pageSize + shown.length)} of ${formatCount(rows.length)}`}
          onBack={page > 0 ? () => setPage(page - 1) : null}
          onNext={page < pages - 1 ? () => setPage(page + 1) : null}
        />
      )}
    </div>
  );
}

function Head<Row>({
  column: { key, title, align, sortBy },
  order,
  onOrder,
}: {
  column: Column<Row>;
  order: Order | null;
  onOrder: (order: Order) => void;
}): ReactNode {
  const own = order?.key === key ? order : null;
  const direction = own === null ? 'none' : own.isDescending ? 'descending' : 'ascending';
  const next = { key, isDescending: own === null ? align === 'end' : !own.isDescending };
  return (
    <th
      role="columnheader"
      scope="col"
      data-align={align}
      aria-sort={sortBy === undefined ? undefined : direction}
    >
      {sortBy === undefined ? (
        title
      ) : (
        <button type="button" className="sort" onClick={() => onOrder(next)}>
          {title}
          <span aria-hidden="true" className="sort-mark">
            {own === null ? '' : own.isDescending ? '▼' : '▲'}
          </span>
        </button>
      )}
    </th>
  );
}

function Cell<Row>({ column, row }: { column: Column<Row>; row: Row }): ReactNode {
  const { title, align, wraps = false, isHeader = false, cell } = column;
  return isHeader ? (
    <th role="rowheader" scope="row" data-align={align} data-wraps={wraps}>
      {cell(row)}
    </th>
  ) : (
    <td role="cell" data-align={align} data-wraps={wraps} data-title={title}>
      {cell(row)}
    </td>
  );
}

/** Back and on through a list whose pages stand elsewhere too (cursors of the API). */
export function Pager({
  label,
  text,
  onBack,
  onNext,
}: {
  label: string;
  text: string;
  onBack: (() => void) | null;
  onNext: (() => void) | null;
}): ReactNode {
  return (
    <nav className="pager" aria-label={label}>
      <button type="button" disabled={onBack === null} onClick={() => onBack?.()}>
        Back
      </button>
      <span>{text}</span>
      <button type="button" disabled={onNext === null} onClick={() => onNext?.()}>
        Next
      </button>
    </nav>
  );
}

function sorted<Row>(
  rows: readonly Row[],
  columns: ReadonlyArray<Column<Row>>,
  order: Order | null,
): readonly Row[] {
  const by = columns.find(({ key }) => key === order?.key)?.sortBy;
  if (order === null || by === undefined) {
    return rows;
  }
  const sign = order.isDescending ? -1 : 1;
  return [...rows].sort((one, other) => {
    const [a, b] = [by(one), by(other)];
    if (a === null || b === null) {
      return Number(a === null) - Number(b === null);
    }
    return sign * (typeof a === 'number' && typeof b === 'number' ? a - b : compare(a, b));
  });
}

function compare(a: string | number, b: string | number): number {
  return String(a).localeCompare(String(b), 'en', { numeric: true });
}
