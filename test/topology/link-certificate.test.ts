import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { stringify } from 'yaml';
import { RelayError } from '../../src/base/errors.js';
import type { CertificatePeerSettings } from '../../src/policy/settings.js';
import { sliceOf } from '../../src/topology/export/slice.js';
import { writtenOf } from '../../src/topology/export/written.js';
import type { LintOptions } from '../../src/topology/lint.js';
import {
  CertificateMaker,
  CLIENT_AUTH,
  SERVER_AUTH,
  type CertificateWishes,
} from '../intake/certificate-maker.js';
import { compile, smarthostOf } from './compiling.js';
import { formFaults, lint, parsed, places, writeTopology } from './topology-files.js';

const maker = await CertificateMaker.make();
const stranger = await CertificateMaker.make();
const NAMES = ['edge.mail.test', 'core.mail.test'];

const TEXT = `version: 1
name: mesh
tls: { ca: ca.pem, cert: cert.pem, key: key.pem }
nodes:
  edge: { host: edge.mail.test, listen: [{ port: 2525 }], relay-from: [192.0.2.1], smarthost: core }
  core: { host: core.mail.test, listen: [{ port: 2526, tls: required }], smarthost: mx.example.com }
links:
  - { from: edge, to: core, certificate: true }
`;
/** Of the value of \`certificate\` in the only link, and of its key. */
const KEY = '8:29';

const but = (from: string, to: string, text = TEXT): string => {
  assert.ok(text.includes(from), from);
  return text.replace(from, () => to);
};
const withLink = (certificate: string): string => but('certificate: true', certificate);

/** The faults of a text beside files, the certificate of which may be of any kind. */
async function check(
  t: TestContext,
  text: string,
  { wishes = {}, by = maker, ca = maker.ca, ...options }: CheckOptions = {},
): Promise<string[]> {
  const [own, client] = await Promise.all([
    maker.certificate({ names: NAMES }),
    by.certificate({ names: NAMES, ...wishes }),
  ]);
  const file = writeTopology(t, text, {
    'ca.pem': ca,
    'cert.pem': own.cert,
    'key.pem': own.key,
    'client.pem': client.cert,
    'client-key.pem': client.key,
  });
  return places(lint(text, options, file));
}

interface CheckOptions extends LintOptions {
  wishes?: CertificateWishes;
  by?: CertificateMaker;
  ca?: string;
}

const OWN = 'certificate: { cert: client.pem, key: client-key.pem }';

test('the sending end shows its certificate, and the receiving end knows the name in it', () => {
  const edge = smarthostOf(compile(TEXT, 'edge'));
  assert.ok(edge.login !== undefined && 'certificate' in edge.login);
  const { username, certificate } = edge.login;
  assert.deepEqual([username, edge.tls, edge.trace], ['edge', 'verified', 'envelope']);
  assert.deepEqual(
    [certificate.cert, certificate.key.reveal()],
    ['pem of cert.pem', 'pem of key.pem'],
  );
  const { intake, policy } = compile(TEXT, 'core');
  assert.deepEqual(intake.clientCa, ['pem of ca.pem']);
  assert.deepEqual(policy.peers, []);
  const peer: CertificatePeerSettings = {
    node: 'edge',
    username: 'edge',
    name: 'edge.mail.test',
    sha256: [],
    may: [],
    steerTo: [],
  };
  assert.deepEqual(policy.certificatePeers, [peer]);
  // who only sends asks nobody
  const sending = compile(but('port: 2525 ', 'port: 2525, tls: required '), 'edge');
  assert.deepEqual(
    [sending.intake.clientCa, sending.policy.certificatePeers],
    [undefined, undefined],
  );
});

test('a link may have a certificate, a name and fingerprints of its own', () => {
  const sha256 = 'AB:'.repeat(31) + 'cd';
  const text = withLink(
    `certificate: { cert: c.pem, key: k.pem, name: Relay.Test, sha256: ["${sha256}", ${'0f'.repeat(32)}] }`,
  );
  const { login } = smarthostOf(compile(text, 'edge'));
  assert.ok(login !== undefined && 'certificate' in login);
  assert.equal(login.certificate.cert, 'pem of c.pem');
  const [peer] = compile(text, 'core').policy.certificatePeers ?? [];
  assert.equal(peer?.name, 'Relay.Test');
  assert.deepEqual(peer.sha256, ['ab'.repeat(31) + 'cd', '0f'.repeat(32)]);
});

