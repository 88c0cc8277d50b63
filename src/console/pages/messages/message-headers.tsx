import { useState, type ReactNode } from 'react';
import type { MessageHeaders as Headers } from '../../../api/shape/node.js';
import { pathOf } from '../../api.js';
import { useAskedNode } from '../../mesh-query.js';
import { useLive } from '../../queries.js';
import { shownText } from '../../words.js';
import { holderOf, isOpen } from './fates.js';
import type { ChainTrace } from './timeline.js';

const EVERY_MS = 30_000;

/** The header of the message, as it lies at a node where it waits: what has left is not kept. */
export function MessageHeaders({ trace }: { trace: ChainTrace }): ReactNode {
  const hop = trace.hops.find(isOpen);
  const [isShown, setShown] = useState(false);
  const holder = hop === undefined ? null : holderOf(hop);
  if (hop === undefined || holder === null) return null;
  return (
    <details className="panel" onToggle={(event) => setShown(event.currentTarget.open)}>
      <summary>Header fields at {holder}</summary>
      {isShown && <Fields node={holder} id={hop.queue_id} />}
    </details>
  );
}

function Fields({ node, id }: { node: string; id: string }): ReactNode {
  const { value, problem } = useLive<Headers>(
    useAskedNode(node),
    pathOf`/v1/messages/${id}/headers`,
    {
      everyMs: EVERY_MS,
    },
  );
  if (value === undefined) {
    return problem === null ? (
      <p className="soft">asking …</p>
    ) : (
      <p className="problem" role="alert">
        {problem.message}
      </p>
    );
  }
  return (
    <>
      <table className="header-fields">
        <caption className="visually-hidden">Header fields, in their order</caption>
        <thead className="visually-hidden">
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Value</th>
          </tr>
        </thead>
        <tbody>
          {value.headers.map(({ name, value: text }, index) => (
            // The same field may stand several times.
            // oxlint-disable-next-line no-array-index-key
            <tr key={index}>
              <th scope="row">{shownText(name)}</th>
              <td>{shownText(text)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {value.truncated && <p className="hint">There are more fields than are shown.</p>}
    </>
  );
}
