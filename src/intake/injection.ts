import { createHash } from 'node:crypto';
import { messageOf } from '../base/errors.js';
import { parseMailbox } from '../format/address.js';
import type { Policy } from '../policy/policy.js';
import { parseTraceparent } from '../trace/propagate.js';
import { ContentCheck } from './content-check.js';
import { IntakeCounts } from './intake-counts.js';
import { describeRefusal, refuseRequest, type InjectRefusal } from './inject-refusal.js';
import { nestingDepth, readJsonMessage, type JsonFault, type JsonMessage } from './json-message.js';
import {
  ReceivedMessage,
  receiveOptions,
  type IntakeServices,
  type StatedBeside,
} from './receive-data.js';
import { RepeatGuard, type StoredMessage } from './repeat-guard.js';
import { refuseFull, type Refusal } from './refusal.js';
import type { IntakeSettings } from './settings.js';
import { newTransaction } from './transaction.js';

export interface InjectionOptions extends IntakeServices {
  settings: () => IntakeSettings;
  policy: Policy;
}

export interface InjectRequest {
  clientAddress: string;
  /** A request with the same key within 24 hours gets the same answer and stores nothing. */
  idempotencyKey: string | null;
  /** The `traceparent` of the request (W3C Trace Context), whatever stands in it. */
  traceparent?: string | null;
  /** How it comes in, as the trace and `Received` show it; default: by HTTP, from the API. */
  source?: { protocol: string; name: string };
  /** False: what is known of its key was another request, that is forgotten for this one. */
  mayBeRepeat?: boolean;
  /** Hears of a message that an earlier request with the key has stored. */
  onRepeat?: () => void;
  /** One message, and no array of them. */
  single?: boolean;
}

const BY_API = { protocol: 'HTTP', name: 'api' } as const;

/** The envelope of a message that is taken as it is. */
export interface InjectEnvelope {
  sender: string;
  recipients: string[];
  /** RFC 8689; default: not. */
  requireTls?: boolean;
}

/** One entry for each recipient of each message, in the order of the request. */
export type InjectAnswer =
  | { messages: Array<{ recipient: string; queue_id: string; trace_id: string }> }
  | { refusal: InjectRefusal };

const MAX_MESSAGES = 1000;
const MAX_DEPTH = 64;
const MAX_FAULTS = 20;
/** Content is handed on in pieces, so that a body in a file need not be in memory twice. */
const PIECE_BYTES = 256 * 1024;

/** A message of a request: stored by an earlier one, or on its way. */
type Candidate = { stored: StoredMessage } | { received: ReceivedMessage; recipients: string[] };

/**
 * Messages that come by HTTP. They go the same way as those of SMTP, and who holds the token of the
 * API may steer them. A request is taken as a whole or not at all: nothing is stored before all of
 * its messages have been checked.
 */
export class Injection {
  readonly #options: InjectionOptions;
  readonly #guard: RepeatGuard;
  readonly counts = new IntakeCounts();

  constructor(options: InjectionOptions) {
    this.#options = options;
    this.#guard = new RepeatGuard(options.queue, options.clock);
  }

