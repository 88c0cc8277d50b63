import { PRESETS } from '../send/presets.js';
import { fitsPattern } from '../format/pattern.js';
import type { Capacity } from '../send/capacity.js';
import { HopQueues } from '../topology/compile-hops.js';
import { NextHopCompiler } from '../topology/compile-next-hop.js';
import type { Path } from '../topology/fault.js';
import { entryOf } from '../topology/hop-plan.js';
import { shownCertificate } from '../topology/link-certificate.js';
import { hopsOf, type NodeHop } from '../topology/node-hops.js';
import type { CapacityEntry } from '../topology/schema-values.js';
import type { LoginExplanation } from './route-explain.js';
import type { ExplainedNode } from './route-settings.js';

type LimitKey = keyof CapacityEntry;
type Preset = keyof typeof PRESETS;

/** Where the login and the limits of a node's queues stand. */
export class HopSources {
  readonly #node: ExplainedNode;
  /** The places of the topology that lead to a queue. */
  readonly #hops = new Map<string, NodeHop[]>();
  readonly #sink: NodeHop | undefined;

  constructor(node: ExplainedNode) {
    this.#node = node;
    const { topology, node: name } = node.prepared;
    const queues = new HopQueues(new NextHopCompiler(topology, name, node.inputs), topology.links);
    for (const hop of hopsOf(topology, name)) {
      if (hop.role === 'smtp-sink') {
        this.#sink = hop;
        continue;
      }
      const { queue } = queues.queueOf(hop);
      this.#hops.set(queue, [...(this.#hops.get(queue) ?? []), hop]);
    }
  }

  /** The configured login of a queue; null without one. */
  loginOf(queue: string): LoginExplanation | null {
    const [hop] = this.#hops.get(queue) ?? [];
    return hop === undefined ? null : this.#loginAt(hop);
  }

  sinkLogin(): LoginExplanation | null {
    return this.#sink === undefined ? null : this.#loginAt(this.#sink);
  }

  sinkPlace(): string {
    return this.#sink === undefined ? '' : this.#node.prepared.locate(this.#sink.path);
  }

  /** Where a limit of a queue comes from; of several places the one that counts. */
  limitPlace(
    queue: string,
    key: LimitKey,
    field: keyof Capacity,
    value: Capacity[keyof Capacity],
  ): string {
    const { topology, node, locate } = this.#node.prepared;
    const entry = entryOf(topology.nodes, node);
    const places: string[] = [];
    const limits = (keys: object | undefined, path: Path): void => {
      if (keys !== undefined && (keys as CapacityEntry)[key] !== undefined)
        places.push(locate(path));
    };
    const preset = (name: Preset | undefined, path: Path): void => {
      if (name === undefined || PRESETS[name].capacity[field] === undefined) return;
      places.push(`preset ${name} (${locate(path)})`);
    };
    limits(topology.defaults, ['defaults', key]);
    limits(entry, ['nodes', node, key]);
    const hops = this.#hops.get(queue) ?? [];
    const [first] = hops;
    if (first !== undefined && 'plan' in first.planned) {
      const { plan } = first.planned;
      preset(plan.preset, first.keyPath('preset'));
      const link = plan.link?.used === true ? plan.link.index : undefined;
      if (link !== undefined) limits(topology.links[link], ['links', link, key]);
    }
    for (const hop of hops) limits(hop.keys, hop.keyPath(key));
    entry?.queues.forEach((one, index) => {
      if (!fitsPattern(one.queue, queue)) return;
      const path = ['nodes', node, 'queues', index];
      preset(one.preset, [...path, 'preset']);
      limits(one, [...path, key]);
    });
    return places.at(-1) ?? (value === null ? 'no limit is set' : 'built-in');
  }

  #loginAt(hop: NodeHop): LoginExplanation | null {
    const { planned } = hop;
    if ('problem' in planned) return null;
    const { username, password, token, link } = planned.plan;
    if (username === undefined) return null;
    const { locate } = this.#node.prepared;
    if (planned.plan.byCertificate === true) {
      return this.#certificateLogin(username, link?.index ?? -1);
    }
    const place = (key: 'username' | 'token'): string =>
      locate(link?.used === true ? ['links', link.index, key] : hop.keyPath(key));
    const where = place('username');
    if (token !== undefined) {
      const from =
        'file' in token
          ? `file ${this.#node.inputs.resolvePath(token.file)}`
          : `command ${token.command[0] ?? ''}`;
      return {
        username,
        where,
        method: 'token',
        secret_from: `${from} (${place('token')})`,
        secret_is_here: true,
      };
    }
    const secret = this.#node.secretOf(password ?? '');
    return {
      username,
      where,
      method: 'password',
      secret_from: secret.where,
      secret_is_here: secret.isHere,
    };
  }

  /** A login by what the node shows on a link. */
  #certificateLogin(username: string, index: number): LoginExplanation | null {
    const { prepared, inputs } = this.#node;
    const path = ['links', index];
    const link = prepared.topology.links[index];
    if (link === undefined) return null;
    const own = shownCertificate(prepared.topology, link, path);
    const isFile = own.kind === 'files';
    return {
      username,
      where: prepared.locate([...path, 'certificate']),
      method: 'certificate',
      secret_from: isFile ? `file ${inputs.resolvePath(own.cert)}` : 'made by `topology up`',
      secret_is_here: isFile
        ? [own.cert, own.key].every((file) => inputs.readPem(file) !== '')
        : true,
    };
  }
}
