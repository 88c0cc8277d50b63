import type { ReactNode } from 'react';
import { pathOf } from '../../api.js';
import { ActionButton } from '../../pieces/action-button.js';

/** What can be done to a message that waits in a queue. */
export function QueuedActions({
  node,
  queueId,
  isHeld,
  isSending,
  onDeleted,
}: {
  /** Null: the one that serves the console. */
  node: string | null;
  queueId: string;
  isHeld: boolean;
  /** While an attempt runs it can be neither held nor deleted. */
  isSending: boolean;
  onDeleted?: () => void;
}): ReactNode {
  const of = (action: string) => ({
    call: { node, path: `${pathOf`/v1/messages/${queueId}`}/${action}` },
    command: ['queue', action, '--message', queueId],
  });
  return (
    <span className="toolbar message-actions">
      {isHeld ? (
        <ActionButton
          {...of('release')}
          label="Release"
          ariaLabel={`Release ${queueId}`}
          tone="primary"
          done={`${queueId} goes on`}
        />
      ) : (
        <>
          <ActionButton
            {...of('retry')}
            label="Retry"
            ariaLabel={`Retry ${queueId}`}
            done={`${queueId} is due now, first in its queue`}
          />
          <ActionButton
            {...of('hold')}
            label="Hold"
            ariaLabel={`Hold ${queueId}`}
            done={`${queueId} is held until it is released`}
            disabled={isSending}
          />
        </>
      )}
      <DeleteMessage
        node={node}
        queueId={queueId}
        path={pathOf`/v1/messages/${queueId}`}
        disabled={isSending}
        onDone={onDeleted}
      />
    </span>
  );
}

/** What can be done to a message in quarantine. */
export function QuarantinedActions({
  node,
  queueId,
  isCorrupt,
}: {
  node: string | null;
  queueId: string;
  /** It cannot be read, and only be deleted. */
  isCorrupt: boolean;
}): ReactNode {
  const path = pathOf`/v1/quarantine/${queueId}`;
  return (
    <span className="toolbar message-actions">
      <ActionButton
        label="Try again"
        ariaLabel={`Try again: ${queueId}`}
        call={{ node, path: `${path}/retry` }}
        command={['queue', 'retry', '--message', queueId]}
        done={`${queueId} is tried again, as if it had just come in`}
        disabled={isCorrupt}
      />
      <DeleteMessage node={node} queueId={queueId} path={path} disabled={false} />
    </span>
  );
}

function DeleteMessage({
  node,
  queueId,
  path,
  disabled,
  onDone,
}: {
  node: string | null;
  queueId: string;
  path: string;
  disabled: boolean;
  onDone?: (() => void) | undefined;
}): ReactNode {
  return (
    <ActionButton
      label="Delete"
      ariaLabel={`Delete ${queueId}`}
      tone="danger"
      call={{ node, path, method: 'DELETE' }}
      command={['queue', 'delete', '--message', queueId]}
      done={`${queueId} is deleted`}
      disabled={disabled}
      confirm={{
        title: `Delete ${queueId}?`,
        body: 'It is deleted for good, and its sender is told nothing. Its trace says that it was deleted.',
      }}
      {...(onDone === undefined ? {} : { onDone })}
    />
  );
}