  /** Takes a JSON message, or an array of them. Never rejects for what the request holds. */
  fromJson(body: Buffer, request: InjectRequest): Promise<InjectAnswer> {
    return this.#once(request, body.length, async () => {
      const parsed = this.#parse(body, request.single === true);
      if ('refusal' in parsed) {
        return parsed;
      }
      const { messages, paths } = parsed;
      const digest = createHash('sha256').update(body).digest('hex');
      const recalled = await this.#recall(request, digest, messages.length);
      if ('refusal' in recalled) {
        return recalled;
      }
      const prepared = await Promise.all(
        messages.map((message, index) =>
          this.#prepareJson(message, paths[index] ?? '', recalled.stored[index] ?? null, request),
        ),
      );
      const refused = prepared.find((one) => 'refusal' in one);
      if (refused !== undefined) {
        await Promise.all(prepared.map(discard));
        return refused;
      }
      return this.#commit(prepared as Candidate[], digest, request);
    });
  }

  /** Takes one message as it is. Rejects only when `content` does; nothing is stored then. */
  fromStream(
    content: AsyncIterable<Buffer>,
    envelope: InjectEnvelope,
    request: InjectRequest,
  ): Promise<InjectAnswer> {
    return this.#once(request, 0, async () => {
      const faults = this.#envelopeFaults(envelope);
      if (faults.length > 0) {
        return refuseRequest(422, 'MESSAGE_INVALID', faults);
      }
      const received = this.#receive(envelope, request);
      const hash = createHash('sha256').update(JSON.stringify(envelope));
      await fill(received, hashed(content, hash));
      const digest = hash.digest('hex');
      const recalled =
        received.refusal === null ? await this.#recall(request, digest, 1) : { stored: [] };
      if ('refusal' in recalled) {
        await received.discard();
        return recalled;
      }
      const [stored] = recalled.stored;
      if (stored != null) {
        await received.discard();
        return answer([stored]);
      }
      const refusal = await received.prepare();
      const { recipients } = envelope;
      return refusal === null
        ? this.#commit([{ received, recipients }], digest, request)
        : describeRefusal(refusal, '');
    });
  }

  /** Requests of one message each whose keys need not be known any more. */
  forgetKeys(keys: readonly string[]): Promise<void> {
    return this.#guard.erase(keys);
  }

  /** @param sizeBytes of the request, which its messages take about as much of; 0 when nothing is known */
  async #once(
    request: InjectRequest,
    sizeBytes: number,
    work: () => Promise<InjectAnswer>,
  ): Promise<InjectAnswer> {
    const result = await this.#tried(request, sizeBytes, work);
    if ('refusal' in result) {
      this.counts.refused(result.refusal.status);
    }
    return result;
  }

  async #tried(
    request: InjectRequest,
    sizeBytes: number,
    work: () => Promise<InjectAnswer>,
  ): Promise<InjectAnswer> {
    const { queue } = this.#options;
    if (!queue.accepting) {
      return refuseRequest(503, 'NOT_READY', 'The spool refuses writes.');
    }
    const full = refuseFull(queue.refusal(sizeBytes));
    if (full !== null) {
      return describeRefusal(full, '');
    }
    const done = await this.#guard.once(request.idempotencyKey, work);
    return (
      done ??
      refuseRequest(
        409,
        'IDEMPOTENCY_KEY_BUSY',
        'A request with this Idempotency-Key is being worked on.',
      )
    );
  }

  #parse(
    body: Buffer,
    single: boolean,
  ): { messages: JsonMessage[]; paths: string[] } | { refusal: InjectRefusal } {
    if (nestingDepth(body) > MAX_DEPTH) {
      return refuseRequest(422, 'MESSAGE_INVALID', `JSON is nested deeper than ${MAX_DEPTH}.`);
    }
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    } catch {
      // The parser's words quote the text around the fault, which may be a password.
      return refuseRequest(400, 'JSON_INVALID', 'The body is not JSON in UTF-8.');
    }
    const values: unknown[] = Array.isArray(value) && !single ? value : [value];
    if (values.length === 0 || values.length > MAX_MESSAGES) {
      return refuseRequest(422, 'MESSAGE_INVALID', `1 to ${MAX_MESSAGES} messages are taken.`);
    }
    const paths = values.map((_, index) => (values === value ? String(index) : ''));
    const { maxRecipients } = this.#options.settings();
    const messages: JsonMessage[] = [];
    const faults: JsonFault[] = [];
    for (const [index, one] of values.entries()) {
      const read = readJsonMessage(one, paths[index] as string, maxRecipients);
      if ('message' in read) {
        messages.push(read.message);
      } else {
        faults.push(...read.faults);
      }
      if (faults.length >= MAX_FAULTS) {
        break;
      }
    }
    return faults.length === 0
      ? { messages, paths }
      : refuseRequest(422, 'MESSAGE_INVALID', faults.slice(0, MAX_FAULTS));
  }

  #envelopeFaults({ sender, recipients }: { sender: string; recipients: string[] }): JsonFault[] {
    const detail = 'must be an address like name@example.org';
    const faults = recipients.flatMap((address, index) =>
      parseMailbox(address) === null ? [{ path: `recipient.${index}`, detail }] : [],
    );
    if (sender !== '' && parseMailbox(sender) === null) {
      faults.unshift({ path: 'envelope', detail: `${detail}, or empty` });
    }
    const { maxRecipients } = this.#options.settings();
    if (recipients.length === 0 || recipients.length > maxRecipients) {
      faults.push({ path: 'recipient', detail: `must be 1 to ${maxRecipients} addresses` });
    }
    return faults.slice(0, MAX_FAULTS);
  }

  async #recall(
    { idempotencyKey, mayBeRepeat = true }: InjectRequest,
    digest: string,
    count: number,
  ): Promise<{ stored: Array<StoredMessage | null> } | { refusal: InjectRefusal }> {
    if (idempotencyKey === null || !mayBeRepeat) {
      return { stored: [] };
    }
    try {
      const stored = await this.#guard.recall(idempotencyKey, digest, count);
      return stored === 'other'
        ? refuseRequest(
            422,
            'IDEMPOTENCY_KEY_REUSED',
            'Another request was sent with this Idempotency-Key.',
          )
        : { stored };
    } catch (error) {
      this.#options.log.error({ code: 'NOT_STORED', err: error }, messageOf(error));
      return refuseRequest(503, 'NOT_STORED', 'The spool cannot be read.');
    }
  }

  async #prepareJson(
    { sender, recipients, mime, settings, unknownKeys }: JsonMessage,
    path: string,
    stored: StoredMessage | null,
    request: InjectRequest,
  ): Promise<Candidate | { refusal: InjectRefusal }> {
    if (stored !== null) {
      request.onRepeat?.();
      return { stored };
    }
    const envelope = { sender, recipients };
    const received = this.#receive(envelope, request, { settings, unknownKeys });
    await fill(received, pieces(mime));
    const refusal = await received.prepare();
    return refusal === null ? { received, recipients } : describeRefusal(refusal, path);
  }

  #receive(
    { sender, recipients, requireTls = false }: InjectEnvelope,
    { clientAddress, traceparent, source: { protocol, name } = BY_API }: InjectRequest,
    beside?: StatedBeside,
  ): ReceivedMessage {
    const requestSpan = parseTraceparent(traceparent ?? '');
    return new ReceivedMessage(
      {
        ...newTransaction(sender),
        requireTls,
        recipients: recipients.map((address) => ({ address, notify: null, orcpt: null })),
      },
      {
        clientAddress,
        helo: name,
        protocol,
        tls: null,
        user: name,
        believed: false,
        mayBeParent: true,
        ...(requestSpan === null ? {} : { requestSpan }),
        steerTo: this.#options.policy.apiSteerTargets,
      },
      receiveOptions(this.#options, this.#options.settings(), this.counts),
      undefined,
      beside,
    );
  }

  async #commit(
    candidates: readonly Candidate[],
    digest: string,
    { idempotencyKey }: InjectRequest,
  ): Promise<InjectAnswer> {
    const results = await Promise.all(
      candidates.map(async (candidate, index): Promise<StoredMessage | Refusal> => {
        if ('stored' in candidate) {
          return candidate.stored;
        }
        const { received, recipients } = candidate;
        const result = await received.commit((ids) =>
          idempotencyKey === null
            ? undefined
            : this.#guard.note(idempotencyKey, digest, index, { ...ids, recipients }),
        );
        return 'queueId' in result ? { ...result, recipients } : result;
      }),
    );
    const stored = results.filter((result) => 'queueId' in result);
    const refused = results.find((result) => 'code' in result);
    if (refused === undefined) {
      return answer(stored);
    }
    return stored.length === 0
      ? describeRefusal(refused, '')
      : refuseRequest(
          503,
          'NOT_STORED',
          `${stored.length} of ${results.length} messages were stored; with an Idempotency-Key the same request stores only the rest.`,
        );
  }
}

