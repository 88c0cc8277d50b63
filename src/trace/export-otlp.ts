import { Agent, request } from 'undici';
import type { Clock, Timer } from '../base/clock.js';
import { within } from '../base/deadline.js';
import { codeOf, messageOf } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import { VERSION } from '../base/version.js';
import { clipped, type Span } from './otlp-json.js';
import { attemptSpan, hopSpan, resourceSpans, type AddressForm } from './otlp.js';
import type { AttemptRecord, HopRecord } from './record.js';
import type { TraceListener } from './recorder.js';
import type { OtlpSettings } from './settings.js';
import { SpanQueue, type Sized } from './span-queue.js';

/**
 * Sends spans to an OpenTelemetry collector by OTLP/HTTP in JSON (opentelemetry.io: OTLP 1).
 *
 * What it promises: mail never waits for it and never fails because of it. Spans wait in memory,
 * bounded in number and bytes; beyond that the oldest are dropped. One request at a time, each with
 * a deadline. What a collector cannot take now (429, 502, 503, 504, no answer) is sent again, as
 * often as it takes, with growing pauses or when its `Retry-After` says; so a span can arrive twice,
 * but never with two ends. What it refuses otherwise is given up. All of it is counted.
 */

const LIMITS = { spans: 16_384, bytes: 48 * 1024 * 1024 };
/** Of one request, which is made within a few milliseconds; what is more goes into the next one. */
const BATCH = { spans: 128, bytes: 1024 * 1024 };
/** Longest time that a span waits for company. */
const BATCH_WAIT_MS = 1000;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
/** What a collector may ask for; longer ones are not obeyed. */
const LONGEST_RETRY_AFTER_MS = 300_000;
const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_SHOWN_CHARACTERS = 300;
const RETRYABLE_STATUS = new Set([429, 502, 503, 504]);
/** Estimates of what a span takes in memory, without its texts and addresses. */
const SPAN_BYTES = 2000;
const ADDRESS_BYTES = 80;

export interface OtlpAnswer {
  status: number;
  /** As the header says it, or null. */
  retryAfter: string | null;
  body: string;
}

export interface OtlpTransport {
  /** Rejects when there is no answer in time. */
  post: (body: string) => Promise<OtlpAnswer>;
  /** Cuts off what is under way. */
  close: () => void;
}

export interface OtlpExporterOptions {
  /** Name of the node. */
  node: string;
  clock: Clock;
  log: Logger;
  /** A number from 0 to 1. */
  chance: () => number;
  transport?: (settings: OtlpSettings) => OtlpTransport;
}

/** Spans since the start of the node; `waiting` those that are still to be sent. */
export interface OtlpCounts {
  sent: number;
  /** Given up for want of room, or at the end. */
  dropped: number;
  /** Refused by the collector. */
  failed: number;
  waiting: number;
}

interface Waiting extends Sized {
  span: (addresses: AddressForm) => Span;
}

interface Batch {
  spans: number;
  body: string;
}

/** How the collector was found the last time; only changes are logged. */
type Health = 'well' | 'away' | 'refusing';

export class OtlpExporter implements TraceListener {
  readonly #options: OtlpExporterOptions;
  #settings: OtlpSettings | null = null;
  #transport: OtlpTransport | null = null;
  readonly #waiting = new SpanQueue<Waiting>(LIMITS);
  /** Being sent, or to be sent again. */
  #batch: Batch | null = null;
  #sending: Promise<void> | null = null;
  #timer: Timer | null = null;
  /** Requests in a row that have to be repeated. */
  #misses = 0;
  #health: Health = 'well';
  #stopped = false;
  readonly #counts = { sent: 0, dropped: 0, failed: 0 };

  /** @param settings Null: there is no collector, and nothing is kept for one. */
  constructor(settings: OtlpSettings | null, options: OtlpExporterOptions) {
    this.#options = options;
    this.reload(settings);
  }

  get counts(): OtlpCounts {
    return { ...this.#counts, waiting: this.#waiting.size + (this.#batch?.spans ?? 0) };
  }

  attempt(hop: HopRecord, attempt: AttemptRecord): void {
    if (this.#settings === null) return;
    // the record goes on changing, and is large: only what the span needs is kept
    const { trace_id, span_id, message_id, envelope } = hop;
    const identity = { trace_id, span_id, message_id, envelope: { sender: envelope.sender } };
    this.#add({
      bytes: sizeOfAttempt(attempt),
      span: (addresses) => attemptSpan(identity, attempt, addresses),
    });
  }

