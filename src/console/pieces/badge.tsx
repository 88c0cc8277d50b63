import './badge.css';
import type { ReactNode } from 'react';

export type Tone = 'ok' | 'info' | 'warn' | 'bad' | 'idle';

/** A state in a word; its colour never says more than the word. */
export function Badge({
  tone,
  title,
  children,
}: {
  tone: Tone;
  title?: string | undefined;
  children: ReactNode;
}): ReactNode {
  return (
    <span className="badge" data-tone={tone} title={title}>
      {children}
    </span>
  );
}
