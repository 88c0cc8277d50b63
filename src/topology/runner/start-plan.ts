import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isPasswordHash } from '../../base/password-hash.js';
import { certificateSources } from '../certificate-sources.js';
import { isWildcard, joinHostPort } from '../host-address.js';
import { hashInPlaceOfPassword } from '../password-hashes.js';
import { describePortProblem, portProblem } from '../ports.js';
import type { Allotment, NodeEntry, SinkEntry, Topology } from '../schema.js';
import { resolveSecret } from '../secrets.js';
import { workdirLayout, writePrivateFile, type RunState } from '../state.js';
import { tunablesOf } from '../tunables.js';
import type { Allotted } from './allot.js';
import type { ChildSpec, ReadyMessage } from './child.js';
import { BROKER_STOP_MS, brokerSpec } from './local-broker.js';
import { RunnerError } from './runner-error.js';

/** What a run is of and where it lies. */
export interface RunPlace {
  topology: Topology;
  /** Absolute path of the topology file. */
  file: string;
  /** Absolute path. */
  workdir: string;
  /** Script that has the commands `node` and `sink`. */
  mainJs: string;
  /** Where secrets with `env` are, and what children get. */
  environment: NodeJS.ProcessEnv;
  /** Sinks that write down what they take, so that it is known after their end. */
  journaled?: ReadonlySet<string>;
}

/** Value of a secret by its name. */
export type SecretLookup = (name: string) => string;

/**
 * @param own Generated values that count before those of all.
 * @returns A lookup that throws a RelayError (`resolveSecret`) when the value cannot be had.
 */
export function secretLookup(
  place: RunPlace,
  { whole }: Allotted,
  own: Readonly<Record<string, string>> = {},
): SecretLookup {
  const { topology, file, environment } = place;
  const allotment = { ...whole, secrets: { ...whole.secrets, ...own } };
  return (name) => {
    const entry = topology.secrets[name];
    if (entry === undefined) {
      throw new RunnerError('SECRET_UNKNOWN', `no secret is named '${name}'`, 2, {
        fault: 'operator',
        where: file,
        hint: 'Declare it under `secrets`.',
      });
    }
    return resolveSecret(name, entry, {
      baseDir: path.dirname(file),
      env: environment,
      allotment,
      where: file,
    }).reveal();
  };
}

/** The program that this file belongs to. */
export const ownMainJs: string = fileURLToPath(new URL('../../main.js', import.meta.url));

/** An address as a URL or for `connect`: one that listens everywhere is reached over loopback. */
export function connectHost(host: string): string {
  if (!isWildcard(host)) return host;
  return host.includes(':') ? '::1' : '127.0.0.1';
}

function apiUrl(host: string, port: number): string {
  return `http://${joinHostPort(connectHost(host), port)}`;
}

export function nodeSpec(place: RunPlace, name: string): ChildSpec {
  const args = [place.mainJs, 'node', '--topology', place.file, '--name', name];
  args.push('--data', workdirLayout.data(place.workdir, name));
  return {
    kind: 'node',
    name,
    args,
    logFile: workdirLayout.log(place.workdir, name),
    environment: place.environment,
  };
}

/** How a sink is started; writes the file with its logins, if it wants any. */
export async function sinkSpec(
  place: RunPlace,
  name: string,
  sink: SinkEntry,
  allotted: Allotted,
  secrets: SecretLookup,
): Promise<ChildSpec> {
  const folder = workdirLayout.sink(place.workdir, name);
  const port = allotted.whole.sinks[name] ?? 0;
  const args = [place.mainJs, 'sink', '--name', name, '--host', sink.host, '--port', String(port)];
  args.push('--api-port', '0', '--capture', path.join(folder, 'capture'));
  if (sink.tls !== 'none') {
    const { certFile, keyFile } = sinkCertificate(place, name, allotted);
    args.push('--tls', sink.tls, '--cert', certFile, '--key', keyFile);
  }
  if (place.journaled?.has(name) === true) {
    args.push('--journal', workdirLayout.journal(place.workdir, name));
  }
  if (sink.users.length > 0) {
    const file = path.join(folder, 'users');
    let lines = '';
    for (const user of sink.users) {
      const password = secrets(user.password.secret);
      // a sink compares with the text itself
      if (isPasswordHash(password)) throw hashInPlaceOfPassword(user.password.secret, place.file);
      lines += `${user.username}:${password}\n`;
    }
    await writePrivateFile(file, lines);
    args.push('--users-file', file);
  }
  const logFile = workdirLayout.log(place.workdir, name);
  return { kind: 'sink', name, args, logFile, environment: sinkEnvironment(place) };
}

