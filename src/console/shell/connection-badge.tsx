import type { ReactNode } from 'react';
import { useNow } from '../clock.js';
import { connection } from '../connection.js';
import { useObservable } from '../observable.js';
import { Badge } from '../pieces/badge.js';
import { formatDuration } from '../quantities.js';

/** Whether what the pages show of this node is of now. */
export function ConnectionBadge(): ReactNode {
  const { answeredAt, problem, hasEvents } = useObservable(connection);
  const now = useNow();
  let badge = <Badge tone="idle">connecting</Badge>;
  if (problem !== null) {
    const since = answeredAt === null ? '' : ` for ${formatDuration((now - answeredAt) / 1000)}`;
    badge = (
      <Badge tone="bad" title={problem}>
        no answer{since}
      </Badge>
    );
  } else if (hasEvents) {
    badge = (
      <Badge tone="ok" title="Events of this node come as they happen.">
        live
      </Badge>
    );
  } else if (answeredAt !== null) {
    badge = (
      <Badge tone="warn" title="No events come at the moment; the pages ask every few seconds.">
        polling
      </Badge>
    );
  }
  return (
    <span className="shell-connection" data-testid="connection">
      {badge}
    </span>
  );
}
