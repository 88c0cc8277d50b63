import { useQueryClient } from '@tanstack/react-query';
import { useId, useState, type FormEvent, type ReactNode } from 'react';
import { pathOf } from '../../api.js';
import { CommandTwin, commandOf } from '../../pieces/command-twin.js';
import { notify } from '../../pieces/notices.js';
import { keyOf, useAction } from '../../queries.js';
import { capacityChange, capacityWords, LIMITS, type LimitKey } from './capacity-change.js';
import type { Queue } from './queue-names.js';

/**
 * The limits of a queue, that can be changed until the node ends. Only what is typed is sent: what
 * nobody touches follows the node.
 */
export function CapacityForm({ node, queue }: { node: string | null; queue: Queue }): ReactNode {
  const [typed, setTyped] = useState<Partial<Record<LimitKey, string>>>({});
  const queries = useQueryClient();
  const { mutate, isPending, error, reset } = useAction<Queue>();
  const change = capacityChange(queue.capacity, typed);
  const words = ['queue', 'limit', queue.name, ...capacityWords(change.body)];
  const isChanged = Object.keys(change.body).length > 0;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (!isChanged || change.faults.size > 0) {
      return;
    }
    mutate(
      { node, path: pathOf`/v1/queues/${queue.name}/capacity`, body: change.body },
      {
        onSuccess: (answer) => {
          // Shown at once, and not first what was in force before.
          queries.setQueryData(keyOf(node, pathOf`/v1/queues/${queue.name}`), answer);
          setTyped({});
          const text = `The limits of ${queue.name} are changed until the node ends`;
          notify({ tone: 'ok', text, command: commandOf(words, node) });
        },
      },
    );
  };
  return (
    <form className="panel capacity" aria-labelledby="capacity-title" onSubmit={submit} noValidate>
      <h2 id="capacity-title">Capacity</h2>
      <div className="capacity-limits">
        {LIMITS.map((limit) => (
          <LimitField
            key={limit.key}
            limit={limit}
            value={typed[limit.key] ?? String(queue.capacity[limit.key] ?? '')}
            isChanged={limit.key in change.body}
            fault={change.faults.get(limit.key)}
            onType={(text) => {
              reset();
              setTyped({ ...typed, [limit.key]: text });
            }}
          />
        ))}
      </div>
      {queue.capacity.allowed_connections < queue.capacity.max_connections && (
        <p className="hint">
          The hop’s own words leave {queue.capacity.allowed_connections} connections at the moment.
        </p>
      )}
      {error !== null && (
        <p role="alert" className="problem">
          {error.message} ({error.code})
        </p>
      )}
      {isChanged && <CommandTwin words={words} node={node} />}
      <div className="toolbar">
        <button type="submit" className="primary" disabled={!isChanged || isPending}>
          Change until the node ends
        </button>
        {Object.keys(typed).length > 0 && (
          <button type="button" onClick={() => setTyped({})}>
            Undo
          </button>
        )}
      </div>
    </form>
  );
}

function LimitField({
  limit,
  value,
  isChanged,
  fault,
  onType,
}: {
  limit: (typeof LIMITS)[number];
  value: string;
  isChanged: boolean;
  fault: string | undefined;
  onType: (text: string) => void;
}): ReactNode {
  const id = useId();
  return (
    <div className="capacity-limit" data-changed={isChanged}>
      <label htmlFor={id}>{limit.title}</label>
      <input
        id={id}
        inputMode="numeric"
        autoComplete="off"
        value={value}
        placeholder={limit.isOptional ? 'no limit' : ''}
        aria-invalid={fault !== undefined}
        aria-describedby={fault === undefined ? undefined : `${id}-fault`}
        onChange={(event) => onType(event.currentTarget.value)}
      />
      {fault !== undefined && (
        <span id={`${id}-fault`} className="problem">
          {fault}
        </span>
      )}
    </div>
  );
}
