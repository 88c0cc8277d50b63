import path from 'node:path';
import { makeSecretText } from '../../base/secret.js';
import {
  ensureEphemeralTls,
  type CertificateRequest,
  type EphemeralTls,
} from '../ephemeral-tls.js';
import { entryOf } from '../hop-plan.js';
import { isWildcard } from '../host-address.js';
import { localBrokerOf } from '../node-spool.js';
import { PortAllotter } from '../ports.js';
import { ALLOTMENT_FILE, allotmentSchema, type Allotment, type Topology } from '../schema.js';
import { readIfThere, workdirLayout, writePrivateFile } from '../state.js';
import { generateSecrets, onlySecrets, secretsOfNode } from './generated-secrets.js';

/*
 * What the topology leaves open on one machine is settled here: ports, generated secrets,
 * certificates, the API token. `WORKDIR/allotment.json` remembers all of it, so that a second run
 * comes out the same; each node's data folder holds the part that this node may know.
 */

export interface AllotOptions {
  topology: Topology;
  workdir: string;
  /** Nodes that this run starts. The others may run by hand, so their ports are left as they are. */
  started: ReadonlySet<string>;
  /** Token from the environment; else the remembered one, else a new one. */
  apiToken: string | undefined;
  /** See `Rewire`. */
  rewire?: Rewire | undefined;
  /** The run is under way: ports that were settled before stay, though servers hold them. */
  keep?: boolean;
  /** Values in place of those that are remembered. */
  rotated?: Readonly<Record<string, string>>;
  /** Values that a node goes on with, since it has not learned the new ones. */
  lagging?: (node: string) => Readonly<Record<string, string>>;
}

/**
 * Where a node finds its peers instead of where they listen, for something that stands between
 * them. Asked once whenever all ports are settled; the ports of the node itself stay.
 */
export type Rewire = (
  whole: Allotment,
  tls: EphemeralTls | null,
  topology: Topology,
) => Promise<(node: string) => Pick<Allotment, 'listeners' | 'sinks'>>;

export interface Allotted {
  /** Everything, for the runner itself. */
  whole: Allotment;
  /** Set where the topology asks for ephemeral certificates. */
  tls: EphemeralTls | null;
}

/**
 * Settles everything and writes it down.
 *
 * @throws RunnerError NO_FREE_PORT; whatever `rewire` throws; the system's error when the workdir cannot be written.
 */
export async function allot(options: AllotOptions): Promise<Allotted> {
  const { topology, workdir } = options;
  const remembered = await readRemembered(workdir);
  const { brokers, ...ports } = await allotPorts(options, remembered);
  const tls = await ephemeralTls(topology, workdir);
  const whole: Allotment = {
    ...ports,
    brokers: brokersWithLogins(brokers, remembered),
    secrets: generateSecrets(topology, { ...remembered.secrets, ...options.rotated }),
    apiToken: options.apiToken ?? (remembered.apiToken || makeSecretText()),
  };
  const peersOf = await options.rewire?.(whole, tls, topology);
  await writePrivateFile(workdirLayout.allotment(workdir), JSON.stringify(whole, null, 2));
  for (const node of Object.keys(topology.nodes)) {
    const values = { ...whole.secrets, ...options.lagging?.(node) };
    const part: Allotment = {
      ...rewired(whole, node, peersOf?.(node)),
      brokers: brokersOfNode(whole, topology, node),
      secrets: onlySecrets(values, secretsOfNode(topology, node)),
    };
    const files = tls?.certificates.get(node);
    if (tls !== null && files !== undefined) {
      part.tls = { ca: tls.caFile, cert: files.certFile, key: files.keyFile };
    }
    const file = path.join(workdirLayout.data(workdir, node), ALLOTMENT_FILE);
    await writePrivateFile(file, JSON.stringify(part, null, 2));
  }
  return { whole, tls };
}

function rewired(
  whole: Allotment,
  node: string,
  peers: Pick<Allotment, 'listeners' | 'sinks'> | undefined,
): Allotment {
  if (peers === undefined) return whole;
  const listeners = { ...whole.listeners };
  for (const [peer, ports] of Object.entries(peers.listeners)) {
    if (peer !== node) listeners[peer] = { ...listeners[peer], ...ports };
  }
  return { ...whole, listeners, sinks: { ...whole.sinks, ...peers.sinks } };
}

const NOTHING: Allotment = {
  listeners: {},
  apis: {},
  sinks: {},
  brokers: {},
  secrets: {},
  apiToken: '',
};

async function readRemembered(workdir: string): Promise<Allotment> {
  const text = await readIfThere(workdirLayout.allotment(workdir));
  if (text === null) return NOTHING;
  try {
    return allotmentSchema.parse(JSON.parse(text));
  } catch {
    // Of another version, or damaged: all of it can be made anew.
    return NOTHING;
  }
}

