import type { ReactNode } from 'react';
import { pathOf } from '../../api.js';
import { ActionButton } from '../../pieces/action-button.js';
import { QUARANTINE, type Queue } from './queue-names.js';

/** What can be done to a whole queue. */
export function QueueActions({
  node,
  name,
  state,
}: {
  /** Null: the one that serves the console. */
  node: string | null;
  name: string;
  /** Undefined: not known, and everything is offered. */
  state?: Queue['state'] | undefined;
}): ReactNode {
  const of = (action: string) => ({
    call: { node, path: `${pathOf`/v1/queues/${name}`}/${action}` },
    command: ['queue', action, name],
    ariaLabel: `${ACTIONS[action]} ${name}`,
  });
  if (name === QUARANTINE) {
    return (
      <ActionButton
        {...of('retry')}
        label="Try all again"
        ariaLabel="Try all again in quarantine"
        done="Everything that can be read is tried again"
        confirm={{
          title: 'Try everything in quarantine again?',
          body: 'Each message that can be read goes back to its queue, as if it had just come in.',
        }}
      />
    );
  }
  return (
    <span className="toolbar">
      {state !== 'paused' && (
        <ActionButton
          {...of('pause')}
          label="Pause"
          done={`${name} is paused`}
          confirm={{
            title: `Pause ${name}?`,
            body: 'Nothing is sent to this hop until the queue is resumed. Its mail stays, and goes on growing old: what expires meanwhile is returned to its senders.',
          }}
        />
      )}
      {(state === 'paused' || state === undefined) && (
        <ActionButton {...of('resume')} label="Resume" tone="primary" done={`${name} is resumed`} />
      )}
      <ActionButton {...of('retry')} label="Retry now" done={`${name} is tried now`} />
    </span>
  );
}

const ACTIONS: Readonly<Record<string, string>> = {
  pause: 'Pause',
  resume: 'Resume',
  retry: 'Retry now:',
};
