import { isDeepStrictEqual } from 'node:util';
import { sliceOf } from '../export/slice.js';
import { entryOf } from '../hop-plan.js';
import type { ReloadOutcome } from '../lab/run.js';
import type { Topology } from '../schema.js';
import type { Child, ReloadSilence } from './child.js';

/** How long a node or sink may take to say what came of a SIGHUP. */
const RELOAD_DEADLINE_MS = 10_000;

/** Nodes of both topologies whose part (`sliceOf`) is not the same in both. */
export function affectedNodes(before: Topology, after: Topology): string[] {
  return Object.keys(after.nodes).filter(
    (name) =>
      entryOf(before.nodes, name) !== undefined &&
      // defaults that are filled in are part of what is compared, on both sides
      !isDeepStrictEqual(sliceOf(before, { ...before }, name), sliceOf(after, { ...after }, name)),
  );
}

/** What a reload does nothing about: processes that are new in the file, or gone from it. */
export function comingsAndGoings(before: Topology, after: Topology): ReloadOutcome[] {
  const namesOf = ({ nodes, sinks, brokers }: Topology): string[] =>
    Object.keys({ ...nodes, ...sinks, ...brokers });
  const [old, now] = [new Set(namesOf(before)), new Set(namesOf(after))];
  return [
    ...[...now].filter((name) => !old.has(name)).map((name) => needsRestart(name, IS_NEW)),
    ...[...old].filter((name) => !now.has(name)).map((name) => needsRestart(name, IS_GONE)),
  ];
}

const IS_NEW = 'it is new in the file and was not started';
const IS_GONE = 'it is gone from the file and runs on until it is stopped';
export const SINK_CHANGED = 'a sink takes a change when it is started again';

export function needsRestart(node: string, detail: string): ReloadOutcome {
  return { node, result: 'restart', detail };
}

/** Sends SIGHUP to all of them at once and waits for what each says to it. */
export function askToReload(children: readonly Child[]): Promise<ReloadOutcome[]> {
  return Promise.all(
    children.map(async (child): Promise<ReloadOutcome> => {
      const node = child.spec.name;
      const answer = await child.reload(RELOAD_DEADLINE_MS);
      if (typeof answer === 'string') return { node, ...SILENCES[answer] };
      if (answer.type === 'reload-refused') {
        return { node, result: 'refused', detail: `${answer.message} [${answer.code}]` };
      }
      if (answer.restart.length > 0) return needsRestart(node, answer.restart.join(', '));
      return { node, result: 'reloaded', detail: '' };
    }),
  );
}

const SILENCES: Readonly<Record<ReloadSilence, Omit<ReloadOutcome, 'node'>>> = {
  away: { result: 'not-running', detail: 'it reads the file when it is started' },
  frozen: { result: 'not-running', detail: 'it is frozen and was not asked' },
  ended: { result: 'not-running', detail: 'it ended meanwhile' },
  late: { result: 'refused', detail: `no answer within ${RELOAD_DEADLINE_MS / 1000} s` },
};
