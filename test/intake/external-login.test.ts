import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import { capturedLog } from '../base/captured-log.js';
import {
  CertificateMaker,
  CLIENT_AUTH,
  SERVER_AUTH,
  type MadeCertificate,
} from './certificate-maker.js';
import { Dialogue } from './dialogue.js';
import { APP_PASSWORD, authPlain, POLICY, runIntake, SETTINGS } from './running-intake.js';

const maker = await CertificateMaker.make();
const stranger = await CertificateMaker.make();
const core = await maker.certificate({ names: ['core.mail.example'], usages: [CLIENT_AUTH] });
const OK = /^235 2\.7\.0 /;
const REFUSED = '535 5.7.8 Authentication credentials invalid';

const PEER = {
  node: 'core',
  username: 'core',
  name: 'core.mail.example',
  sha256: [],
  may: [],
  steerTo: [],
} as const;
const EXTERNAL_ONLY = { users: [], peers: [], certificatePeers: [PEER], relayFrom: [] };
const ASKING = { clientCa: [maker.ca] };

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const fingerprintOf = ({ cert }: MadeCertificate): string =>
  new X509Certificate(cert).fingerprint256.replaceAll(':', '').toLowerCase();

test('a peer logs in by its certificate, and is then as good as one with a password', async (t) => {
  for (const transport of ['tls', 'starttls'] as const) {
    const { port, spool, listener } = await runIntake(t, {
      settings: ASKING,
      policy: EXTERNAL_ONLY,
      listener: { tls: transport === 'tls' ? 'implicit' : 'required' },
    });
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const client = await open(port, transport, { ...core, maxVersion: version });
      const ehlo = await client.ask('EHLO core.mail.example');
      assert.match(ehlo, /^250[- ]AUTH EXTERNAL$/m);
      assert.match(ehlo, /XMESH/);
      assert.match(await client.ask('AUTH EXTERNAL ='), OK);
      assert.doesNotMatch(await client.ask('EHLO core.mail.example'), /AUTH/);
      assert.match(await client.ask('AUTH EXTERNAL ='), /^503 /);
      assert.match(await client.send('x: y\r\n\r\nx'), /^250 /);
      const { client: from, protocol } = spool.taken.at(-1)?.item.arrival ?? assert.fail();
      assert.deepEqual([from.user, protocol], ['core', 'ESMTPSA']);
    }
    assert.deepEqual([listener.counts.logins, listener.counts.loginsRefused], [2, 0]);
  }
});

test('each form of the command, and no name but that of the certificate', async (t) => {
  const { port } = await runIntake(t, { settings: ASKING, policy: EXTERNAL_ONLY });
  for (const lines of [
    ['auth external ='],
    ['AUTH EXTERNAL', ''],
    [`AUTH EXTERNAL ${base64('core')}`],
    ['AUTH EXTERNAL', base64('core')],
  ]) {
    const client = await open(port, 'starttls', core);
    const replies = await client.askAll('EHLO core.mail.example', ...lines);
    assert.match(replies.at(-1) ?? '', OK, lines.join('|'));
    if (lines.length > 1) assert.equal(replies[1], '334');
  }
  const client = await open(port, 'starttls', core);
  await client.ask('EHLO core.mail.example');
  for (const [line, answer] of [
    [`AUTH EXTERNAL ${base64('app')}`, /^535 5\.7\.8 /],
    [`AUTH EXTERNAL ${base64('Core')}`, /^535 5\.7\.8 /],
    ['AUTH EXTERNAL a', /^501 5\.5\.2 /],
    ['AUTH EXTERNAL = =', /^501 5\.5\.4 /],
    ['AUTH EXTERNALLY =', /^504 /],
  ] as const) {
    assert.match(await client.ask(line), answer, line);
  }
  await client.ask('AUTH EXTERNAL');
  assert.match(await client.ask('*'), /^501 5\.7\.0 /);
  await client.ask('AUTH EXTERNAL');
  assert.match(await client.ask('AUTH EXTERNAL ='), /^501 5\.5\.2 /);
  assert.match(await client.ask('AUTH EXTERNAL ='), OK);
});

