import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import type { NodeStatus } from './api/shape/node.js';
import type { NodeSettings } from './node-settings.js';
import { topologyHops } from './route/hops.js';

type Certificate = NodeStatus['certificates'][number];

const MAX_CERTIFICATES = 100;
const MAX_USES = 20;
const MAX_NAMES = 20;
const PEM = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** PEM texts that are not shown: those of Node, of which there are many. */
const ROOTS_OF_NODE: ReadonlySet<string> = new Set(rootCertificates);

/**
 * The certificates that a node shows to others or trusts in: those of its listeners and of its
 * logins, with what leads from them to a root, and the roots that its settings name. Each once, with
 * all that it is used by.
 */
export function certificatesOf(settings: NodeSettings): Certificate[] {
  const found = new Map<string, Certificate>();
  const add = (use: string, texts: readonly string[]): void => {
    const own = texts.filter((text) => !ROOTS_OF_NODE.has(text));
    for (const certificate of own.flatMap(readAll)) {
      const known = found.get(certificate.sha256);
      if (known === undefined && found.size < MAX_CERTIFICATES) {
        found.set(certificate.sha256, { ...certificate, used_by: [use] });
      } else if (known !== undefined && known.used_by.length < MAX_USES) {
        if (!known.used_by.includes(use)) known.used_by.push(use);
      }
    }
  };
  const { intake, route, trace } = settings;
  for (const { name, tls } of intake.listeners) {
    const { certificate, otherCertificates = [], clientCa = [] } = intake;
    if (tls === 'none' || certificate === undefined) continue;
    add(
      `listener ${name}`,
      [certificate, ...otherCertificates].map(({ cert }) => cert),
    );
    add(`clients of listener ${name}`, clientCa);
  }
  for (const { hop } of topologyHops(route)) {
    const { kind, login } = hop;
    const use = `${kind === 'node' ? 'link' : kind} ${hop.name}`;
    if (login !== undefined && 'certificate' in login) {
      add(`login at ${use}`, [login.certificate.cert]);
    }
    add(use, hop.ca ?? []);
  }
  add('mx', route.mx.ca ?? []);
  add('tls.ca', route.ca ?? []);
  add('otlp', trace.otlp?.ca ?? []);
  return [...found.values()];
}

/** Nothing for a text that has none; where it is needed the start has said so. */
function readAll(text: string): Array<Omit<Certificate, 'used_by'>> {
  return [...text.matchAll(PEM)].flatMap(([pem]) => {
    try {
      return [describe(new X509Certificate(pem))];
    } catch {
      return [];
    }
  });
}

function describe(certificate: X509Certificate): Omit<Certificate, 'used_by'> {
  const { subject, issuer, subjectAltName = '', fingerprint256 } = certificate;
  return {
    subject: nameOf(subject),
    names: subjectAltName
      .split(', ')
      .map((name) => name.replace(/^(DNS|IP Address):/, ''))
      .filter((name) => name !== '')
      .slice(0, MAX_NAMES),
    issuer: nameOf(issuer),
    not_before: new Date(certificate.validFrom).toISOString(),
    not_after: new Date(certificate.validTo).toISOString(),
    sha256: fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}

/** Its parts in one line. */
function nameOf(name: string | undefined): string {
  return (name ?? '').split('\n').join(', ');
}
