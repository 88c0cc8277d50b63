import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import { makeCertificate } from '../send/certificates.js';
import { sayHello, VERSIONS } from './client-hello.js';
import { Dialogue } from './dialogue.js';
import { runIntake, SETTINGS } from './running-intake.js';

/** Suites that nobody should be able to talk to us with, by what is wrong with them. */
const WEAK: Record<string, number[]> = {
  'no encryption': [0x0000, 0x0001, 0x0002, 0x003b, 0xc006, 0xc010],
  export: [0x0003, 0x0006, 0x0008, 0x000b, 0x000e, 0x0011, 0x0014, 0x0017, 0x0019, 0x0062, 0x0064],
  'anonymous, and so open to anybody in between': [
    0x0018, 0x001a, 0x001b, 0x0034, 0x003a, 0x006c, 0x006d, 0x00a6, 0x00a7, 0xc015, 0xc016, 0xc017,
    0xc018, 0xc019,
  ],
  RC4: [0x0004, 0x0005, 0xc002, 0xc007, 0xc00c, 0xc011],
  'DES and 3DES': [0x0009, 0x000a, 0x0012, 0x0013, 0x0015, 0x0016, 0xc003, 0xc008, 0xc00d, 0xc012],
  'IDEA and SEED': [0x0007, 0x0096, 0x0099, 0x009a],
  'CBC with SHA-1': [0x002f, 0x0033, 0x0035, 0x0039, 0xc009, 0xc00a, 0xc013, 0xc014],
  'CBC with SHA-2': [0x003c, 0x003d, 0x0067, 0x006b, 0xc023, 0xc024, 0xc027, 0xc028],
  'no forward secrecy': [0x009c, 0x009d, 0xc09c, 0xc09d, 0xc0a0, 0xc0a1],
  'pre-shared keys': [0x008a, 0x008c, 0x00a8, 0x00a9, 0xccab, 0xccac],
};
/** ECDHE-ECDSA with AES-128-GCM, AES-256-GCM and ChaCha20-Poly1305, in the order of the server. */
const STRONG = [0xc02b, 0xc02c, 0xcca9];

test('a client that offers nothing but weak ciphers gets no TLS', async (t) => {
  const { port } = await runIntake(t, { listener: { tls: 'implicit' } });
  for (const [why, suites] of Object.entries(WEAK)) {
    for (const suite of suites) {
      const answer = await sayHello(port, { version: VERSIONS['TLS 1.2'], suites: [suite] });
      assert.equal(answer, 'refused', `${why}: ${suite.toString(16)}`);
    }
  }
  const all = Object.values(WEAK).flat();
  assert.equal(await sayHello(port, { version: VERSIONS['TLS 1.2'], suites: all }), 'refused');
});

test('before TLS 1.2 there is none, whatever the cipher', async (t) => {
  const { port } = await runIntake(t, { listener: { tls: 'implicit' } });
  for (const name of ['SSL 3.0', 'TLS 1.0', 'TLS 1.1'] as const) {
    for (const suites of [STRONG, [...STRONG, 0xc00a, 0xc014, 0x0035, 0x000a]]) {
      assert.equal(await sayHello(port, { version: VERSIONS[name], suites }), 'refused', name);
    }
  }
});

test('in TLS 1.2 each strong cipher is taken, and of several the one that the server likes best', async (t) => {
  const { port } = await runIntake(t, { listener: { tls: 'implicit' } });
  const version = VERSIONS['TLS 1.2'];
  for (const suite of STRONG) {
    assert.deepEqual(await sayHello(port, { version, suites: [suite] }), { version, suite });
  }
  const mixed = [0xc00a, 0x009c, ...STRONG.toReversed()];
  const best = { version, suite: STRONG[0] };
  assert.deepEqual(await sayHello(port, { version, suites: mixed }), best);
  // sect163k1 and secp160k1
  assert.equal(await sayHello(port, { version, suites: STRONG, groups: [1, 15] }), 'refused');
});

test('TLS 1.3 is spoken with those who can, and TLS 1.2 with the others, by STARTTLS too', async (t) => {
  const { port } = await runIntake(t);
  for (const [maxVersion, cipher] of [
    ['TLSv1.3', /^TLS_AES_/],
    ['TLSv1.2', /^ECDHE-ECDSA-AES128-GCM/],
  ] as const) {
    const { socket } = await startTls(port, { maxVersion });
    assert.equal(socket.getProtocol(), maxVersion);
    assert.match(socket.getCipher().name, cipher);
    socket.destroy();
  }
  for (const ciphers of ['AES256-SHA', 'AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-SHA']) {
    await assert.rejects(startTls(port, { maxVersion: 'TLSv1.2', ciphers }), ciphers);
  }
});

test('a session in TLS 1.2 is not negotiated anew', async (t) => {
  const { port } = await runIntake(t, { listener: { tls: 'implicit' } });
  const socket = tls.connect({ port, rejectUnauthorized: false, maxVersion: 'TLSv1.2' });
  await once(socket, 'secureConnect');
  const failed = await new Promise<Error | null>((resolve) => {
    socket.on('error', resolve);
    socket.renegotiate({ rejectUnauthorized: false }, resolve);
  });
  assert.notEqual(failed, null);
  socket.destroy();
});

