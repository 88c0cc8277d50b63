import {
  keepPreviousData,
  useMutation,
  useQuery,
  useQueryClient,
  type UseMutationResult,
  type UseQueryOptions,
  type UseQueryResult,
} from '@tanstack/react-query';
import { useSyncExternalStore } from 'react';
import type { NodeStatus } from '../api/shape/node.js';
import { on, request, type ApiProblem, type Call } from './api.js';
import { token } from './session.js';
import { useObservable } from './observable.js';

/** How often a hidden tab asks, in place of every few seconds. */
const HIDDEN_MS = 60_000;
const NODE_MS = 10_000;

/** What a page shows of an answer: the last good one stays, and says how old it is. */
export interface Live<Value> {
  /** The last good one; undefined: there was none yet. Never an empty value in its place. */
  value: Value | undefined;
  /** When it came, ms since the epoch. */
  asOf: number | null;
  /** Why the last request failed; null: it did not. */
  problem: ApiProblem | null;
  everyMs: number;
  refresh: () => void;
}

export interface LiveOptions {
  everyMs: number;
  /** False: nothing is asked. */
  enabled?: boolean;
  /** Show the answer of the path before until that of a new one comes: for pages of a list. */
  keepsPrevious?: boolean;
}

/**
 * What `GET path` on a node answers, asked again every `everyMs`, less often while the tab is hidden,
 * and at once when an event of this node or an action says that something has changed.
 *
 * @param node null: the one that serves the console
 */
export function useLive<Value>(
  node: string | null,
  path: string,
  options: LiveOptions,
): Live<Value> {
  const isHidden = useIsHidden();
  const query = useQuery(liveQuery<Value>(node, path, options, isHidden));
  return liveOf(query, options.everyMs);
}

/** The name of an answer: of what `GET path` says on a node. */
export function keyOf(node: string | null, path: string): [string, string] {
  return [node ?? '', path];
}

/** The query of `useLive`, for pages that ask several nodes at once. */
export function liveQuery<Value>(
  node: string | null,
  path: string,
  { everyMs, enabled = true, keepsPrevious = false }: LiveOptions,
  isHidden: boolean,
): UseQueryOptions<Value, ApiProblem> {
  return {
    queryKey: keyOf(node, path),
    queryFn: ({ signal }) => request<Value>(on(node, path), { signal }),
    refetchInterval: isHidden ? Math.max(HIDDEN_MS, everyMs) : everyMs,
    refetchIntervalInBackground: true,
    staleTime: Math.min(everyMs, 1000),
    enabled,
    ...(keepsPrevious ? { placeholderData: keepPreviousData } : {}),
  };
}

export function liveOf<Value>(
  query: UseQueryResult<Value, ApiProblem> | undefined,
  everyMs: number,
): Live<Value> {
  return {
    value: query?.data,
    asOf: query === undefined || query.dataUpdatedAt === 0 ? null : query.dataUpdatedAt,
    problem: query?.error ?? null,
    everyMs,
    refresh: () => void query?.refetch(),
  };
}

/** The node that serves the console. */
export function useOwnNode(): Live<NodeStatus> {
  const isLoggedIn = useObservable(token) !== null;
  return useLive<NodeStatus>(null, '/v1/node', { everyMs: NODE_MS, enabled: isLoggedIn });
}

export interface ActionCall extends Call {
  node: string | null;
  path: string;
}

/** Something that changes a node. Everything that is shown is asked anew afterwards. */
export function useAction<Answer>(): UseMutationResult<Answer, ApiProblem, ActionCall> {
  const queries = useQueryClient();
  return useMutation<Answer, ApiProblem, ActionCall>({
    mutationFn: ({ node, path, ...call }) =>
      request<Answer>(on(node, path), { method: 'POST', ...call }),
    // Not waited for: the answer counts, and is told at once.
    onSettled: () => void queries.invalidateQueries(),
  });
}

/** Whether nobody sees the page. */
export function useIsHidden(): boolean {
  return useSyncExternalStore(
    (changed) => {
      document.addEventListener('visibilitychange', changed);
      return () => document.removeEventListener('visibilitychange', changed);
    },
    () => document.visibilityState === 'hidden',
  );
}
