import net from 'node:net';
import type { SecureContext } from 'node:tls';
import type { Clock, Timer } from '../../../base/clock.js';
import type { FaultPlan, FaultStage, FaultVerdict } from '../../../sink/faults.js';
import { Pacer } from '../../../sink/pace.js';
import { Dialogue, turnsDown, type DialoguePorts } from './dialogue.js';
import { Outlet } from './outlet.js';
import { Side, type ClientTls, type SideEvents } from './side.js';

/** A connection on which nothing passes for so long is cut, whatever it waits for. */
const IDLE_TIMEOUT_MS = 600_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** What is left to a peer that does not close after we have. */
const LINGER_MS = 10_000;
/** Bytes that a session keeps of what cannot go on yet, beside one chunk; reading stops above. */
const MAX_BACKLOG_BYTES = 64 * 1024;

/** What all sessions of a link share. */
export interface LinkContext {
  target: { host: string; port: number };
  readonly implicitTls: boolean;
  /** What TLS is done with on both sides; null: it passes through unread. */
  readonly secure: ({ context: SecureContext } & ClientTls) | null;
  readonly plan: FaultPlan;
  readonly clock: Clock;
  readonly counts: { bytesToTarget: number; bytesFromTarget: number; cut: number };
}

/** One connection of a node to its next hop: a connection from the node and one to the target. */
export class LinkSession {
  /** Resolves when both connections are closed. */
  readonly closed: Promise<void>;
  #onClosed: () => void = () => undefined;
  readonly #link: LinkContext;
  readonly #client: Side;
  #target: Side | null = null;
  readonly #dialogue: Dialogue;
  readonly #pacers: { toTarget: Pacer; toClient: Pacer };
  readonly #toTarget: Outlet;
  readonly #toClient: Outlet;
  readonly #timers = new Set<Timer>();
  #isFrozen: boolean;
  /** What came due while the link was silent. */
  readonly #whenThawed: Array<() => void> = [];
  /** What still comes from the client is thrown away. */
  #isDeaf = false;
  #isOver = false;
  #clientHasEnded = false;
  #targetIsSlow = false;
  #clientIsSlow = false;
  #lastPassedMs: number;

  /** Takes a connection that was accepted. `frozen`: nothing happens before `thaw`. */
  constructor(socket: net.Socket, link: LinkContext, frozen: boolean) {
    const { clock, counts } = link;
    this.#link = link;
    this.#isFrozen = frozen;
    this.#lastPassedMs = clock.monotonicMs();
    this.closed = new Promise((resolve) => (this.#onClosed = resolve));
    this.#pacers = { toTarget: new Pacer(clock), toClient: new Pacer(clock) };
    const unlessFrozen = (task: () => void): void => this.#unlessFrozen(task);
    const toTarget = (bytes: Buffer): void => {
      counts.bytesToTarget += bytes.length;
      this.#targetIsSlow = this.#target?.write(bytes) === false;
      this.#read();
    };
    const toClient = (bytes: Buffer): void => {
      counts.bytesFromTarget += bytes.length;
      this.#clientIsSlow = !this.#client.write(bytes);
      this.#read();
    };
    this.#toTarget = new Outlet(this.#pacers.toTarget, toTarget, unlessFrozen);
    this.#toClient = new Outlet(this.#pacers.toClient, toClient, unlessFrozen);
    this.#dialogue = new Dialogue(this.#ports());
    this.#client = new Side(socket, this.#clientEvents(), clock);
    this.#watchIdleness(IDLE_TIMEOUT_MS);
    // One that is lost while it is opened has nobody to tell.
    this.#unlessFrozen(() => void this.#open().catch(() => this.#end(true)));
  }

  /** Nothing passes any more, and nothing is heard. */
  freeze(): void {
    this.#isFrozen = true;
    this.#client.pause();
    this.#target?.pause();
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const task of this.#whenThawed.splice(0)) task();
    this.#read();
  }

  /** Resets both connections. */
  cut(): void {
    this.#link.counts.cut++;
    this.#end(true);
  }

  async #open(): Promise<void> {
    const { implicitTls, secure } = this.#link;
    const isUnread = implicitTls && secure === null;
    if (implicitTls && secure !== null) await this.#client.secureAsServer(secure.context);
    await this.#thawed();
    if (this.#isOver) return;
    const verdict = this.#judge('connect', [this.#client.address]);
    if (turnsDown(verdict)) {
      this.#dialogue.begin(verdict, false);
      return this.#read();
    }
    if (isUnread && verdict.delayMs > 0) {
      await new Promise<void>((resolve) => this.#wait(verdict.delayMs, resolve));
    }
    await this.#openTarget();
    await this.#thawed();
    if (this.#isOver) return;
    if (isUnread) this.#dialogue.beginUnread();
    else this.#dialogue.begin(verdict, true);
    this.#read();
  }

  async #openTarget(): Promise<void> {
    const { target, implicitTls, secure, clock } = this.#link;
    if (this.#isOver) return;
    const socket = net.connect({ ...target, allowHalfOpen: true });
    const side = new Side(socket, this.#targetEvents(), clock);
    this.#target = side;
    const deadline = clock.after(CONNECT_TIMEOUT_MS, () => side.destroy());
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('connect', resolve);
        socket.once('close', () => reject(new Error('the target does not take connections')));
      });
    } finally {
      deadline.cancel();
    }
    if (implicitTls && secure !== null) await side.secureAsClient(secure, target.host);
  }

  #ports(): DialoguePorts {
    return {
      toClient: (bytes) => this.#toClient.send(bytes),
      toTarget: (bytes) => this.#toTarget.send(bytes),
      endClient: () => {
        if (this.#isDeaf) return;
        this.#isDeaf = true;
        this.#toClient.whenSent(() => this.#client.end());
        this.#linger();
      },
      endTarget: () => this.#toTarget.whenSent(() => this.#target?.end()),
      judge: (stage, subjects) => this.#judge(stage, subjects),
      act: (kind) => this.#act(kind),
      wait: (delayMs, task) => this.#wait(delayMs, task),
      startTls: (reply, done) => this.#startTls(reply, done),
    };
  }

  #judge(stage: FaultStage, subjects: readonly string[]): FaultVerdict {
    const verdict = this.#link.plan.judge(stage, subjects);
    for (const pace of verdict.paces) {
      this.#pacers.toTarget.hold(pace);
      this.#pacers.toClient.hold(pace);
    }
    return verdict;
  }

  #act(kind: 'close' | 'reset' | 'stall'): void {
    this.#isDeaf = true;
    if (kind === 'reset') return this.cut();
    // The target sees the end of the session at once: it waits for a command that never comes.
    this.#target?.endSoon();
    if (kind === 'stall') return this.#clientHasEnded ? this.#end(false) : this.#read();
    this.#link.counts.cut++;
    this.#toClient.whenSent(() => this.#client.endSoon());
    this.#linger();
  }

