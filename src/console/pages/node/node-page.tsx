import './node.css';
import type { ReactNode } from 'react';
import { useLocation, useParams } from 'wouter';
import type { NodeHistory, NodeStatus } from '../../../api/shape/node.js';
import { useAskedNode } from '../../mesh-query.js';
import { AsOf } from '../../pieces/as-of.js';
import { NodePicker } from '../../pieces/node-picker.js';
import { useLive, useOwnNode, type Live } from '../../queries.js';
import { Certificates } from './certificates.js';
import { ConfigPanel } from './config-panel.js';
import { Connections } from './connections.js';
import { LastHour } from './last-hour.js';
import { Resources } from './resources.js';
import { StatusPanel } from './status-panel.js';

const STATUS_MS = 5000;
const HISTORY_MS = 15_000;

/** `/node/:node?`: how a node is, what its last hour was like, and what its settings are. */
export function NodePage(): ReactNode {
  const { node: named } = useParams<{ node?: string }>();
  const own = useOwnNode().value?.node;
  const [, navigate] = useLocation();
  const name = named ?? own ?? '';
  const asked = useAskedNode(named);
  const status = useLive<NodeStatus>(asked, '/v1/node', { everyMs: STATUS_MS });
  const history = useLive<NodeHistory>(asked, '/v1/node/history', { everyMs: HISTORY_MS });
  return (
    <div className="node" key={name}>
      <div className="page-head">
        <h1>Node {name}</h1>
        <NodePicker
          value={name}
          onChange={(node) => navigate(`/node/${encodeURIComponent(node)}`)}
        />
        <AsOf of={status} />
      </div>
      <Status of={status} />
      <LastHour of={history} />
      {status.value !== undefined && (
        <>
          <Connections status={status.value} />
          <Certificates status={status.value} />
        </>
      )}
      <ConfigPanel node={asked} />
    </div>
  );
}

function Status({ of: { value, problem } }: { of: Live<NodeStatus> }): ReactNode {
  if (value === undefined) {
    return problem === null ? (
      <p className="soft">asking …</p>
    ) : (
      <p className="problem" role="alert">
        The node could not be asked: {problem.message}
      </p>
    );
  }
  return (
    <div className="node-columns">
      <StatusPanel status={value} />
      <Resources status={value} />
    </div>
  );
}
