import type { Capacity } from '../send/capacity.js';
import { fitsPattern } from '../format/pattern.js';
import { decide, failingCondition, type Decision, type RouteQuery } from '../route/route.js';
import { Router } from '../route/router.js';
import type { RouteHop, RouteRule, RouteTable } from '../route/table.js';
import type { NextHop } from '../send/next-hop.js';
import type { LocateHosts } from '../send/request.js';
import { HopSources } from './route-sources.js';
import type { ExplainedNode } from './route-settings.js';

/** What `relaymesh route --json` prints for one recipient; the names are stable. */
export interface RecipientExplanation {
  recipient: string;
  /** What decided: a rule, the smarthost of all mail, the absence of one, or the message itself. */
  decided_by: 'rule' | 'smarthost' | 'mx' | 'message';
  /** Where that stands; null for what stands nowhere. */
  where: string | null;
  /** Place of the rule, from 1; null where no rule decided. */
  rule: number | null;
  /** Rules before it that do not fit, each with the first condition that fails. */
  skipped: SkippedRule[];
  /** Several of a pool, with their shares; else one. */
  hops: HopExplanation[];
  /** Of a pool, in order, for when no member is well. */
  failover: HopExplanation[];
}

export interface SkippedRule {
  rule: number;
  where: string;
  condition: string;
  wanted: string;
  given: string;
}

export interface HopExplanation {
  queue: string;
  next_hop: string;
  kind: NextHop['kind'];
  host: string;
  /** null: `auto`, settled by a run. */
  port: number | null;
  /** Of a pool's member, its part of the mail from 0 to 1. */
  share: number | null;
  login: LoginExplanation | null;
  tls: TlsExplanation;
  trace: NextHop['trace'];
  /** Rows of `replies` and of a preset that are asked before the common table. */
  reply_rows: number;
  capacity: Record<string, { value: number | null; where: string }>;
  /** The sink that is connected to instead; login and TLS of the hop are not used then. */
  sink: ConnectionExplanation | null;
  /** Servers found by DNS in their order; null where none is asked for. */
  servers: { found: string[] } | { refused: string } | null;
}

export interface ConnectionExplanation {
  host: string;
  port: number | null;
  where: string;
  login: LoginExplanation | null;
  tls: TlsExplanation;
}

export interface LoginExplanation {
  username: string;
  where: string;
  method: 'password' | 'token' | 'certificate';
  secret_from: string;
  secret_is_here: boolean;
}

export interface TlsExplanation {
  mode: NextHop['tls'];
  implicit: boolean;
  /** The name that the certificate must carry; null when it is not verified, and for MX its own. */
  certificate_name: string | null;
}

/** Explains one recipient by the same decision that the node makes. */
export async function explainRecipient(
  node: ExplainedNode,
  query: RouteQuery,
  locate: LocateHosts | null,
): Promise<RecipientExplanation> {
  const table = node.settings.route;
  const decision = decide(table, query, () => true);
  const explainer = new HopExplainer(node, locate);
  const passed = query.own !== null ? [] : table.rules.slice(0, decision.rule ?? undefined);
  const target =
    query.own !== null
      ? null
      : decision.rule === null
        ? table.fallback
        : (table.rules[decision.rule]?.target ?? null);
  const pool = target?.kind === 'pool' ? target : null;
  const weights = pool?.members.reduce((sum, { weight }) => sum + weight, 0) ?? 0;
  const explain = (hop: RouteHop, share: number | null): Promise<HopExplanation> =>
    explainer.explain(
      { ...decision, queue: hop.queue, to: { kind: 'hop', nextHop: hop.nextHop } },
      share,
    );
  return {
    recipient: query.recipient,
    ...decidedBy(node, decision, query),
    skipped: passed.map((rule, index) => skipped(rule, index, query)),
    hops:
      pool === null
        ? [await explainer.explain(decision, null)]
        : await Promise.all(pool.members.map(({ hop, weight }) => explain(hop, weight / weights))),
    failover: await Promise.all((pool?.failover ?? []).map((hop) => explain(hop, null))),
  };
}

function decidedBy(
  { settings, prepared }: ExplainedNode,
  { rule, to }: Decision,
  { own }: RouteQuery,
): Pick<RecipientExplanation, 'decided_by' | 'where' | 'rule'> {
  if (own !== null) return { decided_by: 'message', where: null, rule: null };
  if (rule !== null) {
    return {
      decided_by: 'rule',
      where: settings.route.rules[rule]?.where ?? null,
      rule: rule + 1,
    };
  }
  return to.kind === 'mx'
    ? { decided_by: 'mx', where: null, rule: null }
    : {
        decided_by: 'smarthost',
        where: prepared.locate(['nodes', prepared.node, 'smarthost']),
        rule: null,
      };
}

