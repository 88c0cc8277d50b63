import { RelayError } from '../../base/errors.js';
import type { Path } from '../fault.js';
import { didYouMean } from '../suggest.js';
import type { LintContext } from './context.js';

/** Names and values in the tests of a topology. */

export type Referred = 'node' | 'sink' | 'node or sink' | 'node, sink or broker';

/** Whether a name is that of what a step or an expectation is about; reports it when it is not. */
export function checkRefers(
  { topology, report }: LintContext,
  what: Referred,
  name: string,
  path: Path,
  part: 'key' | 'value' = 'value',
): boolean {
  const isNode = Object.hasOwn(topology.nodes, name);
  const isSink = Object.hasOwn(topology.sinks, name);
  const isBroker = Object.hasOwn(topology.brokers, name);
  const names = [
    ...(what === 'sink' ? [] : Object.keys(topology.nodes)),
    ...(what === 'node' ? [] : Object.keys(topology.sinks)),
    ...(what === 'node, sink or broker' ? Object.keys(topology.brokers) : []),
  ];
  if (names.includes(name)) return true;
  const kind = isNode ? 'node' : isSink ? 'sink' : isBroker ? 'broker' : undefined;
  const other = kind === undefined ? '' : `, it is a ${kind}`;
  report('unknown-node', path, `no ${what} is named '${name}'${other}`, {
    part,
    hint:
      didYouMean(name, names) ??
      (names.length === 0
        ? `the topology has no ${what}`
        : `there are ${names.slice(0, 12).join(', ')}`),
  });
  return false;
}

/** Reports what the form of a value cannot say, as a range that ends before it begins. */
export function checkValue(
  { report }: LintContext,
  ruleId: 'unfit-step' | 'unfit-expectation',
  path: Path,
  read: () => unknown,
): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof RelayError)) throw error;
    report(ruleId, path, error.message);
  }
}
