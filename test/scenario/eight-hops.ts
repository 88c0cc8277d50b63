import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { ensureEphemeralTls, type EphemeralTls } from '../../src/topology/ephemeral-tls.js';
import { Dialogue } from '../intake/dialogue.js';
import { scratchFolder } from './programs.js';
import { reload } from './reload.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { cannotMount, mountSmallDisk, type SmallDisk } from './small-disk.js';
import { until } from './waiting.js';

/*
 * Eight nodes in a row and a sink. What lies between the fifth and the sixth can be broken and
 * mended while they run: the password, the certificate, the disk.
 */

export const HOPS = Array.from({ length: 8 }, (_, index) => `hop${index + 1}`);
/** Where mail gets stuck, and the hop that does not take it. */
export const STUCK = 'hop5';
export const FAULTY = 'hop6';
/** The queue of a node that has one smarthost. */
const QUEUE = '(smarthost)';

const PASSWORD_FILE = 'link-password';
const TLS_FOLDER = 'tls-of-hop6';
const MIB = 1024 * 1024;
const DISK_BYTES = 64 * MIB;
const RESERVE_BYTES = 24 * MIB;
/** Certificates are valid from an hour before they are made, for so long. */
const VALID_MS = 30 * 86_400_000;
const TEN_MINUTES_MS = 600_000;
/** Time to load a certificate before it expires. */
const LAST_SECONDS_MS = 5000;

const KEYS: Readonly<Record<string, string>> = {
  hop1: 'users: [{ username: app, password: { secret: app } }], relay-from: [127.0.0.1/32],',
  hop5: `tls: { ca: ${TLS_FOLDER}/ca.pem },`,
  hop6:
    `tls: { cert: ${TLS_FOLDER}/hop6/cert.pem, key: ${TLS_FOLDER}/hop6/key.pem }, ` +
    `disk-reserve: ${RESERVE_BYTES},`,
};

function topologyText(): string {
  const links = HOPS.slice(1).map((to, index) => ({ from: HOPS[index] ?? '', to }));
  const secrets = links.map(({ from, to }) => {
    const origin = to === FAULTY ? `{ file: ${PASSWORD_FILE} }` : '{ generate: true }';
    return `  ${from}-${to}: ${origin}`;
  });
  const nodes = HOPS.map((name, index) => {
    const relay = index === 0 ? ', { name: relay, port: auto }' : '';
    const listen = `listen: [{ name: submission, port: auto, tls: required }${relay}]`;
    const smarthost = HOPS[index + 1] ?? 'mx';
    return `  ${name}: { ${KEYS[name] ?? ''} ${listen}, api: { port: auto }, smarthost: ${smarthost} }`;
  });
  const logins = links.map(
    ({ from, to }) =>
      `  - { from: ${from}, to: ${to}, username: ${from}, password: { secret: ${from}-${to} } }`,
  );
  const parts = ['version: 1', 'name: followed', 'tls: { ephemeral: true }', 'secrets:'];
  parts.push('  app: { generate: true }', ...secrets, 'nodes:', ...nodes, 'links:', ...logins);
  return [...parts, 'sinks: { mx: { port: auto } }', ''].join('\n');
}

export async function startEightHops(t: TestContext): Promise<EightHops> {
  const folder = await scratchFolder(t);
  await writeFile(path.join(folder, PASSWORD_FILE), 'the first password\n');
  await makeCertificate(folder, Date.now());
  const disk =
    cannotMount() === false
      ? mountSmallDisk(t, path.join(folder, 'run', 'nodes', FAULTY), DISK_BYTES)
      : null;
  return new EightHops(await startTopology(t, topologyText(), { folder }), folder, disk);
}

/** A certificate for the sixth, and the CA that the fifth trusts; what still fits stays. */
function makeCertificate(folder: string, nowMs: number, place = TLS_FOLDER): Promise<EphemeralTls> {
  return ensureEphemeralTls(path.join(folder, place), [{ name: FAULTY, hosts: [] }], nowMs);
}