/**
 * How a broker is started; writes its configuration.
 *
 * @throws as `brokerSpec`
 */
export function localBrokerSpec(
  { workdir }: RunPlace,
  name: string,
  { whole }: Allotted,
): Promise<ChildSpec> {
  const { host = '', port = 0, username = '', password = '' } = whole.brokers[name] ?? {};
  const folder = workdirLayout.broker(workdir, name);
  const logFile = workdirLayout.log(workdir, name);
  return brokerSpec({ name, host, port, username, password, folder, logFile });
}

/** The token is for the nodes: the API of a sink, which is on loopback only, takes no login. */
function sinkEnvironment({ environment }: RunPlace): NodeJS.ProcessEnv {
  const { RELAYMESH_API_TOKEN: _token, ...others } = environment;
  return others;
}

function sinkCertificate(
  place: RunPlace,
  name: string,
  allotted: Allotted,
): { certFile: string; keyFile: string } {
  const { own } = certificateSources(place.topology, undefined);
  if (own.kind === 'files') {
    const folder = path.dirname(place.file);
    return { certFile: path.resolve(folder, own.cert), keyFile: path.resolve(folder, own.key) };
  }
  const made = allotted.tls?.certificates.get(name);
  if (made !== undefined) return made;
  throw new RunnerError('SINK_WITHOUT_CERTIFICATE', `sink ${name} has TLS but no certificate`, 2, {
    fault: 'operator',
    where: place.file,
    hint: 'Give the topology `tls: { ephemeral: true }`, or `tls` with `cert` and `key`.',
  });
}

/**
 * Tries every address with a port that the topology names. Ports that were chosen were tried then;
 * one that is taken since is chosen anew.
 *
 * @throws RunnerError PORT_IN_USE naming each one that cannot be had, with its node and listener.
 */
export async function checkPorts(
  topology: Topology,
  started: ReadonlySet<string>,
  { brokers }: Allotment,
): Promise<void> {
  const wanted: { what: string; host: string; port: number | 'auto' }[] = [];
  for (const [name, node] of Object.entries(topology.nodes)) {
    if (!started.has(name)) continue;
    for (const { name: listener, host, port } of node.listen) {
      wanted.push({ what: `node ${name}, listener ${listener}`, host, port });
    }
    if (node.api !== undefined) wanted.push({ what: `node ${name}, API`, ...node.api });
  }
  for (const [name, { host, port }] of Object.entries(topology.sinks)) {
    wanted.push({ what: `sink ${name}`, host, port });
  }
  for (const [name, { port }] of Object.entries(topology.brokers)) {
    wanted.push({ what: `broker ${name}`, host: brokers[name]?.host ?? '', port });
  }
  const problems: string[] = [];
  for (const { what, host, port } of wanted) {
    if (port === 'auto') continue;
    const problem = await portProblem(host, port);
    if (problem !== null) {
      problems.push(`${what}: ${joinHostPort(host, port)} ${describePortProblem(problem)}`);
    }
  }
  if (problems.length === 0) return;
  throw new RunnerError('PORT_IN_USE', problems.join('\n'), 3, {
    fault: 'operator',
    hint: 'End what listens there, or write `port: auto` in the topology.',
  });
}

/**
 * The state before any child runs: all that is known from the topology and the allotment.
 *
 * Users whose password is known as a hash alone are left out.
 *
 * @throws RelayError when a login or token of a node that is to be started cannot be had.
 */