test('a host that says nothing elsewhere is no name: the node is known by its own', () => {
  for (const [host, name] of [
    ['edge.mail.test', 'edge.mail.test'],
    ['localhost', 'edge'],
    ['127.0.0.1', 'edge'],
    ['192.0.2.7', 'edge'],
    ['2001:db8::7', 'edge'],
  ]) {
    const text = but('host: edge.mail.test', `host: "${host}"`);
    assert.equal(compile(text, 'core').policy.certificatePeers?.[0]?.name, name, host);
  }
});

test('certificates that are made for the run are shown by whoever starts through it', () => {
  const text = but('{ ca: ca.pem, cert: cert.pem, key: key.pem }', '{ ephemeral: true }');
  const own = smarthostOf(compile(text, 'edge')).login;
  assert.ok(own !== undefined && 'certificate' in own);
  const byHand = { allotment: undefined };
  assert.throws(
    () => compile(text, 'edge', byHand),
    (error) => {
      assert.ok(error instanceof RelayError);
      assert.deepEqual([error.code, error.where], ['NO_CERTIFICATE', 'links.0.certificate']);
      return true;
    },
  );
});

test('further certificates of the listeners, of the topology and of a node in its place', () => {
  const certificates = 'certificates: [{ cert: b.pem, key: bk.pem }]';
  const top = but('key: key.pem }', `key: key.pem, ${certificates} }`);
  const others = (text: string) => compile(text, 'core').intake.otherCertificates;
  assert.equal(others(TEXT), undefined);
  assert.deepEqual(others(top), [{ cert: 'pem of b.pem', key: 'pem of bk.pem' }]);
  const own = 'tls: { certificates: [{ cert: c.pem, key: ck.pem }] }, listen: [{ port: 2526';
  assert.deepEqual(others(but('listen: [{ port: 2526', own, top)), [
    { cert: 'pem of c.pem', key: 'pem of ck.pem' },
  ]);
});

test('what cannot be meant is refused', () => {
  for (const certificate of [
    'certificate: false',
    'certificate: cert.pem',
    'certificate: { name: "*.mail.test" }',
    'certificate: { name: ".mail.test" }',
    'certificate: { name: "a b" }',
    'certificate: { sha256: [] }',
    'certificate: { sha256: [abcd] }',
    'certificate: { fingerprint: x }',
  ]) {
    assert.ok(formFaults(withLink(certificate)).length > 0, certificate);
  }
});

test('a certificate that the other end will take is no fault', async (t) => {
  for (const text of [TEXT, withLink(OWN)]) {
    assert.deepEqual(await check(t, text), []);
    for (const node of ['edge', 'core']) assert.deepEqual(await check(t, text, { node }), []);
  }
  const text = withLink(OWN);
  for (const wishes of [
    { usages: [CLIENT_AUTH] },
    { usages: [SERVER_AUTH, CLIENT_AUTH] },
    { names: ['x.test', 'EDGE.mail.test'] },
  ]) {
    assert.deepEqual(await check(t, text, { wishes }), []);
  }
});

test('one that it will not take is found before it is shown', async (t) => {
  const cases: Array<[CheckOptions, string]> = [
    [{ wishes: { names: ['other.test'] } }, `certificate-name@${KEY}`],
    [{ wishes: { names: ['*.mail.test'] } }, `certificate-name@${KEY}`],
    [{ wishes: { usages: [SERVER_AUTH] } }, `invalid-certificate@${KEY}`],
    [{ wishes: { endsInDays: -1 } }, 'expired-certificate@8:50'],
    [{ by: stranger }, `untrusted-certificate@${KEY}`],
  ];
  for (const [options, fault] of cases) {
    assert.deepEqual(await check(t, withLink(OWN), options), [fault]);
  }
  const { cert } = await maker.certificate({ names: NAMES });
  const { fingerprint256 } = new X509Certificate(cert);
  const pinned = OWN.replace(' }', `, sha256: ["${fingerprint256}"] }`);
  const [fault, ...others] = await check(t, withLink(pinned));
  assert.deepEqual(others, []);
  assert.match(fault ?? '', /^certificate-name@8:/);
});