  finished(hop: HopRecord): void {
    if (this.#settings === null) return;
    const attempts = hop.attempts.reduce((sum, attempt) => sum + sizeOfAttempt(attempt), 0);
    const addresses = hop.envelope.recipients.length + hop.recipients.length;
    this.#add({
      bytes: SPAN_BYTES + attempts + addresses * ADDRESS_BYTES,
      span: (form) => hopSpan(hop, { addresses: form, nowMs: 0 }),
    });
  }

  /** What waits goes to the new collector; without one it is dropped. */
  reload(settings: OtlpSettings | null): void {
    const same = identityOf(this.#settings) === identityOf(settings);
    this.#settings = settings;
    if (same || this.#stopped) return;
    this.#transport?.close();
    this.#transport =
      settings === null ? null : (this.#options.transport ?? httpTransport)(settings);
    this.#misses = 0;
    this.#health = 'well';
    if (settings === null) this.#dropAll();
    else if (this.#timer !== null) this.#wake(0);
  }

  /**
   * Sends what waits, for at most `timeoutMs` and no longer than the collector takes it. The rest is
   * dropped. Never rejects.
   */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = null;
    await within(this.#flush(), timeoutMs, this.#options.clock, () => undefined);
    this.#transport?.close();
    this.#transport = null;
    this.#dropAll();
  }

  async #flush(): Promise<void> {
    await this.#sending;
    if (this.counts.waiting > 0 && this.#transport !== null) {
      this.#send();
      await this.#sending;
    }
  }

  #dropAll(): void {
    this.#counts.dropped += this.#waiting.clear() + (this.#batch?.spans ?? 0);
    this.#batch = null;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #add(one: Waiting): void {
    if (this.#stopped) {
      this.#counts.dropped++;
      return;
    }
    this.#counts.dropped += this.#waiting.push(one);
    // what is under way, or has to be repeated, looks for more by itself
    if (this.#sending !== null || this.#batch !== null) return;
    if (this.#waiting.size === BATCH.spans) this.#wake(0);
    else if (this.#timer === null) this.#wake(BATCH_WAIT_MS);
  }

  #wake(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#timer = null;
      this.#send();
    });
  }

  #send(): void {
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = null;
    });
  }

  async #sendAll(): Promise<void> {
    for (;;) {
      this.#batch ??= this.#nextBatch();
      if (this.#batch === null) return;
      const pauseMs = await this.#sendBatch(this.#batch);
      if (pauseMs !== null) {
        if (!this.#stopped) this.#wake(pauseMs);
        return;
      }
      if (this.#waiting.size < BATCH.spans && !this.#stopped) break;
    }
    if (this.#waiting.size > 0) this.#wake(BATCH_WAIT_MS);
  }

  #nextBatch(): Batch | null {
    const { node } = this.#options;
    const addresses = this.#settings?.addresses ?? 'domain';
    const taken = this.#waiting.take(BATCH);
    if (taken.length === 0) return null;
    const spans = taken.map(({ span }) => span(addresses));
    const resource = resourceSpans({ node, version: VERSION }, spans);
    return { spans: spans.length, body: JSON.stringify({ resourceSpans: [resource] }) };
  }

  /** @returns after how many milliseconds it is to be sent again, or null when it is done with. */
  async #sendBatch(batch: Batch): Promise<number | null> {
    const transport = this.#transport;
    const settings = this.#settings;
    if (transport === null || settings === null) return null;
    let answer: OtlpAnswer | null = null;
    let problem = '';
    try {
      answer = await transport.post(batch.body);
    } catch (error) {
      problem = messageOf(error) || codeOf(error);
    }
    // given up meanwhile, and counted
    if (this.#batch !== batch) return null;
    // cut off by a reload: it is for the new collector
    if (this.#transport !== transport) return 0;
    if (answer === null || RETRYABLE_STATUS.has(answer.status)) {
      this.#note('away', settings, answer === null ? problem : `status ${answer.status}`);
      return this.#pauseMs(answer?.retryAfter ?? null);
    }
    this.#misses = 0;
    this.#batch = null;
    this.#settle(batch, answer, settings);
    return null;
  }

  #settle({ spans }: Batch, { status, body }: OtlpAnswer, settings: OtlpSettings): void {
    if (status < 200 || status > 299) {
      this.#counts.failed += spans;
      this.#note('refusing', settings, `status ${status} ${body}`);
      return;
    }
    const partial = partialSuccess(body);
    const rejected = Math.min(partial.rejected, spans);
    this.#counts.failed += rejected;
    this.#counts.sent += spans - rejected;
    if (rejected === 0) this.#note('well', settings, '');
    else this.#note('refusing', settings, `${rejected} of ${spans} spans: ${partial.message}`);
  }

  /** Twice as long each time, and spread, so that many nodes do not come back at once. */
  #pauseMs(retryAfter: string | null): number {
    const { chance, clock } = this.#options;
    const growingMs = Math.min(
      LONGEST_PAUSE_MS,
      FIRST_PAUSE_MS * 2 ** Math.min(this.#misses++, 10),
    );
    return Math.max(growingMs * (0.5 + chance() / 2), retryAfterMs(retryAfter, clock.nowMs()));
  }

  #note(health: Health, settings: OtlpSettings, words: string): void {
    if (health === this.#health) return;
    this.#health = health;
    const { log } = this.#options;
    const endpoint = shownEndpoint(settings.endpoint);
    const said = withoutHeaders(words, settings).slice(0, MAX_SHOWN_CHARACTERS);
    if (health === 'well') {
      log.info({ event: 'otlp-collector-well', endpoint, ...this.counts }, 'spans are taken again');
    } else if (health === 'away') {
      log.warn({ code: 'OTLP_UNREACHABLE', endpoint }, `spans wait for the collector: ${said}`);
    } else {
      log.warn({ code: 'OTLP_REFUSED', endpoint }, `the collector refuses spans: ${said}`);
    }
  }
}

function sizeOfAttempt({ description, recipients, replies = [] }: AttemptRecord): number {
  const addresses = recipients.length + replies.length * 3;
  return SPAN_BYTES + 2 * description.length + addresses * ADDRESS_BYTES;
}

/** The same text for the same collector, reached in the same way. */
function identityOf(settings: OtlpSettings | null): string {
  if (settings === null) return '';
  const { endpoint, headers, timeoutMs, ca } = settings;
  const values = Object.entries(headers).map(([name, value]) => [name, value.reveal()]);
  return JSON.stringify([endpoint, values, timeoutMs, ca]);
}

/** Without its query, which can hold a key. */
function shownEndpoint(endpoint: string): string {
  const { origin, pathname } = new URL(endpoint);
  return `${origin}${pathname}`;
}

/** A server can repeat what it was sent. */
function withoutHeaders(words: string, { headers }: OtlpSettings): string {
  let shown = words;
  for (const value of Object.values(headers)) {
    const whole = value.reveal();
    for (const part of [whole, ...whole.split(' ').filter((word) => word.length > 5)]) {
      shown = shown.replaceAll(part, '[secret]');
    }
  }
  return shown;
}

/** RFC 9110 §10.2.3: seconds, or a date. */
function retryAfterMs(retryAfter: string | null, nowMs: number): number {
  if (retryAfter === null) return 0;
  const ms = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - nowMs;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), LONGEST_RETRY_AFTER_MS) : 0;
}

