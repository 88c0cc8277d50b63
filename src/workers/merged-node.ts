import type { Mesh } from '../api/shape/mesh.js';
import type { NodeConfig, NodeHistory, NodeStatus, RouteAnswer } from '../api/shape/node.js';
import type { MeshView, NodeView } from '../api/views.js';
import { WorkerUnreachable } from '../api/worker-unreachable.js';
import { collectMesh } from '../api/collect-mesh.js';
import type { Clock } from '../base/clock.js';
import type { MergedHealth } from './merged-health.js';
import { mergeHistory } from './merged-history.js';
import { mergeMesh } from './merged-mesh.js';
import { mergeStatus, type WorkerProcess } from './merged-status.js';
import type { Answers, WorkerQuestions } from './merged-questions.js';

const MICROSECONDS_PER_SECOND = 1e6;

export interface MergedNodeOptions {
  node: string;
  workers: WorkerQuestions;
  health: MergedHealth;
  clock: Clock;
  /** The settings of the node as a whole; default: those of a worker. */
  config: (() => NodeConfig) | undefined;
  processOf: (worker: number) => WorkerProcess | null;
}

/** The state of all workers as that of one node; a question that any of them can answer goes to all. */
export function mergedNode(options: MergedNodeOptions): NodeView {
  const { workers, health, clock, config, processOf } = options;
  const startedAt = new Date(clock.nowMs()).toISOString();
  return {
    status: async () => {
      const [answers, notReady] = await Promise.all([
        workers.json<NodeStatus>('/v1/node'),
        health.notReady(),
      ]);
      const statuses = known(answers);
      const { rss, heapUsed } = process.memoryUsage();
      const cpu = process.cpuUsage();
      return mergeStatus({
        statuses,
        missing: answers.missing,
        notReady,
        front: {
          asked_at: new Date(clock.nowMs()).toISOString(),
          started_at: startedAt,
          memory: { rss, heapUsed },
          cpu: {
            user_seconds: cpu.user / MICROSECONDS_PER_SECOND,
            system_seconds: cpu.system / MICROSECONDS_PER_SECOND,
          },
        },
        processOf,
      });
    },
    config: async () => config?.() ?? any(await workers.json<NodeConfig>('/v1/node/config')),
    history: async () => {
      const parts = known(await workers.json<NodeHistory>('/v1/node/history'));
      return mergeHistory(parts.map(({ value }) => value));
    },
    route: async (body) => {
      const asked = { method: 'POST', path: '/v1/route', body } as const;
      return any(await workers.each<RouteAnswer>(() => asked));
    },
  };
}

/** The other nodes, for the picture of the mesh. */
export interface MeshPeers {
  names: readonly string[];
  ask<Answer>(node: string, path: string): Promise<Answer>;
}

export function mergedMesh(
  { node, workers }: Pick<MergedNodeOptions, 'node' | 'workers'>,
  peers: () => MeshPeers,
): MeshView {
  const own = async (): Promise<Mesh> => {
    const parts = known(await workers.json<Mesh>('/v1/mesh?peers=false'));
    return mergeMesh(parts.map(({ value }) => value));
  };
  return {
    own,
    collect: async () => {
      const others = peers();
      return collectMesh({
        own: await own(),
        peers: others.names.filter((peer) => peer !== node),
        ask: (peer) => others.ask(peer, '/v1/mesh?peers=false'),
      });
    },
  };
}

function any<Value>(answers: Answers<Value>): Value {
  const [part] = known(answers);
  return (part as { value: Value }).value;
}

/** The answers there are. Rejects with `WORKER_UNREACHABLE` where there is none. */
function known<Value>({ parts, missing }: Answers<Value>): Answers<Value>['parts'] {
  if (parts.length === 0) throw new WorkerUnreachable(missing);
  return parts;
}
