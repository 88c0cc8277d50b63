import type { TestContext } from 'node:test';
import { ApiClient } from '../../src/api/client.js';
import { ApiServer } from '../../src/api/server.js';
import { pageOfQuarantine, retryQuarantined } from '../../src/api/quarantine-list.js';
import { EventFeed } from '../../src/api/event-feed.js';
import { systemClock } from '../../src/base/clock.js';
import type { Mesh } from '../../src/api/shape/mesh.js';
import type {
  ApiViews,
  InjectAnswer,
  ShownMessage,
  ShownQuarantined,
  MessageActionResult,
  PeerAnswer,
  ShownQueue,
  ShownQueued,
} from '../../src/api/views.js';
import { Secret } from '../../src/base/secret.js';
import type { ChainTrace, HopRecord } from '../../src/trace/record.js';
import { capturedLog, type CapturedLog } from '../base/captured-log.js';
import { rawRequest, type RawAnswer, type RawRequest } from './raw-request.js';

export const TOKEN = 'token-of-the-test';

/** An API over views that the test fills; it stops with the test. */
export interface ApiBench {
  port: number;
  client: ApiClient;
  captured: CapturedLog;
  /** Every call of a view, in order. */
  calls: Array<[string, ...unknown[]]>;
  records: HopRecord[];
  nextCursor: string | null;
  /** By id; what does not stand here is not found. */
  chains: Map<string, ChainTrace>;
  queues: ShownQueue[];
  /** What is tried again or deleted is taken out, unless its kind is `corrupt` and it is tried. */
  quarantine: ShownQuarantined[];
  /** What every injection is answered with. */
  injected: InjectAnswer;
  /** What an injection waits for once it has its content. */
  gate: Promise<void>;
  /** Messages that are being read. */
  streams: number;
  /** By queue id; what does not stand here is not found. */
  messages: Map<string, ShownMessage>;
  /** What every action on a message comes to. */
  acted: MessageActionResult;
  /** The header of every message, or why there is none. */
  headers: Awaited<ReturnType<ApiViews['messages']['headers']>>;
  /** What the node `peer` answers. */
  peerAnswer: Promise<PeerAnswer>;
  /** What is in each of the queues. */
  queued: { messages: ShownQueued[]; nextCursor: string | null };
  mesh: Mesh;
  feed: EventFeed;
  notReady: string | null;
  /** Thrown by every view while set. */
  fault: Error | null;
  request(request: RawRequest): Promise<RawAnswer>;
}

export async function runApi(
  t: TestContext,
  { hosts = [] }: { hosts?: readonly string[] } = {},
): Promise<ApiBench> {
  const captured = capturedLog();
  const bench: Omit<ApiBench, 'port' | 'client' | 'request'> = {
    captured,
    calls: [],
    records: [],
    nextCursor: null,
    chains: new Map(),
    queues: [],
    quarantine: [],
    injected: { messages: [{ recipient: 'b@y.test', queue_id: 'Q', trace_id: 'T' }] },
    gate: Promise.resolve(),
    streams: 0,
    messages: new Map(),
    acted: { done: true, message: { queue_id: 'Q' }, durable: true },
    headers: 'unknown',
    peerAnswer: Promise.reject(new Error('nobody listens')),
    queued: { messages: [], nextCursor: null },
    mesh: { asked_at: '2026-01-05T12:00:00.000Z', window_seconds: 60, nodes: [], links: [] },
    feed: new EventFeed(systemClock),
    notReady: null,
    fault: null,
  };
  bench.peerAnswer.catch(() => undefined);
  const settings = { host: '127.0.0.1', port: 0, token: new Secret(TOKEN), hosts, peers: [] };
  const server = new ApiServer(settings, viewsOf(bench), captured.log);
  await server.start();
  t.after(async () => {
    bench.feed.close();
    await server.stop();
  });
  const { port } = server.address;
  const client = new ApiClient({
    url: `http://127.0.0.1:${port}`,
    token: new Secret(TOKEN),
    timeoutMs: 5000,
  });
  return Object.assign(bench, {
    port,
    client,
    request: (request: RawRequest) => rawRequest(port, { token: TOKEN, ...request }),
  });
}

/** A message in quarantine; `kind`: `undeliverable` unless said otherwise. */
export function quarantined(queueId: string, kind = 'undeliverable'): ShownQuarantined {
  return {
    queue_id: queueId,
    kind,
    since: '2026-01-05T12:00:00.000Z',
    reason: '550 5.1.1 no such user',
    trace_id: kind === 'corrupt' ? null : `trace-of-${queueId}`,
  };
}