/** What an `ExportTraceServiceResponse` says was not taken; all was taken where it says nothing. */
function partialSuccess(body: string): { rejected: number; message: string } {
  try {
    const { partialSuccess: partial } = JSON.parse(body) as {
      partialSuccess?: { rejectedSpans?: unknown; errorMessage?: unknown };
    };
    const rejected = Number(partial?.rejectedSpans ?? 0);
    return {
      rejected: Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0,
      message: typeof partial?.errorMessage === 'string' ? clipped(partial.errorMessage) : '',
    };
  } catch {
    return { rejected: 0, message: '' };
  }
}

/** OTLP/HTTP over one connection that is kept. */
export function httpTransport(settings: OtlpSettings): OtlpTransport {
  const { endpoint, timeoutMs, ca } = settings;
  const agent = new Agent({
    connections: 1,
    keepAliveTimeout: 10_000,
    maxResponseSize: MAX_ANSWER_BYTES,
    connect: { timeout: timeoutMs, ...(ca === undefined ? {} : { ca }) },
  });
  return {
    async post(body) {
      const headers = Object.entries(settings.headers).map(([name, value]) => [
        name,
        value.reveal(),
      ]);
      try {
        const answer = await request(endpoint, {
          method: 'POST',
          dispatcher: agent,
          signal: AbortSignal.timeout(timeoutMs),
          headers: {
            'user-agent': `relaymesh/${VERSION}`,
            ...(Object.fromEntries(headers) as Record<string, string>),
            'content-type': 'application/json',
          },
          body,
        });
        const retryAfter = answer.headers['retry-after'];
        return {
          status: answer.statusCode,
          retryAfter: typeof retryAfter === 'string' ? retryAfter : null,
          // the status says it all where the rest cannot be read
          body: await answer.body.text().catch(() => ''),
        };
      } catch (error) {
        const late = error instanceof Error && error.name === 'TimeoutError';
        throw late ? new Error(`no answer within ${timeoutMs} ms`, { cause: error }) : error;
      }
    },
    close: () => void agent.destroy().catch(() => undefined),
  };
}