test('a client sees the certificate that carries the name it asks for, else the default one', async (t) => {
  const [certificate, ...otherCertificates] = await Promise.all(
    ['mx1.example', 'mx2.example', '*.lists.example'].map((name) => makeCertificate(name)),
  );
  const settings = { ...SETTINGS, certificate: certificate ?? assert.fail(), otherCertificates };
  const cases: Array<[asked: string | undefined, shown: string]> = [
    ['mx1.example', 'mx1.example'],
    ['mx2.example', 'mx2.example'],
    ['MX2.Example', 'mx2.example'],
    ['a.lists.example', '*.lists.example'],
    // one label, no more and no less (RFC 6125 §6.4.3)
    ['a.b.lists.example', 'mx1.example'],
    ['lists.example', 'mx1.example'],
    ['.lists.example', 'mx1.example'],
    ['other.example', 'mx1.example'],
    ['__proto__', 'mx1.example'],
    // one that all of them carry is the default one's
    ['localhost', 'mx1.example'],
    [undefined, 'mx1.example'],
  ];
  const implicit = await runIntake(t, { settings, listener: { tls: 'implicit' } });
  const starttls = await runIntake(t, { settings });
  for (const [servername, shown] of cases) {
    const options = servername === undefined ? {} : { servername };
    assert.equal(await shownAt(implicit.port, options), shown, String(servername));
    const { socket } = await startTls(starttls.port, options);
    assert.equal(nameOn(socket), shown, String(servername));
    socket.destroy();
  }
  for (const suites of [[0xc00a], [0x009c]]) {
    const hello = { version: VERSIONS['TLS 1.2'], suites };
    assert.equal(await sayHello(implicit.port, hello), 'refused');
  }
});

test('the terms hold for the certificate of a name as for the default one', async (t) => {
  const otherCertificates = [await makeCertificate('mx2.example')];
  const { port } = await runIntake(t, {
    settings: { otherCertificates },
    listener: { tls: 'implicit' },
  });
  for (const weak of [
    { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' },
    { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-SHA' },
  ] as const) {
    await assert.rejects(shownAt(port, { servername: 'mx2.example', ...weak }));
  }
  assert.equal(await shownAt(port, { servername: 'mx2.example' }), 'mx2.example');
});

test('after a reload every name has its new certificate, also for sessions that begin TLS only then', async (t) => {
  const first = await Promise.all(
    ['mx1.example', 'mx2.example'].map((name) => makeCertificate(name)),
  );
  const second = await Promise.all(
    ['mx1.example', 'mx3.example'].map((name) => makeCertificate(name)),
  );
  const settingsOf = ([certificate, ...others]: typeof first) => ({
    ...SETTINGS,
    certificate: certificate ?? assert.fail(),
    otherCertificates: others,
  });
  const { port, listener } = await runIntake(t, { settings: settingsOf(first) });
  const secured = await Dialogue.open(port, 'starttls');
  const clear = net.connect(port, '127.0.0.1');
  await once(clear, 'data');
  clear.write('STARTTLS\r\n');
  await once(clear, 'data');
  listener.reload(settingsOf(second));
  assert.match(await secured.send('x: y\r\n\r\nx'), /^250 /);
  const late = tls.connect({ socket: clear, servername: 'mx3.example', rejectUnauthorized: false });
  await once(late, 'secureConnect');
  assert.equal(nameOn(late), 'mx3.example');
  late.destroy();
  for (const [servername, shown] of [
    ['mx1.example', 'mx1.example'],
    ['mx2.example', 'mx1.example'],
    ['mx3.example', 'mx3.example'],
  ] as const) {
    const { socket } = await startTls(port, { servername });
    assert.equal(nameOn(socket), shown);
    socket.destroy();
  }
  assert.match(await secured.ask('NOOP'), /^250 /);
});

test('certificates that cannot be used change nothing', async (t) => {
  const certificate = await makeCertificate('mx1.example');
  const { key } = await makeCertificate('mx1.example');
  const settings = { ...SETTINGS, certificate };
  const { port, listener } = await runIntake(t, { settings, listener: { tls: 'implicit' } });
  const { cert } = certificate;
  for (const broken of [
    { certificate: { cert, key } },
    { certificate: { cert: 'pem', key: 'pem' } },
    { certificate: { cert: cert.slice(0, 300), key: certificate.key } },
    { certificate, otherCertificates: [{ cert, key }] },
  ]) {
    assert.throws(() => listener.reload({ ...SETTINGS, ...broken, maxMessageBytes: 1 }), {
      code: 'CERTIFICATE_UNUSABLE',
    });
  }
  assert.equal(await shownAt(port), 'mx1.example');
  const client = await Dialogue.open(port, 'tls');
  assert.match(await client.ask('MAIL FROM:<a@x.test> SIZE=5000'), /^250 /);
});

/** The common name of the certificate that a server shows; rejects where there is no TLS. */
async function shownAt(port: number, options: tls.ConnectionOptions = {}): Promise<string> {
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  await once(socket, 'secureConnect');
  const shown = nameOn(socket);
  socket.destroy();
  return shown;
}

function nameOn(socket: tls.TLSSocket): string {
  return String(socket.getPeerCertificate().subject.CN);
}

/** TLS by STARTTLS; rejects when the handshake fails. */
async function startTls(
  port: number,
  options: tls.ConnectionOptions,
): Promise<{ socket: tls.TLSSocket }> {
  const clear = net.connect(port, '127.0.0.1');
  await once(clear, 'data');
  clear.write('STARTTLS\r\n');
  await once(clear, 'data');
  const socket = tls.connect({ socket: clear, rejectUnauthorized: false, ...options });
  try {
    await once(socket, 'secureConnect');
  } catch (error) {
    clear.destroy();
    throw error;
  }
  return { socket };
}
