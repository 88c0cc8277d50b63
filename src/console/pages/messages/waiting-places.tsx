import { useId, type ReactNode } from 'react';
import { Link } from 'wouter';
import type { z } from 'zod';
import type { message } from '../../../api/shape/queues.js';
import { pathOf } from '../../api.js';
import { ActionButton } from '../../pieces/action-button.js';
import { CommandTwin } from '../../pieces/command-twin.js';
import { Badge, type Tone } from '../../pieces/badge.js';
import { FaultText } from '../../pieces/fault-text.js';
import { FromNow } from '../../pieces/value.js';
import { useAskedNode } from '../../mesh-query.js';
import { useLive } from '../../queries.js';
import { queueHref, someOf } from './addresses.js';
import { hasFailed, holderOf, isOpen } from './fates.js';
import type { ChainHop, ChainTrace } from './timeline.js';

type Message = z.output<typeof message>;

const EVERY_MS = 2000;
const SETTLED_MS = 30_000;

const TONES: Record<NonNullable<ChainHop['waiting']>[number]['state'], Tone> = {
  active: 'info',
  sending: 'info',
  backoff: 'bad',
  probing: 'warn',
  paused: 'warn',
  held: 'warn',
};

/** Where the message waits, why, and what an operator can do about it there. */
export function WaitingPlaces({ trace }: { trace: ChainTrace }): ReactNode {
  // What could neither be delivered nor reported has failed, and lies in quarantine.
  return trace.hops
    .filter((hop) => isOpen(hop) || hasFailed(hop))
    .map((hop) => {
      const holder = holderOf(hop);
      const key = `${hop.node} ${hop.queue_id}`;
      return holder === null ? (
        <WaitingInTier key={key} hop={hop} />
      ) : (
        <WaitingPlace key={key} hop={hop} holder={holder} />
      );
    });
}

/** No node holds it, so there is none at which anything could be done about it. */
function WaitingInTier({ hop }: { hop: ChainHop }): ReactNode {
  const titleId = useId();
  return (
    <section className="panel waiting" aria-labelledby={titleId}>
      <h2 id={titleId}>Waiting in tier {hop.tier}</h2>
      <p>The node of the tier that is free first takes it up from the broker.</p>
      <Queues hop={hop} />
    </section>
  );
}

/** @param holder the node that holds it: of a tier perhaps not the one that accepted it */
function WaitingPlace({ hop, holder }: { hop: ChainHop; holder: string }): ReactNode {
  const titleId = useId();
  const path = pathOf`/v1/messages/${hop.queue_id}`;
  const asked = useAskedNode(holder);
  const found = useLive<Message>(asked, path, {
    everyMs: isOpen(hop) ? EVERY_MS : SETTLED_MS,
  }).value;
  const quarantine = found?.quarantine ?? null;
  if (!isOpen(hop) && quarantine === null) return null;
  const isHeld = found?.queued?.held_since != null;
  return (
    <section className="panel waiting" aria-labelledby={titleId}>
      <h2 id={titleId}>
        {quarantine === null ? 'Waiting' : 'In quarantine'} at {holder}
        {hop.tier !== undefined && <span className="soft"> (tier {hop.tier})</span>}
      </h2>
      {quarantine === null ? (
        <Queues hop={hop} />
      ) : (
        <p>
          <Badge tone="bad">quarantine</Badge> {quarantine.reason}{' '}
          <span className="soft">
            <FromNow at={quarantine.since} />
          </span>
        </p>
      )}
      <div className="toolbar" role="group" aria-label={`Actions at ${holder}`}>
        <ActionButton
          label="Retry now"
          tone="primary"
          disabled={isHeld}
          call={{ node: holder, path: `${path}/retry` }}
          done={`${hop.queue_id} is tried now at ${holder}`}
          command={['queue', 'retry', '--message', hop.queue_id]}
        />
        {quarantine === null &&
          (isHeld ? (
            <ActionButton
              label="Release"
              call={{ node: holder, path: `${path}/release` }}
              done={`${hop.queue_id} goes on`}
              command={['queue', 'release', '--message', hop.queue_id]}
            />
          ) : (
            <ActionButton
              label="Hold"
              call={{ node: holder, path: `${path}/hold` }}
              done={`${hop.queue_id} is held at ${holder}`}
              command={['queue', 'hold', '--message', hop.queue_id]}
            />
          ))}
        <DeleteButton hop={hop} holder={holder} path={path} />
      </div>
      <details>
        <summary>On the command line</summary>
        <div className="waiting-commands">
          {commandsFor(isHeld, quarantine !== null).map((action) => (
            <CommandTwin
              key={action}
              words={['queue', action, '--message', hop.queue_id]}
              node={asked}
            />
          ))}
        </div>
      </details>
    </section>
  );
}

function commandsFor(isHeld: boolean, isInQuarantine: boolean): string[] {
  if (isInQuarantine) return ['retry', 'delete'];
  return ['show', 'retry', isHeld ? 'release' : 'hold', 'delete'];
}

function DeleteButton({
  hop,
  holder,
  path,
}: {
  hop: ChainHop;
  holder: string;
  path: string;
}): ReactNode {
  const open = hop.recipients.filter(({ action }) =>
    ['queued', 'delayed', 'failed'].includes(action),
  );
  return (
    <ActionButton
      label="Delete"
      tone="danger"
      call={{ node: holder, path, method: 'DELETE' }}
      done={`${hop.queue_id} is deleted at ${holder}; nobody is told`}
      command={['queue', 'delete', '--message', hop.queue_id]}
      confirm={{
        title: 'Delete this message for good?',
        body: (
          <p>
            {someOf(
              open.map(({ address }) => address),
              3,
            )}{' '}
            will not get it, and the sender is sent no report. Its trace says that an operator
            deleted it.
          </p>
        ),
      }}
    />
  );
}

/** Where there is nothing of a queue to tell, the next attempt is still known. */
function Queues({ hop }: { hop: ChainHop }): ReactNode {
  const waiting = hop.waiting ?? [];
  const next = hop.recipients.flatMap(({ next_attempt_at: at }) => at ?? []).sort()[0] ?? null;
  if (waiting.length === 0) {
    return (
      <p>
        <span className="soft">next attempt</span> <FromNow at={next} why="not known" />
      </p>
    );
  }
  return waiting.map(({ queue, next_hop: hopName, state, last_fault: fault, ...one }) => (
    <dl key={queue} className="facts waiting-queue">
      <dt>Queue</dt>
      <dd>
        <Link href={queueHref(one.node ?? hop.node, queue)}>{queue}</Link>
        {queue !== hopName && ` → ${hopName}`} <Badge tone={TONES[state]}>{state}</Badge>
      </dd>
      {fault !== null && (
        <>
          <dt>Last fault</dt>
          <dd>
            <FaultText fault={fault} />
          </dd>
        </>
      )}
      <dt>Next attempt</dt>
      <dd>
        <FromNow at={one.next_attempt_at ?? next} why={whyUnknown(state)} />
      </dd>
      {hop.recipients.length > 1 && (
        <>
          <dt>Recipients</dt>
          <dd>{someOf(one.recipients, 3)}</dd>
        </>
      )}
    </dl>
  ));
}

function whyUnknown(state: string): string {
  if (state === 'held') return 'an operator holds it';
  if (state === 'paused') return 'an operator has paused the queue';
  return state === 'sending' ? 'it is being sent' : 'as soon as there is room';
}
