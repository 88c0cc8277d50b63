import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { codeOf } from '../base/errors.js';

/** Why a PEM file cannot be used. `missing`: it is not there or not readable. */
export class PemProblem extends Error {
  readonly missing: boolean;

  constructor(message: string, missing: boolean) {
    super(message);
    this.missing = missing;
  }
}

const CERTIFICATE_BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * The certificates of a PEM file, in its order; at least one.
 *
 * @throws PemProblem
 */
export function readCertificates(path: string): X509Certificate[] {
  const blocks = readText(path).match(CERTIFICATE_BLOCK);
  if (blocks === null) throw new PemProblem(`${path} holds no PEM certificate`, false);
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    throw new PemProblem(`a certificate in ${path} is damaged`, false);
  }
}

/**
 * The private key of a PEM file.
 *
 * @throws PemProblem, which quotes nothing of the file.
 */
export function readPrivateKey(path: string): KeyObject {
  const text = readText(path);
  try {
    return createPrivateKey(text);
  } catch {
    const encrypted = text.includes('ENCRYPTED');
    throw new PemProblem(
      encrypted ? `the key in ${path} wants a passphrase` : `${path} holds no PEM private key`,
      false,
    );
  }
}

/** True when the certificate names `host` (a name or an IP address). */
export function carriesName(certificate: X509Certificate, host: string): boolean {
  return isIP(host) === 0
    ? certificate.checkHost(host) !== undefined
    : certificate.checkIP(host) !== undefined;
}

/** True when signatures lead from the first certificate of `chain` to one of `roots`. */
export function chainLeadsTo(
  chain: readonly X509Certificate[],
  roots: readonly X509Certificate[],
): boolean {
  const trusted = new Set(roots.map((root) => root.fingerprint256));
  const seen = new Set<string>();
  let at = chain[0];
  while (at !== undefined && !seen.has(at.fingerprint256)) {
    if (trusted.has(at.fingerprint256)) return true;
    seen.add(at.fingerprint256);
    const subject = at;
    at = [...roots, ...chain].find(
      (issuer) =>
        !seen.has(issuer.fingerprint256) &&
        subject.checkIssued(issuer) &&
        subject.verify(issuer.publicKey),
    );
  }
  return false;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const reason =
      codeOf(error) === 'ENOENT' ? 'does not exist' : `cannot be read (${codeOf(error)})`;
    throw new PemProblem(`${path} ${reason}`, true);
  }
}
