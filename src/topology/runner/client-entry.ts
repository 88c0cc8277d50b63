import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { Secret } from '../../base/secret.js';
import type { SessionOptions } from '../../send/submit.js';
import { inNetworks } from '../host-address.js';
import type { Topology } from '../schema.js';
import type { NodeState, RunState } from '../state.js';
import { connectHost } from './start-plan.js';

/** Where a client on this machine hands its mail to a node of a run, and as whom. */
export interface ClientEntry {
  node: NodeState;
  name: string;
  listener: NodeState['smtp'][number];
  login: { username: string; password: Secret } | null;
}

/** What a client wants rather than what suits. */
export interface EntryWish {
  user?: string;
  listener?: string;
}

/** As a user of the node, its first unless one is named, preferably on a listener with TLS. */
export function entryWithLogin(
  state: RunState,
  name: string,
  wish: EntryWish = {},
): ClientEntry | null {
  const node = state.nodes[name];
  const users = state.users[name] ?? [];
  const user = users.find(({ username }) => wish.user === undefined || username === wish.user);
  if (node === undefined || user === undefined) return null;
  const listeners = listenersOf(node, wish);
  const listener = listeners.find(({ tls }) => tls !== 'none') ?? listeners[0];
  if (listener === undefined) return null;
  const login = { username: user.username, password: new Secret(user.password) };
  return { node, name, listener, login };
}

/**
 * Whether a node has users, or that one, whom nobody here can log in as: of them only the hashes of
 * their passwords are known.
 */
export function isAnyHashed(
  topology: Topology,
  state: RunState,
  name: string,
  { user }: EntryWish = {},
): boolean {
  const known = new Set(state.users[name]?.map(({ username }) => username));
  return (topology.nodes[name]?.users ?? []).some(
    ({ username }) => !known.has(username) && (user === undefined || username === user),
  );
}

/** Without a login, at a node that relays for this machine. */
export function entryByAddress(
  topology: Topology,
  state: RunState,
  name: string,
  wish: EntryWish = {},
): ClientEntry | null {
  const node = state.nodes[name];
  if (node === undefined) return null;
  // A connection to an address of this machine comes from the same address.
  const listener = listenersOf(node, wish).find(({ host }) =>
    inNetworks(connectHost(host), topology.nodes[name]?.['relay-from'] ?? []),
  );
  return listener === undefined ? null : { node, name, listener, login: null };
}

/** Without a login, where nothing says that the node takes mail from here. */
export function entryOfStranger(
  state: RunState,
  name: string,
  wish: EntryWish = {},
): ClientEntry | null {
  const node = state.nodes[name];
  const listener = node === undefined ? undefined : listenersOf(node, wish)[0];
  return node === undefined || listener === undefined
    ? null
    : { node, name, listener, login: null };
}

/** How a client's session with that node is opened. TLS is used wherever the listener has it. */
export async function sessionOf(
  topology: Topology,
  state: RunState,
  { name, listener, login }: ClientEntry,
): Promise<Omit<SessionOptions, 'hostname' | 'timeoutMs'>> {
  const ca = state.caFile === null ? undefined : await readFile(state.caFile, 'utf8');
  const host = connectHost(listener.host);
  const servername = topology.nodes[name]?.host ?? host;
  const { tls } = listener;
  return {
    host,
    port: listener.port,
    tls: tls === 'none' || tls === 'implicit' ? tls : 'required',
    ...(ca === undefined ? {} : { ca }),
    ...(isIP(servername) === 0 ? { servername } : {}),
    ...(login === null ? {} : { login }),
  };
}

function listenersOf({ smtp }: NodeState, wish: EntryWish): NodeState['smtp'] {
  return smtp.filter(({ name }) => wish.listener === undefined || name === wish.listener);
}
