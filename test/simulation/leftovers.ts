import type { Kept } from './accounts.js';
import type { Ledger } from './ledger.js';
import type { SimulatedNode } from './simulated-node.js';

const BODIES = '/spool/bodies';

/** When all is settled, a spool holds delivery keys and what is in quarantine, and nothing else. */
export function checkLeftovers(node: SimulatedNode, ledger: Ledger, kept: readonly Kept[]): void {
  const owned = new Set(
    kept.filter(({ copy }) => copy.node === node.name).map(({ copy }) => copy.queueId),
  );
  for (const key of node.medium.surviving().keys()) {
    const [kind, id = ''] = key.split('!');
    // Notes are kept for their time.
    const isNote = kind === 'n';
    if (kind !== 'k' && !isNote && !(kind === 'q' && owned.has(id))) {
      ledger.violate('left over', `${node.name} keeps the record ${key}`, [id]);
    }
  }
  for (const name of node.files.names(BODIES)) {
    if (!owned.has(name))
      ledger.violate('left over', `${node.name} keeps the file ${name}`, [name]);
  }
}
