import type { FaultAction, FaultReply, FaultStage, FaultVerdict } from '../../../sink/faults.js';
import { ContentEnd } from './content-end.js';
import { ReplyReader } from './reply-reader.js';
import { readCommand, type SmtpCommand } from './smtp-command.js';

/** Longest line of a client that is taken for a command; below what a session lets wait here. */
const MAX_LINE_BYTES = 32 * 1024;
/** Commands without a reply at once; further ones wait. */
const MAX_PENDING = 1000;
/** Recipients of one message that rules are held against. */
const MAX_RECIPIENTS = 10_000;
const LF = 0x0a;
const NOTHING = Buffer.alloc(0);
const NO_FAULT: FaultVerdict = { delayMs: 0, paces: [], action: null };

/** What a dialogue does to the connections that it is about. */
export interface DialoguePorts {
  toClient(bytes: Buffer): void;
  toTarget(bytes: Buffer): void;
  endClient(): void;
  endTarget(): void;
  judge(stage: FaultStage, subjects: readonly string[]): FaultVerdict;
  /** The session ends, or hangs, without another word. */
  act(kind: 'close' | 'reset' | 'stall'): void;
  wait(delayMs: number, task: () => void): void;
  /**
   * The target has agreed to STARTTLS with `reply`: passes that on and secures both connections.
   * False: TLS passes through unread. Calls `done` when both are secure.
   */
  startTls(reply: Buffer, done: () => void): boolean;
}

interface Exchange {
  kind: SmtpCommand['kind'] | 'greeting' | 'message';
  verdict: FaultVerdict;
  subject: string;
  /** The target does not see the command: the answer, if any, is made here. */
  local: boolean;
}

/**
 * Follows one SMTP session from its greeting on. Commands go on to the target, replies come back in
 * the order of the commands, and faults act on the way of the reply:
 *
 * - a negative reply, close, reset or stall: the target does not see the command;
 * - a positive reply takes the place of a positive one of the target, so that what follows works;
 * - a delay holds back the reply, whose command the target has seen;
 * - at `message` the target has all of the content and has answered when the fault acts.
 *
 * A reply of 421, and a negative one at `connect`, also closes. What is not SMTP passes through
 * unread from there on: nothing is lost, and no fault acts.
 *
 * DATA, AUTH and STARTTLS hold the commands behind them until they are answered, as clients must.
 */
export class Dialogue {
  readonly #ports: DialoguePorts;
  #mode: 'command' | 'auth' | 'content' | 'unread' = 'command';
  readonly #pending: Exchange[] = [];
  #client: Buffer = NOTHING;
  readonly #target = new ReplyReader();
  #contentEnd = new ContentEnd();
  #targetIsOpen = false;
  /** What follows is read when this command is answered. */
  #held = false;
  /** A reply is held back, or TLS comes about. */
  #busy = false;
  #over = false;
  #clientEnded = false;
  #targetEnded = false;
  #clientName = '';
  #recipients: string[] = [];

  constructor(ports: DialoguePorts) {
    this.#ports = ports;
  }

  /** Bytes that wait here, for a bound on them. */
  get clientBacklog(): number {
    return this.#client.length;
  }

  get targetBacklog(): number {
    return this.#target.length;
  }

  /**
   * Begins with the greeting. `connect` is what the rules say about the connection; one that they
   * turn down needs no target.
   */
  begin(connect: FaultVerdict, targetIsOpen: boolean): void {
    this.#targetIsOpen = targetIsOpen;
    const local = turnsDown(connect);
    this.#pending.push({ kind: 'greeting', verdict: connect, subject: '', local });
    this.#proceed();
  }

  /** As `begin`, for a session that is not SMTP to us. */
  beginUnread(): void {
    this.#targetIsOpen = true;
    this.passThrough();
    this.#proceed();
  }

  /** From here on everything passes as it is. Answers that were to be made here are dropped. */
  passThrough(): void {
    this.#mode = 'unread';
    this.#held = false;
    this.#pending.length = 0;
  }

  fromClient(chunk: Buffer): void {
    this.#client = this.#client.length === 0 ? chunk : Buffer.concat([this.#client, chunk]);
    this.#readClient();
  }

