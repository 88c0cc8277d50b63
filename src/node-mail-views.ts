import type { CapacityChange } from './api/contract.js';
import { pageOfQuarantine, retryQuarantined } from './api/quarantine-list.js';
import type { ApiViews, MessageView, TraceView } from './api/views.js';
import type { Clock } from './base/clock.js';
import type { NodeEvents } from './node-events.js';
import type { NodePeers } from './node-peers.js';
import type { LevelSpool } from './queue/level-spool.js';
import type { MailQueue } from './queue/mail-queue.js';
import { readShownHeader } from './queue/message-header.js';
import { QUARANTINE_QUEUE } from './queue/queue-view.js';
import type { Capacity } from './send/capacity.js';
import { collectChain, collectLocal } from './trace/collect.js';
import type { LevelTraceStore } from './trace/level-store.js';
import { chainToOtlp } from './trace/otlp.js';
import type { ChainHop } from './trace/record.js';
import { formatTrackingStatus } from './trace/tracking-status.js';
import { renderWaterfall } from './trace/waterfall.js';

export interface MailViewParts {
  /** Name of the node. */
  node: string;
  queue: MailQueue;
  spool: LevelSpool;
  traceStore: LevelTraceStore;
  /** Those of the settings in force. */
  peers: () => NodePeers;
  events: NodeEvents;
  clock: Clock;
}

/** What the API sees of a node's mail, and does to it. */
export function mailViews(
  parts: MailViewParts,
): Pick<ApiViews, 'trace' | 'queues' | 'quarantine' | 'messages'> {
  const { queue } = parts;
  return {
    trace: traceView(parts),
    queues: {
      list: () => ({ queues: queue.queues() }),
      control: (...wish) => queue.control(...wish),
      messages: (...page) => queue.messagesIn(...page),
      limit: (name, change, ahead) => queue.limit(name, capacityOfChange(change), ahead),
    },
    quarantine: {
      queue: QUARANTINE_QUEUE,
      page: (limit, after) => pageOfQuarantine(queue.quarantined(), limit, after),
      find: (queueId) => queue.findQuarantined(queueId),
      retry: (queueId) => queue.retryQuarantined(queueId),
      retryAll: () => retryQuarantined(queue.quarantined(), (id) => queue.retryQuarantined(id)),
      delete: (queueId) => queue.deleteQuarantined(queueId),
    },
    messages: messageView(parts),
  };
}

function traceView({ node, queue, traceStore, peers, clock }: MailViewParts): TraceView {
  /** Our own records, with what those of them wait for that are still in the queue. */
  const recordsOf = async (id: string): Promise<ChainHop[]> => {
    const records = await traceStore.find(id);
    return records.map((record) => {
      const waiting = queue.waiting(record.queue_id);
      return waiting.length === 0 ? record : { ...record, waiting };
    });
  };
  return {
    list: (query) => traceStore.list(query),
    find: (id, chain) => {
      const known = peers();
      const options = {
        local: recordsOf,
        ask: (peer: string, wanted: string) => known.hops(peer, wanted),
        peers: known.names,
        tierOf: (peer: string) => known.tierOf(peer),
        node,
        clock,
      };
      return chain ? collectChain(id, options) : collectLocal(id, options);
    },
    draw: (chain, options) => renderWaterfall(chain, { ...options, nowMs: clock.nowMs() }),
    otlp: (chain, addresses) => chainToOtlp(chain, { addresses, nowMs: clock.nowMs() }),
    trackingStatus: formatTrackingStatus,
  };
}

function messageView({ queue, spool, traceStore, events }: MailViewParts): MessageView {
  return {
    find: async (queueId) => {
      const records = await traceStore.find(queueId);
      const record = records.find((candidate) => candidate.queue_id === queueId);
      const settings = queue.find(queueId)?.settings ?? null;
      const quarantine = queue.findQuarantined(queueId);
      const queued = queue.queued(queueId);
      return record === undefined ? null : { record, settings, quarantine, queued };
    },
    act: async (queueId, action) => {
      const result = await queue.actOn(queueId, action);
      if (result.done) {
        events.acted(queueId, action);
      }
      return result;
    },
    headers: async (queueId) => {
      const item = queue.find(queueId);
      if (item === undefined) {
        return queue.findQuarantined(queueId) === null ? 'unknown' : 'unreadable';
      }
      const header = await readShownHeader(await spool.openBody(item));
      if (header !== null) {
        return { queue_id: queueId, ...header };
      }
      // it may have left meanwhile, and its body with it
      return queue.find(queueId) === undefined ? 'unknown' : 'unreadable';
    },
  };
}

/** The limits that a request names, by the names of ours. */
function capacityOfChange(change: CapacityChange): Partial<Capacity> {
  const { idle_timeout_seconds: idleSeconds } = change;
  const limits = {
    maxConnections: change.max_connections,
    maxMessagesPerConnection: change.max_messages_per_connection,
    maxMessagesPerMinute: change.max_messages_per_minute,
    maxConnectsPerMinute: change.max_connects_per_minute,
    idleTimeoutMs: idleSeconds === undefined ? undefined : idleSeconds * 1000,
  };
  return Object.fromEntries(Object.entries(limits).filter(([, limit]) => limit !== undefined));
}
