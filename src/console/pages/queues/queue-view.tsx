import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { pathOf } from '../../api.js';
import { useAskedNode } from '../../mesh-query.js';
import { AsOf } from '../../pieces/as-of.js';
import { FaultText } from '../../pieces/fault-text.js';
import { Count, Duration, FromNow } from '../../pieces/value.js';
import { useLive } from '../../queries.js';
import { CapacityForm } from './capacity-form.js';
import { InTier } from './in-tier.js';
import { MessageTable } from './message-table.js';
import { QueueActions } from './queue-actions.js';
import type { Queue } from './queue-names.js';
import { QueueState } from './queue-state.js';

const QUEUE_MS = 3000;

/** One queue: why it waits, what it may use, and what is in it. */
export function QueueView({
  node: name,
  name: queueName,
}: {
  node: string;
  name: string;
}): ReactNode {
  const node = useAskedNode(name);
  const live = useLive<Queue>(node, pathOf`/v1/queues/${queueName}`, { everyMs: QUEUE_MS });
  // A queue is gone as soon as nothing waits in it: that is no fault.
  const isGone = live.problem?.code === 'NO_SUCH_QUEUE';
  const queue = isGone ? undefined : live.value;
  return (
    <>
      <p className="crumbs">
        <Link href="/queues">Queues</Link> /{' '}
        <Link href={`/queues/${encodeURIComponent(name)}`}>{name}</Link>
      </p>
      <div className="page-head">
        <h1>{queueName}</h1>
        {queue !== undefined && <QueueState state={queue.state} />}
        {!isGone && <AsOf of={live} />}
        {queue !== undefined && (
          <span className="page-actions">
            <QueueActions node={node} name={queueName} state={queue.state} />
          </span>
        )}
      </div>
      {isGone && <p className="panel">Nothing waits in this queue now.</p>}
      {queue !== undefined && (
        <div className="queue-columns">
          <QueueFacts queue={queue} />
          <CapacityForm node={node} queue={queue} />
        </div>
      )}
      {queue !== undefined && <MessageTable nodeName={name} node={node} queue={queueName} />}
    </>
  );
}

function QueueFacts({ queue }: { queue: Queue }): ReactNode {
  return (
    <section className="panel" aria-labelledby="queue-facts">
      <h2 id="queue-facts">State</h2>
      <dl className="facts">
        <dt>Next hop</dt>
        <dd>{queue.next_hop}</dd>
        <dt>Last fault</dt>
        <dd>
          <FaultText fault={queue.last_fault} />
        </dd>
        <dt>Next attempt</dt>
        <dd>
          <FromNow at={queue.next_attempt_at} why="none is planned" />
        </dd>
        <dt>Waiting</dt>
        <dd>
          <Count value={queue.ready} /> ready, <Count value={queue.sending} /> sending,{' '}
          <Count value={queue.deferred} /> deferred, <Count value={queue.held} /> held
          {queue.tier !== undefined && (
            <>
              {' '}
              at this node, <InTier tier={queue.tier} />
            </>
          )}
        </dd>
        <dt>Oldest</dt>
        <dd>
          <Duration value={queue.oldest_age_seconds} why="nothing waits" />
        </dd>
      </dl>
    </section>
  );
}
