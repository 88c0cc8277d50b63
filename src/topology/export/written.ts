import type { Path } from '../fault.js';
import type { LoadedTopology } from '../load.js';
import { completeTopology, topologySchema, type Topology } from '../schema.js';

/** A topology, or a part of one, as it is written: without the defaults that it leaves out. */
export type Written = Record<string, unknown>;

/** What the file itself holds of a topology. */
export function writtenOf({ topology, positions }: LoadedTopology): Written {
  const pick = (value: unknown, path: Path): unknown => {
    if (Array.isArray(value)) return value.map((one, index) => pick(one, [...path, index]));
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).filter(([key]) => positions.has([...path, key]));
    return Object.fromEntries(entries.map(([key, one]) => [key, pick(one, [...path, key])]));
  };
  return pick(topology, []) as Written;
}

/** The same with its defaults. The form was checked when it was read. */
export function completed(written: Written): Topology {
  return completeTopology(topologySchema.parse(written));
}

/** The mapping at a key; empty when there is none. */
export function mappingAt(written: Written, key: string): Written {
  const value = written[key];
  return typeof value === 'object' && value !== null ? (value as Written) : {};
}
