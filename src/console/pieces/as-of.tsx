import './as-of.css';
import type { ReactNode } from 'react';
import { useNow } from '../clock.js';
import { formatDuration } from '../quantities.js';
import type { Live } from '../queries.js';

/** An answer is old when so many polls should have brought a newer one. */
const MISSED_POLLS = 2.5;
const SLACK_MS = 1500;

/** Whether what is shown is of now, and if not, how old it is and why. */
export function AsOf({ of }: { of: Live<unknown> }): ReactNode {
  const now = useNow();
  const { asOf, problem, everyMs } = of;
  if (asOf === null) {
    return problem === null ? (
      <span className="as-of">asking …</span>
    ) : (
      <span className="as-of" data-stale="true" role="status">
        not known: {problem.message} <Again of={of} />
      </span>
    );
  }
  const ageMs = Math.max(0, now - asOf);
  const isStale = problem !== null || ageMs > everyMs * MISSED_POLLS + SLACK_MS;
  return (
    <span className="as-of" data-stale={isStale}>
      {isStale ? (
        <>
          as of {formatDuration(ageMs / 1000)} ago
          {problem === null ? '' : `: ${problem.message}`} <Again of={of} />
        </>
      ) : (
        'up to date'
      )}
    </span>
  );
}

function Again({ of }: { of: Live<unknown> }): ReactNode {
  return (
    <button type="button" className="link" onClick={of.refresh}>
      Ask again
    </button>
  );
}