export function plannedState(
  place: RunPlace,
  started: ReadonlySet<string>,
  allotted: Allotted,
  secretsFor: (node: string) => SecretLookup,
): RunState {
  const { topology, workdir } = place;
  const state: RunState = {
    name: topology.name,
    ready: false,
    file: place.file,
    apiToken: allotted.whole.apiToken,
    caFile: caFile(place, allotted),
    runner: { pid: process.pid },
    stopDeadlineMs: stopDeadlineMs(topology),
    nodes: {},
    sinks: {},
    brokers: {},
    users: {},
  };
  for (const [name, node] of Object.entries(topology.nodes)) {
    const secrets = secretsFor(name);
    // Of a node that someone else starts, a secret may be missing here and be there.
    const known = (secret: string): string | null =>
      started.has(name) ? secrets(secret) : valueOrNull(secrets, secret);
    state.nodes[name] = plannedNode(place, name, node, allotted);
    const token = node.api?.token === undefined ? null : known(node.api.token.secret);
    if (token !== null) state.nodes[name].apiToken = token;
    state.users[name] = node.users.flatMap(({ username, password }) => {
      const value = known(password.secret);
      // with a hash nobody can log in
      return value === null || isPasswordHash(value) ? [] : [{ username, password: value }];
    });
  }
  for (const [name, { host, tls }] of Object.entries(topology.sinks)) {
    const port = allotted.whole.sinks[name] ?? 0;
    const logFile = workdirLayout.log(workdir, name);
    state.sinks[name] = { pid: null, started: null, host, port, tls, api: null, logFile };
  }
  for (const [name, broker] of Object.entries(allotted.whole.brokers)) {
    state.brokers[name] = {
      pid: null,
      started: null,
      ...broker,
      dataDir: workdirLayout.broker(workdir, name),
      logFile: workdirLayout.log(workdir, name),
    };
  }
  return state;
}

/** Puts what has changed into the state of a run that is under way; what runs, runs on. */
export function renewState(state: RunState, planned: RunState): void {
  for (const [name, node] of Object.entries(state.nodes)) {
    const { pid, started, smtp, api, apiToken } = node;
    // one that is gone from the file may still run
    if (pid === null && planned.nodes[name] === undefined) continue;
    const { apiToken: _past, ...fresh } = planned.nodes[name] ?? node;
    if (pid !== null) Object.assign(fresh, { pid, started, smtp, api });
    const token = pid === null ? planned.nodes[name]?.apiToken : apiToken;
    planned.nodes[name] = { ...fresh, ...(token === undefined ? {} : { apiToken: token }) };
  }
  for (const [name, sink] of Object.entries(state.sinks)) {
    if (sink.pid !== null) planned.sinks[name] = sink;
  }
  for (const [name, broker] of Object.entries(state.brokers)) {
    if (broker.pid !== null) planned.brokers[name] = broker;
  }
  const { ready, stopDeadlineMs } = state;
  const longestMs = Math.max(stopDeadlineMs, planned.stopDeadlineMs);
  Object.assign(state, planned, { ready, stopDeadlineMs: longestMs });
}

function valueOrNull(secrets: SecretLookup, name: string): string | null {
  try {
    return secrets(name);
  } catch {
    return null;
  }
}

function plannedNode(
  place: RunPlace,
  name: string,
  node: NodeEntry,
  allotted: Allotted,
): RunState['nodes'][string] {
  return {
    pid: null,
    started: null,
    smtp: node.listen.map((listener) => ({
      name: listener.name,
      host: listener.host,
      port: allotted.whole.listeners[name]?.[listener.name] ?? 0,
      tls: listener.tls,
    })),
    api: apiUrl(node.api?.host ?? '127.0.0.1', allotted.whole.apis[name] ?? 0),
    dataDir: workdirLayout.data(place.workdir, name),
    logFile: workdirLayout.log(place.workdir, name),
  };
}

/** Puts what a child said about itself into the state. */
export function recordReady(
  state: RunState,
  spec: Pick<ChildSpec, 'kind' | 'name'>,
  ready: ReadyMessage,
): void {
  const api = ready.api ? apiUrl(ready.api.host, ready.api.port) : null;
  const node = state.nodes[spec.name];
  const sink = state.sinks[spec.name];
  if (spec.kind === 'node' && node !== undefined) {
    node.api = api;
    if (Array.isArray(ready.smtp)) node.smtp = ready.smtp;
  } else if (spec.kind === 'sink' && sink !== undefined) {
    sink.api = api;
    if (!Array.isArray(ready.smtp)) Object.assign(sink, ready.smtp);
  }
}

function caFile(place: RunPlace, allotted: Allotted): string | null {
  const { ca } = certificateSources(place.topology, undefined);
  if (ca !== undefined) return path.resolve(path.dirname(place.file), ca.file);
  return allotted.tls?.caFile ?? null;
}

const STOP_MARGIN_MS = 5000;

/** How long children may take to end after SIGTERM: the longest drain and 5 s, then the brokers. */
function stopDeadlineMs(topology: Topology): number {
  const drains = Object.values(topology.nodes).map(
    (node) => tunablesOf(topology, node)['drain-timeout'],
  );
  const ofBrokers = Object.keys(topology.brokers).length === 0 ? 0 : BROKER_STOP_MS;
  return Math.max(...drains) * 1000 + STOP_MARGIN_MS + ofBrokers;
}
