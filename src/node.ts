import { collectMesh } from './api/collect-mesh.js';
import { EventFeed } from './api/event-feed.js';
import { ApiServer } from './api/server.js';
import type { CapacityChange } from './api/contract.js';
import type { Mesh } from './api/shape/mesh.js';
import type { ApiViews, ShownMessage } from './api/views.js';
import { systemClock, type Clock, type Timer } from './base/clock.js';
import { systemDisk } from './base/disk.js';
import { Sealer } from './base/sealer.js';
import { RelayError } from './base/errors.js';
import { createLogger, type Logger } from './base/log.js';
import { isLoopbackAddress } from './format/loopback.js';
import { Injection } from './intake/injection.js';
import { Listener } from './intake/listener.js';
import { NodeEvents } from './node-events.js';
import { ownMesh } from './node-mesh.js';
import { NodePeers } from './node-peers.js';
import type { NodeSettings } from './node-settings.js';
import { Policy } from './policy/policy.js';
import { BodyMemory } from './queue/body-memory.js';
import { LevelSpool } from './queue/level-spool.js';
import { MailQueue } from './queue/mail-queue.js';
import type { QuarantinedMessage } from './queue/quarantine.js';
import { QUARANTINE_QUEUE } from './queue/queue-view.js';
import { routeQuery } from './queue/route-query.js';
import { ownAddresses } from './policy/own-addresses.js';
import { createLocator, type Locator } from './route/mx.js';
import { Router } from './route/router.js';
import { pinSink } from './route/sink-redirect.js';
import type { RouteTable } from './route/table.js';
import { createAttempt } from './send/attempt.js';
import type { Capacity } from './send/capacity.js';
import { ConnectionPool } from './send/connection-pool.js';
import { collectChain, collectLocal } from './trace/collect.js';
import { OtlpExporter } from './trace/export-otlp.js';
import { chainToOtlp } from './trace/otlp.js';
import { LevelTraceStore } from './trace/level-store.js';
import type { ChainHop, ChainTrace } from './trace/record.js';
import { TraceRecorder } from './trace/recorder.js';
import { formatTrackingStatus } from './trace/tracking-status.js';
import { renderWaterfall } from './trace/waterfall.js';

/** For the spans that a collector has not got when the node stops. */
const FLUSH_TIMEOUT_MS = 2000;
const DRAIN_POLL_MS = 20;

/** Where a running node can be reached. */
export interface NodeAddresses {
  smtp: Array<{ name: string; host: string; port: number; tls: string }>;
  api: { host: string; port: number };
}

/**
 * One node. Built in the order of the way of a message; started from its end, so that nothing is
 * accepted that cannot go on, and stopped from its beginning.
 */
export class RelayNode {
  #settings: NodeSettings;
  readonly #log: Logger;
  readonly #clock: Clock = systemClock;
  readonly #policy: Policy;
  readonly #traceStore: LevelTraceStore;
  readonly #exporter: OtlpExporter;
  readonly #feed: EventFeed;
  readonly #events: NodeEvents;
  readonly #sealer: Sealer;
  readonly #router: Router;
  #locator: Locator;
  readonly #pool: ConnectionPool;
  readonly #queue: MailQueue;
  readonly #listeners: Listener[];
  readonly #injection: Injection;
  readonly #api: ApiServer;
  #peers: NodePeers;
  #ready = false;
  #stopped: Promise<void> | null = null;
  /** Monotonic time at which a stop has to be over but for the closing, and its timer. */
  readonly #drainedBy: { ms: number; cut: Timer | null } = { ms: Infinity, cut: null };

