import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect as connectTcp, isIP, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { connect, createServer, type Server } from 'node:tls';
import { ensureEphemeralTls, type EphemeralTls } from '../../src/topology/ephemeral-tls.js';

const DAY_MS = 86_400_000;
const EDGE = { name: 'edge', hosts: ['127.0.0.2', 'edge.mail.internal'] };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'relaymesh-tls-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function serve(tls: EphemeralTls, name: string): Promise<Server> {
  const files = tls.certificates.get(name);
  assert.ok(files !== undefined);
  const cert = await readFile(files.certFile);
  const server = createServer({ cert, key: await readFile(files.keyFile) }, (s) => s.end());
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return server;
}

/** null when the handshake succeeds, else the code of the error. */
async function handshake(server: Server, caFile: string, name: string): Promise<string | null> {
  const ca = await readFile(caFile);
  const { port } = server.address() as AddressInfo;
  const socket = connectTcp(port, '127.0.0.1');
  return new Promise((resolve) => {
    const target = isIP(name) === 0 ? { servername: name } : { host: name };
    const client = connect({ socket, ca, ...target }, () => {
      client.end();
      resolve(null);
    });
    client.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

test('a certificate is good for every name and address of its server, and no other', async () => {
  const tls = await ensureEphemeralTls(folder, [EDGE]);
  const server = await serve(tls, 'edge');
  for (const name of ['127.0.0.2', '127.0.0.1', 'edge.mail.internal', 'edge', 'localhost']) {
    assert.equal(await handshake(server, tls.caFile, name), null, name);
  }
  for (const name of ['127.0.0.3', 'core', 'mail.internal']) {
    const code = await handshake(server, tls.caFile, name);
    assert.equal(code, 'ERR_TLS_CERT_ALTNAME_INVALID', name);
  }
  server.close();
});

test('another CA, even of the same name, does not vouch for it', async () => {
  const tls = await ensureEphemeralTls(path.join(folder, 'one'), [EDGE]);
  const other = await ensureEphemeralTls(path.join(folder, 'two'), [EDGE]);
  const server = await serve(tls, 'edge');
  assert.notEqual(await handshake(server, other.caFile, 'localhost'), null);
  server.close();
});

test('all keys are for their owner only', async () => {
  const tls = await ensureEphemeralTls(folder, [EDGE]);
  const keys = [path.join(folder, 'ca-key.pem'), tls.certificates.get('edge')?.keyFile ?? ''];
  for (const key of keys) assert.equal((await stat(key)).mode & 0o777, 0o600);
});

test('what still fits is used again; a new name, or a near end, makes a new certificate', async () => {
  const nowMs = Date.now();
  const pem = async (tls: EphemeralTls): Promise<string> =>
    readFile(tls.certificates.get('edge')?.certFile ?? '', 'utf8');
  const first = await ensureEphemeralTls(folder, [EDGE], nowMs);
  const [cert, ca] = [await pem(first), await readFile(first.caFile, 'utf8')];
  const again = await ensureEphemeralTls(folder, [EDGE], nowMs + 28 * DAY_MS);
  assert.equal(await pem(again), cert);
  const renamed = { ...EDGE, hosts: ['127.0.0.9'] };
  assert.notEqual(await pem(await ensureEphemeralTls(folder, [renamed], nowMs)), cert);
  assert.equal(await readFile(first.caFile, 'utf8'), ca);
  await ensureEphemeralTls(folder, [EDGE], nowMs + 29.5 * DAY_MS);
  assert.notEqual(await readFile(first.caFile, 'utf8'), ca);
});

test('a certificate is good for a login too; one that is not is made anew', async () => {
  const nowMs = Date.now();
  const tls = await ensureEphemeralTls(folder, [EDGE], nowMs);
  const { certFile = '', keyFile = '' } = tls.certificates.get('edge') ?? {};
  const { keyUsage } = new X509Certificate(await readFile(certFile));
  // serverAuth and clientAuth (RFC 5280 §4.2.1.12)
  assert.deepEqual([...keyUsage].sort(), ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  // the CA has no extended key usage, as certificates of others may have none
  await writeFile(certFile, await readFile(tls.caFile));
  await writeFile(keyFile, await readFile(path.join(folder, 'ca-key.pem')));
  await ensureEphemeralTls(folder, [EDGE], nowMs);
  assert.match(new X509Certificate(await readFile(certFile)).subject, /^CN=edge$/);
});
