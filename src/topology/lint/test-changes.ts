import { RelayError } from '../../base/errors.js';
import type { Fault, Path } from '../fault.js';
import type { LoadedTopology, LoadResult } from '../load.js';
import { hopsIn, targetsOf } from '../node-hops.js';
import { patchTopology } from '../patch-topology.js';
import type { TestEntry } from '../schema-tests.js';
import type { Topology } from '../schema.js';
import type { LintContext } from './context.js';

/** A few are enough to see what a change has broken. */
const MAX_NAMED = 3;

/** What a topology would be with the `change` of one of its tests. */
export interface Changes {
  loaded: LoadedTopology;
  /** What is wrong with a topology, by the same rules. */
  lint: (loaded: LoadedTopology) => readonly Fault[];
  /** Message and rule of what is wrong without any change, once it was looked for. */
  before?: ReadonlySet<string>;
}

/**
 * The context for the steps and expectations of a test: its own topology, where it has a `change`.
 * Null when what comes of that is not in order, which is reported at the change: the lines of the
 * faults themselves are in no file.
 */
export function contextOfTest(
  context: LintContext,
  { change }: TestEntry,
  path: Path,
  changes: Changes,
): LintContext | null {
  if (change === undefined) return context;
  const at = [...path, 'change'];
  let result: LoadResult;
  try {
    result = patchTopology(changes.loaded, change);
  } catch (error) {
    if (!(error instanceof RelayError)) throw error;
    context.report('unfit-change', at, error.message, { part: 'key' });
    return null;
  }
  const faults = result.ok ? newIn(changes, result) : result.faults;
  const errors = faults.filter(({ severity }) => severity === 'error');
  for (const { message, ruleId, hint } of errors.slice(0, MAX_NAMED)) {
    const words = `with this change: ${message} (${ruleId})`;
    context.report('unfit-change', at, words, { part: 'key', ...(hint && { hint }) });
  }
  return result.ok && errors.length === 0 ? contextFor(context, result.topology) : null;
}

/** Faults that only the change has brought; the others are told where they stand. */
function newIn(changes: Changes, changed: LoadedTopology): Fault[] {
  const key = ({ ruleId, message }: Fault): string => `${ruleId} ${message}`;
  const { loaded, lint } = changes;
  const untested = { ...loaded, topology: { ...loaded.topology, tests: [] } };
  const before = (changes.before ??= new Set(lint(untested).map(key)));
  return lint(changed).filter((fault) => !before.has(key(fault)));
}

function contextFor(context: LintContext, topology: Topology): LintContext {
  const names = Object.keys(topology.nodes);
  const targets = new Map(names.map((name) => [name, targetsOf(topology, name)]));
  const hops = new Map([...targets].map(([name, one]) => [name, hopsIn(one)]));
  return { ...context, topology, targets, hops };
}
