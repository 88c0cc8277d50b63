import { X509Certificate } from 'node:crypto';
import { domainToASCII } from 'node:url';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { messageOf, RelayError } from '../base/errors.js';
import { TLS_TERMS } from '../base/tls-terms.js';
import type { CertificateFiles, IntakeSettings } from './settings.js';

/** Certificates are chosen by the names that they carry, whole or with a wildcard for one label. */
const NAMES = { subject: 'never', partialWildcards: false } as const;

/** The TLS options of a listener that may change while it runs. */
export type ServerTlsOptions = Pick<SecureContextOptions, 'cert' | 'key' | 'ca'> & {
  requestCert: boolean;
};

/**
 * What the listeners of a node show to clients: the certificate that carries the name that a client
 * asks for (RFC 6066 §3), else the default one, since many mail clients ask for none. Where links
 * log in by certificate, clients are asked for theirs; one without goes on as before.
 */
export class ServerCertificates {
  /** Of the default certificate. */
  readonly options: ServerTlsOptions;
  readonly #default: X509Certificate;
  readonly #others: Array<{ certificate: X509Certificate; context: SecureContext }>;

  /** @throws RelayError CERTIFICATE_UNUSABLE */
  constructor(certificate: CertificateFiles, settings: Omit<IntakeSettings, 'certificate'>) {
    const { otherCertificates = [], clientCa } = settings;
    const asked = { ca: clientCa, requestCert: clientCa !== undefined };
    const [first, ...others] = [certificate, ...otherCertificates].map(({ cert, key }) => {
      try {
        // With a session id context of its own, a session with a client certificate is resumable.
        const options = { ...TLS_TERMS, cert, key, ca: clientCa, sessionIdContext: 'relaymesh' };
        return { certificate: new X509Certificate(cert), context: createSecureContext(options) };
      } catch (error) {
        throw new RelayError(
          'CERTIFICATE_UNUSABLE',
          `a certificate cannot be used: ${messageOf(error)}`,
          {
            fault: 'operator',
            where: 'tls',
            hint: 'give PEM certificate chains, each with the key that belongs to it',
            cause: error,
          },
        );
      }
    });
    this.options = { cert: certificate.cert, key: certificate.key, ...asked };
    this.#default = (first as { certificate: X509Certificate }).certificate;
    this.#others = others;
  }

  /** @param servername as the library gives it, in Unicode. Undefined: the default certificate. */
  contextFor(servername: string): SecureContext | undefined {
    const name = domainToASCII(servername);
    // One with a dot in front would mean every name below it.
    if (name === '' || name.startsWith('.') || this.#default.checkHost(name, NAMES) !== undefined) {
      return undefined;
    }
    return this.#others.find(({ certificate }) => certificate.checkHost(name, NAMES) !== undefined)
      ?.context;
  }
}

/** Undefined for a node without a certificate. @throws RelayError CERTIFICATE_UNUSABLE */
export function serverCertificates(settings: IntakeSettings): ServerCertificates | undefined {
  const { certificate, ...others } = settings;
  return certificate === undefined ? undefined : new ServerCertificates(certificate, others);
}
