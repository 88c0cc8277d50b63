import { readFile } from 'node:fs/promises';
import net from 'node:net';
import { createSecureContext } from 'node:tls';
import { systemClock, type Clock } from '../../../base/clock.js';
import { codeOf, messageOf, RelayError } from '../../../base/errors.js';
import { FaultPlan, type FaultRule, type FaultStage } from '../../../sink/faults.js';
import { PortAllotter } from '../../ports.js';
import type { FaultCounts } from '../run.js';
import { LinkSession, type LinkContext } from './link-session.js';

/** Connections of one link at once; further ones are closed unanswered. */
const MAX_CONNECTIONS = 1000;
/** What an end of the listener or of all sessions may take, and a new begin of it. */
const PATIENCE_MS = 5000;
const RETRY_MS = 50;
const HOST = '127.0.0.1';
/** What a link that cannot read its TLS still sees. */
const STAGES_IN_CLEAR: ReadonlySet<FaultStage> = new Set(['connect', 'helo', 'starttls']);

interface CertificatePaths {
  certFile: string;
  keyFile: string;
}

export interface LinkProxyOptions {
  target: { host: string; port: number };
  /** How the target's listener does TLS (ListenerEntry['tls']). */
  tls: 'none' | 'opportunistic' | 'required' | 'implicit';
  /**
   * Certificate that it shows in place of the target's, and the CA to verify the target with. Null:
   * TLS passes through unread, and faults inside of it cannot act.
   */
  certificate: ({ caFile: string } & CertificatePaths) | null;
  /** What the node shows itself by to a target that asks; default: nothing. */
  client?: CertificatePaths | undefined;
  /** Seed (uint32) of what its fault rules draw. */
  seed: number;
  /** Port to listen on; default: a free one below those of outgoing connections. */
  port?: number;
  clock?: Clock;
}

export interface LinkCounts {
  /** Connections that were accepted. */
  connections: number;
  /** Bytes of SMTP, without TLS where it is read; replies that rules made are in it. */
  bytesToTarget: number;
  bytesFromTarget: number;
  /** Connections that a partition, a rule, the idle timeout or `close` ended. */
  cut: number;
}

/**
 * Stands between one node and one listener of its next hop, on loopback, and passes on what they
 * say until it is told otherwise. Every session whose TLS it can read is followed from its
 * beginning, so that rules that are armed later act on connections that are kept open, too.
 *
 * A node that connects while the target does not listen sees its connection reset before a
 * greeting, not refused: it was accepted here before the target could be asked.
 */
export class LinkProxy {
  readonly port: number;
  readonly #clock: Clock;
  readonly #options: LinkProxyOptions;
  readonly #plan: FaultPlan;
  readonly #context: LinkContext;
  readonly #counts: LinkCounts = { connections: 0, bytesToTarget: 0, bytesFromTarget: 0, cut: 0 };
  readonly #sessions = new Set<LinkSession>();
  #server: net.Server | null = null;
  #isSilent = false;
  #isClosed = false;
  /** Partitions, mends and the close come one after the other. */
  #changes: Promise<void> = Promise.resolve();

