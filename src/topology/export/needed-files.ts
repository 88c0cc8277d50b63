import { certificateSources } from '../certificate-sources.js';
import type { Topology } from '../schema.js';
import { mappingAt, type Written } from './written.js';

/** A file that a node reads beside its slice, and that an export only refers to. */
export interface NeededFile {
  kind: 'secret' | 'ca' | 'cert' | 'key' | 'token';
  /** Unique within the node, of letters, digits, `.`, `_` and `-`. */
  id: string;
  /** What it is, for people. */
  what: string;
  /** Where the topology has it from; a file may be relative to the topology. */
  source: { env: string } | { file: string };
}

/** Where a file is for the running node. */
export type PlaceFile = (file: NeededFile) => string;

const PEM_IDS = ['tls-ca', 'tls-cert', 'tls-key', 'otlp-ca', 'spool-ca', 'rabbitmq-ca'];
/** Of files of which there may be several. */
export const NUMBERED_ID = /^(?:token|tls-cert|tls-key|client-cert|client-key)-\d+$/;

/**
 * Lets a slice name its files where `place` puts them, and lists them. Certificates stand under
 * `tls` of the topology then: only those of this node are left.
 */
export function withFiles(
  topology: Topology,
  slice: Written,
  nodeName: string,
  place: PlaceFile,
): { slice: Written; files: NeededFile[] } {
  const files: NeededFile[] = [];
  const put = (file: NeededFile): string => {
    files.push(file);
    return place(file);
  };
  const ids = secretIds(topology);
  const secrets = Object.entries(mappingAt(slice, 'secrets')).map(([name, entry]) => {
    const id = ids.get(name) ?? name;
    const source = entry as NeededFile['source'];
    return [name, { file: put({ kind: 'secret', id, what: `secret \`${name}\``, source }) }];
  });
  const tls = certificatesOf(topology, nodeName, put);
  const nodes = { ...mappingAt(slice, 'nodes') };
  for (const [name, entry] of Object.entries(nodes as Record<string, Written>)) {
    const { tls: own, ...rest } = entry;
    // a peer that offers TLS has certificates; where they are named for this node, that is enough
    nodes[name] = name === nodeName || tls.isWhole ? rest : withOwn(rest, topology, name, own);
  }
  nodes[nodeName] = withBrokerCa(withTokens(nodes[nodeName] as Written, put), put);
  const changed: Written = {
    ...slice,
    ...(secrets.length === 0 ? {} : { secrets: Object.fromEntries(secrets) as Written }),
    tls: tls.entry,
    nodes,
    ...withClientCertificates(slice, nodeName, put),
  };
  if (Object.keys(tls.entry).length === 0) delete changed['tls'];
  withOtlp(changed, nodeName, put);
  withSpoolCa(mappingAt(mappingAt(changed, 'nodes'), nodeName), put);
  return { slice: changed, files };
}

/** Secret → a name that a file, a credential and a key of a Kubernetes Secret can have. */
export function secretIds(topology: Topology): Map<string, string> {
  const taken = new Set(PEM_IDS);
  const ids = new Map<string, string>();
  for (const name of Object.keys(topology.secrets)) {
    const plain = name
      .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 60);
    const base = plain === '' || NUMBERED_ID.test(plain) ? `secret-${plain}` : plain;
    let id = base;
    for (let number = 2; taken.has(id); number++) id = `${base}-${number}`;
    taken.add(id);
    ids.set(name, id);
  }
  return ids;
}

function certificatesOf(
  topology: Topology,
  nodeName: string,
  put: PlaceFile,
): { entry: Written; isWhole: boolean } {
  const { own, others, ca } = certificateSources(topology, nodeName);
  const entry: Written = {};
  if (ca !== undefined) {
    const source = { file: ca.file };
    entry['ca'] = put({ kind: 'ca', id: 'tls-ca', what: 'CA of the mesh', source });
  }
  if (own.kind !== 'files') return { entry, isWhole: false };
  const whose = `of node \`${nodeName}\``;
  const chain = { kind: 'cert', id: 'tls-cert', what: `certificate chain ${whose}` } as const;
  const key = { kind: 'key', id: 'tls-key', what: `private key ${whose}` } as const;
  entry['cert'] = put({ ...chain, source: { file: own.cert } });
  entry['key'] = put({ ...key, source: { file: own.key } });
  if (others.length > 0) {
    entry['certificates'] = others.map((files, index) =>
      pairOf(files, { id: 'tls', number: index + 2, what: `${whose}, by name` }, put),
    );
  }
  return { entry, isWhole: true };
}

