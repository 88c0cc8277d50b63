import { createPrivateKey, webcrypto, X509Certificate, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import path from 'node:path';
import { readIfThere, writePrivateFile } from './state.js';

/*
 * Certificates for a run on one machine: a CA that nobody else trusts, and under it one certificate
 * a server, with which it may also log in as a client. All keys are EC P-256, files of mode 0600.
 * What is there is used again while it is valid for another day and carries the wanted names, so
 * that a node that is started by hand, or a client that was told of the CA, goes on after a second
 * `up`.
 *
 *   DIR/ca.pem  DIR/ca-key.pem  DIR/<name>/cert.pem  DIR/<name>/key.pem
 */

const VALID_DAYS = 30;
const DAY_MS = 86_400_000;
/** Certificates begin in the past, for a client whose clock is behind. */
const BACKDATE_MS = 3_600_000;
/** RFC 5280 §4.2.1.12; certificates of earlier versions lack it. */
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNING_ALGORITHM = { name: 'ECDSA', hash: 'SHA-256' };

/** A server that needs a certificate. */
export interface CertificateRequest {
  /** Name of the node or sink; also the folder of its files, and a name that it may be called by. */
  name: string;
  /** Further host names and IP addresses that it may be called by. */
  hosts: readonly string[];
}

export interface EphemeralTls {
  /** PEM file of the CA, absolute when `folder` was. */
  caFile: string;
  /** Server name → PEM files. */
  certificates: Map<string, { certFile: string; keyFile: string }>;
}

interface Authority {
  certificate: X509Certificate;
  key: KeyObject;
}

/**
 * Makes, or finds again, a CA and a certificate for every request. Each certificate also covers
 * `localhost` and 127.0.0.1. A new CA makes all certificates anew.
 *
 * @throws the system's error when `folder` cannot be written.
 */
export async function ensureEphemeralTls(
  folder: string,
  requests: readonly CertificateRequest[],
  nowMs: number = Date.now(),
): Promise<EphemeralTls> {
  const caFile = path.join(folder, 'ca.pem');
  const authority = (await readAuthority(folder, nowMs)) ?? (await makeAuthority(folder, nowMs));
  const certificates: EphemeralTls['certificates'] = new Map();
  for (const request of requests) {
    const names = [...new Set([...request.hosts, request.name, 'localhost', '127.0.0.1'])];
    const files = {
      certFile: path.join(folder, request.name, 'cert.pem'),
      keyFile: path.join(folder, request.name, 'key.pem'),
    };
    if (!(await stillFits(files, authority, names, nowMs))) {
      await makeCertificate(files, authority, request.name, names, nowMs);
    }
    certificates.set(request.name, files);
  }
  return { caFile, certificates };
}

async function readAuthority(folder: string, nowMs: number): Promise<Authority | null> {
  const pair = await readPair(path.join(folder, 'ca.pem'), path.join(folder, 'ca-key.pem'));
  return pair !== null && pair.certificate.ca && validForADay(pair.certificate, nowMs)
    ? pair
    : null;
}

async function stillFits(
  files: { certFile: string; keyFile: string },
  authority: Authority,
  names: readonly string[],
  nowMs: number,
): Promise<boolean> {
  const pair = await readPair(files.certFile, files.keyFile);
  if (pair === null) return false;
  const { certificate } = pair;
  return (
    validForADay(certificate, nowMs) &&
    certificate.checkIssued(authority.certificate) &&
    certificate.verify(authority.certificate.publicKey) &&
    // undefined, not empty, where the extension is missing
    (certificate.keyUsage as readonly string[] | undefined)?.includes(CLIENT_AUTH) === true &&
    names.every((name) =>
      isIP(name) === 0
        ? certificate.checkHost(name) !== undefined
        : certificate.checkIP(name) !== undefined,
    )
  );
}

/** A certificate and its key, or null when one is missing, unreadable or not of the other. */
async function readPair(certFile: string, keyFile: string): Promise<Authority | null> {
  const [certPem, keyPem] = await Promise.all([readIfThere(certFile), readIfThere(keyFile)]);
  if (certPem === null || keyPem === null) return null;
  try {
    const pair = { certificate: new X509Certificate(certPem), key: createPrivateKey(keyPem) };
    return pair.certificate.checkPrivateKey(pair.key) ? pair : null;
  } catch {
    return null;
  }
}

function validForADay(certificate: X509Certificate, nowMs: number): boolean {
  return (
    Date.parse(certificate.validFrom) <= nowMs && Date.parse(certificate.validTo) >= nowMs + DAY_MS
  );
}

/** Loaded only where a certificate is made: it takes longer than the rest of the program. */
async function loadX509(): Promise<typeof import('@peculiar/x509')> {
  // What x509 is built on refuses to load before this has added its methods to `Reflect`.
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

function validity(nowMs: number): { notBefore: Date; notAfter: Date } {
  return {
    notBefore: new Date(nowMs - BACKDATE_MS),
    notAfter: new Date(nowMs + VALID_DAYS * DAY_MS),
  };
}

async function newKeyPair(): Promise<{ keys: webcrypto.CryptoKeyPair; pem: string }> {
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
  const der = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  const key = createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' });
  return { keys, pem: key.export({ format: 'pem', type: 'pkcs8' }).toString() };
}

async function makeAuthority(folder: string, nowMs: number): Promise<Authority> {
  const x509 = await loadX509();
  const { keys, pem } = await newKeyPair();
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: ['relaymesh ephemeral CA'] }],
    keys,
    signingAlgorithm: SIGNING_ALGORITHM,
    ...validity(nowMs),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const certPem = `${made.toString('pem')}\n`;
  await writePrivateFile(path.join(folder, 'ca-key.pem'), pem);
  await writePrivateFile(path.join(folder, 'ca.pem'), certPem);
  return { certificate: new X509Certificate(certPem), key: createPrivateKey(pem) };
}

async function makeCertificate(
  files: { certFile: string; keyFile: string },
  authority: Authority,
  name: string,
  names: readonly string[],
  nowMs: number,
): Promise<void> {
  const x509 = await loadX509();
  const { keys, pem } = await newKeyPair();
  const signingKey = await webcrypto.subtle.importKey(
    'pkcs8',
    authority.key.export({ format: 'der', type: 'pkcs8' }),
    KEY_ALGORITHM,
    false,
    ['sign'],
  );
  const issuer = new x509.X509Certificate(authority.certificate.raw);
  const made = await x509.X509CertificateGenerator.create({
    subject: [{ CN: [name] }],
    issuer: issuer.subjectName.toJSON(),
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: SIGNING_ALGORITHM,
    ...validity(nowMs),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.serverAuth,
        x509.ExtendedKeyUsage.clientAuth,
      ]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  await writePrivateFile(files.keyFile, pem);
  await writePrivateFile(files.certFile, `${made.toString('pem')}\n`);
}
