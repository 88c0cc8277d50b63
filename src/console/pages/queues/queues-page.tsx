import './queues.css';
import type { ReactNode } from 'react';
import { useParams } from 'wouter';
import { useNodeNames } from '../../mesh-query.js';
import { QuarantineTable } from './quarantine-table.js';
import { QueueList } from './queue-list.js';
import { QUARANTINE } from './queue-names.js';
import { QueueView } from './queue-view.js';

/** All queues, those of one node, or one queue, by its path. */
export function QueuesPage(): ReactNode {
  const { node = '', queue } = useParams<{ node?: string; queue?: string }>();
  const names = useNodeNames();
  if (queue === undefined) {
    return <QueueList node={node} names={node === '' ? names : [node]} />;
  }
  return queue === QUARANTINE ? (
    <QuarantineTable key={node} node={node} />
  ) : (
    <QueueView key={`${node} ${queue}`} node={node} name={queue} />
  );
}
