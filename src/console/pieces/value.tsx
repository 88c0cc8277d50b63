import type { ReactNode } from 'react';
import { useNow } from '../clock.js';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatFromNow,
  formatInstant,
} from '../quantities.js';

/** What is not known. It is never shown as 0. */
export function Unknown({ why }: { why: string }): ReactNode {
  return (
    <span className="unknown" title={why}>
      <span aria-hidden="true">–</span>
      <span className="visually-hidden">not known: {why}</span>
    </span>
  );
}

interface ValueProps {
  value: number | null | undefined;
  /** What a reader is told in place of a value that is null or undefined. */
  why?: string;
}

const NOT_ANSWERED = 'no answer yet';

export function Count({ value, why = NOT_ANSWERED }: ValueProps): ReactNode {
  return value == null ? <Unknown why={why} /> : formatCount(value);
}

export function Bytes({ value, why = NOT_ANSWERED }: ValueProps): ReactNode {
  return value == null ? (
    <Unknown why={why} />
  ) : (
    <span title={`${formatCount(value)} bytes`}>{formatBytes(value)}</span>
  );
}

/** @param value seconds */
export function Duration({ value, why = NOT_ANSWERED }: ValueProps): ReactNode {
  return value == null ? <Unknown why={why} /> : formatDuration(value);
}

/** `12 s ago` or `in 3 min`, that counts on; the instant itself is its title. */
export function FromNow({ at, why = 'none' }: { at: string | null; why?: string }): ReactNode {
  const now = useNow();
  if (at === null) {
    return <Unknown why={why} />;
  }
  const ms = Date.parse(at);
  return (
    <time dateTime={at} title={formatInstant(ms)}>
      {formatFromNow(ms, now)}
    </time>
  );
}
