import { RelayError } from '../../base/errors.js';
import type { Path } from '../fault.js';
import { didYouMean } from '../suggest.js';
import type { LintContext } from './context.js';

/** Names and values in the tests of a topology. */

export type Referred = 'node' | 'sink' | 'node or sink';

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
  if (what === 'node' ? isNode : what === 'sink' ? isSink : isNode || isSink) return true;
  const names = [
    ...(what === 'sink' ? [] : Object.keys(topology.nodes)),
    ...(what === 'node' ? [] : Object.keys(topology.sinks)),
  ];
  const other = isNode ? `, it is a node` : isSink ? `, it is a sink` : '';
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
