import { RelayError } from '../../base/errors.js';
import type { Path } from '../fault.js';
import type { HopPlan } from '../hop-plan.js';
import { joinHostPort, parseHostPort } from '../host-address.js';
import type { SinkEntry, Topology } from '../schema.js';

/** What the sender at one place expects of the sink that it is led to. */
interface Want {
  place: string;
  tls: 'none' | 'required' | 'implicit';
  /** Undefined: it does not log in. */
  login: { username: string; password: { secret: string } } | undefined;
}

/** Sinks that stand for hosts outside of the topology (`stands-for`). */
export class StandIns {
  readonly #sinks: Topology['sinks'];
  readonly #locate: (path: Path) => string;
  readonly #wants = new Map<string, Want[]>();

  /** @param locate `FILE:LINE:COL` of a value */
  constructor({ sinks }: Topology, locate: (path: Path) => string) {
    this.#sinks = sinks;
    this.#locate = locate;
  }

  /** The sink for an outside host: one that names its port goes before one that does not. */
  find(host: string, port: number): string | undefined {
    const plain = hostKey(host);
    const listed = (wanted: string): string | undefined =>
      Object.keys(this.#sinks).find((name) =>
        this.#sinks[name]?.['stands-for'].some((entry) => entryKey(entry) === wanted),
      );
    return listed(joinHostPort(plain, port)) ?? listed(plain);
  }

  /** @throws RelayError LAB_OUTSIDE */
  forHost(host: string, port: number, path: Path): string {
    const found = this.find(host, port);
    if (found !== undefined) return found;
    const outside = joinHostPort(host, port);
    throw outsideError(this.#locate(path), `${outside} is outside of the topology`, outside);
  }

  /** @throws RelayError LAB_OUTSIDE */
  forMx(path: Path): string {
    const found = Object.keys(this.#sinks).find((name) =>
      this.#sinks[name]?.['stands-for'].includes('*'),
    );
    if (found !== undefined) return found;
    throw outsideError(this.#locate(path), 'mail leaves here for the servers of MX records', '"*"');
  }

  /** Notes what the sender at `path` expects of `sink`. */
  note(sink: string, path: Path, plan: Pick<HopPlan, 'tls' | 'implicitTls'>, login: Want['login']) {
    const demanded = plan.tls === 'required' || plan.tls === 'verified';
    const tls = plan.implicitTls ? 'implicit' : demanded ? 'required' : 'none';
    const wants = this.#wants.get(sink) ?? [];
    wants.push({ place: this.#locate(path), tls, login });
    this.#wants.set(sink, wants);
  }

  /**
   * What a sink lacks for its senders: `tls` and `users`, unless the file gives it its own.
   *
   * @throws RelayError LAB_STAND_IN when one sink cannot suit all of them
   */
  lackOf(
    name: string,
    sink: SinkEntry,
    has: (key: 'tls' | 'users') => boolean,
  ): Partial<SinkEntry> {
    const wants = this.#wants.get(name) ?? [];
    const lack: Partial<SinkEntry> = {};
    if (sink['stands-for'].length === 0) return lack;
    if (!has('tls')) {
      const tls = tlsFor(name, wants);
      if (tls !== 'none') lack.tls = tls;
    }
    if (!has('users')) {
      const users = usersFor(name, wants);
      if (users.length > 0) lack.users = users;
    }
    return lack;
  }
}

function tlsFor(sink: string, wants: readonly Want[]): SinkEntry['tls'] {
  const implicit = wants.find(({ tls }) => tls === 'implicit');
  const other = wants.find(({ tls }) => tls !== 'implicit');
  if (implicit !== undefined && other !== undefined) {
    throw unsuited(sink, other, implicit, 'TLS from the first byte and STARTTLS');
  }
  if (implicit !== undefined) return 'implicit';
  if (wants.every(({ tls }) => tls === 'none')) return 'none';
  return wants.every(({ tls }) => tls === 'required') ? 'required' : 'opportunistic';
}

function usersFor(sink: string, wants: readonly Want[]): SinkEntry['users'] {
  const users = new Map<string, Want>();
  for (const want of wants) {
    if (want.login === undefined) continue;
    const { username, password } = want.login;
    const known = users.get(username);
    if (known !== undefined && known.login?.password.secret !== password.secret) {
      throw unsuited(sink, known, want, `two passwords of ${username}`);
    }
    users.set(username, want);
  }
  const [first] = users.values();
  const anonymous = wants.find(({ login }) => login === undefined);
  if (first !== undefined && anonymous !== undefined) {
    throw unsuited(sink, first, anonymous, 'mail with a login and without one');
  }
  return [...users.values()].flatMap(({ login }) => (login === undefined ? [] : [login]));
}

function unsuited(sink: string, one: Want, other: Want, both: string): RelayError {
  return new RelayError('LAB_STAND_IN', `sink '${sink}' cannot stand for both: ${both}`, {
    fault: 'operator',
    where: other.place,
    hint: `it also takes the mail of ${one.place}; give each a sink of its own, or \`tls\` and \`users\` to this one`,
  });
}

function outsideError(where: string, message: string, entry: string): RelayError {
  return new RelayError('LAB_OUTSIDE', `${message}, and no sink stands for it`, {
    fault: 'operator',
    where,
    hint: `in a test nothing leaves the machine: give a sink \`stands-for: [${entry}]\``,
  });
}

function entryKey(entry: string): string {
  const parsed = parseHostPort(entry);
  if (parsed === undefined) return entry;
  const host = hostKey(parsed.host);
  return parsed.port === undefined ? host : joinHostPort(host, parsed.port);
}

function hostKey(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}