type Called = (...call: [string, ...unknown[]]) => void;

function quarantineOf(bench: Pick<ApiBench, 'quarantine'>, called: Called): ApiViews['quarantine'] {
  const take = (queueId: string, is: (message: ShownQuarantined) => boolean): boolean => {
    const at = bench.quarantine.findIndex((message) => message.queue_id === queueId && is(message));
    if (at >= 0) bench.quarantine.splice(at, 1);
    return at >= 0;
  };
  const retry = (queueId: string): boolean => {
    called('retry', queueId);
    return take(queueId, ({ kind }) => kind !== 'corrupt');
  };
  return {
    queue: '(quarantine)',
    page: (...page) => {
      called('quarantine');
      return pageOfQuarantine(bench.quarantine, ...page);
    },
    retryAll: () => retryQuarantined([...bench.quarantine], retry),
    find: (queueId) => {
      called('quarantined', queueId);
      return bench.quarantine.find((message) => message.queue_id === queueId) ?? null;
    },
    retry,
    delete: (queueId) => {
      called('delete', queueId);
      return take(queueId, () => true);
    },
  };
}

/** A node of which nothing is known but its name. */
function nodeOf(called: Called): ApiViews['node'] {
  return {
    status: async () => {
      called('status');
      throw new Error('the bench has no state');
    },
    config: () => {
      called('config');
      return { node: 'bench', settings: {} };
    },
    history: () => {
      called('history');
      throw new Error('the bench has no history');
    },
    route: (question) => {
      called('route', question);
      return { node: 'bench', recipients: [] };
    },
  };
}

function viewsOf(bench: Omit<ApiBench, 'port' | 'client' | 'request'>): ApiViews {
  const called: Called = (...call) => {
    bench.calls.push(call);
    if (bench.fault !== null) throw bench.fault;
  };
  return {
    trace: {
      list: async (query) => {
        called('list', query);
        return { records: bench.records, nextCursor: bench.nextCursor };
      },
      find: async (id, chain) => {
        called('find', id, chain);
        return bench.chains.get(id) ?? null;
      },
      draw: (chain, { width, color }) =>
        `path of ${chain.trace_id} in ${width} columns${color ? ' and colour' : ''}\n`,
      otlp: (chain, addresses) => ({ of: chain.trace_id, addresses }),
      trackingStatus: (chain, form) => ({
        type: form === 'multipart/related' ? `${form}; boundary=x` : form,
        content: `${form} of ${chain.trace_id}\r\n`,
      }),
    },
    queues: {
      list: () => {
        called('queues');
        return { queues: bench.queues };
      },
      control: (name, action) => {
        called('control', name, action);
        return bench.queues.some((queue) => queue.name === name);
      },
      messages: (...page) => {
        called('messages', ...page);
        return bench.queues.some((queue) => queue.name === page[0]) ? bench.queued : null;
      },
      limit: (name, change) => {
        called('limit', name, change);
        return bench.queues.some((queue) => queue.name === name);
      },
    },
    quarantine: quarantineOf(bench, called),
    inject: {
      fromJson: async (body, request) => {
        called('json', body.toString(), request);
        await bench.gate;
        return bench.injected;
      },
      fromStream: async (content, envelope, request) => {
        let sizeBytes = 0;
        bench.streams++;
        try {
          for await (const chunk of content) sizeBytes += chunk.length;
        } finally {
          bench.streams--;
        }
        called('stream', sizeBytes, envelope, request);
        return bench.injected;
      },
    },
    messages: {
      find: async (queueId) => {
        called('message', queueId);
        return bench.messages.get(queueId) ?? null;
      },
      act: async (queueId, action) => {
        called('act', queueId, action);
        return bench.acted;
      },
      headers: async (queueId) => {
        called('headers', queueId);
        return bench.headers;
      },
    },
    mesh: {
      own: () => {
        called('own mesh');
        return bench.mesh;
      },
      collect: async () => {
        called('mesh');
        return bench.mesh;
      },
    },
    node: nodeOf(called),
    peers: {
      own: 'bench',
      ask: (node, request) => {
        called('ask', node, request);
        return node === 'peer' ? bench.peerAnswer : null;
      },
    },
    metrics: {
      text: async () => {
        called('metrics');
        return '';
      },
    },
    events: bench.feed,
    health: { notReady: () => bench.notReady },
  };
}