export class EightHops {
  readonly topology: RunningTopology;
  readonly #folder: string;
  /** Null where none can be mounted. */
  readonly #disk: SmallDisk | null;

  constructor(topology: RunningTopology, folder: string, disk: SmallDisk | null) {
    this.topology = topology;
    this.#folder = folder;
    this.#disk = disk;
  }

  /** The file holds another password, and only these nodes have read it. */
  async changePassword(password: string, nodes: readonly string[]): Promise<void> {
    await writeFile(path.join(this.#folder, PASSWORD_FILE), `${password}\n`);
    await this.#reload(nodes);
  }

  /** The sixth shows a certificate of a CA that the fifth has never heard of. */
  async showForeignCertificate(): Promise<void> {
    const foreign = await makeCertificate(this.#folder, Date.now(), 'tls-of-a-stranger');
    const files = foreign.certificates.get(FAULTY);
    assert.ok(files !== undefined);
    const folder = path.join(this.#folder, TLS_FOLDER, FAULTY);
    await copyFile(files.certFile, path.join(folder, 'cert.pem'));
    await copyFile(files.keyFile, path.join(folder, 'key.pem'));
    await this.#reload([FAULTY, STUCK]);
  }

  /**
   * The sixth shows a certificate that expires while it does: no node takes up one that has. Its CA
   * still vouches for it.
   */
  async letCertificateExpire(): Promise<void> {
    const folder = path.join(this.#folder, TLS_FOLDER);
    await rm(folder, { recursive: true });
    const expiredMs = Date.now() - VALID_MS;
    await ensureEphemeralTls(folder, [], expiredMs + TEN_MINUTES_MS);
    await makeCertificate(this.#folder, expiredMs + LAST_SECONDS_MS);
    await this.#reload([FAULTY, STUCK]);
    const { validTo } = new X509Certificate(await readFile(path.join(folder, FAULTY, 'cert.pem')));
    await until('the end of the certificate', () => Date.now() > Date.parse(validTo));
  }

  async renewCertificate(): Promise<void> {
    await makeCertificate(this.#folder, Date.now());
    await this.#reload([FAULTY, STUCK]);
  }

  /** Fills the disk of the sixth up, and waits until it takes no more mail. */
  async fillDisk(): Promise<void> {
    assert.ok(this.#disk !== null);
    await this.#disk.fillUpTo(RESERVE_BYTES - MIB);
    // It looks when it is asked, at most once a second.
    await until('the full disk to be seen', async () => (await this.#atMail()).startsWith('452 '));
  }

  async freeDisk(): Promise<void> {
    await this.#disk?.removeFiller();
    await until('the room to be seen', async () => (await this.#atMail()).startsWith('250 '));
  }

  /** The fifth does not wait for the end of its pause. */
  retry(): Promise<void> {
    return this.topology.api(STUCK).control(QUEUE, 'retry');
  }

  /** The fifth keeps what it gets, until it ends. */
  hold(): Promise<void> {
    return this.topology.api(STUCK).control(QUEUE, 'pause');
  }

  /** What the sixth says to MAIL FROM of the fifth. */
  async #atMail(): Promise<string> {
    const { smtp } = this.topology.node(FAULTY);
    const client = await Dialogue.open(smtp[0]?.port ?? 0, 'starttls');
    try {
      const password = await this.#password();
      const login = Buffer.from(`\0${STUCK}\0${password}`).toString('base64');
      assert.match(await client.ask(`AUTH PLAIN ${login}`), /^235 /);
      return await client.ask('MAIL FROM:<asks@followed.test>');
    } finally {
      client.leave();
    }
  }

  async #password(): Promise<string> {
    return (await readFile(path.join(this.#folder, PASSWORD_FILE), 'utf8')).trim();
  }

  async #reload(nodes: readonly string[]): Promise<void> {
    for (const node of nodes) await reload(this.topology, node);
  }
}