function skipped(rule: RouteRule, index: number, query: RouteQuery): SkippedRule {
  const condition = failingCondition(rule, query) ?? 'recipient';
  return {
    rule: index + 1,
    where: rule.where,
    condition,
    wanted: wantedBy(rule, condition),
    given: givenFor(query, condition),
  };
}

type Condition = NonNullable<ReturnType<typeof failingCondition>>;

function wantedBy(rule: RouteRule, condition: Condition): string {
  const comparison = { size: rule.sizeBytes, attempts: rule.attempts };
  if (condition === 'size' || condition === 'attempts') {
    const { operator, value } = comparison[condition] ?? { operator: '=', value: 0 };
    return `${operator}${value}`;
  }
  return (rule[condition] ?? []).join(' or ');
}

function givenFor(query: RouteQuery, condition: Condition): string {
  switch (condition) {
    case 'size':
      return `${query.sizeBytes} bytes`;
    case 'tag':
      return query.tags.length === 0 ? 'none' : query.tags.join(', ');
    case 'user':
      return query.user ?? 'none';
    case 'sender':
      return query.sender === '' ? '<>' : query.sender;
    default:
      return String(query[condition]);
  }
}

/** Capacity as its keys are written. */
const CAPACITY_KEYS = [
  ['max-connections', 'maxConnections', 1],
  ['max-messages-per-connection', 'maxMessagesPerConnection', 1],
  ['max-messages-per-minute', 'maxMessagesPerMinute', 1],
  ['max-connects-per-minute', 'maxConnectsPerMinute', 1],
  ['idle-timeout', 'idleTimeoutMs', 1000],
] as const satisfies ReadonlyArray<readonly [string, keyof Capacity, number]>;

class HopExplainer {
  readonly #node: ExplainedNode;
  readonly #locate: LocateHosts | null;
  readonly #sources: HopSources;
  /** Without the sink, so that the hop itself can be told. */
  readonly #router: Router;

  constructor(node: ExplainedNode, locate: LocateHosts | null) {
    this.#node = node;
    this.#locate = locate;
    this.#sources = new HopSources(node);
    const table: RouteTable = { ...node.settings.route, sink: null };
    this.#router = new Router({ table, unseal: () => null });
  }

  async explain(decision: Decision, share: number | null): Promise<HopExplanation> {
    const { queue } = decision;
    const hop = this.#router.hopOf(decision);
    return {
      queue,
      next_hop: hop.name,
      kind: hop.kind,
      host: hop.host,
      port: hop.port === 0 ? null : hop.port,
      share,
      // a message that names its smarthost itself is never given a login of ours
      login: decision.to.kind === 'own' ? null : this.#sources.loginOf(queue),
      tls: tlsOf(hop),
      trace: hop.trace,
      reply_rows: hop.replyRules?.length ?? 0,
      capacity: this.#capacityOf(queue),
      sink: this.#sink(),
      servers: await this.#serversOf(hop),
    };
  }

  #sink(): ConnectionExplanation | null {
    const { sink } = this.#node.settings.route;
    if (sink === null) return null;
    return {
      host: sink.host,
      port: sink.port === 0 ? null : sink.port,
      where: this.#sources.sinkPlace(),
      login: this.#sources.sinkLogin(),
      tls: tlsOf(sink),
    };
  }

  #capacityOf(queue: string): HopExplanation['capacity'] {
    const capacity = this.#router.capacityOf(queue);
    return Object.fromEntries(
      CAPACITY_KEYS.map(([key, field, unit]) => {
        const value = capacity[field];
        const shown = value === null ? null : value / unit;
        return [key, { value: shown, where: this.#sources.limitPlace(queue, key, field, value) }];
      }),
    );
  }

  async #serversOf(hop: NextHop): Promise<HopExplanation['servers']> {
    if (hop.kind !== 'mx' || this.#locate === null || this.#node.settings.route.sink !== null) {
      return null;
    }
    const located = await this.#locate(hop);
    return 'refusal' in located
      ? { refused: located.refusal.text }
      : {
          found: located.hosts.map(({ name, address }) =>
            address === undefined || fitsPattern(`*${address}*`, name)
              ? name
              : `${name} (${address})`,
          ),
        };
  }
}

function tlsOf({ tls, implicitTls, servername, host, kind }: NextHop): TlsExplanation {
  return {
    mode: tls,
    implicit: implicitTls,
    certificate_name: tls === 'verified' && kind !== 'mx' ? (servername ?? host) : null,
  };
}