test('a pin that fits is no fault, whatever the name', async (t) => {
  const client = await maker.certificate({ names: ['other.test'] });
  const { fingerprint256 } = new X509Certificate(client.cert);
  const text = withLink(OWN.replace(' }', `, sha256: ["${fingerprint256}"] }`));
  const own = await maker.certificate({ names: NAMES });
  const file = writeTopology(t, text);
  for (const [name, content] of Object.entries({
    'ca.pem': maker.ca,
    'cert.pem': own.cert,
    'key.pem': own.key,
    'client.pem': client.cert,
    'client-key.pem': client.key,
  })) {
    writeFileSync(path.join(path.dirname(file), name), content);
  }
  assert.deepEqual(places(lint(text, {}, file)), []);
});

test('what is missing for a login by certificate, or too much, is found', async (t) => {
  const cases: Array<[text: string, faults: string[]]> = [
    [withLink('certificate: { cert: client.pem }'), ['missing-certificate@8:44']],
    [
      withLink('certificate: { cert: none.pem, key: none.pem }'),
      ['missing-certificate@8:50', 'missing-certificate@8:65'],
    ],
    [withLink('certificate: true, tls: required'), ['certificate-without-tls@8:53']],
    [withLink('certificate: true, tls: opportunistic'), ['certificate-without-tls@8:53']],
    // this one has nowhere to go at all
    [withLink('certificate: true, tls: none'), ['tls-mismatch@8:53']],
  ];
  for (const [text, faults] of cases) {
    const found = await check(t, text);
    assert.deepEqual(found, faults, text);
  }
  const both = but(
    'links:',
    'secrets: { a: { env: A } }\nlinks:',
    withLink('certificate: true, username: edge, password: { secret: a }'),
  );
  assert.deepEqual(await check(t, both, { env: { A: 'a' } }), ['password-and-token@9:29']);
  const noCa = but('ca: ca.pem, ', '');
  assert.ok((await check(t, noCa)).includes(`missing-ca@${KEY}`));
  assert.ok(!(await check(t, noCa, { node: 'edge' })).includes(`missing-ca@${KEY}`));
});

test('two peers that one certificate would do for are found', async (t) => {
  const text = but(
    'links:',
    '  also: { host: edge.mail.test, listen: [{ port: 2527 }], relay-from: [192.0.2.1], smarthost: core }\nlinks:',
  );
  const both = `${text}  - { from: also, to: core, certificate: true }\n`;
  assert.deepEqual(await check(t, both), ['duplicate-username@10:29']);
  const apart = both.replace(/certificate: true }\n$/, 'certificate: { name: core.mail.test } }\n');
  assert.deepEqual(await check(t, apart), []);
});

test('trace and steering need a login, and a certificate is one', async (t) => {
  for (const more of ['trace: envelope', 'may: [steer], steer-to: [core]']) {
    assert.deepEqual(await check(t, withLink(`certificate: true, ${more}`)), [], more);
  }
});

test('each end of an exported link has what it needs, and the files of the other are not in it', () => {
  const text = withLink('certificate: { cert: c.pem, key: k.pem, name: relay.test }');
  const { topology, positions } = parsed(text);
  const slice = (node: string): string =>
    stringify(sliceOf(topology, writtenOf({ topology, positions }), node));
  assert.match(slice('edge'), /cert: c\.pem/);
  assert.doesNotMatch(slice('core'), /c\.pem|k\.pem/);
  const whole = compile(text, 'core').policy;
  assert.deepEqual(compile(slice('core'), 'core').policy, whole);
  assert.deepEqual(smarthostOf(compile(slice('edge'), 'edge')), smarthostOf(compile(text, 'edge')));
});
