import type { Mesh } from '../api/shape/mesh.js';
import { useLive, useOwnNode, type Live } from './queries.js';

const MESH_MS = 2000;

/** The picture of the mesh; one request for all that use it. */
export function useMesh(): Live<Mesh> {
  return useLive<Mesh>(null, '/v1/mesh', { everyMs: MESH_MS });
}

/** The names of all nodes that are known here, this one first. */
export function useNodeNames(): readonly string[] {
  return useMesh().value?.nodes.map(({ node }) => node) ?? [];
}

/**
 * How a node of an address of a page is asked: null for the one that serves the console, so that
 * its events and answers are the same under both names.
 */
export function useAskedNode(name: string | undefined): string | null {
  const own = useOwnNode().value?.node;
  return name === undefined || name === '' || name === own ? null : name;
}
