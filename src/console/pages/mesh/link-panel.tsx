import { useEffect, useRef, type ReactNode } from 'react';
import { Link } from 'wouter';
import { useAskedNode } from '../../mesh-query.js';
import { FaultText } from '../../pieces/fault-text.js';
import { Count, FromNow } from '../../pieces/value.js';
import { useLive } from '../../queries.js';
import { QueueActions } from '../queues/queue-actions.js';
import { queueHref, type Queue } from '../queues/queue-names.js';
import { LinkState } from './link-table.js';
import { depthOf, TLS_TEXT, type ShownLink } from './mesh-links.js';

const QUEUES_MS = 3000;

/** One link, opened: what waits for it, what its hop said last, and what can be done. */
export function LinkPanel({
  shown,
  onClose,
}: {
  shown: ShownLink;
  onClose: () => void;
}): ReactNode {
  const { link, seenAt, key } = shown;
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => title.current?.focus(), []);
  useEffect(() => {
    const onKey = ({ key }: KeyboardEvent): void => {
      // A dialog that is open is closed by it first.
      if (key === 'Escape' && document.querySelector('dialog[open]') === null) {
        onClose();
      }
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [onClose]);
  return (
    <aside className="panel link-panel" aria-labelledby="link-title">
      <div className="link-head">
        <h2 id="link-title" ref={title} tabIndex={-1}>
          {key}
        </h2>
        <button type="button" className="quiet" onClick={onClose} aria-label="Close the link">
          ×
        </button>
      </div>
      {seenAt !== null && (
        <p className="problem">
          {link.from} does not answer. This is what it said{' '}
          <FromNow at={new Date(seenAt).toISOString()} />.
        </p>
      )}
      <LinkFacts shown={shown} />
      <h3>Queues</h3>
      {link.queues.length === 0 ? (
        <p className="hint">Nothing waits for this hop.</p>
      ) : (
        <LinkQueues from={link.from} names={link.queues} />
      )}
    </aside>
  );
}

function LinkFacts({ shown }: { shown: ShownLink }): ReactNode {
  const { link } = shown;
  return (
    <dl className="facts">
      <dt>State</dt>
      <dd>
        <LinkState shown={shown} />
      </dd>
      <dt>Last fault</dt>
      <dd>
        <FaultText fault={link.last_fault} />
      </dd>
      <dt>Delivered</dt>
      <dd>
        <Count value={link.delivered_per_minute} /> recipients in the last minute
      </dd>
      <dt>Faults</dt>
      <dd>
        <Count value={link.faults_per_minute} /> in the last minute
      </dd>
      <dt>Waiting</dt>
      <dd>
        <Count value={depthOf(link)} />: {link.ready} ready, {link.sending} sending, {link.deferred}{' '}
        deferred, {link.held} held
      </dd>
      <dt>Security</dt>
      <dd>
        {TLS_TEXT[link.tls]}, {link.login ? 'with a login' : 'without a login'}
      </dd>
      {link.failover && (
        <>
          <dt>Used</dt>
          <dd>only while other hops are at fault</dd>
        </>
      )}
    </dl>
  );
}

function LinkQueues({ from, names }: { from: string; names: readonly string[] }): ReactNode {
  const node = useAskedNode(from);
  const { value } = useLive<{ queues: Queue[] }>(node, '/v1/queues', { everyMs: QUEUES_MS });
  return (
    <ul className="link-queues">
      {names.map((name) => (
        <li key={name}>
          <Link href={queueHref(from, name)}>{name}</Link>
          <QueueActions
            node={node}
            name={name}
            state={value?.queues.find((queue) => queue.name === name)?.state}
          />
        </li>
      ))}
    </ul>
  );
}
