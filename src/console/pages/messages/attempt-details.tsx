import type { ReactNode } from 'react';
import { Badge } from '../../pieces/badge.js';
import { ReplyText } from '../../pieces/fault-text.js';
import { formatInstant, formatMilliseconds } from '../../quantities.js';
import { shownText } from '../../words.js';
import { someOf } from './addresses.js';
import { phasesOf } from './phases.js';
import { instantOf, type Attempt } from './timeline.js';
import type { AttemptBar, HopRow } from './waterfall-layout.js';

const MAX_REPLIES = 20;

/** One attempt: what the remote said, over which connection, and how long each phase took. */
export function AttemptDetails({
  id,
  bar,
  row,
}: {
  id: string;
  bar: AttemptBar;
  row: HopRow;
}): ReactNode {
  const { record, number } = bar.attempt;
  const total = row.attempts.length + row.dropped;
  const node = record.node ?? row.placed.hop.node;
  return (
    <section id={id} className="attempt" aria-label={`Attempt ${number} at ${node}`}>
      <p className="attempt-head">
        <strong>
          {node} → {record.next_hop}
        </strong>
        {total > 1 && (
          <span className="soft">
            attempt {number} of {total}
          </span>
        )}
        <Badge tone={bar.kind === 'accepted' ? 'ok' : 'bad'}>
          {bar.kind === 'accepted' ? 'accepted' : `${record.result} in ${record.state}`}
        </Badge>
      </p>
      <p className="attempt-reply reply" data-accepted={bar.kind === 'accepted'}>
        <ReplyText
          code={record.code}
          enhanced_code={record.enhanced_code}
          description={record.description}
        />
      </p>
      <div className="attempt-columns">
        <Connection record={record} />
        <Phases record={record} />
      </div>
      <Replies record={record} />
    </section>
  );
}

function Connection({ record }: { record: Attempt }): ReactNode {
  const { tls } = record;
  return (
    <dl className="facts attempt-facts">
      <dt>Began</dt>
      <dd>
        {formatInstant(instantOf(record.started_at))}, took {formatMilliseconds(record.duration_ms)}
      </dd>
      <dt>Remote</dt>
      <dd>
        {record.remote ?? <span className="soft">no connection</span>}
        {record.reused && ' (an open connection, used again)'}
      </dd>
      <dt>TLS</dt>
      <dd>
        {tls === null ? (
          <span className="soft">none</span>
        ) : (
          `${tls.protocol}, ${tls.verified ? 'verified' : 'not verified'}, ${tls.cipher}`
        )}
        {record.require_tls === true && ', REQUIRETLS'}
      </dd>
      <dt>Login</dt>
      <dd>{record.user ?? <span className="soft">none</span>}</dd>
      <dt>For</dt>
      <dd>{someOf(record.recipients, 3)}</dd>
      {record.remote_queue_id !== null && (
        <>
          <dt>Remote id</dt>
          <dd>{shownText(record.remote_queue_id)}</dd>
        </>
      )}
    </dl>
  );
}

/** Each phase where it stands within the attempt. */
function Phases({ record }: { record: Attempt }): ReactNode {
  const phases = phasesOf(record);
  if (phases.length === 0) return null;
  return (
    <table className="phases">
      <caption className="visually-hidden">Phases of the attempt</caption>
      <thead className="visually-hidden">
        <tr>
          <th scope="col">Phase</th>
          <th scope="col">Duration</th>
        </tr>
      </thead>
      <tbody>
        {phases.map(({ name, ms, from, to }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>
              <svg className="phase-track" aria-hidden="true" focusable="false">
                <rect
                  x={`${from * 100}%`}
                  width={`${Math.max(0.5, (to - from) * 100)}%`}
                  height="100%"
                />
              </svg>
              <span className="phase-time number">{formatMilliseconds(ms)}</span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Where recipients were answered differently. */
function Replies({ record: { replies = [], recipients } }: { record: Attempt }): ReactNode {
  const differ = new Set(replies.map(({ description, code }) => `${code} ${description}`)).size > 1;
  if (!differ) return null;
  return (
    <ul className="attempt-replies">
      {replies.slice(0, MAX_REPLIES).map((reply, index) => (
        <li key={recipients[index] ?? index}>
          {shownText(recipients[index] ?? '')}{' '}
          <ReplyText
            code={reply.code}
            enhanced_code={reply.enhanced_code}
            description={reply.description}
          />
        </li>
      ))}
      {replies.length > MAX_REPLIES && <li>… and {replies.length - MAX_REPLIES} more</li>}
    </ul>
  );
}