  #startTls(reply: Buffer, done: () => void): boolean {
    const { secure, target } = this.#link;
    const side = this.#target;
    if (secure === null || side === null) return false;
    const handshakes = async (): Promise<void> => {
      await side.secureAsClient(secure, target.host);
      await this.#thawed();
      await new Promise<void>((resolve) => {
        this.#toClient.send(reply);
        this.#toClient.whenSent(resolve);
      });
      await this.#client.secureAsServer(secure.context);
      await this.#thawed();
      if (this.#isOver) return;
      done();
      this.#read();
    };
    handshakes().catch(() => this.#end(true));
    return true;
  }

  #clientEvents(): SideEvents {
    return {
      onBytes: (chunk) => {
        if (!this.#isDeaf) {
          this.#lastPassedMs = this.#link.clock.monotonicMs();
          this.#dialogue.fromClient(chunk);
        }
        this.#read();
      },
      onEnd: () => {
        this.#clientHasEnded = true;
        if (this.#isDeaf || this.#target === null) this.#end(false);
        else this.#dialogue.clientEnded();
      },
      onDrain: () => {
        this.#clientIsSlow = false;
        this.#read();
      },
      onGone: (wasReset) => this.#unlessFrozen(() => this.#end(wasReset)),
    };
  }

  #targetEvents(): SideEvents {
    return {
      onBytes: (chunk) => {
        if (!this.#isDeaf) {
          this.#lastPassedMs = this.#link.clock.monotonicMs();
          this.#dialogue.fromTarget(chunk);
        }
        this.#read();
      },
      onEnd: () => {
        if (!this.#isDeaf) this.#dialogue.targetEnded();
      },
      onDrain: () => {
        this.#targetIsSlow = false;
        this.#read();
      },
      onGone: (wasReset) =>
        this.#unlessFrozen(() => {
          if (this.#isOver || wasReset) this.#end(true);
          else if (!this.#isDeaf) this.#dialogue.targetEnded();
        }),
    };
  }

  /** Reads from each side while what it says can go on. */
  #read(): void {
    if (this.#isFrozen || this.#isOver) return;
    const fromClient =
      this.#isDeaf ||
      (!this.#targetIsSlow &&
        !this.#toTarget.isWaiting &&
        this.#dialogue.clientBacklog < MAX_BACKLOG_BYTES);
    if (fromClient) this.#client.resume();
    else this.#client.pause();
    const fromTarget =
      !this.#clientIsSlow &&
      !this.#toClient.isWaiting &&
      this.#dialogue.targetBacklog < MAX_BACKLOG_BYTES;
    if (fromTarget) this.#target?.resume();
    else this.#target?.pause();
  }

  #unlessFrozen(task: () => void): void {
    if (this.#isFrozen && !this.#isOver) this.#whenThawed.push(task);
    else task();
  }

  /** Resolves while the link is not silent; never when the session ends before that. */
  #thawed(): Promise<void> {
    return new Promise((resolve) => this.#unlessFrozen(resolve));
  }

  #wait(delayMs: number, task: () => void): void {
    const timer = this.#link.clock.after(delayMs, () => {
      this.#timers.delete(timer);
      this.#unlessFrozen(() => {
        if (this.#isOver) return;
        task();
        this.#read();
      });
    });
    this.#timers.add(timer);
  }

  #watchIdleness(delayMs: number): void {
    const { clock } = this.#link;
    const timer = clock.after(delayMs, () => {
      this.#timers.delete(timer);
      const leftMs = this.#lastPassedMs + IDLE_TIMEOUT_MS - clock.monotonicMs();
      if (leftMs > 0) this.#watchIdleness(leftMs);
      else this.cut();
    });
    this.#timers.add(timer);
  }

  #linger(): void {
    this.#timers.add(this.#link.clock.after(LINGER_MS, () => this.#end(true)));
  }

  /** Ends both connections, if they have not ended yet, and all waits. */
  #end(withReset: boolean): void {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#cancelTimers();
      this.#pacers.toTarget.end();
      this.#pacers.toClient.end();
      this.#whenThawed.length = 0;
    }
    for (const side of [this.#client, this.#target]) {
      if (side === null || side.isGone) continue;
      if (withReset) side.reset();
      else side.endSoon();
    }
    if (this.#client.isGone && (this.#target === null || this.#target.isGone)) {
      this.#cancelTimers();
      this.#onClosed();
    } else if (this.#timers.size === 0) {
      this.#linger();
    }
  }

  #cancelTimers(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }
}
