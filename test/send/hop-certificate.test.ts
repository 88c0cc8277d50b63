import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../src/base/secret.js';
import { LibraryConnection } from '../../src/send/library-connection.js';
import type { Login, NextHop } from '../../src/send/next-hop.js';
import { CertificateMaker, type MadeCertificate } from '../intake/certificate-maker.js';
import { runIntake, type IntakeOptions } from '../intake/running-intake.js';
import { hopTo, kinds, makeSender } from './attempting.js';
import { runScriptedServer } from './scripted-server.js';

const maker = await CertificateMaker.make();
const stranger = await CertificateMaker.make();
const server = await maker.certificate({ names: ['core.example'] });
const edge = await maker.certificate({ names: ['edge.example'] });

const PEER = {
  node: 'edge',
  username: 'edge',
  name: 'edge.example',
  sha256: [],
  may: [],
  steerTo: [],
};
const CORE: IntakeOptions = {
  settings: { certificate: server, clientCa: [maker.ca] },
  policy: { users: [], peers: [], certificatePeers: [PEER], relayFrom: [] },
};

function by({ cert, key }: MadeCertificate): Login {
  return { username: 'edge', certificate: { cert, key: new Secret(key) } };
}

function verified(port: number, changes: Partial<NextHop> = {}): NextHop {
  const hop: Partial<NextHop> = { tls: 'verified', ca: [maker.ca], servername: 'core.example' };
  return hopTo(port, { ...hop, login: by(edge), ...changes });
}

test('a node logs in by its certificate at another node, and the record says as whom', async (t) => {
  for (const [tls, implicitTls] of [
    ['required', false],
    ['implicit', true],
  ] as const) {
    const { port, spool } = await runIntake(t, { ...CORE, listener: { tls } });
    const sender = makeSender(t);
    for (let message = 1; message <= 2; message++) {
      const report = await sender.send(verified(port, { implicitTls }));
      assert.deepEqual(kinds(report), ['delivered']);
      assert.deepEqual([report.record.user, report.record.tls?.verified], ['edge', true]);
    }
    assert.deepEqual(
      spool.taken.map(({ item }) => item.arrival.client.user),
      ['edge', 'edge'],
    );
  }
});

test('a certificate that the hop does not take is a fault of the hop, and no mail goes', async (t) => {
  const { port, spool } = await runIntake(t, CORE);
  for (const certificate of [
    await maker.certificate({ names: ['other.example'] }),
    await stranger.certificate({ names: ['edge.example'] }),
    await maker.certificate({ names: ['edge.example'], endsInDays: -1 }),
  ]) {
    const { outcomes, record } = await makeSender(t).send(
      verified(port, { login: by(certificate) }),
    );
    assert.equal(outcomes[0]?.kind, 'hop-fault');
    assert.match(outcomes[0]?.text ?? '', /offers no login with the certificate/);
    assert.deepEqual(
      [record.state, record.user, record.tls?.verified],
      ['authexternal', null, true],
    );
  }
  assert.equal(spool.taken.length, 0);
});

test('a certificate is shown to nobody but the hop that it is for, and in TLS alone', async (t) => {
  const { port, listener } = await runIntake(t, CORE);
  const impostor = verified(port, { servername: 'other.example' });
  const { outcomes, record } = await makeSender(t).send(impostor);
  assert.deepEqual([outcomes[0]?.kind, record.state], ['hop-fault', 'starttls']);
  const clear = await makeSender(t).send(hopTo(port, { tls: 'none', login: by(edge) }));
  assert.deepEqual([clear.outcomes[0]?.kind, clear.record.state], ['hop-fault', 'authexternal']);
  assert.match(clear.outcomes[0]?.text ?? '', /without TLS no certificate/);
  assert.deepEqual([listener.counts.logins, listener.counts.loginsRefused], [0, 0]);
});

test('the words of the login, and what each answer to them means', async (t) => {
  for (const [on, kind, lines] of [
    [{ AUTH: '235 2.7.0 welcome' }, 'delivered', ['AUTH EXTERNAL =']],
    [{ AUTH: '334 ', '*': '235 2.7.0 welcome' }, 'delivered', ['AUTH EXTERNAL =', '']],
    [{ AUTH: '334 ', '*': '334 ' }, 'hop-fault', ['AUTH EXTERNAL =', '']],
    [{ AUTH: '535 5.7.8 who?' }, 'hop-fault', ['AUTH EXTERNAL =']],
    [{ AUTH: '454 4.7.0 later' }, 'hop-fault', ['AUTH EXTERNAL =']],
    [{ AUTH: '354 go on' }, 'hop-fault', ['AUTH EXTERNAL =']],
  ] as const) {
    const script = { certificate: server, implicit: true, offers: ['AUTH PLAIN EXTERNAL'], on };
    const hop = await runScriptedServer(t, script);
    const report = await makeSender(t).send(verified(hop.port, { implicitTls: true }));
    assert.deepEqual(kinds(report), [kind], JSON.stringify(on));
    assert.deepEqual(hop.lines().slice(1, 1 + lines.length), lines);
    assert.ok(!hop.lines().some((line) => line.startsWith('AUTH PLAIN')));
  }
});

test('the library knows of no EXTERNAL, so that what the hop offers is read by us', async (t) => {
  const script = { certificate: server, implicit: true, offers: ['AUTH EXTERNAL PLAIN'] };
  const hop = await runScriptedServer(t, script);
  const stock = new LibraryConnection({
    host: '127.0.0.1',
    port: hop.port,
    secure: true,
    tls: { rejectUnauthorized: false },
  });
  t.after(() => stock.close());
  await new Promise<void>((resolve) => stock.connect(() => resolve()));
  assert.deepEqual(stock._supportedAuth, ['PLAIN']);
  const report = await makeSender(t).send(verified(hop.port, { implicitTls: true }));
  assert.deepEqual(kinds(report), ['delivered']);
});
