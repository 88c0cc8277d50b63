import './notices.css';
import type { ReactNode } from 'react';
import { Observable, useObservable } from '../observable.js';

/** Notices that are shown at once; older ones make room. */
const MAX_NOTICES = 3;
const SHOWN_MS = 10_000;

export interface Notice {
  tone: 'ok' | 'bad';
  text: string;
  /** The same on the command line. */
  command?: string;
}

const notices = new Observable<ReadonlyArray<Notice & { key: number }>>([]);
let nextKey = 1;

/** Says what came of an action. What went wrong stays until it is closed. */
export function notify(notice: Notice): void {
  const key = nextKey++;
  notices.set([...notices.value, { ...notice, key }].slice(-MAX_NOTICES));
  if (notice.tone === 'ok') {
    setTimeout(() => close(key), SHOWN_MS);
  }
}

function close(key: number): void {
  notices.set(notices.value.filter((one) => one.key !== key));
}

export function Notices(): ReactNode {
  const shown = useObservable(notices);
  return (
    <div className="notices" role="status" aria-live="polite">
      {shown.map(({ key, tone, text, command }) => (
        <div key={key} className="notice" data-tone={tone}>
          <p>
            {text}
            {command !== undefined && <code>{command}</code>}
          </p>
          <button type="button" className="quiet" aria-label="Close" onClick={() => close(key)}>
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