test('a certificate that is not right gets the words of a wrong password; why stands in the log alone', async (t) => {
  const named = { names: ['core.mail.example'] };
  const cases: Array<[reason: RegExp | null, certificate: Partial<MadeCertificate>]> = [
    [null, {}],
    [/of no peer/, await maker.certificate({ names: ['other.example'] })],
    [/of no peer/, await maker.certificate({ names: ['*.mail.example'] })],
    [
      /of no peer/,
      await maker.certificate({ names: ['a.core.mail.example', 'core.mail.example.evil'] }),
    ],
    [/of no peer/, await maker.certificate({ commonName: 'core.mail.example' })],
    [/CERT_HAS_EXPIRED/, await maker.certificate({ ...named, endsInDays: -1 })],
    [/INVALID_PURPOSE/, await maker.certificate({ ...named, usages: [SERVER_AUTH] })],
    [/SIGNATURE|UNABLE_TO/, await stranger.certificate({ ...named, usages: [CLIENT_AUTH] })],
    [/SIGNATURE|SELF_SIGNED|UNABLE_TO/, await selfSigned()],
  ];
  for (const [reason, certificate] of cases) {
    const { log, lines } = capturedLog();
    const { port, listener } = await runIntake(t, {
      settings: ASKING,
      policy: { ...EXTERNAL_ONLY, users: POLICY.users },
      log,
    });
    const client = await open(port, 'starttls', certificate);
    const what = String(reason);
    assert.match(await client.ask('EHLO core.mail.example'), /^250[- ]AUTH PLAIN LOGIN$/m, what);
    assert.equal(await client.ask('AUTH EXTERNAL ='), REFUSED, what);
    assert.match(await client.ask('MAIL FROM:<a@x.test>'), /^250 /, what);
    assert.match(await client.ask('RCPT TO:<b@y.test>'), /^550 5\.7\.1 /, what);
    await client.ask('RSET');
    // the session goes on, and a password is still good
    assert.match(await client.ask(authPlain('app', APP_PASSWORD)), OK, what);
    const refused = lines.find(({ event }) => event === 'certificate-refused');
    if (reason === null) {
      assert.equal(refused, undefined);
    } else {
      assert.match(String(refused?.['reason']), reason);
      assert.match(String(refused?.['subject']), /^CN=/);
    }
    assert.equal(listener.counts.loginsRefused, 1);
  }
});

test('the subject of a refused certificate is one short line in the log', async (t) => {
  const { log, lines } = capturedLog();
  const { port } = await runIntake(t, { settings: ASKING, policy: EXTERNAL_ONLY, log });
  const commonName = `a\nlevel=fatal${'x'.repeat(5000)}`;
  const client = await open(port, 'starttls', await stranger.certificate({ commonName }));
  await client.ask('EHLO x.example');
  const subject = String(lines.find(({ event }) => event === 'certificate-refused')?.['subject']);
  assert.ok(subject.length <= 256 && !subject.includes('\n'), subject);
});

test('where fingerprints are listed, they decide and not the name', async (t) => {
  const next = await maker.certificate({ usages: [CLIENT_AUTH], names: ['any.example'] });
  const sha256 = [fingerprintOf(core), fingerprintOf(next)];
  const { port } = await runIntake(t, {
    settings: ASKING,
    policy: { ...EXTERNAL_ONLY, certificatePeers: [{ ...PEER, name: 'x.example', sha256 }] },
  });
  for (const [certificate, answer] of [
    [core, OK],
    [next, OK],
    [await maker.certificate({ names: ['x.example'], usages: [CLIENT_AUTH] }), /^535 /],
  ] as const) {
    const client = await open(port, 'starttls', certificate);
    await client.ask('EHLO core.mail.example');
    assert.match(await client.ask('AUTH EXTERNAL ='), answer);
  }
});

test('EXTERNAL does not exist in clear text, nor where no link logs in so, and then nobody is asked', async (t) => {
  const { port } = await runIntake(t, { settings: ASKING, policy: EXTERNAL_ONLY });
  const clear = await Dialogue.open(port);
  assert.doesNotMatch(await clear.ask('EHLO core.mail.example'), /AUTH/);
  assert.match(await clear.ask('AUTH EXTERNAL ='), /^538 5\.7\.11 /);
  const { log, lines } = capturedLog();
  const other = await runIntake(t, { log });
  const client = await open(other.port, 'starttls', core);
  assert.doesNotMatch(await client.ask('EHLO core.mail.example'), /EXTERNAL/);
  assert.match(await client.ask('AUTH EXTERNAL ='), /^504 /);
  assert.ok(!lines.some(({ event }) => event === 'certificate-refused'));
});

test('what a reload takes away, open sessions lose, and what it gives is there for them', async (t) => {
  const { port, policy } = await runIntake(t, { settings: ASKING, policy: EXTERNAL_ONLY });
  const relays = async (client: Dialogue): Promise<string> => {
    await client.ask('MAIL FROM:<a@x.test>');
    const reply = await client.ask('RCPT TO:<b@y.test>');
    await client.ask('RSET');
    return reply;
  };
  const client = await open(port, 'starttls', core);
  await client.ask('EHLO core.mail.example');
  assert.match(await client.ask('AUTH EXTERNAL ='), OK);
  assert.match(await relays(client), /^250 /);
  const settings = { ...POLICY, ...EXTERNAL_ONLY };
  for (const certificatePeers of [
    [],
    [{ ...PEER, name: 'new.example' }],
    [{ ...PEER, sha256: ['00'.repeat(32)] }],
  ]) {
    policy.reload({ ...settings, certificatePeers });
    assert.match(await relays(client), /^550 5\.7\.1 /);
    assert.doesNotMatch(await client.ask('EHLO core.mail.example'), /EXTERNAL/);
    assert.match(await client.ask('AUTH EXTERNAL ='), /^5(?:00|35) /);
  }
  policy.reload(settings);
  assert.match(await client.ask('EHLO core.mail.example'), /EXTERNAL/);
  assert.match(await client.ask('AUTH EXTERNAL ='), OK);
  assert.match(await relays(client), /^250 /);
});

