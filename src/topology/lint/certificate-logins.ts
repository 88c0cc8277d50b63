import type { X509Certificate } from 'node:crypto';
import { chainLeadsTo } from '../certificate-files.js';
import { certificateSources } from '../certificate-sources.js';
import type { Path } from '../fault.js';
import {
  certificateLinksTo,
  certificateNameOf,
  certificateOf,
  shownCertificate,
} from '../link-certificate.js';
import type { LinkEntry } from '../schema.js';
import type { CertificateCheck } from './certificates.js';
import type { LintContext } from './context.js';

/** RFC 5280 §4.2.1.12: for TLS clients, and for any purpose. */
const CLIENT_PURPOSES = ['1.3.6.1.5.5.7.3.2', '2.5.29.37.0'];

/**
 * Links that log in by certificate: there is one to show, it is one that the other end takes, and it
 * is shown to nobody but that end. Files of other nodes are only looked at when the file as a whole
 * is checked.
 */
export function checkCertificateLogins(context: LintContext, files: CertificateCheck): void {
  const { topology, node: onlyNode } = context;
  const isHere = (name: string): boolean => onlyNode === undefined || onlyNode === name;
  topology.links.forEach((link, index) => {
    const isKnown = [link.from, link.to].every((name) => Object.hasOwn(topology.nodes, name));
    if (link.certificate === undefined || !isKnown) return;
    const path = ['links', index];
    checkSingleLogin(context, link, path);
    if (isHere(link.to)) checkVerifier(context, link, path);
    if (isHere(link.from)) checkShown(context, files, link, path);
  });
  for (const name of Object.keys(topology.nodes)) checkDistinct(context, name);
  checkProtection(context);
}

function checkSingleLogin({ report }: LintContext, link: LinkEntry, path: Path): void {
  if (link.username === undefined && link.password === undefined) return;
  const message = 'a login has either a password or a certificate';
  report('password-and-token', [...path, 'certificate'], message, { part: 'key' });
}

function checkVerifier({ topology, report }: LintContext, link: LinkEntry, path: Path): void {
  const { ca, ephemeralCa } = certificateSources(topology, link.to);
  if (ca !== undefined || ephemeralCa) return;
  report(
    'missing-ca',
    [...path, 'certificate'],
    `node '${link.to}' has no CA to verify the certificate of node '${link.from}' with`,
    { part: 'key', hint: 'name the `ca` of the mesh under `tls`' },
  );
}

function checkShown(
  context: LintContext,
  files: CertificateCheck,
  link: LinkEntry,
  path: Path,
): void {
  const { topology, report } = context;
  const own = shownCertificate(topology, link, path);
  const at = [...path, 'certificate'];
  if (own.kind === 'half') return files.reportHalf(own);
  if (own.kind === 'none') {
    const message = `node '${link.from}' has no certificate to show to node '${link.to}'`;
    report('missing-certificate', at, message, {
      part: 'key',
      hint: 'name `cert` and `key` here, or under `tls`',
    });
  }
  if (own.kind !== 'files') return;
  files.checkPair(own);
  const chain = files.chain(own.cert, [...own.path, 'cert']);
  const leaf = chain?.[0];
  if (chain === undefined || leaf === undefined) return;
  checkIdentity(context, link, at, leaf);
  // undefined where any purpose will do
  const purposes = leaf.keyUsage as readonly string[] | undefined;
  if (purposes?.some((purpose) => CLIENT_PURPOSES.includes(purpose)) === false) {
    report('invalid-certificate', at, `the certificate ${own.cert} is not one for clients`, {
      part: 'key',
      hint: 'its extended key usage must list clientAuth too, or be left out',
    });
  }
  const { ca, ephemeralCa } = certificateSources(topology, link.to);
  if (context.node !== undefined || ca === undefined || ephemeralCa) return;
  const roots = files.chain(ca.file, ca.path);
  if (roots === undefined || chainLeadsTo(chain, roots)) return;
  const message = `the CA of node '${link.to}' does not vouch for the certificate of '${link.from}'`;
  report('untrusted-certificate', at, message, {
    part: 'key',
    hint: '`cert` must hold the certificate and every intermediate one',
  });
}

function checkIdentity(
  { topology, report }: LintContext,
  link: LinkEntry,
  at: Path,
  leaf: X509Certificate,
): void {
  const sha256 = certificateOf(link)?.sha256;
  const plain = (text: string): string => text.replaceAll(':', '').toLowerCase();
  if (sha256 !== undefined) {
    if (sha256.map(plain).includes(plain(leaf.fingerprint256))) return;
    const message = `the certificate of '${link.from}' has none of the fingerprints`;
    report('certificate-name', [...at, 'sha256'], message, {
      hint: `it has ${leaf.fingerprint256}`,
    });
    return;
  }
  const name = certificateNameOf(topology, link);
  if (leaf.checkHost(name, { subject: 'never', wildcards: false }) !== undefined) return;
  report('certificate-name', at, `the certificate of '${link.from}' does not name ${name}`, {
    part: 'key',
    hint: `it names ${leaf.subjectAltName ?? 'nothing'}; say which \`name\` it has`,
  });
}

/** Two peers that one certificate would do for. */
function checkDistinct({ topology, report }: LintContext, to: string): void {
  const owners = new Map<string, string>();
  for (const { link, index } of certificateLinksTo(topology, to)) {
    if (certificateOf(link)?.sha256 !== undefined) continue;
    const name = certificateNameOf(topology, link).toLowerCase();
    const first = owners.get(name);
    owners.set(name, first ?? link.from);
    if (first === undefined || first === link.from) continue;
    const message = `'${to}' would know '${first}' and '${link.from}' by one name, ${name}`;
    report('duplicate-username', ['links', index, 'certificate'], message, {
      part: 'key',
      hint: 'give each a `name` or a `sha256`',
    });
  }
}

/** Who is shown a certificate must be there, and must be who it should be. */
function checkProtection({ hops, report }: LintContext): void {
  const seen = new Set<number>();
  for (const { planned, keyPath, keys } of [...hops.values()].flat()) {
    if (!('plan' in planned) || planned.plan.byCertificate !== true) continue;
    const { tls, link, name } = planned.plan;
    if (tls === 'verified' || link === undefined || seen.has(link.index)) continue;
    seen.add(link.index);
    const path = keys.tls === undefined ? ['links', link.index, 'tls'] : keyPath('tls');
    const isWeak = tls === 'required';
    const message = isWeak
      ? `with tls: required anybody in between could be '${name}'`
      : `with tls: ${tls} there may be no TLS to show a certificate in`;
    const hint = 'use tls: verified, which is the default here';
    report(
      'certificate-without-tls',
      path,
      message,
      isWeak ? { hint, severity: 'warning' } : { hint },
    );
  }
}
