import { useId, type ReactNode } from 'react';
import { Link } from 'wouter';
import type { Injected } from '../../../api/shape/queues.js';
import { AsOf } from '../../pieces/as-of.js';
import { messageHref } from '../messages/addresses.js';
import { TraceView, useTrace } from '../messages/message-view.js';
import { FocusedHeading } from './focused-heading.js';

/** Messages that are followed on this page; further ones are links. */
const FOLLOWED = 3;

/** What was stored, and where it is from moment to moment. */
export function Sent({ node, answer }: { node: string; answer: Injected }): ReactNode {
  const ids = [...new Set(answer.messages.map(({ queue_id: id }) => id))];
  const titleId = useId();
  return (
    <section className="sent" aria-labelledby={titleId}>
      <FocusedHeading key={ids[0]} id={titleId}>
        Stored at {node}
      </FocusedHeading>
      {ids.map((id, index) =>
        index < FOLLOWED ? (
          <Followed key={id} node={node} id={id} />
        ) : (
          <Link key={id} href={messageHref(node, id)}>
            {id}
          </Link>
        ),
      )}
    </section>
  );
}

function Followed({ node, id }: { node: string; id: string }): ReactNode {
  const { chain, text } = useTrace(node, id);
  return (
    <article className="message" aria-label={id}>
      <p className="toolbar">
        <Link href={messageHref(node, id)} className="message-id">
          {id}
        </Link>
        <AsOf of={chain} />
      </p>
      {chain.value !== undefined && (
        <TraceView trace={chain.value} text={text} node={node} id={id} />
      )}
    </article>
  );
}
