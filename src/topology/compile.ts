import { join } from 'node:path';
import type { ApiPeer, ApiSettings } from '../api/settings.js';
import { RelayError } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import type { IntakeSettings } from '../intake/settings.js';
import type { NodeSettings } from '../node-settings.js';
import { certificateSources } from './certificate-sources.js';
import type { CompileInputs } from './compile-inputs.js';
import { compileClientLimits, compileQueueLimits } from './compile-limits.js';
import { meshRoots, NextHopCompiler } from './compile-next-hop.js';
import { compileOtlp } from './compile-otlp.js';
import { compileRabbitmq } from './compile-rabbitmq.js';
import { compilePolicy } from './compile-policy.js';
import { compileRoutes } from './compile-routes.js';
import { compileSharedSpool } from './compile-spool.js';
import { entryOf } from './hop-plan.js';
import { isLoopbackHost } from '../format/loopback.js';
import { isHost, joinHostPort, reachableHost } from './host-address.js';
import { certificateLinksTo } from './link-certificate.js';
import { tierOf } from './node-spool.js';
import type { NodeEntry, Topology } from './schema.js';
import { didYouMean } from './suggest.js';
import { tunablesOf, type Tunables } from './tunables.js';

/**
 * The settings that one node of a checked topology runs by. The same arguments give the same
 * settings; nothing is read but through `inputs`.
 *
 * @throws RelayError UNKNOWN_NODE, UNKNOWN_SMARTHOST, PORT_NOT_ALLOTTED, MISSING_CREDENTIAL,
 *   NO_CERTIFICATE, and whatever `inputs` throw.
 */
export function compileNode(
  topology: Topology,
  nodeName: string,
  inputs: CompileInputs,
): NodeSettings {
  const node = entryOf(topology.nodes, nodeName);
  if (node === undefined) {
    const names = Object.keys(topology.nodes);
    throw new RelayError('UNKNOWN_NODE', `the topology has no node '${nodeName}'`, {
      fault: 'operator',
      where: inputs.locate(['nodes']),
      hint: didYouMean(nodeName, names) ?? `it has ${names.join(', ')}`,
    });
  }
  const tunables = tunablesOf(topology, node);
  const hostname = hostnameOf(topology, nodeName);
  const compiler = new NextHopCompiler(topology, nodeName, inputs);
  const otlp = compileOtlp(topology, nodeName, inputs);
  const rabbitmq = compileRabbitmq(node, inputs);
  const shared = compileSharedSpool(topology, nodeName, inputs);
  return {
    name: nodeName,
    topology: topology.name,
    intake: compileIntake(topology, nodeName, node, tunables, hostname, inputs),
    policy: compilePolicy(topology, nodeName, node, compiler, inputs),
    queue: {
      directory: join(inputs.dataDir, 'spool'),
      retryIntervalsSeconds: tunables['retry-interval'],
      expireAfterSeconds: tunables['expire-after'],
      hopPauseMinSeconds: 1,
      hopPauseMaxSeconds: 60,
      doubtTimeoutSeconds: tunables['doubt-timeout'],
      inlineBodyBytes: 262_144,
      ...compileQueueLimits(topology, nodeName, tunables),
      ...(shared === undefined ? {} : { shared }),
    },
    route: compileRoutes(topology, nodeName, node, compiler, inputs),
    send: {
      hostname,
      connectTimeoutMs: 30_000,
      commandTimeoutMs: 60_000,
      envelopeTimeoutMs: 300_000,
      finalReplyTimeoutMs: 600_000,
      dnsServers: node['dns-servers'] ?? [],
    },
    trace: {
      directory: join(inputs.dataDir, 'trace'),
      maxAgeSeconds: tunables['trace-max-age'],
      maxRecords: tunables['trace-max-records'],
      maxBytes: tunables['trace-max-size'],
      ...(otlp === undefined ? {} : { otlp }),
    },
    api: compileApi(topology, nodeName, node, hostname, inputs),
    ...(rabbitmq === undefined ? {} : { rabbitmq }),
    messageKeyFile: join(inputs.dataDir, 'message-key'),
    drainTimeoutMs: tunables['drain-timeout'] * 1000,
    workers: tunables.workers,
    logLevel: 'info',
  };
}

/**
 * Name of a node in greeting, EHLO and `Received`: its `hostname`, else its `host` when that is a
 * name that means something elsewhere, else NODE.TOPOLOGY.
 */
export function hostnameOf(topology: Topology, nodeName: string): string {
  const node = entryOf(topology.nodes, nodeName);
  if (node?.hostname !== undefined) return node.hostname;
  const host = node?.host ?? '';
  const isName =
    isHost(host) && !isLoopbackHost(host) && /[a-z]/i.test(host) && !host.includes(':');
  return isName ? host : `${nodeName}.${topology.name}`;
}

