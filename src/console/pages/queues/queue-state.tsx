import type { ReactNode } from 'react';
import { Badge, type Tone } from '../../pieces/badge.js';
import type { Queue } from './queue-names.js';

const STATES: Readonly<Record<Queue['state'], { tone: Tone; title: string }>> = {
  active: { tone: 'ok', title: 'Mail goes.' },
  probing: { tone: 'warn', title: 'One message finds out whether the hop is well.' },
  backoff: { tone: 'bad', title: 'The hop is at fault; its mail waits.' },
  paused: { tone: 'info', title: 'An operator has paused it.' },
};

export function QueueState({ state }: { state: Queue['state'] }): ReactNode {
  const { tone, title } = STATES[state];
  return (
    <Badge tone={tone} title={title}>
      {state}
    </Badge>
  );
}