test('a password that a reload took away takes the rights of open sessions along', async (t) => {
  const { port, policy } = await runIntake(t, { policy: { relayFrom: [] } });
  const client = await Dialogue.open(port, 'starttls');
  assert.match(await client.ask(authPlain('app', APP_PASSWORD)), OK);
  policy.reload({ ...POLICY, users: [], relayFrom: [] });
  await client.ask('MAIL FROM:<a@x.test>');
  assert.match(await client.ask('RCPT TO:<b@y.test>'), /^550 5\.7\.1 /);
});

test('after a reload clients are verified against the CA of now; open sessions go on, none is resumed', async (t) => {
  const { port, listener } = await runIntake(t, {
    settings: ASKING,
    policy: EXTERNAL_ONLY,
    listener: { tls: 'implicit' },
  });
  const certificate = await firstCertificate();
  const login = async (options: tls.ConnectionOptions): Promise<[string, boolean]> => {
    const socket = tls.connect({ port, rejectUnauthorized: false, ...options });
    const client = Dialogue.over(socket);
    await client.reply();
    await client.ask('EHLO core.mail.example');
    return [await client.ask('AUTH EXTERNAL ='), socket.isSessionReused()];
  };
  const good = '235 2.7.0 Authentication successful';
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    listener.reload({ ...SETTINGS, certificate, ...ASKING });
    const session = await sessionOf(port, { ...core, maxVersion });
    assert.deepEqual(await login({ ...core, maxVersion, session }), [good, true]);
    const client = await open(port, 'tls', { ...core, maxVersion });
    await client.ask('EHLO core.mail.example');
    assert.match(await client.ask('AUTH EXTERNAL ='), OK);
    listener.reload({ ...SETTINGS, certificate, clientCa: [stranger.ca] });
    assert.match(await client.send('x: y\r\n\r\nx'), /^250 /);
    assert.deepEqual(await login({ ...core, maxVersion, session }), [REFUSED, false]);
    const own = await stranger.certificate({ names: ['core.mail.example'], usages: [CLIENT_AUTH] });
    assert.deepEqual(await login({ ...own, maxVersion }), [good, false]);
  }
});

test('a resumed session without a certificate is nobody, though TLS 1.3 calls it authorized', async (t) => {
  const { port, listener } = await runIntake(t, {
    settings: ASKING,
    policy: EXTERNAL_ONLY,
    listener: { tls: 'implicit' },
  });
  const session = await sessionOf(port, {});
  const socket = tls.connect({ port, rejectUnauthorized: false, session });
  const client = Dialogue.over(socket);
  await client.reply();
  assert.ok(socket.isSessionReused());
  assert.doesNotMatch(await client.ask('EHLO x.example'), /EXTERNAL/);
  const [connection] = [...listener.connections].slice(-1) as Array<{ _socket: tls.TLSSocket }>;
  assert.equal(connection?._socket.authorized, true);
  assert.equal(await client.ask('AUTH EXTERNAL ='), REFUSED);
});

test('a client certificate counts too where the server shows another certificate than the default one', async (t) => {
  const otherCertificates = [await maker.certificate({ names: ['mx2.example'] })];
  const { port } = await runIntake(t, {
    settings: { ...ASKING, otherCertificates },
    policy: EXTERNAL_ONLY,
  });
  for (const [certificate, answer] of [
    [core, OK],
    [await stranger.certificate({ names: ['core.mail.example'] }), /^535 /],
  ] as const) {
    const client = await open(port, 'starttls', { ...certificate, servername: 'mx2.example' });
    await client.ask('EHLO core.mail.example');
    assert.match(await client.ask('AUTH EXTERNAL ='), answer);
  }
});

async function firstCertificate(): Promise<MadeCertificate> {
  return maker.certificate({ names: ['edge.example'] });
}

async function selfSigned(): Promise<MadeCertificate> {
  const own = await CertificateMaker.make();
  return own.certificate({ names: ['core.mail.example'], usages: [CLIENT_AUTH] });
}

/** A session of TLS that a client may try to resume. */
async function sessionOf(port: number, options: tls.ConnectionOptions): Promise<Buffer> {
  const socket = tls.connect({ port, rejectUnauthorized: false, ...options });
  const [session] = (await once(socket, 'session')) as [Buffer];
  socket.destroy();
  return session;
}

/** Greeted, in TLS with these options. */
async function open(
  port: number,
  transport: 'tls' | 'starttls',
  options: tls.ConnectionOptions,
): Promise<Dialogue> {
  const common = { rejectUnauthorized: false, ...options };
  if (transport === 'tls') {
    const socket = tls.connect({ port, ...common });
    const client = Dialogue.over(socket);
    await client.reply();
    return client;
  }
  const clear = net.connect(port, '127.0.0.1');
  await once(clear, 'data');
  clear.write('STARTTLS\r\n');
  await once(clear, 'data');
  const socket = tls.connect({ socket: clear, ...common });
  await once(socket, 'secureConnect');
  return Dialogue.over(socket);
}