function compileIntake(
  topology: Topology,
  nodeName: string,
  node: NodeEntry,
  tunables: Tunables,
  hostname: string,
  inputs: CompileInputs,
): IntakeSettings {
  const allotted = entryOf(inputs.allotment?.listeners ?? {}, nodeName) ?? {};
  const certificate = ownCertificate(topology, nodeName, node, inputs);
  return {
    hostname,
    listeners: node.listen.map((listener) => ({
      name: listener.name,
      host: listener.host,
      // without an allotment the system chooses: nobody was told of a port yet
      port: listener.port === 'auto' ? (entryOf(allotted, listener.name) ?? 0) : listener.port,
      tls: listener.tls,
      acceptTraceHeader: listener.trace === 'accept',
    })),
    ...(certificate === undefined
      ? {}
      : { certificate, ...moreCertificates(topology, nodeName, inputs) }),
    // What would never fit into the queue is said to be too large, not that there is no room for it now.
    maxMessageBytes: Math.min(tunables['max-message-size'], tunables['max-queue-size']),
    maxRecipients: tunables['max-recipients'],
    maxSessions: tunables['max-sessions'],
    clients: compileClientLimits(tunables),
    maxHeaderBytes: tunables['max-header-size'],
    idleTimeoutMs: tunables['command-timeout'] * 1000,
    dataTimeoutMs: tunables['data-timeout'] * 1000,
  };
}

/** What the listeners show besides, and whom they ask for certificates. */
function moreCertificates(
  topology: Topology,
  nodeName: string,
  inputs: CompileInputs,
): Pick<IntakeSettings, 'otherCertificates' | 'clientCa'> {
  const { others } = certificateSources(topology, nodeName);
  const otherCertificates = others.map(({ cert, key }) => {
    return { cert: inputs.readPem(cert), key: inputs.readPem(key) };
  });
  const isAsked = certificateLinksTo(topology, nodeName).length > 0;
  const clientCa = isAsked ? meshRoots(topology, nodeName, inputs) : [];
  return {
    ...(otherCertificates.length === 0 ? {} : { otherCertificates }),
    // an empty list would be that of the system, which vouches for half the world
    ...(clientCa.length === 0 ? {} : { clientCa }),
  };
}

function ownCertificate(
  topology: Topology,
  nodeName: string,
  node: NodeEntry,
  inputs: CompileInputs,
): { cert: string; key: string } | undefined {
  const index = node.listen.findIndex((listener) => listener.tls !== 'none');
  if (index === -1) return undefined;
  const { own } = certificateSources(topology, nodeName);
  const files = own.kind === 'ephemeral' ? inputs.allotment?.tls : own;
  if (files !== undefined && 'cert' in files) {
    return { cert: inputs.readPem(files.cert), key: inputs.readPem(files.key) };
  }
  throw new RelayError('NO_CERTIFICATE', `node '${nodeName}' offers TLS and has no certificate`, {
    fault: 'operator',
    where: inputs.locate(['nodes', nodeName, 'listen', index, 'tls']),
    hint:
      own.kind === 'ephemeral'
        ? 'ephemeral certificates are made by `relaymesh topology up`; start the node through it'
        : 'name `cert` and `key` under `tls`',
  });
}

function compileApi(
  topology: Topology,
  nodeName: string,
  node: NodeEntry,
  hostname: string,
  inputs: CompileInputs,
): ApiSettings {
  const token = apiToken(node, inputs);
  const port = node.api?.port ?? 'auto';
  const allotted = inputs.allotment?.apis ?? {};
  const peers = Object.entries(topology.nodes).flatMap(([name, peer]): ApiPeer[] => {
    if (name === nodeName) return [];
    const url = peerUrl(name, peer, inputs);
    if (url === undefined) return [];
    const own = peer.api?.token;
    const tier = tierOf(topology, name);
    return [
      {
        node: name,
        ...(tier === undefined ? {} : { tier }),
        url,
        token: own ? inputs.resolveSecret(own.secret) : token,
      },
    ];
  });
  return {
    host: node.api?.host ?? '127.0.0.1',
    port: port === 'auto' ? (entryOf(allotted, nodeName) ?? 0) : port,
    token,
    hosts: [...new Set([nodeName, node.host, hostname, ...(node.api?.hosts ?? [])])],
    peers,
  };
}

function apiToken(node: NodeEntry, inputs: CompileInputs): Secret {
  if (node.api?.token !== undefined) return inputs.resolveSecret(node.api.token.secret);
  const allotted = inputs.allotment?.apiToken;
  return allotted === undefined || allotted === '' ? inputs.ownApiToken() : new Secret(allotted);
}

/** Undefined for a node that has no API that anybody was told of. */
function peerUrl(name: string, peer: NodeEntry, inputs: CompileInputs): string | undefined {
  const allotted = entryOf(inputs.allotment?.apis ?? {}, name);
  const wanted = peer.api?.port ?? 'auto';
  const port = wanted === 'auto' ? allotted : wanted;
  if (port !== undefined) {
    const host = reachableHost(peer.host, peer.api?.host ?? '127.0.0.1');
    return `http://${joinHostPort(host, port)}`;
  }
  if (peer.api === undefined) return undefined;
  throw new RelayError('PORT_NOT_ALLOTTED', `the API port of node '${name}' is not known`, {
    fault: 'operator',
    where: inputs.locate(['nodes', name, 'api', 'port']),
    hint: 'start the node through `relaymesh topology up`, or give the API a port',
  });
}
