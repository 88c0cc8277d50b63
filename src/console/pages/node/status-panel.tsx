import type { ReactNode } from 'react';
import { Link } from 'wouter';
import type { NodeStatus } from '../../../api/shape/node.js';
import { Badge } from '../../pieces/badge.js';
import { FromNow } from '../../pieces/value.js';
import { formatCount, formatDuration } from '../../quantities.js';

const FULL = {
  messages: 'no room: as many messages as are allowed',
  bytes: 'no room: as many bytes as are allowed',
  disk: 'no room: the disk is too full',
  broker: 'the broker of the tier is away',
};

/** Whether the node takes mail, since when it runs, and what came of the last reload. */
export function StatusPanel({ status }: { status: NodeStatus }): ReactNode {
  const { ready, reason, full, messages, version, cpu } = status;
  const upSeconds = (Date.parse(status.asked_at) - Date.parse(status.started_at)) / 1000;
  const cpuSeconds = cpu.user_seconds + cpu.system_seconds;
  return (
    <section className="panel" aria-labelledby="state">
      <h2 id="state">State</h2>
      <dl className="facts">
        <dt>Takes mail</dt>
        <dd>
          <Badge tone={ready && full === null ? 'ok' : 'bad'}>
            {full === null ? (ready ? 'ready' : 'not ready') : 'full'}
          </Badge>{' '}
          {full === null ? reason : FULL[full]}
        </dd>
        <dt>In the queues</dt>
        <dd>
          <Link href={`/queues/${encodeURIComponent(status.node)}`}>
            {formatCount(messages.queued)} messages
          </Link>
          {messages.limit !== null && (
            <span className="soft"> of at most {formatCount(messages.limit)}</span>
          )}
        </dd>
        <dt>Quarantine</dt>
        <dd>
          {messages.quarantined === 0 ? (
            'empty'
          ) : (
            <Badge tone="warn">{formatCount(messages.quarantined)} messages wait for you</Badge>
          )}
        </dd>
        <dt>Running for</dt>
        <dd>
          {formatDuration(upSeconds)}, version {version}
        </dd>
        <dt>Processor</dt>
        <dd>
          {formatDuration(cpuSeconds)} <span className="soft">in all, </span>
          {((cpuSeconds / Math.max(1, upSeconds)) * 100).toFixed(1)} %{' '}
          <span className="soft">of a core on average</span>
        </dd>
        <dt>Last reload</dt>
        <dd>
          <Reload of={status.last_reload} />
        </dd>
      </dl>
    </section>
  );
}

function Reload({ of }: { of: NodeStatus['last_reload'] }): ReactNode {
  if (of === null) return <span className="soft">none since the start</span>;
  return (
    <>
      <Badge tone={of.ok ? 'ok' : 'bad'}>{of.ok ? 'taken' : 'refused'}</Badge>{' '}
      <FromNow at={of.at} />
      {of.problem !== null && <span className="node-words">{of.problem}</span>}
      {!of.ok && <span className="hint">The settings stayed as they were.</span>}
      {of.needs_restart.length > 0 && (
        <span className="node-words">Needs a restart: {of.needs_restart.join(', ')}</span>
      )}
    </>
  );
}
