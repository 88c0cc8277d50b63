import path from 'node:path';
import { isLoopbackHost } from '../../format/loopback.js';
import { hostnameOf } from '../compile.js';
import { mappingAt, writtenOf, type Written } from '../export/written.js';
import { placeOf, type Path } from '../fault.js';
import { inNetworks } from '../host-address.js';
import type { LoadedTopology } from '../load.js';
import { otlpEndpointSchema } from '../schema-otlp.js';
import { RABBITMQ_KEYS } from '../schema-rabbitmq.js';
import type { Topology } from '../schema.js';
import { BrokerLocalizer } from './localize-brokers.js';
import { HopLocalizer } from './localize-hops.js';
import { StandIns } from './stand-ins.js';

const LOOPBACK = '127.0.0.1';
const ALL_OF_LOOPBACK = `${LOOPBACK}/32`;

/**
 * An equivalent topology that runs on one machine and reaches nothing outside of it: everything
 * listens on loopback, on ports that are given at the start; secrets are generated and certificates
 * made for the run; hosts outside become the sinks that stand for them (`stands-for`). The names,
 * ways, limits and logins stay. What is such a topology already comes out as it is, without `tests`.
 *
 * Where it differs from the original: the nodes share one CA; a link that logs in by certificate
 * does so with the one of its node; a login by access token becomes one by password; `relay-from`
 * also means this machine, where it means anyone; delivery by MX goes to the sink that stands for
 * `*`; hosts that messages may name are dropped where no sink stands for them; spans go to a
 * collector on this machine only; a RabbitMQ of the run takes the place of each that tiers share;
 * no node is fed by a RabbitMQ, or tells one its results.
 *
 * @param loaded Without errors.
 * @throws RelayError LAB_OUTSIDE or LAB_STAND_IN with FILE:LINE:COL
 */
export function localize({ topology, positions }: LoadedTopology): Written {
  const { tests: _tests, ...local } = structuredClone(writtenOf({ topology, positions }));
  const locate = (place: Path): string => placeOf({ file: positions.file, ...positions.at(place) });
  const standIns = new StandIns(topology, locate);
  const hops = new HopLocalizer(topology, standIns);
  const brokers = new BrokerLocalizer(topology);
  const folder = path.dirname(path.resolve(positions.file));
  const nodes = mappingAt(local, 'nodes') as Record<string, Written>;
  for (const [name, node] of Object.entries(topology.nodes)) {
    const entry = nodes[name] ?? {};
    hops.localize(name, node, entry);
    placeNode(topology, name, entry);
    localizeOtlp(entry, folder);
    brokers.localize(entry);
    for (const key of RABBITMQ_KEYS) delete entry[key];
  }
  localizeOtlp(mappingAt(local, 'defaults'), folder);
  brokers.localize(mappingAt(local, 'defaults'));
  brokers.declare(local);
  localizeLinks(topology, local, hops);
  localizeSinks(topology, local, standIns);
  localizeSecrets(local, hops);
  localizeTls(topology, local);
  return local;
}

function placeNode(topology: Topology, name: string, entry: Written): void {
  const hostname = hostnameOf(topology, name);
  if (hostname !== `${name}.${topology.name}`) entry['hostname'] = hostname;
  onLoopback(entry);
  for (const listener of entry['listen'] as Written[]) {
    onLoopback(listener);
    listener['port'] = 'auto';
  }
  if (entry['api'] !== undefined) {
    const api = mappingAt(entry, 'api');
    onLoopback(api);
    api['port'] = 'auto';
  }
  const networks = topology.nodes[name]?.['relay-from'] ?? [];
  if (networks.length > 0 && !inNetworks(LOOPBACK, networks)) {
    entry['relay-from'] = [...networks, ALL_OF_LOOPBACK];
  }
  delete entry['tls'];
}

/** Without `host` the default is loopback already. */
function onLoopback(entry: Written): void {
  if (entry['host'] !== undefined) entry['host'] = LOOPBACK;
}

function localizeOtlp(entry: Written, folder: string): void {
  const otlp = entry['otlp'];
  if (typeof otlp !== 'object' || otlp === null) return;
  const { endpoint, ca } = otlp as Written;
  if (!isLocalUrl(endpoint)) delete entry['otlp'];
  else if (typeof ca === 'string') entry['otlp'] = { ...otlp, ca: path.resolve(folder, ca) };
}

function isLocalUrl(endpoint: unknown): boolean {
  const checked = otlpEndpointSchema.safeParse(endpoint);
  if (!checked.success) return false;
  return isLoopbackHost(new URL(checked.data).hostname.replace(/^\[(.*)\]$/, '$1'));
}

function localizeLinks(topology: Topology, local: Written, hops: HopLocalizer): void {
  const links = (local['links'] ?? []) as Written[];
  topology.links.forEach((link, index) => {
    const entry = links[index] ?? {};
    // those that are made for the run carry the names of their nodes
    if (link.certificate !== undefined) entry['certificate'] = true;
    hops.localizeSteering(entry, link['steer-to'], ['links', index, 'steer-to']);
  });
  for (const [pair, listener] of hops.needs.listeners) {
    const [from = '', to = ''] = pair.split(' ');
    const known = links.find((link) => link['from'] === from && link['to'] === to);
    if (known !== undefined) known['listener'] = listener;
    else links.push({ from, to, listener, trace: 'none' });
  }
  if (links.length > 0) local['links'] = links;
}

function localizeSinks(topology: Topology, local: Written, standIns: StandIns): void {
  const sinks = mappingAt(local, 'sinks');
  for (const [name, sink] of Object.entries(topology.sinks)) {
    const entry = sinks[name] as Written;
    onLoopback(entry);
    entry['port'] = 'auto';
    Object.assign(
      entry,
      standIns.lackOf(name, sink, (key) => entry[key] !== undefined),
    );
  }
}

function localizeSecrets(local: Written, hops: HopLocalizer): void {
  const names = Object.keys(mappingAt(local, 'secrets'));
  const own = names.map((name): [string, { generate: true }] => [name, { generate: true }]);
  const all = [...own, ...hops.needs.secrets];
  if (all.length > 0) local['secrets'] = Object.fromEntries(all);
}

/** Certificates for all, where anything had them or a sink has TLS since it stands for a host. */
function localizeTls(topology: Topology, local: Written): void {
  const given = [topology, ...Object.values(topology.nodes)].some(({ tls }) => tls !== undefined);
  const sinks = Object.values(mappingAt(local, 'sinks')) as Written[];
  const wanted = sinks.some(({ tls }) => tls !== undefined && tls !== 'none');
  if (given || wanted) local['tls'] = { ephemeral: true };
}
