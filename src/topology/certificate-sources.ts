import { entryOf } from './hop-plan.js';
import type { Path } from './fault.js';
import type { Topology } from './schema.js';

/** Where the certificate of a node or sink, and the CA that it trusts, come from. */
export interface CertificateSources {
  /** `half`: a certificate without its key, or a key without its certificate. */
  own:
    | { kind: 'files'; cert: string; key: string; path: Path }
    | { kind: 'half'; path: Path; missing: 'cert' | 'key' }
    | { kind: 'ephemeral' }
    | { kind: 'none' };
  /** Shown to clients that ask for a name which one of them carries. */
  others: { cert: string; key: string; path: Path }[];
  /** File of the CA that vouches for the nodes of this mesh. */
  ca?: { file: string; path: Path };
  /** The CA that `topology up` makes is trusted. */
  ephemeralCa: boolean;
}

type TlsEntry = NonNullable<Topology['tls']>;

/**
 * The sources for a node, or for the sinks when `nodeName` is undefined. A node's own `tls` goes
 * before the topology's, `cert` with `key` as a pair, `certificates` as a whole and `ca` by itself,
 * so that nodes with certificates of their own share the CA of the topology.
 */
export function certificateSources(
  topology: Topology,
  nodeName: string | undefined,
): CertificateSources {
  const node = nodeName === undefined ? undefined : entryOf(topology.nodes, nodeName);
  const entries: { tls: TlsEntry; path: Path }[] = [];
  if (node?.tls !== undefined && nodeName !== undefined) {
    entries.push({ tls: node.tls, path: ['nodes', nodeName, 'tls'] });
  }
  if (topology.tls !== undefined) entries.push({ tls: topology.tls, path: ['tls'] });
  const sources: CertificateSources = { own: { kind: 'none' }, others: [], ephemeralCa: false };
  for (const { tls, path } of entries) {
    if ('ephemeral' in tls) {
      sources.ephemeralCa = true;
      if (sources.own.kind === 'none') sources.own = { kind: 'ephemeral' };
      continue;
    }
    if (tls.ca !== undefined) sources.ca ??= { file: tls.ca, path: [...path, 'ca'] };
    if (sources.own.kind === 'none') sources.own = ownFiles(tls, path);
    if (sources.others.length > 0) continue;
    sources.others = (tls.certificates ?? []).map(({ cert, key }, index) => {
      return { cert, key, path: [...path, 'certificates', index] };
    });
  }
  return sources;
}

function ownFiles(
  tls: Exclude<TlsEntry, { ephemeral: true }>,
  path: Path,
): CertificateSources['own'] {
  const { cert, key } = tls;
  if (cert !== undefined && key !== undefined) return { kind: 'files', cert, key, path };
  if (cert !== undefined) return { kind: 'half', path: [...path, 'cert'], missing: 'key' };
  if (key !== undefined) return { kind: 'half', path: [...path, 'key'], missing: 'cert' };
  return { kind: 'none' };
}
