import { explainIssues, type Finding } from './explain.js';
import type { Path, RuleId } from './fault.js';
import { completeTopology, topologySchema, type Topology } from './schema.js';
import { nearestName } from './suggest.js';

/*
 * A file whose form is faulty is checked for its meaning too, so that one run shows all there is to
 * mend. What is faulty is taken out or replaced, and its entry counts as doubtful: nothing is said
 * about it, nor anything that could follow from what was taken out.
 */

/** What is left of a faulty file, and where it is not as it was written. */
export interface Salvaged {
  topology: Topology;
  losses: Losses;
}

/** Paths as text, see `pathText`. */
export interface Losses {
  /** Values that were taken out or replaced. */
  taken: ReadonlySet<string>;
  /** Mappings that a value was taken out of, so that a default stands in its place. */
  changed: ReadonlySet<string>;
  /** A misspelt key of the top level: names may be missing that the file does declare. */
  namesLost: boolean;
}

type Mapping = Record<string | number, unknown>;

const STAND_IN_SECRET = 'relaymesh stand-in';

/** What is taken out can leave a hole in the mapping around it, which goes in the next round. */
const MAX_ROUNDS = 4;

/** Takes the faults out of `value`; undefined when too little is left to go on with. */
export function salvage(value: unknown, findings: readonly Finding[]): Salvaged | undefined {
  const copy: unknown = structuredClone(value);
  const losses = { taken: new Set<string>(), changed: new Set<string>(), namesLost: false };
  let found = findings;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    for (const finding of found) {
      const lost = takeOut(copy, finding);
      if (lost === undefined) return undefined;
      note(lost, finding, losses);
    }
    const parsed = topologySchema.safeParse(copy);
    if (parsed.success) return { topology: completeTopology(parsed.data), losses };
    found = explainIssues(parsed.error.issues, copy);
  }
  return undefined;
}

function note(
  lost: Path,
  { path, ruleId }: Finding,
  losses: { taken: Set<string>; changed: Set<string>; namesLost: boolean },
): void {
  losses.taken.add(pathText(lost));
  // a port has no default that it could be confused with
  if (lost.at(-1) !== 'port') losses.changed.add(pathText(lost.slice(0, -1)));
  if (ruleId === 'unknown-key' && path.length === 1) {
    const known = Object.keys(topologySchema.shape);
    losses.namesLost ||= nearestName(String(path[0]), known) !== undefined;
  }
}

/**
 * The rules that can be trusted after a loss, with what their word depends on: the `value` that
 * they point at, the `mapping` around it too, or the whole `entry` (node, link, sink) that it is in
 * and further groups of the file.
 */
const TRUSTED: Partial<
  Record<RuleId, { on: 'value' | 'mapping' | 'entry'; groups?: readonly string[] }>
> = {
  cycle: { on: 'value' },
  'duplicate-link': { on: 'mapping' },
  'duplicate-listener': { on: 'mapping' },
  'duplicate-name': { on: 'value' },
  'duplicate-port': { on: 'mapping' },
  'duplicate-username': { on: 'mapping' },
  'flat-key-conflict': { on: 'mapping' },
  'missing-certificate': { on: 'entry', groups: ['tls'] },
  'missing-credential': { on: 'entry', groups: ['links'] },
  'open-relay': { on: 'value' },
  'password-and-token': { on: 'value' },
  'self-link': { on: 'value' },
  'unknown-broker': { on: 'value' },
  'unknown-node': { on: 'value' },
  'unknown-secret': { on: 'value' },
  'zero-weight-pool': { on: 'value' },
};

/** Whether a rule's word on `path` holds in spite of what was lost. */
export function isCertain(ruleId: RuleId, path: Path, losses: Losses): boolean {
  const trust = TRUSTED[ruleId];
  if (trust === undefined) return false;
  const { taken, changed, namesLost } = losses;
  if (namesLost && trust.on !== 'mapping' && ruleId !== 'open-relay') return false;
  const ancestors = path.map((_, index) => pathText(path.slice(0, index + 1)));
  if (ancestors.some((ancestor) => taken.has(ancestor))) return false;
  if (trust.on === 'mapping') return !ancestors.slice(-2).some((at) => changed.has(at));
  if (trust.on === 'value') return true;
  const groups = new Set([...taken].map((at) => (JSON.parse(at) as string[])[0]));
  return (
    !ancestors.slice(1).some((at) => changed.has(at)) &&
    trust.groups?.some((group) => groups.has(group)) !== true
  );
}

function pathText(path: Path): string {
  return JSON.stringify(path);
}

/** Values that break no rule by themselves, for keys that have to be there. */
const STAND_INS: Record<string, unknown> = {
  version: 1,
  name: 'stand-in',
  listen: [{ port: 'auto' }],
  port: 'auto',
  password: { secret: STAND_IN_SECRET },
  'smarthost-password': { secret: STAND_IN_SECRET },
  'smtp-sink-password': { secret: STAND_IN_SECRET },
  'rabbitmq-password': { secret: STAND_IN_SECRET },
  token: { secret: STAND_IN_SECRET },
};

/** The same inside of a next hop, which is not where others listen. */
const HOP_STAND_INS: Record<string, unknown> = {
  ...STAND_INS,
  port: 25,
  token: { file: STAND_IN_SECRET },
};

/** Returns the path of what is gone or replaced; undefined when that would be too much. */
function takeOut(root: unknown, { path, ruleId, part, missing }: Finding): Path | undefined {
  if (ruleId === 'unknown-key') return remove(root, path);
  if (path[0] === 'secrets' && path.length > 1) {
    return replace(root, path.slice(0, 2), { env: STAND_IN_SECRET });
  }
  // an entry under a wrong name: others refer to it
  if (ruleId === 'invalid-value' && part === 'key' && path.length === 2) return undefined;
  const isReference = Object.hasOwn(STAND_INS, String(path.at(-1))) && missing === 'secret';
  const target = missing === undefined || isReference ? path : [...path, missing];
  const key = String(target.at(-1));
  const standIns = target.includes('smarthost', 2) ? HOP_STAND_INS : STAND_INS;
  if (Object.hasOwn(standIns, key)) return replace(root, target, standIns[key]);
  return path.length > 0 ? remove(root, path) : undefined;
}

function containerOf(root: unknown, path: Path): Mapping | undefined {
  let container = root;
  for (const key of path.slice(0, -1)) {
    if (typeof container !== 'object' || container === null || !Object.hasOwn(container, key)) {
      return undefined;
    }
    container = (container as Mapping)[key];
  }
  return typeof container === 'object' && container !== null ? (container as Mapping) : undefined;
}

function replace(root: unknown, path: Path, standIn: unknown): Path | undefined {
  const container = containerOf(root, path);
  if (container === undefined) return undefined;
  container[path.at(-1) as string | number] = standIn;
  return path;
}

/** An entry of a list takes the list with it, since the places of the others would change. */
function remove(root: unknown, path: Path): Path | undefined {
  const container = containerOf(root, path);
  // gone already, with something around it
  if (container === undefined) return path;
  if (Array.isArray(container)) {
    return path.length > 1 ? remove(root, path.slice(0, -1)) : undefined;
  }
  delete container[path.at(-1) as string | number];
  return path;
}