/** A certificate of which a node may have several, and its key. */
function pairOf(
  { cert, key }: { cert: string; key: string },
  { id, number, what }: { id: 'tls' | 'client'; number: number; what: string },
  put: PlaceFile,
): { cert: string; key: string } {
  return {
    cert: put({
      kind: 'cert',
      id: `${id}-cert-${number}`,
      what: `certificate chain ${what}`,
      source: { file: cert },
    }),
    key: put({
      kind: 'key',
      id: `${id}-key-${number}`,
      what: `private key ${what}`,
      source: { file: key },
    }),
  };
}

/** The links of a slice, where the node has a certificate for one of them alone. */
function withClientCertificates(slice: Written, nodeName: string, put: PlaceFile): Written {
  const links = slice['links'] as Written[] | undefined;
  if (links === undefined) return {};
  let number = 0;
  const changed = links.map((link) => {
    const { cert, key, ...others } = mappingAt(link, 'certificate');
    const isShown = link['from'] === nodeName && typeof cert === 'string';
    if (!isShown || typeof key !== 'string') return link;
    const what = `for the link to \`${String(link['to'])}\``;
    const files = pairOf({ cert, key }, { id: 'client', number: ++number, what }, put);
    return { ...link, certificate: { ...files, ...others } };
  });
  return { links: changed };
}

function withOwn(entry: Written, topology: Topology, name: string, own: unknown): Written {
  const offersTls = topology.nodes[name]?.listen.some(({ tls }) => tls !== 'none') === true;
  if (!offersTls) return entry;
  return { ...entry, tls: own ?? topology.tls };
}

/** Files of access tokens, wherever a smarthost of the node names one. */
function withTokens(entry: Written, put: PlaceFile): Written {
  let number = 0;
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    const pairs = Object.entries(value).map(([key, one]: [string, unknown]) => {
      const isFile = key === 'token' && typeof one === 'object' && one !== null && 'file' in one;
      if (!isFile) return [key, walk(one)];
      const source = { file: String(one.file) };
      const id = `token-${++number}`;
      return [key, { file: put({ kind: 'token', id, what: 'access token (XOAUTH2)', source }) }];
    });
    return Object.fromEntries(pairs) as unknown;
  };
  const changed = { ...entry };
  for (const key of ['routes', 'smarthost']) {
    if (entry[key] !== undefined) changed[key] = walk(entry[key]);
  }
  return changed;
}

function withBrokerCa(entry: Written, put: PlaceFile): Written {
  const file = entry['rabbitmq-ca'];
  if (typeof file !== 'string') return entry;
  const source = { file };
  const placed = put({ kind: 'ca', id: 'rabbitmq-ca', what: 'CA of RabbitMQ', source });
  return { ...entry, 'rabbitmq-ca': placed };
}

function withOtlp(slice: Written, nodeName: string, put: PlaceFile): void {
  for (const holder of [
    mappingAt(slice, 'defaults'),
    mappingAt(mappingAt(slice, 'nodes'), nodeName),
  ]) {
    const { ca, ...otlp } = mappingAt(holder, 'otlp');
    if (typeof ca !== 'string') continue;
    const source = { file: ca };
    const file = put({ kind: 'ca', id: 'otlp-ca', what: 'CA of the collector', source });
    holder['otlp'] = { ...otlp, ca: file };
  }
}

function withSpoolCa(node: Written, put: PlaceFile): void {
  const { ca, ...spool } = mappingAt(node, 'spool');
  if (typeof ca !== 'string') return;
  const source = { file: ca };
  const file = put({ kind: 'ca', id: 'spool-ca', what: 'CA of the broker', source });
  node['spool'] = { ...spool, ca: file };
}
