import type { Absent, Contender } from './contender.js';
import { floor } from './floor-relay.js';
import { haraka } from './haraka-relay.js';
import { postfix } from './postfix-relay.js';
import { BACKLOG_OPTIONS, chainOf, startWithBacklog } from './relaymesh-mesh.js';
import { relaymesh, unknownOption } from './relaymesh-node.js';
import { tierOf } from './relaymesh-tier.js';
import type { Load, Protection } from './traffic.js';

/** One of those that are compared in a case. */
export interface Subject {
  /** What it is selected by. */
  kind: 'relaymesh' | 'floor' | 'postfix' | 'haraka' | 'direct';
  contender: Contender | Absent;
}

export interface BenchCase {
  name: string;
  /** What differs from the base case. */
  title: string;
  load: Load;
  protection: Protection;
  /** The next hop is so far away. */
  replyDelayMs: number;
  /** Whether it is about how long a message takes, by our own source and sink. */
  measuresDelay: boolean;
  /** Whether the times of a start belong to it. */
  showsStart: boolean;
  /** Each round times a backlog on its way out, which was let in before. */
  drains: boolean;
  /** How many nodes in a row the others have beyond the reference, where it asks what each adds. */
  tiers: number | null;
  subjects: Subject[];
  /** Name of the one that the others are compared with. */
  reference: string;
}

/** What the cases are made of. */
export interface CaseParts {
  /** Options for every relaymesh node, as `key=value`. */
  nodeOptions: readonly string[];
  /** Data folder with so many messages in the queue. */
  backlog: (messages: number) => Promise<string>;
  /** Numbers of waiting messages. */
  backlogs: readonly number[];
}

const KB = 1000;
const MB = 1000 * KB;
const BASE: Load = { sessions: 50, messages: 4000, bytes: 5 * KB, kept: true };
const CHAINS = [1, 3, 8];
const TIERS = 3;
const MEMBERS = [1, 3];
/** So few that the delay of the next hop is what a node waits for. */
const FEW_CONNECTIONS = 'max-connections=5';

type Changes = Partial<Omit<BenchCase, 'load' | 'name' | 'title'>> & { load?: Partial<Load> };

/** All cases, each with everyone who can be in it; who cannot be had is in it with the reason. */
export async function allCases(parts: CaseParts): Promise<BenchCase[]> {
  const { nodeOptions } = parts;
  const node: Subject = { kind: 'relaymesh', contender: relaymesh(nodeOptions) };
  const twoNodes: Subject = { kind: 'relaymesh', contender: withTwoWorkers(nodeOptions) };
  const libraries: Subject = { kind: 'floor', contender: floor() };
  const twoFloors: Subject = { kind: 'floor', contender: floor(2) };
  const others: Subject[] = [
    { kind: 'postfix', contender: await postfix() },
    { kind: 'haraka', contender: await haraka() },
  ];
  const pair = [node, libraries];
  const all = [...pair, ...others];
  const make = (name: string, title: string, changes: Changes = {}): BenchCase => ({
    name,
    title,
    protection: 'clear',
    replyDelayMs: 0,
    measuresDelay: false,
    showsStart: false,
    drains: false,
    tiers: null,
    subjects: pair,
    reference: libraries.contender.name,
    ...changes,
    load: { ...BASE, ...changes.load },
  });
  const login = 'tls-login';
  return [
    make('base', 'the base: 5 kB, 50 sessions, connections kept, clear', { subjects: all }),
    make('sessions/1', 'one session', { subjects: all, load: { sessions: 1, messages: 1000 } }),
    make('sessions/10', '10 sessions', { load: { sessions: 10 } }),
    make('sessions/200', '200 sessions', { load: { sessions: 200 } }),
    make('size/1kB', 'messages of 1 kB', { load: { bytes: KB } }),
    make('size/50kB', '50 kB', { subjects: all, load: { bytes: 50 * KB, messages: 1500 } }),
    make('size/500kB', '500 kB', { load: { bytes: 500 * KB, messages: 300 } }),
    make('tls', 'TLS on both sides', { protection: 'tls' }),
    make('tls-login', 'TLS and login on both sides', { subjects: all, protection: login }),
    make('not-kept', 'a connection for each message', {
      subjects: all,
      load: { kept: false, messages: 2000 },
    }),
    make('not-kept/tls-login', 'a connection for each message, with TLS and login', {
      protection: login,
      load: { kept: false, messages: 1000 },
    }),
    make('hop/20ms', 'each reply of the next hop comes 20 ms late', {
      subjects: all,
      replyDelayMs: 20,
      load: { messages: 2000 },
    }),
    ...meshCases(make, parts),
    ...sharedCases(make, pair, nodeOptions),
    make('workers', 'one process and two', { subjects: [node, twoNodes, libraries, twoFloors] }),
    make('latency/one', 'one session, one message at a time: how long each takes', {
      subjects: all,
      measuresDelay: true,
      load: { sessions: 1, messages: 300 },
    }),
    make('large', 'fifty messages of 50 MB at once', {
      subjects: pair,
      load: { bytes: 50 * MB, messages: 50 },
    }),
  ];
}

