import { isLoopbackHost } from '../../format/loopback.js';
import { describeFault, inFileOrder, RULES, type Fault, type Path, type RuleId } from '../fault.js';
import { isHost, isWildcard } from '../host-address.js';
import { lintTopology } from '../lint.js';
import type { SourcePositions } from '../locate.js';
import { hopsOf } from '../node-hops.js';
import { localBrokerOf, spoolOf } from '../node-spool.js';
import type { NodeEntry, Topology } from '../schema.js';
import { parseSteerEntry } from '../steer-entry.js';
import type { ExportTarget, Mesh } from './plan.js';
import { sliceOf } from './slice.js';
import { mappingAt } from './written.js';

type Report = (ruleId: RuleId, path: Path, message: string, hint: string) => void;

/** A name of a Service (RFC 1035 label) from which the pods of a StatefulSet get theirs. */
const SERVICE_NAME = /^[a-z]([a-z0-9-]{0,50}[a-z0-9])?$/;

const SINK_HINT =
  'write the host that really takes this mail; for a staging mesh start `relaymesh sink` somewhere and write its host and port';

/**
 * What keeps a topology from being deployed as it is: all of it at once, in the order of the file.
 *
 * @param asWritten the topology as the file has it
 * @param deployed the same with the hosts of the target
 */
export function refusalsOf(
  asWritten: Mesh,
  deployed: Mesh,
  positions: SourcePositions,
  target: ExportTarget,
): Fault[] {
  const faults: Fault[] = [];
  const report: Report = (ruleId, path, message, hint) => {
    const { severity } = RULES[ruleId];
    const place = { file: positions.file, ...positions.at(path) };
    faults.push({ ruleId, severity, message, hint, ...place });
  };
  checkText(asWritten.written, [], report);
  checkOneMachine(asWritten, report);
  for (const [name, node] of Object.entries(asWritten.topology.nodes)) {
    checkBroker(asWritten.topology, name, report);
    checkSinks(asWritten.topology, name, node, report);
    if (target !== 'systemd') {
      checkContainer(name, deployed.topology.nodes[name] ?? node, report);
    }
    if (target === 'kubernetes') checkServiceName(name, report);
  }
  // no node runs here: what it reads from files is looked at where it does
  const options = { node: '', env: {} };
  const found = [asWritten, deployed].flatMap(({ topology }) =>
    lintTopology({ topology: withoutCommonCas(topology), positions }, options).filter(
      ({ ruleId }) =>
        ruleId !== 'one-machine-only' &&
        // an API of containers is on a network of theirs, where it has to answer to be probed
        (ruleId !== 'plaintext-token' || target === 'systemd'),
    ),
  );
  const unique = new Map([...faults, ...found].map((fault) => [describeFault(fault), fault]));
  return inFileOrder([...unique.values()]);
}

/** Those files too are where the nodes will run, and the lint reads them for whatever node. */
function withoutCommonCas(topology: Topology): Topology {
  const defaults = { ...topology.defaults };
  const { otlp, spool } = defaults;
  if (otlp !== undefined && otlp !== 'none') {
    const { ca: _, ...rest } = otlp;
    defaults.otlp = rest;
  }
  if (spool !== undefined && spool !== 'none') {
    const { ca: _, ...rest } = spool;
    defaults.spool = rest;
  }
  return { ...topology, defaults };
}

/** Units, tables and manifests would mean something else by a line break. */
function checkText(value: unknown, path: Path, report: Report): void {
  if (typeof value === 'object' && value !== null) {
    for (const [key, one] of Object.entries(value)) {
      checkText(one, [...path, Array.isArray(value) ? Number(key) : key], report);
    }
  } else if (typeof value === 'string' && /\p{Cc}/u.test(value)) {
    const what = String(path.at(-1));
    report('invalid-value', path, `${what} holds a control character`, 'write it without');
  }
}

