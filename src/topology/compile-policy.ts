import type {
  CertificatePeerSettings,
  PeerSettings,
  PolicySettings,
  SteerTarget,
} from '../policy/settings.js';
import type { CompileInputs } from './compile-inputs.js';
import type { NextHopCompiler } from './compile-next-hop.js';
import type { Path } from './fault.js';
import { entryOf } from './hop-plan.js';
import { reachableHost } from './host-address.js';
import { checkCosts, passwordToCheck } from './password-hashes.js';
import { certificateLinksTo, certificateNameOf, certificateOf } from './link-certificate.js';
import { tierMates } from './node-spool.js';
import type { NodeEntry, Topology } from './schema.js';
import { parseSteerEntry } from './steer-entry.js';

/**
 * Who may log in at a node, relay through it, and name a smarthost.
 *
 * @throws RelayError UNKNOWN_SMARTHOST for an entry of `steer-to` that means nothing,
 *   PORT_NOT_ALLOTTED, PASSWORD_HASH_INVALID, and whatever `inputs` throw.
 */
export function compilePolicy(
  topology: Topology,
  nodeName: string,
  node: NodeEntry,
  compiler: NextHopCompiler,
  inputs: CompileInputs,
): PolicySettings {
  const steerTo = (entries: readonly string[], path: Path): SteerTarget[] =>
    entries.map((text, index) => steerTarget(topology, text, [...path, index], compiler));
  const peers = topology.links.flatMap((link, index): PeerSettings[] => {
    if (link.to !== nodeName || link.username === undefined || link.password === undefined) {
      return [];
    }
    const secrets = [link.password, ...link['also-accept']];
    return [
      {
        node: link.from,
        ...sharing(topology, link.from),
        username: link.username,
        passwords: secrets.map(({ secret }) => passwordToCheck(secret, inputs)),
        may: link.may,
        steerTo: steerTo(link['steer-to'], ['links', index, 'steer-to']),
      },
    ];
  });
  const certificatePeers = certificateLinksTo(topology, nodeName).map(
    ({ link, index }): CertificatePeerSettings => ({
      node: link.from,
      ...sharing(topology, link.from),
      username: link.from,
      name: certificateNameOf(topology, link),
      sha256: (certificateOf(link)?.sha256 ?? []).map(plainFingerprint),
      may: link.may,
      steerTo: steerTo(link['steer-to'], ['links', index, 'steer-to']),
    }),
  );
  const path = ['nodes', nodeName];
  const users = node.users.map((user, index) => ({
    username: user.username,
    password: passwordToCheck(user.password.secret, inputs),
    may: user.may,
    steerTo: steerTo(user['steer-to'], [...path, 'users', index, 'steer-to']),
  }));
  const accounts = [
    ...users.map(({ password }) => [password]),
    ...peers.map(({ passwords }) => passwords),
  ];
  checkCosts(accounts, nodeName, inputs.locate(path));
  return {
    users,
    peers,
    ...(certificatePeers.length === 0 ? {} : { certificatePeers }),
    relayFrom: node['relay-from'],
    apiSteerTo: steerTo(node['steer-to'], [...path, 'steer-to']),
  };
}

function sharing(topology: Topology, node: string): Pick<PeerSettings, 'sharesWith'> {
  const sharesWith = tierMates(topology, node);
  return sharesWith === undefined ? {} : { sharesWith };
}

/** OpenSSL writes colons, others do not. */
function plainFingerprint(text: string): string {
  return text.replaceAll(':', '').toLowerCase();
}

function steerTarget(
  topology: Topology,
  text: string,
  path: Path,
  compiler: NextHopCompiler,
): SteerTarget {
  const parsed = parseSteerEntry(topology, text, path);
  if ('problem' in parsed) throw compiler.refusal(parsed.problem);
  const { entry } = parsed;
  if (entry.kind !== 'name') return entry;
  return { ...entry, endpoints: endpointsOf(topology, entry.name, path, compiler) };
}

/** Where a node or sink listens, as this mesh reaches it. */
function endpointsOf(
  topology: Topology,
  name: string,
  path: Path,
  compiler: NextHopCompiler,
): { host: string; port: number }[] {
  const sink = entryOf(topology.sinks, name);
  if (sink !== undefined) {
    const host = reachableHost('127.0.0.1', sink.host);
    return [{ host, port: compiler.portOf({ kind: 'sink', name, port: sink.port }, path) }];
  }
  const node = entryOf(topology.nodes, name);
  return (node?.listen ?? []).map((listener) => ({
    host: reachableHost(node?.host ?? listener.host, listener.host),
    port: compiler.portOf({ kind: 'node', name, port: listener.port, listener }, path),
  }));
}
