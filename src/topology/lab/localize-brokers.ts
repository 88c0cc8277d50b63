import { mappingAt, type Written } from '../export/written.js';
import { BROKER_LOGIN_KEYS } from '../node-spool.js';
import type { Topology } from '../schema.js';

const NAME = 'broker';

/** Gives each RabbitMQ that a topology names by its URLs a stand-in that the run starts. */
export class BrokerLocalizer {
  readonly #taken: Set<string>;
  /** URLs, as they stand in `amqp` → stand-in. */
  readonly #standIns = new Map<string, string>();

  constructor({ nodes, sinks, brokers }: Topology) {
    this.#taken = new Set(Object.keys({ ...nodes, ...sinks, ...brokers }));
  }

  /** @param entry A node, or `defaults`. */
  localize(entry: Written): void {
    const spool = mappingAt(entry, 'spool');
    if (Object.keys(spool).length === 0) return;
    const local: Written = { ...spool };
    // the run makes the login
    for (const key of BROKER_LOGIN_KEYS) delete local[key];
    if (!this.#isLocal(spool['amqp'])) local['amqp'] = this.#standInFor(spool['amqp']);
    entry['spool'] = local;
  }

  /** Writes down all brokers that the run starts. */
  declare(local: Written): void {
    const names = [...Object.keys(mappingAt(local, 'brokers')), ...this.#standIns.values()];
    if (names.length === 0) return;
    local['brokers'] = Object.fromEntries(names.map((name) => [name, { port: 'auto' }]));
  }

  /** Without `amqp` it is that of `defaults`. */
  #isLocal(amqp: unknown): boolean {
    return amqp === undefined || (typeof amqp === 'string' && !amqp.includes('://'));
  }

  #standInFor(amqp: unknown): string {
    const urls = JSON.stringify([amqp].flat());
    const known = this.#standIns.get(urls);
    if (known !== undefined) return known;
    let name = NAME;
    for (let number = 2; this.#taken.has(name); number++) name = `${NAME}-${number}`;
    this.#taken.add(name);
    this.#standIns.set(urls, name);
    return name;
  }
}
