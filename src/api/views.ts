import type { MessageSettings } from '../format/message-settings.js';
import type { CapacityChange } from './contract.js';
import type { Mesh } from './shape/mesh.js';
import type {
  MessageHeaders,
  NodeConfig,
  NodeHistory,
  NodeStatus,
  RouteAnswer,
  RouteQuestion,
} from './shape/node.js';
import type { AddressForm } from '../trace/otlp.js';
import type { ChainTrace, HopRecord } from '../trace/record.js';
import type { TracePage, TraceQuery } from '../trace/store.js';
import type { TrackingForm, TrackingStatus } from '../trace/tracking-status.js';
import type { MissingWorker } from './worker-unreachable.js';

/** The narrow views of a node that the API works on. */

/** A node of one process answers at once; one with workers has to ask them. */
export type MaybePromise<T> = T | Promise<T>;

/** What a list has beside its entries: workers whose part is not in it; none: it is whole. */
export interface Partly {
  missing?: MissingWorker[];
}

export interface TraceView {
  /** Newest first. */
  list(query: TraceQuery): Promise<TracePage & Partly>;
  /** The path of a message; null when nobody knows the id. */
  find(id: string, chain: boolean): Promise<ChainTrace | null>;
  /** The path as text for people; `color`: with the escape sequences of a terminal. */
  draw(chain: ChainTrace, options: { width: number; color: boolean }): string;
  /** The spans of the path as the JSON of an OTLP export. */
  otlp(chain: ChainTrace, addresses: AddressForm): object;
  /** The path as message tracking tells it (RFC 3886). */
  trackingStatus(chain: ChainTrace, form: TrackingForm): TrackingStatus;
}

/** One queue as the API shows it (INTERFACES: HTTP API). */
export interface ShownQueue {
  name: string;
}

export interface QueueControl {
  list(): MaybePromise<{ queues: ShownQueue[] } & Partly>;
  /** False when there is no such queue; `ahead`: it holds as soon as there is one. */
  control(
    name: string,
    action: 'pause' | 'resume' | 'retry',
    ahead: boolean,
  ): MaybePromise<boolean>;
  /**
   * What is in a queue, by queue id, which is the order of arrival; null when there is no such
   * queue. `after`: the id that the page before ended with, or ''.
   */
  messages(
    name: string,
    limit: number,
    after: string,
  ): MaybePromise<({ messages: ShownQueued[]; nextCursor: string | null } & Partly) | null>;
  /** Sets limits until the node ends; false when there is no such queue; `ahead` as above. */
  limit(name: string, change: CapacityChange, ahead: boolean): MaybePromise<boolean>;
}

/** A message that was taken and that neither goes on nor is forgotten. */
export interface ShownQuarantined {
  queue_id: string;
  /** `corrupt`: its record cannot be read, and it can only be deleted; all others can be tried again. */
  kind: string;
  /** When it came there, ISO 8601. */
  since: string;
  /** Why, with the words of the hop that refused it. */
  reason: string;
  trace_id: string | null;
}

export interface QuarantinePage extends Partly {
  messages: ShownQuarantined[];
  /** The id that the page ended with; null: there are no more. */
  nextCursor: string | null;
}

/** How many there were, and how many of them could be read and are tried again. */
export interface RetriedQuarantine {
  all: number;
  readable: number;
}

export interface QuarantineView {
  /** The name under which it stands among the queues while there is something in it. */
  queue: string;
  /** In order of their ids, those behind `after`. */
  page(limit: number, after: string): MaybePromise<QuarantinePage>;
  find(queueId: string): MaybePromise<ShownQuarantined | null>;
  /** False when there is no such message, or when its record cannot be read. */
  retry(queueId: string): MaybePromise<boolean>;
  /** Tries all again that can be read. */
  retryAll(): Promise<RetriedQuarantine>;
  /** False when there is no such message. */
  delete(queueId: string): MaybePromise<boolean>;
}

