import { isIP } from 'node:net';
import { isLoopbackHost } from '../format/loopback.js';
import { certificateSources, type CertificateSources } from './certificate-sources.js';
import type { Path } from './fault.js';
import { entryOf } from './hop-plan.js';
import type { LinkEntry, Topology } from './schema.js';

/** How a link logs in by certificate. */
export type CertificateEntry = Exclude<NonNullable<LinkEntry['certificate']>, true>;

/** The keys of `certificate`; none where it is only `true`. */
export function certificateOf(link: LinkEntry): CertificateEntry | undefined {
  return link.certificate === true ? {} : link.certificate;
}

/** The links of which the certificate of `from` is asked for at `to`, with their places. */
export function certificateLinksTo(
  topology: Topology,
  to: string,
): Array<{ link: LinkEntry; index: number }> {
  return topology.links
    .map((link, index) => ({ link, index }))
    .filter(({ link }) => link.to === to && link.certificate !== undefined);
}

/**
 * The DNS name that the certificate of a link's sending node must carry: the one that is given, else
 * the `host` of the node where that is a name which no other machine has too, else its own name.
 */
export function certificateNameOf(topology: Topology, link: LinkEntry): string {
  const name = certificateOf(link)?.name;
  if (name !== undefined) return name;
  const host = entryOf(topology.nodes, link.from)?.host ?? '';
  const isName = /[a-z]/i.test(host) && isIP(host) === 0 && !isLoopbackHost(host);
  return isName ? host : link.from;
}

/** Where the certificate is that the sending node of a link shows: the link's own, else the node's. */
export function shownCertificate(
  topology: Topology,
  link: LinkEntry,
  path: Path,
): CertificateSources['own'] {
  const { cert, key } = certificateOf(link) ?? {};
  const at = [...path, 'certificate'];
  if (cert !== undefined && key !== undefined) return { kind: 'files', cert, key, path: at };
  if (cert !== undefined) return { kind: 'half', path: [...at, 'cert'], missing: 'key' };
  if (key !== undefined) return { kind: 'half', path: [...at, 'key'], missing: 'cert' };
  return certificateSources(topology, link.from).own;
}