  constructor(settings: NodeSettings, log = createLogger(settings.name, settings.logLevel)) {
    this.#settings = settings;
    this.#log = log;
    const clock = this.#clock;
    this.#policy = new Policy(settings.policy);
    this.#traceStore = new LevelTraceStore(settings.trace, clock, log);
    this.#exporter = new OtlpExporter(settings.trace.otlp ?? null, {
      node: settings.name,
      clock,
      log,
      chance: Math.random,
    });
    this.#sealer = Sealer.keptIn(settings.messageKeyFile);
    this.#router = new Router({
      table: settings.route,
      unseal: (sealed) => this.#sealer.unseal(sealed),
    });
    this.#locator = this.#createLocator(settings);
    this.#pool = new ConnectionPool(settings.send, clock);
    this.#feed = new EventFeed(clock);
    this.#events = this.#createEvents(settings);
    const bodyMemory = new BodyMemory(() => this.#settings.queue.limits.bodyMemoryBytes);
    this.#queue = new MailQueue({
      settings: settings.queue,
      hostname: settings.intake.hostname,
      spool: new LevelSpool(settings.queue, systemDisk, bodyMemory),
      disk: systemDisk,
      bodyMemory,
      chooseRoute: (item, recipient, isWell) =>
        this.#router.choose(routeQuery(item, recipient), item.settings?.security, isWell),
      attempt: createAttempt({
        pool: this.#pool,
        clock,
        node: settings.name,
        locate: (hop) => this.#locator.locate(hop),
      }),
      hasFreeSession: (hop) => this.#pool.hasFree(hop),
      recorder: new TraceRecorder(
        settings.name,
        this.#traceStore,
        clock,
        log,
        this.#exporter,
        this.#events,
      ),
      clock,
      log,
      chance: Math.random,
    });
    const intake = {
      node: settings.name,
      policy: this.#policy,
      queue: this.#queue,
      clock,
      log,
      expireAfterMs: () => this.#settings.queue.expireAfterSeconds * 1000,
      resolve: (host: string) => this.#locator.resolveOnce(host),
      sealer: () => this.#sealer,
    };
    this.#listeners = settings.intake.listeners.map(
      (listener) =>
        new Listener({
          ...intake,
          settings: settings.intake,
          listener,
          sessions: () => this.#sessions,
        }),
    );
    this.#injection = new Injection({ ...intake, settings: () => this.#settings.intake });
    this.#peers = new NodePeers(settings.api.peers);
    this.#api = new ApiServer(settings.api, this.#views(), log);
  }

  get addresses(): NodeAddresses {
    return {
      smtp: this.#listeners.map(({ settings: { name, host, tls }, port }) => ({
        name,
        host,
        port,
        tls,
      })),
      api: this.#api.address,
    };
  }

  /** Rejects with a `RelayError` when a port, the spool or the store is not to be had. */
  async start(): Promise<void> {
    this.#router.reload(await pinnedSink(this.#settings, null, this.#locator));
    await this.#traceStore.open();
    await this.#queue.start();
    await this.#api.start();
    for (const listener of this.#listeners) {
      await listener.start();
    }
    this.#ready = true;
    this.#log.info({ event: 'started', ...this.addresses }, 'ready');
  }

  /**
   * Takes no new session, lets what is in flight end within the drain timeout, then closes. What
   * has not left by then stays in the spool. Called again, it ends no later than either call asks.
   */
  stop(drainTimeoutMs = this.#settings.drainTimeoutMs): Promise<void> {
    const deadlineMs = this.#clock.monotonicMs() + drainTimeoutMs;
    this.#drainedBy.ms = Math.min(this.#drainedBy.ms, deadlineMs);
    this.#armCut();
    this.#stopped ??= this.#stopOnce();
    return this.#stopped;
  }

  async #stopOnce(): Promise<void> {
    this.#ready = false;
    this.#log.info({ event: 'stopping', queued: this.#queue.size }, 'draining');
    for (const listener of this.#listeners) {
      listener.drain();
    }
    while (this.#sessions > 0 && this.#clock.monotonicMs() < this.#drainedBy.ms) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    }
    await Promise.all(this.#listeners.map((listener) => listener.stop()));
    await this.#queue.stop();
    this.#drainedBy.cut?.cancel();
    this.#pool.close();
    this.#locator.close();
    this.#feed.close();
    await this.#api.stop();
    await this.#exporter.stop(FLUSH_TIMEOUT_MS);
    await this.#traceStore.close();
    this.#log.info({ event: 'stopped' }, 'stopped');
  }

  /** What is still being sent at the deadline is cut off. */
  #armCut(): void {
    const { ms, cut } = this.#drainedBy;
    cut?.cancel();
    const leftMs = ms - this.#clock.monotonicMs();
    this.#drainedBy.cut = this.#clock.after(leftMs, () => this.#pool.close());
  }

  /**
   * Swaps the settings as a whole: users, links, routes, limits, certificates. Listeners and
   * folders stay as they are; a change there needs a restart and is said in the log. Rejects with
   * a `RelayError`, and changes nothing, when the name of a new sink cannot be resolved, or with
   * NODE_STOPPING.
   *
   * @returns what needs a restart, by the names of the topology file
   */
  async reload(settings: NodeSettings): Promise<string[]> {
    if (this.#stopped !== null) {
      throw new RelayError('NODE_STOPPING', 'the node is stopping', { fault: 'operator' });
    }
    const same = !changed(this.#settings.send.dnsServers, settings.send.dnsServers);
    const locator = same ? this.#locator : this.#createLocator(settings);
    const table = await pinnedSink(settings, this.#router.table, locator).catch((error) => {
      if (!same) {
        locator.close();
      }
      throw error;
    });
    const restart = needsRestart(this.#settings, settings);
    if (!same) {
      this.#locator.close();
      this.#locator = locator;
    }
    this.#settings = {
      ...settings,
      intake: { ...settings.intake, listeners: this.#settings.intake.listeners },
    };
    this.#log.level = settings.logLevel;
    this.#policy.reload(settings.policy);
    for (const listener of this.#listeners) {
      listener.reload(settings.intake);
    }
    this.#router.reload(table);
    this.#pool.retire();
    this.#peers = new NodePeers(settings.api.peers);
    this.#exporter.reload(settings.trace.otlp ?? null);
    this.#traceStore.reload(settings.trace);
    this.#queue.reload(settings.queue);
    this.#events.reloaded(restart);
    this.#log.info({ event: 'reloaded', needs_restart: restart }, 'topology reloaded');
    return restart;
  }

  #createEvents({ name }: NodeSettings): NodeEvents {
    return new NodeEvents({
      node: name,
      feed: this.#feed,
      clock: this.#clock,
      queues: () => this.#queue.queues(),
      ready: () => this.#notReady() === null,
      full: () => this.#queue.full,
    });
  }

  #createLocator({ send: { dnsServers } }: NodeSettings): Locator {
    return createLocator({
      dnsServers,
      mx: () => this.#router.table.mx,
      isOwn: (host) => this.#isOwn(host),
      chance: Math.random,
      clock: this.#clock,
    });
  }

  /** A mail server that is this node: by its name, or by an address that a listener is reached at. */
  #isOwn({ name, address, port }: { name: string; address: string; port: number }): boolean {
    const listeners = this.#listeners.filter((listener) => listener.port === port);
    const hosts = listeners.map(({ settings: { host } }) => ({ host }));
    const everywhere = hosts.some(({ host }) => host === '0.0.0.0' || host === '::');
    const addresses = everywhere ? ownAddresses(hosts) : hosts.map(({ host }) => host);
    const { hostname } = this.#settings.intake;
    const reached = addresses.includes(address) || (everywhere && isLoopbackAddress(address));
    return name === hostname.toLowerCase() || reached;
  }

  get #sessions(): number {
    return this.#listeners.reduce((sum, { connections }) => sum + connections.size, 0);
  }

  #views(): ApiViews {
    return {
      trace: {
        list: (query) => this.#traceStore.list(query),
        find: (id, chain) => this.#find(id, chain),
        draw: (chain, options) =>
          renderWaterfall(chain, { ...options, nowMs: this.#clock.nowMs() }),
        otlp: (chain, addresses) => chainToOtlp(chain, { addresses, nowMs: this.#clock.nowMs() }),
        trackingStatus: formatTrackingStatus,
      },
      queues: {
        list: () => this.#queue.queues(),
        control: (name, action) => this.#queue.control(name, action),
        messages: (...page) => this.#queue.messagesIn(...page),
        limit: (name, change) => this.#queue.limit(name, capacityOfChange(change)),
      },
      quarantine: {
        queue: QUARANTINE_QUEUE,
        list: () => this.#queue.quarantined(),
        find: (queueId) => this.#quarantined(queueId),
        retry: (queueId) => this.#queue.retryQuarantined(queueId),
        delete: (queueId) => this.#queue.deleteQuarantined(queueId),
      },
      inject: this.#injection,
      messages: {
        find: (queueId) => this.#findMessage(queueId),
        act: async (queueId, action) => {
          const result = await this.#queue.actOn(queueId, action);
          if (result.done) {
            this.#events.acted(queueId, action);
          }
          return result;
        },
      },
      mesh: {
        own: () => this.#ownMesh(),
        collect: () =>
          collectMesh({
            own: this.#ownMesh(),
            peers: this.#peers.names.filter((peer) => peer !== this.#settings.name),
            ask: (node) => this.#peers.ask(node, '/v1/mesh?peers=false'),
          }),
      },
      events: this.#feed,
      health: { notReady: () => this.#notReady() },
    };
  }

  #notReady(): string | null {
    if (!this.#ready) {
      return 'starting or stopping';
    }
    return this.#queue.accepting ? null : 'the spool refuses writes';
  }

  #ownMesh(): Mesh {
    return ownMesh({
      node: this.#settings.name,
      nowMs: this.#clock.nowMs(),
      ready: this.#notReady() === null,
      table: this.#router.table,
      queue: this.#queue,
    });
  }

  async #findMessage(queueId: string): Promise<ShownMessage | null> {
    const records = await this.#traceStore.find(queueId);
    const record = records.find((candidate) => candidate.queue_id === queueId);
    const settings = this.#queue.find(queueId)?.settings ?? null;
    const quarantine = this.#quarantined(queueId);
    const queued = this.#queue.queued(queueId);
    return record === undefined ? null : { record, settings, quarantine, queued };
  }

  #quarantined(queueId: string): QuarantinedMessage | null {
    return this.#queue.findQuarantined(queueId);
  }

  #find(id: string, chain: boolean): Promise<ChainTrace | null> {
    const options = {
      local: (wanted: string) => this.#recordsOf(wanted),
      ask: (node: string, wanted: string) => this.#peers.hops(node, wanted),
      peers: this.#peers.names,
      node: this.#settings.name,
      clock: this.#clock,
    };
    return chain ? collectChain(id, options) : collectLocal(id, options);
  }

  /** Our own records, with what those of them wait for that are still in the queue. */
  async #recordsOf(id: string): Promise<ChainHop[]> {
    const records = await this.#traceStore.find(id);
    return records.map((record) => {
      const waiting = this.#queue.waiting(record.queue_id);
      return waiting.length === 0 ? record : { ...record, waiting };
    });
  }
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

function pinnedSink(
  { route }: NodeSettings,
  before: RouteTable | null,
  locator: Locator,
): Promise<RouteTable> {
  return pinSink(route, before, (host) => locator.resolveOnce(host));
}

function changed(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) !== JSON.stringify(b);
}

/** What a reload cannot change, by the names of the topology file. */
function needsRestart(before: NodeSettings, after: NodeSettings): string[] {
  const names: string[] = [];
  if (changed(before.intake.listeners, after.intake.listeners)) {
    names.push('listen');
  }
  if (before.intake.hostname !== after.intake.hostname) {
    names.push('hostname');
  }
  const tokenChanged = before.api.token.reveal() !== after.api.token.reveal();
  if (
    tokenChanged ||
    changed([before.api.host, before.api.port], [after.api.host, after.api.port])
  ) {
    names.push('api');
  }
  if (before.queue.directory !== after.queue.directory) {
    names.push('data');
  }
  return names;
}