function answer(stored: readonly StoredMessage[]): InjectAnswer {
  return {
    messages: stored.flatMap(({ queueId, traceId, recipients }) =>
      recipients.map((recipient) => ({ recipient, queue_id: queueId, trace_id: traceId })),
    ),
  };
}

async function discard(candidate: Candidate | { refusal: InjectRefusal }): Promise<void> {
  if ('received' in candidate) {
    await candidate.received.discard();
  }
}

/** Hands over the content, up to where nothing can save the message any more. */
async function fill(received: ReceivedMessage, content: AsyncIterable<Buffer>): Promise<void> {
  const check = new ContentCheck();
  try {
    for await (const chunk of content) {
      check.add(chunk);
      if (check.violation !== null) {
        received.violation(check.violation);
      }
      await received.write(chunk);
      if (received.refusal !== null) {
        break;
      }
    }
  } catch (error) {
    received.abort();
    throw error;
  }
  const missing = check.end();
  if (check.violation !== null) {
    received.violation(check.violation);
  }
  if (check.eightBit) {
    received.eightBit();
  }
  if (missing !== null) {
    await received.write(missing);
  }
}

async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let offset = 0; offset < bytes.length; offset += PIECE_BYTES) {
    yield bytes.subarray(offset, offset + PIECE_BYTES);
  }
}

async function* hashed(
  content: AsyncIterable<Buffer>,
  hash: { update(bytes: Buffer): unknown },
): AsyncGenerator<Buffer> {
  for await (const chunk of content) {
    hash.update(chunk);
    yield chunk;
  }
}
