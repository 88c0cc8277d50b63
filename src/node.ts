import { collectMesh } from './api/collect-mesh.js';
import { EventFeed } from './api/event-feed.js';
import { ApiServer } from './api/server.js';
import type { Mesh } from './api/shape/mesh.js';
import type { ApiViews, NodeView } from './api/views.js';
import { systemClock, type Clock, type Timer } from './base/clock.js';
import { systemDisk } from './base/disk.js';
import { Sealer } from './base/sealer.js';
import { RelayError } from './base/errors.js';
import { createLogger, type Logger } from './base/log.js';
import { Injection } from './intake/injection.js';
import { Listener } from './intake/listener.js';
import type { IntakeServices } from './intake/receive-data.js';
import { serverCertificates } from './intake/server-certificates.js';
import type { Company } from './node-company.js';
import { shownSettings } from './node-config.js';
import { NodeEvents } from './node-events.js';
import { NodeHistory } from './node-history.js';
import { mailViews } from './node-mail-views.js';
import { ownMesh } from './node-mesh.js';
import { NodeMetrics } from './node-metrics.js';
import { isOwnHost } from './node-own-host.js';
import { NodePeers } from './node-peers.js';
import { NodeRabbitmq } from './node-rabbitmq.js';
import { changed, needsRestart, pinnedSink } from './node-reload.js';
import { answerRoute } from './node-route.js';
import type { NodeSettings } from './node-settings.js';
import { createQueue } from './node-queue.js';
import { NodeStatusSource } from './node-status.js';
import { NodeTraffic } from './node-traffic.js';
import { ClientLimits } from './policy/client-limits.js';
import { Policy } from './policy/policy.js';
import { BodyMemory } from './queue/body-memory.js';
import type { LevelSpool } from './queue/level-spool.js';
import type { DeliveryKeys } from './queue/delivery-keys.js';
import type { MailQueue } from './queue/mail-queue.js';
import { createLocator, type Locator } from './route/mx.js';
import { Router } from './route/router.js';
import { ConnectionPool } from './send/connection-pool.js';
import { OtlpExporter } from './trace/export-otlp.js';
import { LevelTraceStore } from './trace/level-store.js';
import { TraceRecorder } from './trace/recorder.js';