  private constructor(options: LinkProxyOptions, port: number, secure: LinkContext['secure']) {
    this.port = port;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#plan = new FaultPlan([], options.seed);
    this.#context = {
      target: options.target,
      implicitTls: options.tls === 'implicit',
      secure,
      plan: this.#plan,
      clock: this.#clock,
      counts: this.#counts,
    };
  }

  /**
   * Listens on 127.0.0.1.
   * @throws RelayError LAB_PROXY_PORT when the port is taken, LAB_PROXY_CERTIFICATE when a file
   * cannot be used; RunnerError NO_FREE_PORT
   */
  static async open(options: LinkProxyOptions): Promise<LinkProxy> {
    const { certificate, client, tls } = options;
    const secure =
      certificate === null || tls === 'none' ? null : await readCertificates(certificate, client);
    const port = options.port ?? (await new PortAllotter().allot(HOST));
    const proxy = new LinkProxy(options, port, secure);
    await proxy.#listen(0);
    return proxy;
  }

  get counts(): Readonly<LinkCounts> {
    return { ...this.#counts };
  }

  /** The target was started again elsewhere; for connections from now on. */
  retarget(target: { host: string; port: number }): void {
    this.#context.target = target;
  }

  /**
   * `refuse`: open connections are reset and new ones refused. `silent`: nothing passes any more,
   * and new connections get no answer; what is held back, ends of connections too, passes after
   * `mend`. Resolves when it holds.
   */
  partition(how: 'refuse' | 'silent'): Promise<void> {
    return this.#change(async () => {
      this.#isSilent = how === 'silent';
      if (how === 'silent') {
        for (const session of this.#sessions) session.freeze();
        await this.#listen(PATIENCE_MS);
      } else {
        await this.#stopListening();
      }
    });
  }

  /**
   * Ends a partition; rules stay armed. Resolves when connections are taken again.
   * @throws RelayError LAB_PROXY_PORT when somebody else has taken the port meanwhile
   */
  mend(): Promise<void> {
    return this.#change(async () => {
      this.#isSilent = false;
      for (const session of this.#sessions) session.thaw();
      await this.#listen(PATIENCE_MS);
    });
  }

  /**
   * Arms a rule; open sessions see it with their next command. `disarm` ends it and may be called
   * again; `counts` is how often it matched and acted until now.
   * @throws RelayError LAB_FAULT_UNFIT for a rule that cannot act here, FAULTS_FULL
   */
  arm(rule: FaultRule): { disarm(): FaultCounts; counts(): FaultCounts } {
    this.#checkFit(rule);
    const plan = this.#plan;
    const id = plan.arm(rule);
    let last: FaultCounts = { matched: 0, acted: 0 };
    return {
      disarm: () => ({ ...(last = plan.disarm(id) ?? last) }),
      counts: () => {
        const { matched, acted } = plan.counts().find((listed) => listed.id === id) ?? last;
        return { matched, acted };
      },
    };
  }

  /** Ends all connections and stops listening; resolves when no socket is open. */
  close(): Promise<void> {
    return this.#change(async () => {
      this.#isClosed = true;
      await this.#stopListening();
      for (const { id } of this.#plan.counts()) this.#plan.disarm(id);
    });
  }

  #change(change: () => Promise<void>): Promise<void> {
    const changed = this.#changes.then(() => (this.#isClosed ? undefined : change()));
    this.#changes = changed.catch(() => undefined);
    return changed;
  }

  #checkFit(rule: FaultRule): void {
    const { tls, certificate } = this.#options;
    const unfit = (message: string, hint: string): RelayError =>
      new RelayError('LAB_FAULT_UNFIT', message, { fault: 'operator', hint });
    if (rule.lose === true) {
      throw unfit('a link cannot lose a message that it answers for', 'Give the fault to a sink.');
    }
    if (certificate !== null || tls === 'none' || tls === 'opportunistic') return;
    const isSeen = tls === 'implicit' ? rule.at === 'connect' : STAGES_IN_CLEAR.has(rule.at);
    if (!isSeen || (tls === 'implicit' && rule.reply !== undefined)) {
      throw unfit(
        `a fault at ${rule.at} cannot act on a link whose TLS passes through unread`,
        'Use `tls: { ephemeral: true }`, or give the fault to a sink.',
      );
    }
  }

  #accept(socket: net.Socket): void {
    this.#counts.connections++;
    const session = new LinkSession(socket, this.#context, this.#isSilent);
    this.#sessions.add(session);
    void session.closed.then(() => this.#sessions.delete(session));
  }

  /** `patienceMs`: how long a port that is taken is tried again. */
  async #listen(patienceMs: number): Promise<void> {
    const deadlineMs = this.#clock.monotonicMs() + patienceMs;
    while (this.#server === null) {
      const server = net.createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
      server.maxConnections = MAX_CONNECTIONS;
      const problem = await listenOn(server, this.port);
      if (problem === null) {
        this.#server = server;
      } else if (codeOf(problem) !== 'EADDRINUSE' || this.#clock.monotonicMs() >= deadlineMs) {
        throw new RelayError('LAB_PROXY_PORT', messageOf(problem), {
          fault: 'system',
          where: `${HOST}:${this.port}`,
          cause: problem,
        });
      } else {
        await new Promise<void>((resolve) => void this.#clock.after(RETRY_MS, resolve));
      }
    }
  }

  /** Ends the listener and all sessions. */
  async #stopListening(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    const ended: Array<Promise<unknown>> = [];
    if (server !== null) ended.push(new Promise((resolve) => server.close(resolve)));
    for (const session of this.#sessions) {
      session.cut();
      ended.push(session.closed);
    }
    let cancel: () => void = () => undefined;
    const deadline = new Promise<void>((resolve) => {
      const timer = this.#clock.after(PATIENCE_MS, resolve);
      cancel = () => timer.cancel();
    });
    await Promise.race([Promise.all(ended), deadline]);
    cancel();
  }
}

/** Null when the server listens, else why not. */
function listenOn(server: net.Server, port: number): Promise<Error | null> {
  return new Promise((resolve) => {
    server.once('error', resolve);
    server.listen({ port, host: HOST, exclusive: true }, () => {
      server.removeListener('error', resolve);
      // A connection that is gone before it was accepted is no matter.
      server.on('error', () => undefined);
      resolve(null);
    });
  });
}

async function readCertificates(
  files: { caFile: string } & CertificatePaths,
  client: CertificatePaths | undefined,
): Promise<NonNullable<LinkContext['secure']>> {
  try {
    const [own, ca] = await Promise.all([readPair(files), readFile(files.caFile)]);
    const context = createSecureContext({ ...own, minVersion: 'TLSv1.2' });
    return { context, ca, client: client === undefined ? null : await readPair(client) };
  } catch (error) {
    throw new RelayError('LAB_PROXY_CERTIFICATE', messageOf(error), {
      fault: 'system',
      where: files.certFile,
      cause: error,
    });
  }
}

async function readPair(files: CertificatePaths): Promise<{ cert: Buffer; key: Buffer }> {
  const [cert, key] = await Promise.all([readFile(files.certFile), readFile(files.keyFile)]);
  return { cert, key };
}
