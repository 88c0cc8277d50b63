import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import NodeCache from 'node-cache';
import type { Clock } from '../base/clock.js';
import { within } from '../base/deadline.js';
import { codeOf } from '../base/errors.js';
import { isLoopbackHost } from '../format/loopback.js';

/** What the DNS says. `failed`: it could not say anything now; `words` name its answer. */
export type DnsAnswer<T> =
  | { kind: 'found'; values: readonly T[] }
  /** `exists`: the name is there, with records of other kinds only. */
  | { kind: 'none'; exists: boolean }
  | { kind: 'failed'; words: string };

export interface MxRecord {
  priority: number;
  /** Lower case, without the dot of the root; '' for the root itself. */
  exchange: string;
}

/** For a whole lookup, whatever it takes. */
const LOOKUP_DEADLINE_MS = 10_000;
/** For one question to one server; then the next server, then all of them once more. */
const QUESTION_TIMEOUT_MS = 2500;
const QUESTION_ROUNDS = 2;

const FOUND_MS = 60_000;
const NOT_FOUND_MS = 15_000;
const MAX_CACHED_NAMES = 20_000;

/** RFC 1035 §4.1.1 by the names that servers' operators know; c-ares' codes for the same. */
const WORDS: Readonly<Record<string, string>> = {
  ESERVFAIL: 'SERVFAIL',
  EREFUSED: 'REFUSED',
  ENOTIMP: 'NOTIMP',
  EFORMERR: 'FORMERR',
  ETIMEOUT: 'no DNS server answered in time',
  ECONNREFUSED: 'no DNS server answers',
  EBADRESP: 'a broken answer',
  EAI_AGAIN: 'no answer from the resolver of this system',
  ECANCELLED: 'the lookup was cut off',
};
/** EBADNAME: a name that cannot exist, such as one with a label of 64 octets. */
const NO_SUCH_NAME = new Set(['ENOTFOUND', 'EBADNAME']);

/**
 * DNS lookups that never reject and always end within ten seconds. Answers are kept for a minute,
 * missing and failed ones for 15 seconds; several who ask the same at once share one lookup.
 */
export class DnsClient {
  readonly #resolver = new Resolver({ timeout: QUESTION_TIMEOUT_MS, tries: QUESTION_ROUNDS });
  readonly #useSystem: boolean;
  readonly #clock: Clock;
  readonly #cache = new NodeCache({
    stdTTL: FOUND_MS / 1000,
    checkperiod: 30,
    useClones: false,
    maxKeys: MAX_CACHED_NAMES,
  });
  readonly #asking = new Map<string, Promise<DnsAnswer<unknown>>>();

  /** @param servers as `address` or `address:port`; none: those of the system */
  constructor(servers: readonly string[], clock: Clock) {
    this.#useSystem = servers.length === 0;
    this.#clock = clock;
    if (!this.#useSystem) {
      this.#resolver.setServers(servers);
    }
  }

  mailServers(domain: string): Promise<DnsAnswer<MxRecord>> {
    return this.#ask(`mx ${domain}`, () =>
      answerOf(
        () => this.#resolver.resolveMx(domain),
        ({ priority, exchange }) => ({
          priority,
          exchange: exchange.toLowerCase().replace(/\.$/, ''),
        }),
      ),
    );
  }

  /** IPv4 and IPv6 addresses of a name in the DNS, IPv4 first. */
  addresses(name: string): Promise<DnsAnswer<string>> {
    return this.#ask(`address ${name}`, async () => {
      const [four, six] = await Promise.all([
        answerOf(
          () => this.#resolver.resolve4(name),
          (address) => address,
        ),
        answerOf(
          () => this.#resolver.resolve6(name),
          (address) => address,
        ),
      ]);
      if (four.kind === 'found' || six.kind === 'found') {
        return { kind: 'found', values: [four, six].flatMap(valuesOf) };
      }
      return four.kind === 'failed' ? four : six;
    });
  }

  /**
   * Addresses of a host as an operator names it: a literal, `localhost` (always the loopback, RFC
   * 6761 §6.3), a name in the DNS; where the system's servers are used, also in its hosts file.
   */
  hostAddresses(host: string): Promise<DnsAnswer<string>> {
    if (isIP(host) !== 0) {
      return Promise.resolve({ kind: 'found', values: [host] });
    }
    const name = host.toLowerCase().replace(/\.$/, '');
    if (isLoopbackHost(name)) {
      return Promise.resolve({ kind: 'found', values: ['127.0.0.1', '::1'] });
    }
    return this.#useSystem
      ? this.#ask(`host ${name}`, () =>
          answerOf(
            () => lookup(name, { all: true, verbatim: true }),
            ({ address }) => address,
          ),
        )
      : this.addresses(name);
  }

  close(): void {
    this.#resolver.cancel();
    this.#cache.close();
  }

  /** The kept answer to a question, or the one that is being waited for, or a new one. */
  #ask<T>(question: string, lookUp: () => Promise<DnsAnswer<T>>): Promise<DnsAnswer<T>> {
    const kept = this.#cache.get<{ answer: DnsAnswer<T>; untilMs: number }>(question);
    if (kept !== undefined && this.#clock.monotonicMs() < kept.untilMs) {
      return Promise.resolve(kept.answer);
    }
    let asking = this.#asking.get(question) as Promise<DnsAnswer<T>> | undefined;
    if (asking === undefined) {
      asking = within<DnsAnswer<T>>(lookUp(), LOOKUP_DEADLINE_MS, this.#clock, () => ({
        kind: 'failed',
        words: 'no DNS server answered in time',
      })).then((answer) => {
        this.#asking.delete(question);
        this.#keep(question, answer);
        return answer;
      });
      this.#asking.set(question, asking);
    }
    return asking;
  }

  /** A full cache takes nothing new until something in it has grown old. */
  #keep(question: string, answer: DnsAnswer<unknown>): void {
    this.#cache.del(question);
    if (this.#cache.getStats().keys < MAX_CACHED_NAMES) {
      const keepMs = answer.kind === 'found' ? FOUND_MS : NOT_FOUND_MS;
      this.#cache.set(question, { answer, untilMs: this.#clock.monotonicMs() + keepMs });
    }
  }
}

function valuesOf<T>(answer: DnsAnswer<T>): readonly T[] {
  return answer.kind === 'found' ? answer.values : [];
}

async function answerOf<R, T>(
  lookUp: () => Promise<R[]>,
  valueOf: (record: R) => T,
): Promise<DnsAnswer<T>> {
  try {
    const values = (await lookUp()).map(valueOf);
    return values.length === 0 ? { kind: 'none', exists: true } : { kind: 'found', values };
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENODATA' || NO_SUCH_NAME.has(code)) {
      return { kind: 'none', exists: code === 'ENODATA' };
    }
    return { kind: 'failed', words: WORDS[code] ?? code };
  }
}