type Ports = Pick<Allotment, 'listeners' | 'apis' | 'sinks'> & { brokers: Record<string, number> };

/** A broker is for this machine alone. */
const BROKER_HOST = '127.0.0.1';
const BROKER_USERNAME = 'relaymesh';

/** A broker goes on with the password of its first start, which is remembered. */
function brokersWithLogins(
  ports: Readonly<Record<string, number>>,
  remembered: Allotment,
): Allotment['brokers'] {
  const brokers: Allotment['brokers'] = {};
  for (const [name, port] of Object.entries(ports)) {
    const password = remembered.brokers[name]?.password ?? makeSecretText();
    brokers[name] = { host: BROKER_HOST, port, username: BROKER_USERNAME, password };
  }
  return brokers;
}

/** The one that a node has its spool at; the login at the others is not for it. */
function brokersOfNode(whole: Allotment, topology: Topology, node: string): Allotment['brokers'] {
  const name = localBrokerOf(topology, node);
  const broker = name === undefined ? undefined : entryOf(whole.brokers, name);
  return name === undefined || broker === undefined ? {} : { [name]: broker };
}

async function allotPorts(options: AllotOptions, remembered: Allotment): Promise<Ports> {
  const { topology, started, keep = false } = options;
  const allotter = new PortAllotter([
    ...fixedPorts(topology),
    ...(keep ? portsIn(remembered) : []),
  ]);
  const ports: Ports = { listeners: {}, apis: {}, sinks: {}, brokers: {} };
  const settle = async (
    host: string,
    wanted: number | 'auto',
    before: number | undefined,
    starts: boolean,
  ): Promise<number> => {
    if (wanted !== 'auto') return wanted;
    if (keep && before !== undefined) return before;
    if (!starts && before !== undefined && allotter.claim(before)) return before;
    return allotter.allot(host, before);
  };
  // Those that may run by hand come first: their ports must not be given to anyone else.
  const names = Object.keys(topology.nodes).sort(
    (a, b) => Number(started.has(a)) - Number(started.has(b)),
  );
  for (const name of names) {
    const node = topology.nodes[name];
    if (node === undefined) continue;
    const starts = started.has(name);
    const listeners: Record<string, number> = {};
    for (const listener of node.listen) {
      const before = remembered.listeners[name]?.[listener.name];
      listeners[listener.name] = await settle(listener.host, listener.port, before, starts);
    }
    ports.listeners[name] = listeners;
    // A node without `api` gets one here, for without it no trace could be asked for.
    const api = node.api ?? { host: '127.0.0.1', port: 'auto' as const };
    ports.apis[name] = await settle(api.host, api.port, remembered.apis[name], starts);
  }
  for (const [name, sink] of Object.entries(topology.sinks)) {
    ports.sinks[name] = await settle(sink.host, sink.port, remembered.sinks[name], true);
  }
  for (const [name, { port }] of Object.entries(topology.brokers)) {
    ports.brokers[name] = await settle(BROKER_HOST, port, remembered.brokers[name]?.port, true);
  }
  return ports;
}

/** All ports that are spoken for. */
export function portsIn({ listeners, apis, sinks, brokers }: Allotment): number[] {
  const ofNodes = Object.values(listeners).flatMap((ports) => Object.values(ports));
  const ofBrokers = Object.values(brokers).map(({ port }) => port);
  return [...ofNodes, ...Object.values(apis), ...Object.values(sinks), ...ofBrokers];
}

function fixedPorts(topology: Topology): number[] {
  const all: (number | 'auto')[] = [];
  for (const node of Object.values(topology.nodes)) {
    all.push(...node.listen.map((listener) => listener.port));
    if (node.api !== undefined) all.push(node.api.port);
  }
  all.push(...Object.values(topology.sinks).map((sink) => sink.port));
  all.push(...Object.values(topology.brokers).map((broker) => broker.port));
  return all.filter((port) => port !== 'auto');
}

/** Whether anything in the topology wants certificates that are made for the run. */
function wantsEphemeralTls(topology: Topology): boolean {
  return [topology.tls, ...Object.values(topology.nodes).map((node) => node.tls)].some(
    (tls) => tls !== undefined && 'ephemeral' in tls,
  );
}

async function ephemeralTls(topology: Topology, workdir: string): Promise<EphemeralTls | null> {
  if (!wantsEphemeralTls(topology)) return null;
  const requests: CertificateRequest[] = Object.entries(topology.nodes).map(([name, node]) => ({
    name,
    hosts: [
      node.host,
      ...(node.hostname === undefined ? [] : [node.hostname]),
      ...node.listen.map((listener) => listener.host).filter((host) => !isWildcard(host)),
    ],
  }));
  for (const [name, sink] of Object.entries(topology.sinks)) {
    if (sink.tls !== 'none') requests.push({ name, hosts: [sink.host] });
  }
  return ensureEphemeralTls(workdirLayout.tls(workdir), requests);
}
