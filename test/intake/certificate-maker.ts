import { createPrivateKey, webcrypto } from 'node:crypto';
import type { ExtendedKeyUsageType, X509Certificate } from '@peculiar/x509';

// What x509 is built on refuses to load before this has added its methods to `Reflect`.
await import('reflect-metadata');
const x509 = await import('@peculiar/x509');

const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNING_ALGORITHM = { name: 'ECDSA', hash: 'SHA-256' };
const DAY_MS = 86_400_000;

export interface MadeCertificate {
  cert: string;
  key: string;
}

export interface CertificateWishes {
  /** DNS names; none unless given. */
  names?: string[];
  /** Extended key usages; the extension is left out unless given. */
  usages?: ExtendedKeyUsageType[];
  /** Days from now to the end; 30. */
  endsInDays?: number;
  /** Common name; `client`. */
  commonName?: string;
}

export const CLIENT_AUTH = x509.ExtendedKeyUsage.clientAuth;
export const SERVER_AUTH = x509.ExtendedKeyUsage.serverAuth;

/** A CA for tests that makes certificates of any kind. */
export class CertificateMaker {
  readonly #root: X509Certificate;
  readonly #keys: webcrypto.CryptoKeyPair;

  private constructor(root: X509Certificate, keys: webcrypto.CryptoKeyPair) {
    this.#root = root;
    this.#keys = keys;
  }

  static async make(): Promise<CertificateMaker> {
    const keys = await newKeys();
    const root = await x509.X509CertificateGenerator.createSelfSigned({
      name: [{ CN: ['test CA'] }],
      keys,
      signingAlgorithm: SIGNING_ALGORITHM,
      notBefore: new Date(Date.now() - 365 * DAY_MS),
      notAfter: new Date(Date.now() + 365 * DAY_MS),
      extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
    });
    return new CertificateMaker(root, keys);
  }

  get ca(): string {
    return `${this.#root.toString('pem')}\n`;
  }

  async certificate(wishes: CertificateWishes = {}): Promise<MadeCertificate> {
    const { names = [], usages, endsInDays = 30, commonName = 'client' } = wishes;
    const keys = await newKeys();
    const made = await x509.X509CertificateGenerator.create({
      subject: [{ CN: [commonName] }],
      issuer: this.#root.subjectName.toJSON(),
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: SIGNING_ALGORITHM,
      notBefore: new Date(Date.now() - 300 * DAY_MS),
      notAfter: new Date(Date.now() + endsInDays * DAY_MS),
      extensions: [
        ...(usages === undefined ? [] : [new x509.ExtendedKeyUsageExtension(usages)]),
        ...(names.length === 0
          ? []
          : [
              new x509.SubjectAlternativeNameExtension(
                names.map((value) => ({ type: 'dns' as const, value })),
              ),
            ]),
      ],
    });
    const der = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
    const key = createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' });
    return {
      cert: `${made.toString('pem')}\n`,
      key: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
    };
  }
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
}
