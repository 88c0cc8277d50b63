import { useState, type ReactNode } from 'react';
import { ApiProblem } from '../api.js';
import { useAction, type ActionCall } from '../queries.js';
import { CommandTwin, commandOf } from './command-twin.js';
import { Dialog } from './dialog.js';
import { notify } from './notices.js';

export interface ActionProps {
  /** What the button says. */
  label: string;
  /** What a screen reader says in its place where several stand in a list. */
  ariaLabel?: string;
  call: ActionCall;
  /** What the notice says when it is done: `(smarthost) is paused`. */
  done: string;
  /** The same on the command line, without `relaymesh`. */
  command: readonly string[];
  /** Where it matters, it is asked for first: what will happen. */
  confirm?: { title: string; body: ReactNode };
  tone?: 'danger' | 'primary' | 'plain';
  disabled?: boolean;
  onDone?: () => void;
}

/** A button that does something to a node, and says what came of it and how a command does it. */
export function ActionButton(props: ActionProps): ReactNode {
  const { label, ariaLabel, call, command, confirm, tone = 'plain', disabled = false } = props;
  const [isAsking, setAsking] = useState(false);
  const { act, isPending, problem, reset } = useNoticedAction(props, () => setAsking(false));
  const close = (): void => {
    setAsking(false);
    reset();
  };
  return (
    <>
      <button
        type="button"
        className={tone === 'plain' ? '' : tone}
        aria-label={ariaLabel}
        title={commandOf(command, call.node)}
        disabled={disabled || isPending}
        onClick={() => (confirm === undefined ? act() : setAsking(true))}
      >
        {label}
      </button>
      {isAsking && confirm !== undefined && (
        <Dialog
          title={confirm.title}
          onClose={close}
          actions={
            <button
              type="button"
              className={tone === 'danger' ? 'danger' : 'primary'}
              disabled={isPending}
              onClick={act}
            >
              {label}
            </button>
          }
        >
          {typeof confirm.body === 'string' ? <p>{confirm.body}</p> : confirm.body}
          <CommandTwin words={command} node={call.node} />
          {problem !== null && (
            <p role="alert" className="problem">
              {problem}
            </p>
          )}
        </Dialog>
      )}
    </>
  );
}

function useNoticedAction(
  { label, call, done, command, confirm, onDone }: ActionProps,
  close: () => void,
): { act: () => void; isPending: boolean; problem: string | null; reset: () => void } {
  const { mutateAsync, isPending, error, reset } = useAction<unknown>();
  // As a promise, since the button may be gone when it is done: a paused queue has no `Pause`.
  const perform = async (): Promise<void> => {
    try {
      await mutateAsync(call);
      notify({ tone: 'ok', text: done, command: commandOf(command, call.node) });
      close();
      onDone?.();
    } catch (problem) {
      if (confirm === undefined && problem instanceof ApiProblem) {
        notify({ tone: 'bad', text: `${label}: ${problem.message} (${problem.code})` });
      }
    }
  };
  const act = (): void => void perform();
  return {
    act,
    isPending,
    problem: error === null ? null : `${error.message} (${error.code})`,
    reset,
  };
}