/** For the spans that a collector has not got when the node stops. */
const FLUSH_TIMEOUT_MS = 2000;
const DRAIN_POLL_MS = 20;
const SPOOL_REFUSES = 'the spool refuses writes';

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
  readonly #company: Company | null;
  readonly #clock: Clock = systemClock;
  readonly #policy: Policy;
  readonly #traceStore: LevelTraceStore;
  readonly #exporter: OtlpExporter;
  readonly #feed: EventFeed;
  readonly #events: NodeEvents;
  readonly #history: NodeHistory;
  readonly #traffic = new NodeTraffic();
  readonly #status: NodeStatusSource;
  readonly #spool: LevelSpool;
  readonly #sealer: Sealer;
  readonly #router: Router;
  #locator: Locator;
  readonly #pool: ConnectionPool;
  readonly #queue: MailQueue;
  readonly #rabbitmq: NodeRabbitmq | null;
  readonly #listeners: Listener[];
  readonly #injection: Injection;
  readonly #api: ApiServer;
  #peers: NodePeers;
  #ready = false;
  #stopped: Promise<void> | null = null;
  /** Monotonic time at which a stop has to be over but for the closing, and its timer. */
  readonly #drainedBy: { ms: number; cut: Timer | null } = { ms: Infinity, cut: null };

  /** @param company absent: it is the only process of its name */
  constructor(
    settings: NodeSettings,
    log = createLogger(settings.name, settings.logLevel),
    company: Company | null = null,
  ) {
    this.#settings = settings;
    this.#log = log;
    this.#company = company;
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
    this.#history = this.#createHistory(settings);
    this.#rabbitmq = NodeRabbitmq.of(settings, { clock, log, traceStore: this.#traceStore });
    const bodyMemory = new BodyMemory(() => this.#settings.queue.limits.bodyMemoryBytes);
    const { spool, queue } = createQueue({
      settings,
      bodyMemory,
      router: this.#router,
      pool: this.#pool,
      locate: (hop) => this.#locator.locate(hop),
      recorder: this.#createRecorder(settings),
      clock,
      log,
      siblings: company?.siblings,
      results: this.#rabbitmq?.results,
    });
    this.#spool = spool;
    this.#queue = queue;
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
    this.#listeners = this.#createListeners(settings, intake);
    this.#injection = new Injection({ ...intake, settings: () => this.#settings.intake });
    this.#rabbitmq?.feed(this.#injection, this.#queue);
    this.#peers = new NodePeers(settings.api.peers);
    this.#status = this.#createStatus(bodyMemory);
    this.#api = new ApiServer(settings.api, this.#views(), log);
  }

  get addresses(): NodeAddresses {
    return {
      smtp: this.#listeners.map(({ settings, port }) => {
        return { name: settings.name, host: settings.host, port, tls: settings.tls };
      }),
      api: this.#api.address,
    };
  }

  /** What may be well again after a new start, or null. A full disk is none of it. */
  get trouble(): string | null {
    return this.#queue.accepting ? null : SPOOL_REFUSES;
  }

  get counts(): { queued: number; quarantined: number; sessions: number } {
    const { size, quarantineSize } = this.#queue;
    return { queued: size, quarantined: quarantineSize, sessions: this.#sessions };
  }

  get deliveryKeys(): Pick<DeliveryKeys, 'look'> {
    return this.#queue.deliveryKeys;
  }

  /** What it is doing, in one line for people. */
  get summary(): string {
    const what = this.#notReady() ?? 'takes mail';
    return `${what}; messages: ${this.#queue.size} queued, ${this.#queue.quarantineSize} in quarantine; sessions: ${this.#sessions}`;
  }

  /** Rejects with a `RelayError` when a port, the spool or the store is not to be had. */
  async start(): Promise<void> {
    this.#router.reload(await pinnedSink(this.#settings, null, this.#locator));
    this.#traffic.reload(this.#router.table);
    await this.#traceStore.open();
    await this.#rabbitmq?.openResults();
    await this.#queue.start();
    this.#rabbitmq?.start();
    this.#history.start();
    this.#status.start();
    await this.#api.start();
    for (const listener of this.#company?.listens === false ? [] : this.#listeners) {
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
    this.#drainedBy.ms = Math.min(this.#drainedBy.ms, this.#clock.monotonicMs() + drainTimeoutMs);
    this.#armCut();
    this.#stopped ??= this.#stopOnce();
    return this.#stopped;
  }

  async #stopOnce(): Promise<void> {
    this.#ready = false;
    this.#log.info({ event: 'stopping', queued: this.#queue.size }, 'draining');
    const notFed = this.#rabbitmq?.stopFeeding();
    for (const listener of this.#listeners) {
      listener.drain();
    }
    while (this.#sessions > 0 && this.#clock.monotonicMs() < this.#drainedBy.ms) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    }
    await notFed;
    await Promise.all(this.#listeners.map((listener) => listener.stop()));
    await this.#queue.stop();
    await this.#rabbitmq?.stop();
    this.#drainedBy.cut?.cancel();
    this.#pool.close();
    this.#locator.close();
    this.#feed.close();
    this.#history.stop();
    this.#status.stop();
    await this.#api.stop();
    await this.#exporter.stop(FLUSH_TIMEOUT_MS);
    await this.#traceStore.close();
    this.#log.info({ event: 'stopped' }, 'stopped');
  }

  /** What is still being sent at the deadline is cut off. */
  #armCut(): void {
    const { ms, cut } = this.#drainedBy;
    cut?.cancel();
    this.#drainedBy.cut = this.#clock.after(ms - this.#clock.monotonicMs(), () =>
      this.#pool.close(),
    );
  }

  /**
   * Swaps the settings as a whole: users, links, routes, limits, certificates. Listeners and
   * folders stay as they are; a change there needs a restart and is said in the log. Rejects with
   * a `RelayError`, and changes nothing, when the name of a new sink cannot be resolved, or with
   * NODE_STOPPING.
   *
   * @param restart what needs a restart, by the names of the topology file; default: found here
   * @returns the same
   */
  async reload(
    settings: NodeSettings,
    restart = needsRestart(this.#settings, settings),
  ): Promise<string[]> {
    if (this.#stopped !== null) {
      throw new RelayError('NODE_STOPPING', 'the node is stopping', { fault: 'operator' });
    }
    // Certificates that cannot be used are found before anything has changed.
    serverCertificates(settings.intake);
    const same = !changed(this.#settings.send.dnsServers, settings.send.dnsServers);
    const locator = same ? this.#locator : this.#createLocator(settings);
    const table = await pinnedSink(settings, this.#router.table, locator).catch((error) => {
      if (!same) {
        locator.close();
      }
      throw error;
    });
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
    this.#traffic.reload(table);
    this.#pool.retire();
    this.#peers = new NodePeers(settings.api.peers);
    this.#api.reload(settings.api);
    this.#exporter.reload(settings.trace.otlp ?? null);
    this.#traceStore.reload(settings.trace);
    this.#queue.reload(settings.queue);
    this.#events.reloaded(restart);
    this.#status.reloaded(null, restart);
    this.#log.info({ event: 'reloaded', needs_restart: restart }, 'topology reloaded');
    return restart;
  }

  /** The settings stayed as they were; the status of the node says so. */
  reloadRefused(problem: string): void {
    this.#status.reloaded(problem);
  }

  #createListeners(
    { intake: settings }: NodeSettings,
    services: IntakeServices & { policy: Policy },
  ) {
    const inbox = this.#rabbitmq?.createInbox(this.#queue, this.#spool, services);
    const limits = new ClientLimits(settings, this.#clock);
    const common = { ...services, ...(inbox === undefined ? {} : { inbox }), settings, limits };
    return settings.listeners.map((listener) => new Listener({ ...common, listener }));
  }

  #createHistory({ name }: NodeSettings): NodeHistory {
    return new NodeHistory({
      node: name,
      clock: this.#clock,
      queued: () => this.#queue.size,
      rssBytes: () => process.memoryUsage.rss(),
    });
  }

  #createStatus(bodyMemory: BodyMemory): NodeStatusSource {
    return new NodeStatusSource({
      settings: () => this.#settings,
      clock: this.#clock,
      disk: systemDisk,
      listeners: this.#listeners,
      pool: this.#pool,
      queue: this.#queue,
      bodyMemory,
      traceStore: this.#traceStore,
      notReady: () => this.#notReady(),
    });
  }

  #createRecorder({ name, queue }: NodeSettings): TraceRecorder {
    const listeners = [this.#exporter, this.#events, this.#history, this.#traffic];
    const place = { node: name, tier: queue.shared?.tier ?? null };
    return new TraceRecorder(place, this.#traceStore, this.#clock, this.#log, ...listeners);
  }

  #createMetrics(): NodeMetrics {
    return new NodeMetrics({
      traffic: this.#traffic,
      status: () => this.#status.status(),
      table: () => this.#router.table,
      listeners: this.#listeners,
      injection: this.#injection,
      queue: this.#queue,
      pool: this.#pool,
      exporter: this.#exporter,
      traceStore: this.#traceStore,
      rabbitmq: () => this.#rabbitmq?.figures ?? null,
    });
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
      isOwn: (host) => isOwnHost(host, this.#listeners, this.#settings.intake.hostname),
      chance: Math.random,
      clock: this.#clock,
    });
  }

  get #sessions(): number {
    return this.#listeners.reduce((sum, { connections }) => sum + connections.size, 0);
  }

  #views(): ApiViews {
    return {
      ...mailViews({
        node: this.#settings.name,
        queue: this.#queue,
        spool: this.#spool,
        traceStore: this.#traceStore,
        peers: () => this.#peers,
        events: this.#events,
        clock: this.#clock,
      }),
      inject: this.#injection,
      mesh: {
        own: () => this.#ownMesh(),
        collect: () =>
          collectMesh({
            own: this.#ownMesh(),
            peers: this.#peers.names.filter((peer) => peer !== this.#settings.name),
            ask: (node) => this.#peers.ask(node, '/v1/mesh?peers=false'),
          }),
      },
      node: this.#nodeView(),
      peers: {
        own: this.#settings.name,
        ask: (node, request) => this.#peers.pass(node, request),
      },
      events: this.#feed,
      metrics: this.#createMetrics(),
      health: { notReady: () => this.#notReady() },
    };
  }

  #nodeView(): NodeView {
    return {
      status: () => this.#status.status(),
      config: () => ({ node: this.#settings.name, settings: shownSettings(this.#settings) }),
      history: () => this.#history.history,
      route: (question) => {
        const state = { settings: this.#settings, queues: this.#queue.queues() };
        return answerRoute(question, { ...state, router: this.#router });
      },
    };
  }

  #notReady(): string | null {
    if (!this.#ready) {
      return 'starting or stopping';
    }
    if (this.#company?.listens === false) {
      return 'it only sends what it has';
    }
    return this.#queue.full === 'broker' ? 'the broker of the tier is away' : this.trouble;
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
}
