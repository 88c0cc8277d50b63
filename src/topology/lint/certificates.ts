import type { X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import {
  carriesName,
  chainLeadsTo,
  PemProblem,
  readCertificates,
  readPrivateKey,
} from '../certificate-files.js';
import { certificateSources, type CertificateSources } from '../certificate-sources.js';
import type { Path } from '../fault.js';
import type { HopPlan } from '../hop-plan.js';
import { checkCertificateLogins } from './certificate-logins.js';
import type { LintContext } from './context.js';

/**
 * Certificates: there where TLS is offered, readable, a pair with their keys, valid now, and such
 * that `verified` hops accept them. Files of other nodes are only looked at when the file as a
 * whole is checked.
 */
export function checkCertificates(context: LintContext): void {
  const files = new CertificateCheck(context);
  const { topology, node: onlyNode } = context;
  for (const [name, node] of Object.entries(topology.nodes)) {
    const index = node.listen.findIndex((listener) => listener.tls !== 'none');
    const path = ['nodes', name, 'listen', index, 'tls'];
    const here = onlyNode === undefined || onlyNode === name;
    files.checkServer(name, index === -1 ? undefined : `listener of node '${name}'`, path, here);
  }
  for (const [name, sink] of Object.entries(topology.sinks)) {
    const server = sink.tls === 'none' ? undefined : `sink '${name}'`;
    files.checkServer(undefined, server, ['sinks', name, 'tls'], onlyNode === undefined);
  }
  for (const [name, hops] of context.hops) {
    for (const { planned, path } of hops) {
      const isVerified = 'plan' in planned && planned.plan.tls === 'verified';
      if (isVerified) files.checkHop(name, planned.plan, path);
    }
  }
  checkCertificateLogins(context, files);
}

/** Reads every file once and reports each of its faults once. */
export class CertificateCheck {
  readonly #context: LintContext;
  readonly #chains = new Map<string, X509Certificate[] | undefined>();
  readonly #pairs = new Set<string>();
  readonly #halves = new Set<string>();

  constructor(context: LintContext) {
    this.#context = context;
  }

  /**
   * @param nodeName Undefined for a sink.
   * @param server What offers TLS, for people; undefined when nothing does.
   * @param here Whether its files are expected on this machine.
   */
  checkServer(
    nodeName: string | undefined,
    server: string | undefined,
    path: Path,
    here: boolean,
  ): void {
    const { topology, report } = this.#context;
    const { own, others, ca } = certificateSources(topology, nodeName);
    if (own.kind === 'half') {
      this.reportHalf(own);
    } else if (own.kind === 'none' && server !== undefined) {
      report('missing-certificate', path, `a ${server} offers TLS and there is no certificate`, {
        hint: 'name `cert` and `key` under `tls`, or say `tls: { ephemeral: true }` on one machine',
      });
    }
    if (!here) return;
    if (own.kind === 'files') this.checkPair(own);
    for (const other of others) this.checkPair(other);
    if (ca !== undefined) this.chain(ca.file, ca.path);
  }

  reportHalf(own: Extract<CertificateSources['own'], { kind: 'half' }>): void {
    const key = own.path.join('.');
    if (this.#halves.has(key)) return;
    this.#halves.add(key);
    const given = String(own.path.at(-1));
    const message = `\`${given}\` is given without \`${own.missing}\``;
    this.#context.report('missing-certificate', own.path, message, { part: 'key' });
  }

  /** What a `verified` hop would find wrong with the other end. */
  checkHop(from: string, plan: HopPlan, hopPath: Path): void {
    const { topology, node: onlyNode, report } = this.#context;
    if (plan.kind === 'host') return;
    if (plan.kind === 'sink' && !Object.hasOwn(topology.sinks, plan.name)) return;
    const { ca, ephemeralCa } = certificateSources(topology, from);
    const path: Path = plan.link?.used === true ? ['links', plan.link.index, 'tls'] : hopPath;
    if (plan.kind === 'node' && ca === undefined && !ephemeralCa) {
      report('missing-ca', path, `node '${from}' has no CA to verify node '${plan.name}' with`, {
        hint: 'name the `ca` of the mesh under `tls`',
      });
      return;
    }
    const { own } = certificateSources(topology, plan.kind === 'node' ? plan.name : undefined);
    // the other end's certificate is on the other end's machine
    if (onlyNode !== undefined || own.kind !== 'files') return;
    const chain = this.chain(own.cert, [...own.path, 'cert']);
    const leaf = chain?.[0];
    if (chain === undefined || leaf === undefined) return;
    const host = plan.servername ?? plan.host;
    if (!carriesName(leaf, host)) {
      report('certificate-name', path, `the certificate of '${plan.name}' does not name ${host}`, {
        hint: `it names ${leaf.subjectAltName ?? 'nothing'}`,
      });
    }
    const roots = ca === undefined ? undefined : this.chain(ca.file, ca.path);
    if (
      plan.kind === 'node' &&
      roots !== undefined &&
      !ephemeralCa &&
      !chainLeadsTo(chain, roots)
    ) {
      report(
        'untrusted-certificate',
        path,
        `the CA of node '${from}' does not vouch for the certificate of '${plan.name}'`,
        { hint: '`cert` must hold the certificate and every intermediate one' },
      );
    }
  }

  /** Both are there, fit each other, and hold now. */
  checkPair(own: { cert: string; key: string; path: Path }): void {
    const { baseDir, report } = this.#context;
    const pair = `${own.cert}\n${own.key}`;
    if (this.#pairs.has(pair)) return;
    this.#pairs.add(pair);
    const keyPath = [...own.path, 'key'];
    if (this.#isInline(own.key, keyPath)) return;
    const chain = this.chain(own.cert, [...own.path, 'cert']);
    try {
      const key = readPrivateKey(resolve(baseDir, own.key));
      if (chain?.[0]?.checkPrivateKey(key) === false) {
        report(
          'invalid-certificate',
          keyPath,
          `the key is not that of the certificate ${own.cert}`,
        );
      }
    } catch (error) {
      this.#reportProblem(error, keyPath);
    }
  }

  /** The certificates of a file; its faults are reported the first time. */
  chain(file: string, path: Path): X509Certificate[] | undefined {
    if (this.#chains.has(file)) return this.#chains.get(file);
    let chain: X509Certificate[] | undefined;
    if (this.#isInline(file, path)) return undefined;
    try {
      chain = readCertificates(resolve(this.#context.baseDir, file));
      for (const certificate of chain) this.#checkDates(certificate, path);
    } catch (error) {
      this.#reportProblem(error, path);
    }
    this.#chains.set(file, chain);
    return chain;
  }

  /** PEM text where the name of a file belongs; nothing of it is quoted. */
  #isInline(file: string, path: Path): boolean {
    if (!file.includes('-----BEGIN')) return false;
    const key = String(path.at(-1));
    const hint = 'write the text into a file, and its name here';
    if (file.includes('PRIVATE KEY-----')) {
      const message = `a private key stands in \`${key}\`; a topology only names its file`;
      this.#context.report('cleartext-secret', path, message, { hint });
    } else {
      const message = `\`${key}\` must be the name of a file, not its text`;
      this.#context.report('invalid-value', path, message, { hint });
    }
    return true;
  }

  #checkDates(certificate: X509Certificate, path: Path): void {
    const { now, report } = this.#context;
    const name = certificate.subject.replaceAll('\n', ', ');
    if (now.getTime() > Date.parse(certificate.validTo)) {
      report(
        'expired-certificate',
        path,
        `certificate '${name}' expired on ${certificate.validTo}`,
      );
    } else if (now.getTime() < Date.parse(certificate.validFrom)) {
      const message = `certificate '${name}' is valid from ${certificate.validFrom} only`;
      report('expired-certificate', path, message);
    }
  }

  #reportProblem(error: unknown, path: Path): void {
    if (!(error instanceof PemProblem)) throw error;
    const ruleId = error.missing ? 'missing-certificate' : 'invalid-certificate';
    this.#context.report(ruleId, path, error.message, {
      hint: error.missing ? 'paths under `tls` are relative to the topology file' : undefined,
    });
  }
}