  fromTarget(chunk: Buffer): void {
    this.#target.add(chunk);
    this.#proceed();
  }

  clientEnded(): void {
    this.#clientEnded = true;
    this.#readClient();
  }

  targetEnded(): void {
    this.#targetEnded = true;
    this.#proceed();
  }

  #proceed(): void {
    this.#readTarget();
    this.#readClient();
  }

  #readClient(): void {
    const out: Buffer[] = [];
    while (this.#mayReadClient() && this.#client.length > 0) {
      if (this.#mode === 'unread') {
        out.push(this.#takeClient(this.#client.length));
      } else if (this.#mode === 'content') {
        out.push(this.#takeContent());
      } else {
        const end = this.#client.indexOf(LF);
        if (end !== -1) this.#takeLine(this.#takeClient(end + 1), out);
        else if (this.#client.length > MAX_LINE_BYTES) this.passThrough();
        else break;
      }
    }
    if (out.length > 0)
      this.#ports.toTarget(out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out));
    if (this.#clientEnded && this.#targetIsOpen && !this.#over && !this.#busy) this.#endTarget();
    // A command that is answered here may be the next in line.
    if (this.#pending[0]?.local === true && !this.#busy && !this.#over) this.#proceed();
  }

  #mayReadClient(): boolean {
    return this.#targetIsOpen && !this.#over && !this.#held && this.#pending.length < MAX_PENDING;
  }

  /** Once nothing of the client is left that an answer is needed for; half a line goes as it is. */
  #endTarget(): void {
    if (this.#client.length > 0 && !this.#mayReadClient()) return;
    if (this.#client.length > 0) this.#ports.toTarget(this.#takeClient(this.#client.length));
    this.#ports.endTarget();
  }

  #takeClient(length: number): Buffer {
    const taken = this.#client.subarray(0, length);
    this.#client = length === this.#client.length ? NOTHING : this.#client.subarray(length);
    return taken;
  }

  #takeContent(): Buffer {
    const end = this.#contentEnd.find(this.#client);
    if (end === -1) return this.#takeClient(this.#client.length);
    this.#mode = 'command';
    this.#pending.push({ kind: 'message', verdict: NO_FAULT, subject: '', local: false });
    return this.#takeClient(end);
  }

  #takeLine(line: Buffer, out: Buffer[]): void {
    if (this.#mode === 'auth') {
      // Credentials: passed on, not looked at.
      this.#mode = 'command';
      this.#held = true;
      this.#pending.push({ kind: 'auth', verdict: NO_FAULT, subject: '', local: false });
      out.push(line);
      return;
    }
    const command = readCommand(line);
    if (command === null || command.kind === 'chunk') {
      this.passThrough();
      out.push(line);
      return;
    }
    const { kind } = command;
    const verdict = this.#verdictOn(command);
    const local = verdict.action !== null && isLocal(kind, verdict.action);
    this.#pending.push({ kind, verdict, subject: command.subject ?? '', local });
    this.#held = kind === 'data' || kind === 'auth' || kind === 'starttls';
    if (local) return;
    out.push(line);
    if (kind === 'reset' || kind === 'mail') this.#recipients = [];
    if (kind === 'rcpt' && this.#recipients.length < MAX_RECIPIENTS) {
      this.#recipients.push(command.subject ?? '');
    }
  }

  #verdictOn({ kind, subject }: SmtpCommand): FaultVerdict {
    if (subject === null || kind === 'reset' || kind === 'chunk' || kind === 'other') {
      return NO_FAULT;
    }
    if (kind === 'data') return this.#ports.judge(kind, this.#recipients);
    return this.#ports.judge(kind, [kind === 'starttls' ? this.#clientName : subject]);
  }

  #readTarget(): void {
    while (!this.#over && !this.#busy) {
      const head = this.#pending[0];
      if (head?.local === true) {
        this.#answer(head, null);
        continue;
      }
      if (this.#mode === 'unread') {
        if (this.#target.length > 0) this.#ports.toClient(this.#target.rest());
        break;
      }
      const reply = this.#target.next();
      if (reply === null) break;
      if (reply === 'odd') this.passThrough();
      else if (head === undefined) this.#ports.toClient(reply.bytes);
      else this.#answer(head, reply);
    }
    if (this.#targetEnded && !this.#over && !this.#busy) {
      if (this.#target.length > 0) this.#ports.toClient(this.#target.rest());
      this.#ports.endClient();
    }
  }

  #answer(head: Exchange, reply: { code: number; bytes: Buffer } | null): void {
    const verdict =
      head.kind === 'message' ? this.#ports.judge('message', this.#recipients) : head.verdict;
    if (verdict.delayMs === 0) return this.#finish(head, reply, verdict.action);
    this.#busy = true;
    this.#ports.wait(verdict.delayMs, () => {
      this.#busy = false;
      this.#finish(head, reply, verdict.action);
      this.#proceed();
    });
  }

  #finish(
    head: Exchange,
    reply: { code: number; bytes: Buffer } | null,
    action: FaultAction | null,
  ): void {
    if (this.#pending[0] === head) this.#pending.shift();
    if (action !== null && action.kind !== 'reply' && action.kind !== 'lose') {
      this.#over = true;
      return this.#ports.act(action.kind);
    }
    const ours = action?.kind === 'reply' && replaces(head, reply?.code) ? action.reply : null;
    const bytes = ours === null ? (reply?.bytes ?? NOTHING) : wireReply(ours);
    if (head.kind === 'starttls' && reply?.code === 220) return this.#startTls(bytes);
    this.#ports.toClient(bytes);
    if (ours?.code === 421 || (ours !== null && ours.code >= 400 && head.kind === 'greeting')) {
      this.#over = true;
      return this.#ports.act('close');
    }
    this.#learn(head, reply?.code ?? ours?.code ?? 0);
  }

  /** `code` is what the target answered; where it was not asked, what was answered here. */
  #learn({ kind, subject, local }: Exchange, code: number): void {
    switch (kind) {
      case 'helo':
        if (code < 400) {
          this.#clientName = subject;
          this.#recipients = [];
        }
        break;
      case 'rcpt': {
        const place = code < 400 || local ? -1 : this.#recipients.indexOf(subject);
        if (place !== -1) this.#recipients.splice(place, 1);
        break;
      }
      case 'message':
        this.#recipients = [];
        break;
      case 'data':
      case 'auth':
      case 'starttls':
        this.#held = false;
        if (local || this.#mode === 'unread') break;
        if (kind === 'data' && code === 354) {
          this.#mode = 'content';
          this.#contentEnd = new ContentEnd();
        }
        if (kind === 'auth' && code === 334) this.#mode = 'auth';
    }
  }

  #startTls(reply: Buffer): void {
    this.#busy = true;
    const isRead = this.#ports.startTls(reply, () => {
      this.#busy = false;
      this.#held = false;
      this.#clientName = '';
      this.#recipients = [];
      this.#proceed();
    });
    if (isRead) {
      // RFC 3207 §4.2: what came in clear behind STARTTLS, or its reply, is no part of the session.
      this.#client = NOTHING;
      this.#target.rest();
      return;
    }
    this.#busy = false;
    this.passThrough();
    this.#ports.toClient(reply);
  }
}

/** Whether a connection is not taken at all. */
export function turnsDown({ action }: FaultVerdict): boolean {
  return action !== null && isLocal('greeting', action);
}

/** Whether a command is answered here, without the target. */
function isLocal(kind: Exchange['kind'], action: FaultAction): boolean {
  if (action.kind !== 'reply') return true;
  const { code } = action.reply;
  if (code >= 400 || kind === 'auth') return true;
  return (kind === 'data' && code !== 354) || (kind === 'starttls' && code !== 220);
}

/** A reply of a rule counts where it was not the target's turn, at the end, or for a good one. */
function replaces({ kind, local }: Exchange, targetCode: number | undefined): boolean {
  return local || kind === 'message' || targetCode === undefined || targetCode < 400;
}

function wireReply({ code, text }: FaultReply): Buffer {
  return Buffer.from(`${`${code} ${text}`.trimEnd()}\r\n`, 'latin1');
}