/** `topology up` fills these in, and no one else. */
function checkOneMachine({ topology, written }: Mesh, report: Report): void {
  const refuse = (path: Path, what: string, hint: string): void => {
    report('one-machine-only', path, `${what} works under \`topology up\` only`, hint);
  };
  const needed = new Set(
    Object.keys(topology.nodes).flatMap((name) =>
      Object.keys(mappingAt(sliceOf(topology, written, name), 'secrets')),
    ),
  );
  for (const [name, secret] of Object.entries(topology.secrets)) {
    if (!('generate' in secret) || !needed.has(name)) continue;
    const variable = name.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_');
    const hint = `write { file: secrets/${name} } or { env: ${variable} }`;
    refuse(['secrets', name, 'generate'], '`generate: true`', hint);
  }
  const tls = (entry: object | undefined, path: Path): void => {
    if (entry === undefined || !('ephemeral' in entry)) return;
    const hint = 'write { ca: ca.pem, cert: cert.pem, key: key.pem }; the files are not read here';
    refuse([...path, 'ephemeral'], '`ephemeral: true`', hint);
  };
  const port = (value: unknown, path: Path, example: number): void => {
    if (value === 'auto') {
      refuse([...path, 'port'], '`port: auto`', `write the port, as in port: ${example}`);
    }
  };
  tls(topology.tls, ['tls']);
  for (const [name, node] of Object.entries(topology.nodes)) {
    const path = ['nodes', name];
    tls(node.tls, [...path, 'tls']);
    node.listen.forEach((listener, index) => {
      const example = listener.name === 'submission' ? 2587 : 2525;
      port(listener.port, [...path, 'listen', index], example);
    });
    port(node.api?.port, [...path, 'api'], 8025);
  }
}

/** An entry of `brokers` is a process that `topology up` starts beside the nodes. */
function checkBroker(topology: Topology, name: string, report: Report): void {
  const spool = spoolOf(topology, name);
  const broker = localBrokerOf(topology, name);
  if (spool === undefined || broker === undefined) return;
  report(
    'one-machine-only',
    spool.keyPath('amqp'),
    `broker '${broker}' works under \`topology up\` only`,
    'write the URL of the RabbitMQ that is deployed, as in amqps://rabbit.mail.internal, with `username` and `password: { secret: NAME }`',
  );
}

/** A sink stands in for hosts outside: it throws away what it gets. */
function checkSinks(topology: Topology, name: string, node: NodeEntry, report: Report): void {
  const refuse = (path: Path, sink: string): void => {
    report(
      'one-machine-only',
      path,
      `'${sink}' is a sink, which throws mail away and is not deployed`,
      SINK_HINT,
    );
  };
  for (const { planned, path, keys } of hopsOf(topology, name)) {
    if (!('plan' in planned) || !Object.hasOwn(topology.sinks, planned.plan.name)) continue;
    refuse(keys.hostname === undefined ? path : [...path, 'hostname'], planned.plan.name);
  }
  const steer = (entries: readonly string[], path: Path): void => {
    entries.forEach((text, index) => {
      const parsed = parseSteerEntry(topology, text, []);
      const goal = 'entry' in parsed && parsed.entry.kind === 'name' ? parsed.entry.name : '';
      if (Object.hasOwn(topology.sinks, goal)) refuse([...path, 'steer-to', index], goal);
    });
  };
  const path = ['nodes', name];
  steer(node['steer-to'], path);
  node.users.forEach((user, index) => steer(user['steer-to'], [...path, 'users', index]));
  topology.links.forEach((link, index) => {
    if (link.to === name) steer(link['steer-to'], ['links', index]);
  });
}

/** A container has a loopback and one address that nobody knows before. */
function checkContainer(name: string, node: NodeEntry, report: Report): void {
  const check = (host: string, path: Path): void => {
    if (!isHost(host) || isWildcard(host) || isLoopbackHost(host)) return;
    report(
      'invalid-value',
      path,
      `a container has no address ${host} to listen on`,
      'write 0.0.0.0, or leave `host` out',
    );
  };
  const path = ['nodes', name];
  if (node.listen.every(({ host }) => isLoopbackHost(host) && !isLoopbackHost(node.host))) {
    report(
      'invalid-value',
      [...path, 'listen'],
      `nobody would reach node '${name}': all of its listeners are on loopback, which is that of its container`,
      'write 0.0.0.0, or leave `host` out',
    );
  }
  node.listen.forEach(({ host }, index) => check(host, [...path, 'listen', index, 'host']));
  if (node.api !== undefined) check(node.api.host, [...path, 'api', 'host']);
}

function checkServiceName(name: string, report: Report): void {
  if (SERVICE_NAME.test(name)) return;
  report(
    'invalid-value',
    ['nodes', name],
    `'${name}' cannot be the name of a Kubernetes Service`,
    'begin it with a letter, and use at most 52 characters',
  );
}
