import type { Path, RuleId, Severity } from '../fault.js';
import type { SourcePositions } from '../locate.js';
import type { NodeHop, NodeTargets } from '../node-hops.js';
import type { Topology } from '../schema.js';

/** What every rule sees. */
export interface LintContext {
  topology: Topology;
  positions: SourcePositions;
  /** Where the mail of every node goes. */
  targets: ReadonlyMap<string, NodeTargets>;
  /** The next hops of every node, see `hopsIn`. */
  hops: ReadonlyMap<string, readonly NodeHop[]>;
  /** The node that is about to run; undefined when the file as a whole is checked. */
  node: string | undefined;
  /** Folder that file names are relative to. */
  baseDir: string;
  env: Readonly<Record<string, string | undefined>>;
  now: Date;
  report: (
    ruleId: RuleId,
    path: Path,
    message: string,
    more?: { hint?: string | undefined; severity?: Severity; part?: 'key' | 'value' },
  ) => void;
}