/** Who hands messages in, and under which `Idempotency-Key`. */
export interface InjectRequest {
  clientAddress: string;
  idempotencyKey: string | null;
  /** The header of the request (W3C Trace Context), whatever stands in it. */
  traceparent: string | null;
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
    envelope: { sender: string; recipients: string[]; requireTls?: boolean },
    request: InjectRequest,
  ): Promise<InjectAnswer>;
}

/** A message that waits in a queue, is being sent or is held (INTERFACES: HTTP API). */
export interface ShownQueued {
  queue_id: string;
}

/** What is known of a message of this node. */
export interface ShownMessage {
  record: HopRecord;
  /** What it says about its delivery; null once it has left the queue. */
  settings: MessageSettings | null;
  /** Null unless it is in quarantine. */
  quarantine: ShownQuarantined | null;
  /** Null once nothing of it waits here, but for quarantine. */
  queued: ShownQueued | null;
}

/** The same as the API shows it, told by the worker that has the message. */
export interface ToldMessage {
  told: Record<string, unknown>;
}

export type MessageAction = 'retry' | 'hold' | 'release' | 'delete';

/** What came of an operator's wish. */
export type MessageActionResult =
  /**
   * It happened. `message`: as it is now; null when it is gone. `durable`: false while the spool
   * refuses writes, until it takes them again.
   */
  | { done: true; message: ShownQueued | null; durable: boolean }
  /** Nothing was changed. */
  | { done: false; why: 'unknown' | 'sending' | 'held' | 'quarantined' | 'unreadable' };

export interface MessageView {
  find(queueId: string): Promise<ShownMessage | ToldMessage | null>;
  act(queueId: string, action: MessageAction): Promise<MessageActionResult>;
  /** The header of a message that is here; else why there is none. */
  headers(queueId: string): Promise<MessageHeaders | 'unknown' | 'unreadable'>;
}

export interface MeshView {
  /** This node, and what leaves it. */
  own(): MaybePromise<Mesh>;
  /** The same of all nodes whose APIs are known here; it takes at most a few seconds. */
  collect(): Promise<Mesh>;
}

/** What the node says of itself, and what it would do. */
export interface NodeView {
  status(): Promise<NodeStatus>;
  config(): MaybePromise<NodeConfig>;
  history(): MaybePromise<NodeHistory>;
  /** Nothing is sent or stored. */
  route(question: RouteQuestion): MaybePromise<RouteAnswer>;
}

/** A request that is passed on to another node. */
export interface PeerRequest {
  method: 'GET' | 'POST' | 'DELETE';
  /** With its query. */
  path: string;
  headers: Readonly<Record<string, string>>;
  body: Buffer | null;
}

/** What that node answered, whatever it was. */
export interface PeerAnswer {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: Buffer;
}

export interface PeersView {
  /** The name of this node. */
  readonly own: string;
  /**
   * Null where no API of a node of this name is known. Rejects, with the reason, when there is no
   * answer of that node within bounds of time and size.
   */
  ask(node: string, request: PeerRequest): Promise<PeerAnswer> | null;
}

export interface EventsView {
  /**
   * Server-sent events from after the one with this id on, or from now on. Null when as many listen
   * as may at once.
   */
  listen(lastEventId: string | null): MaybePromise<ReadableStream<Uint8Array> | null>;
}

export interface MetricsView {
  /** What Prometheus asks for, in its text format. */
  text(): Promise<string>;
}

export interface HealthView {
  /** Null when the node takes mail, else why not. */
  notReady(): MaybePromise<string | null>;
}

export interface ApiViews {
  trace: TraceView;
  queues: QueueControl;
  quarantine: QuarantineView;
  inject: InjectView;
  messages: MessageView;
  mesh: MeshView;
  node: NodeView;
  peers: PeersView;
  events: EventsView;
  metrics: MetricsView;
  health: HealthView;
}
