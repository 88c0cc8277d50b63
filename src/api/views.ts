import type { MessageSettings } from '../format/message-settings.js';
import type { CapacityChange } from './contract.js';
import type { ChainTrace, HopRecord } from '../trace/record.js';
import type { TracePage, TraceQuery } from '../trace/store.js';

/** The narrow views of a node that the API works on. */

export interface TraceView {
  /** Newest first. */
  list(query: TraceQuery): Promise<TracePage>;
  /** The path of a message; null when nobody knows the id. */
  find(id: string, chain: boolean): Promise<ChainTrace | null>;
  /** The path as text for people. */
  draw(chain: ChainTrace, width: number): string;
}

/** One queue as the API shows it (INTERFACES: HTTP API). */
export interface ShownQueue {
  name: string;
}

export interface QueueControl {
  list(): ShownQueue[];
  /** False when there is no such queue. */
  control(name: string, action: 'pause' | 'resume' | 'retry'): boolean;
  /** Sets limits until the node ends; false when there is no such queue. */
  limit(name: string, change: CapacityChange): boolean;
}

/** Who hands messages in, and under which `Idempotency-Key`. */
export interface InjectRequest {
  clientAddress: string;
  idempotencyKey: string | null;
}

/** One fault of a request: `smarthost.port` and what is wrong there. */
export interface RequestFault {
  path: string;
  detail: string;
}

export interface InjectRefusal {
  status: 400 | 403 | 409 | 413 | 422 | 503;
  code: string;
  detail: string;
  faults?: RequestFault[];
}

/** One entry for each recipient of each message, in the order of the request. */
export type InjectAnswer =
  | { messages: Array<{ recipient: string; queue_id: string; trace_id: string }> }
  | { refusal: InjectRefusal };

export interface InjectView {
  /** A JSON message or an array of them; all of them are durable once it resolves, or none. */
  fromJson(body: Buffer, request: InjectRequest): Promise<InjectAnswer>;
  /** One message as it is. Rejects when `content` does; nothing is stored then. */
  fromStream(
    content: AsyncIterable<Buffer>,
    envelope: { sender: string; recipients: string[] },
    request: InjectRequest,
  ): Promise<InjectAnswer>;
}

/** What is known of a message of this node. */
export interface ShownMessage {
  record: HopRecord;
  /** What it says about its delivery; null once it has left the queue. */
  settings: MessageSettings | null;
}

export interface MessageView {
  find(queueId: string): Promise<ShownMessage | null>;
}

export interface HealthView {
  /** Null when the node takes mail, else why not. */
  notReady(): string | null;
}

export interface ApiViews {
  trace: TraceView;
  queues: QueueControl;
  inject: InjectView;
  messages: MessageView;
  health: HealthView;
}