function meshCases(
  make: (name: string, title: string, changes: Changes) => BenchCase,
  { nodeOptions, backlog, backlogs }: CaseParts,
): BenchCase[] {
  const chain = (length: number): Subject => ({
    kind: 'relaymesh',
    contender: chainOf(length, nodeOptions, `chain of ${length}`),
  });
  const queued = (messages: number): Subject => {
    const name = messages === 0 ? 'relaymesh' : `${messages.toLocaleString('en')} queued`;
    return { kind: 'relaymesh', contender: withBacklog(messages, nodeOptions, backlog, name) };
  };
  return [
    make('chain', 'nodes in a row', {
      subjects: CHAINS.map(chain),
      reference: 'chain of 1',
      load: { messages: 1500 },
    }),
    make('backlog', 'beside mail that waits for a hop that is down', {
      subjects: [0, ...backlogs].map(queued),
      reference: 'relaymesh',
      showsStart: true,
    }),
    make('latency/tiers', 'three tiers, 100 messages a second: how long each takes', {
      subjects: [{ kind: 'direct', contender: DIRECT }, chain(TIERS)],
      reference: DIRECT.name,
      tiers: TIERS,
      measuresDelay: true,
      load: { sessions: 20, messages: 1500, perSecond: 100 },
    }),
  ];
}

/** A spool at a broker beside the embedded one, and backlogs of a tier of one node and of several. */
function sharedCases(
  make: (name: string, title: string, changes: Changes) => BenchCase,
  pair: readonly Subject[],
  nodeOptions: readonly string[],
): BenchCase[] {
  const tier = (nodes: number, name: string, options: readonly string[] = []): Subject => ({
    kind: 'relaymesh',
    contender: tierOf(nodes, [...nodeOptions, ...options], name),
  });
  const [node, ...libraries] = pair;
  const subjects = [
    ...(node === undefined ? [] : [node]),
    tier(1, 'relaymesh shared'),
    ...libraries,
  ];
  const tiers = (options: readonly string[] = []): Subject[] =>
    MEMBERS.map((nodes) => tier(nodes, `tier of ${nodes}`, options));
  const drains = { drains: true, reference: 'tier of 1' };
  return [
    make('shared', 'the base with the spool at a broker on the same machine', { subjects }),
    make('shared/latency', 'the same, one session, one message at a time', {
      subjects,
      measuresDelay: true,
      load: { sessions: 1, messages: 300 },
    }),
    make('drain', 'a backlog at the broker leaves', {
      ...drains,
      subjects: tiers(),
      load: { messages: 20_000 },
    }),
    make('drain/20ms', 'to a next hop 20 ms away, 5 connections a node', {
      ...drains,
      subjects: tiers([FEW_CONNECTIONS]),
      replyDelayMs: 20,
      load: { messages: 4000 },
    }),
  ];
}

/** No relay at all: what source and sink take themselves. */
const DIRECT: Contender = {
  name: 'direct',
  description: 'source and sink without a relay',
  start: (_owner, { hopPort }) => Promise.resolve({ port: hopPort, pids: [] }),
};

function withTwoWorkers(nodeOptions: readonly string[]): Contender | Absent {
  const name = 'relaymesh workers=2';
  const options = ['workers=2'];
  if (unknownOption(options) !== null) return { name, reason: 'this tree has no key workers' };
  return relaymesh([...nodeOptions, ...options], name);
}

function withBacklog(
  messages: number,
  nodeOptions: readonly string[],
  backlog: (messages: number) => Promise<string>,
  name: string,
): Contender {
  return {
    name,
    description: ['with a second hop, which is down', ...BACKLOG_OPTIONS].join(' '),
    start: async (owner, options) => {
      const data = messages === 0 ? `${options.folder}/data` : await backlog(messages);
      return startWithBacklog(owner, options, data, nodeOptions);
    },
  };
}
