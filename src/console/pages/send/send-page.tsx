import './send.css';
import { useState, type FormEvent, type ReactNode } from 'react';
import type { Injected } from '../../../api/shape/queues.js';
import type { RouteAnswer } from '../../../api/shape/node.js';
import { useAskedNode } from '../../mesh-query.js';
import { CommandTwin, commandOf } from '../../pieces/command-twin.js';
import { NodePicker } from '../../pieces/node-picker.js';
import { useAction, useOwnNode } from '../../queries.js';
import { Content } from './content.js';
import { contentOf, EMPTY_DRAFT, faultOf, textOf, type Draft } from './draft.js';
import { addressesOf, heredoc } from './letter.js';
import { Routes } from './routes.js';
import { Sent } from './sent.js';
import { TextField } from './text-field.js';
import { randomHex, useIdempotencyKey } from './idempotency-key.js';

/** `/send`: hands in a test message and follows it, or asks where it would go. */
export function SendPage(): ReactNode {
  const [draft, setDraft] = useState<Draft>(() => newDraft());
  const [named, setNamed] = useState('');
  const own = useOwnNode().value?.node ?? '';
  const node = named === '' ? own : named;
  const asked = useAskedNode(node);
  const change = (part: Partial<Draft>): void => setDraft((before) => ({ ...before, ...part }));
  const { send, tryRoute, problem } = useSending(draft, asked, () => setDraft(newDraft));
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const { submitter } = event.nativeEvent as SubmitEvent;
    if (submitter?.getAttribute('value') === 'route') tryRoute.run();
    else send.run();
  };
  return (
    <div className="send">
      <div className="page-head">
        <h1>Send</h1>
      </div>
      <form className="panel send-form" onSubmit={submit}>
        <div className="send-envelope">
          <NodePicker value={node} onChange={setNamed} />
          <TextField
            label="Sender"
            hint="empty: the null sender"
            value={draft.sender}
            onChange={(sender) => change({ sender })}
          />
          <TextField
            label="Recipients"
            hint="bob@example.net, …"
            isRequired
            value={draft.recipients}
            onChange={(recipients) => change({ recipients })}
          />
        </div>
        <Content draft={draft} onChange={change} />
        <div className="toolbar">
          <button type="submit" value="send" className="primary" disabled={send.isPending}>
            Send the message
          </button>
          <button type="submit" value="route" disabled={tryRoute.isPending}>
            Where would it go?
          </button>
          <span className="hint">The second one sends nothing.</span>
        </div>
        {problem !== null && (
          <p role="alert" className="problem">
            {problem}
          </p>
        )}
        <Twin draft={draft} node={asked} />
      </form>
      {tryRoute.answer !== null && (
        <Routes key={tryRoute.askedAt} answer={tryRoute.answer} draft={tryRoute.of} node={asked} />
      )}
      {send.answer !== null && <Sent node={send.at} answer={send.answer} />}
    </div>
  );
}

/** Another Message-ID and date for each message. */
function newDraft(before: Draft = EMPTY_DRAFT): Draft {
  return { ...before, id: randomHex(), atMs: Date.now() };
}

interface Sending {
  send: { run: () => void; isPending: boolean; answer: Injected | null; at: string };
  tryRoute: {
    run: () => void;
    isPending: boolean;
    answer: RouteAnswer | null;
    of: Draft;
    askedAt: number;
  };
  problem: string | null;
}

function useSending(draft: Draft, node: string | null, onSent: () => void): Sending {
  const injection = useAction<Injected>();
  const question = useAction<RouteAnswer>();
  const own = useOwnNode().value?.node ?? '';
  const key = useIdempotencyKey();
  const [fault, setFault] = useState<string | null>(null);
  const [sentAt, setSentAt] = useState('');
  const [routed, setRouted] = useState(draft);
  const [lastTried, setLastTried] = useState<'send' | 'route' | null>(null);
  const runSend = (): void => {
    const wrong = faultOf(draft, true);
    setFault(wrong);
    if (wrong !== null) return;
    setLastTried('send');
    const query = new URLSearchParams({ envelope: draft.sender.trim() });
    for (const recipient of addressesOf(draft.recipients)) query.append('recipient', recipient);
    const path = `/v1/inject?${query.toString()}`;
    const content = contentOf(draft);
    const headers = { 'idempotency-key': key.of(JSON.stringify([draft, node])) };
    injection.mutate(
      { node, path, content, headers },
      {
        onSuccess: () => {
          key.used();
          setSentAt(node ?? own);
          onSent();
        },
      },
    );
  };
  const runRoute = (): void => {
    const wrong = faultOf(draft, false);
    setFault(wrong);
    if (wrong !== null) return;
    setLastTried('route');
    setRouted(draft);
    const body = {
      envelope: draft.sender.trim(),
      recipient: addressesOf(draft.recipients),
      size_bytes: textOf(draft).length,
    };
    question.mutate({ node, path: '/v1/route', body });
  };
  const error = lastTried === 'send' ? injection.error : question.error;
  const faults = error?.faults.map(({ path, detail }) => `${path}: ${detail}`).join('; ') ?? '';
  const refused = error === null ? null : `${error.message} (${error.code})`;
  return {
    send: {
      run: runSend,
      isPending: injection.isPending,
      answer: injection.data ?? null,
      at: sentAt,
    },
    tryRoute: {
      run: runRoute,
      isPending: question.isPending,
      answer: question.data ?? null,
      of: routed,
      askedAt: question.submittedAt,
    },
    problem: fault ?? (refused === null || faults === '' ? refused : `${refused}: ${faults}`),
  };
}

/** The command reads the message from its standard input. */
function Twin({ draft, node }: { draft: Draft; node: string | null }): ReactNode {
  const recipients = addressesOf(draft.recipients).flatMap((one) => ['--to', one]);
  const words = ['send', '--from', draft.sender.trim(), ...recipients];
  if (draft.file !== null) return <CommandTwin words={[...words, draft.file.name]} node={node} />;
  return (
    <>
      <CommandTwin words={words} node={node} />
      <details className="send-twin">
        <summary>The command with this message</summary>
        <pre tabIndex={0}>{heredoc(commandOf(words, node), textOf(draft))}</pre>
      </details>
    </>
  );
}
