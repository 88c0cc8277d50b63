import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { Link } from 'wouter';
import { useNow } from '../../clock.js';
import { on, pathOf, requestText, type ApiProblem } from '../../api.js';
import { AsOf } from '../../pieces/as-of.js';
import { CommandTwin } from '../../pieces/command-twin.js';
import { formatBytes, formatInstant } from '../../quantities.js';
import { useAskedNode } from '../../mesh-query.js';
import { useLive, useOwnNode, type Live } from '../../queries.js';
import { shownText } from '../../words.js';
import { someOf } from './addresses.js';
import { MessageHeaders } from './message-headers.js';
import { MessageResults } from './message-results.js';
import { Recipients } from './recipients.js';
import { isNews, positionIn } from './position.js';
import { instantOf, placeHops, type ChainTrace } from './timeline.js';
import { WaitingPlaces } from './waiting-places.js';
import { Waterfall } from './waterfall.js';

/** While something is left to be done, and afterwards: a clock or a node may still bring news. */
const OPEN_MS = 1500;
const SETTLED_MS = 30_000;
const TEXT_COLUMNS = 110;

/** One message: where it is, its way over all nodes, and what can be done. */
export function MessageView({ node, id }: { node: string; id: string }): ReactNode {
  const { chain, text } = useTrace(node, id);
  const trace = chain.value;
  return (
    <article className="message">
      <div className="page-head">
        <h1>
          <Link href="/messages" className="message-back">
            Messages
          </Link>
          <span aria-hidden="true"> / </span>
          <span className="message-id">{id}</span>
        </h1>
        <AsOf of={chain} />
      </div>
      {trace === undefined ? (
        <Missing of={chain} id={id} node={node} />
      ) : (
        <TraceView trace={trace} text={text} node={node} id={id} />
      )}
    </article>
  );
}

/** What is known of a message; also shown under a message that was just sent. */
export function TraceView({
  trace,
  text,
  node,
  id,
}: {
  trace: ChainTrace;
  /** The same as text, as soon as it is known. */
  text: string | null;
  node: string;
  id: string;
}): ReactNode {
  const nowMs = useNodeNow();
  return (
    <>
      <Position trace={trace} text={text} />
      <WaitingPlaces trace={trace} />
      <Summary trace={trace} />
      <section className="panel" aria-labelledby="way">
        <h2 id="way">Its way</h2>
        <Waterfall trace={trace} nowMs={nowMs} />
        {text !== null && (
          <details className="message-text">
            <summary>As text</summary>
            <pre tabIndex={0}>{text}</pre>
          </details>
        )}
        <CommandTwin words={['trace', id, '--chain', '--follow']} node={node} />
      </section>
      <Recipients trace={trace} />
      <MessageHeaders trace={trace} />
      <MessageResults trace={trace} />
    </>
  );
}

/** The path of a message, asked for until it is settled, with its text form. */
export function useTrace(
  node: string,
  id: string,
): { chain: Live<ChainTrace>; text: string | null } {
  const asked = useAskedNode(node);
  const path = `${pathOf`/trace/${id}`}?chain=true`;
  const known = useQueryClient().getQueryData<ChainTrace>([asked ?? '', path]);
  const everyMs = known?.complete === true ? SETTLED_MS : OPEN_MS;
  const chain = useLive<ChainTrace>(asked, path, { everyMs });
  const text = useQuery<string, ApiProblem>({
    // With each answer the words for it: they say where the message is now.
    queryKey: ['text', asked, path, chain.asOf],
    queryFn: ({ signal }) =>
      requestText(on(asked, `${path}&width=${TEXT_COLUMNS}`), { accept: 'text/plain', signal }),
    enabled: chain.value !== undefined,
    staleTime: Infinity,
    gcTime: OPEN_MS,
    placeholderData: (before) => before,
  });
  return { chain, text: text.data ?? null };
}

function Missing({ of, id, node }: { of: Live<ChainTrace>; id: string; node: string }): ReactNode {
  if (of.problem === null) return <p className="soft">asking …</p>;
  const isGone = of.problem.code === 'NO_SUCH_TRACE';
  return (
    <div className="panel">
      <p role="alert" className="problem">
        {isGone
          ? `No node that could be asked has a record of ${id}.`
          : `${node} could not be asked: ${of.problem.message}`}
      </p>
      <p className="hint">
        An id is a trace id (32 hex digits), a queue id or a Message-ID. Records are kept for a
        limited time. <Link href="/messages">Search for the message</Link>
      </p>
      <CommandTwin words={['trace', id, '--chain']} node={node} />
    </div>
  );
}

function Position({ trace, text }: { trace: ChainTrace; text: string | null }): ReactNode {
  const actions = trace.hops.flatMap(({ recipients }) => recipients.map(({ action }) => action));
  let tone = trace.complete ? 'ok' : 'idle';
  if (actions.includes('delayed') || actions.includes('queued')) tone = 'warn';
  if (actions.includes('failed')) tone = 'bad';
  const sentence = positionIn(text) ?? '…';
  // Said aloud only when it is news, not every time a duration in it has grown.
  const [said, setSaid] = useState(sentence);
  if (isNews(sentence, said)) setSaid(sentence);
  return (
    <>
      <p className="message-position" data-tone={tone}>
        {sentence}
      </p>
      <p className="visually-hidden" role="status">
        {said}
      </p>
    </>
  );
}

function Summary({ trace }: { trace: ChainTrace }): ReactNode {
  const first = placeHops(trace.hops)[0];
  if (first === undefined) return null;
  const { envelope, message_id: messageId, size_bytes: bytes, bounce_of: bounceOf } = first.hop;
  return (
    <dl className="facts panel message-facts">
      <dt>From</dt>
      <dd>{envelope.sender === '' ? '<> (the null sender)' : shownText(envelope.sender)}</dd>
      <dt>To</dt>
      <dd>{someOf(envelope.recipients, 3)}</dd>
      <dt>Message-ID</dt>
      <dd>{messageId === null ? <span className="soft">none</span> : shownText(messageId)}</dd>
      <dt>Trace id</dt>
      <dd>
        <code>{trace.trace_id}</code>
      </dd>
      <dt>Received</dt>
      <dd>
        {formatInstant(instantOf(first.hop.received_at))} at {first.hop.node}, {formatBytes(bytes)}
      </dd>
      {bounceOf !== null && (
        <>
          <dt>Report on</dt>
          <dd>{bounceOf}</dd>
        </>
      )}
    </dl>
  );
}

/** The reader's time by the clock of this node, which is what traces are written by. */
function useNodeNow(): number {
  const now = useNow();
  const { value, asOf } = useOwnNode();
  return value === undefined || asOf === null ? now : now + instantOf(value.asked_at) - asOf;
}
