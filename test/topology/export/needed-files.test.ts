import assert from 'node:assert/strict';
import { test } from 'node:test';
import { secretIds } from '../../../src/topology/export/needed-files.js';
import { lint, parsed, places } from '../topology-files.js';
import { exported, exportedFiles, LOCAL } from './exporting.js';

/** A node with every kind of file that one can read. */
const EVERY_FILE = `version: 1
name: files
secrets:
  "app/Ä one": { env: APP }
  app--one: { file: $HOME/a%b }
  tls-ca: { file: /run/app }
tls: { ca: ca.pem }
defaults:
  otlp: { endpoint: "https://collector.example", ca: collector.pem, headers: { x-key: { secret: tls-ca } } }
  spool: { amqp: "amqps://r.example", username: me, password: { secret: app--one }, ca: rabbit.pem }
nodes:
  out:
    host: out.mail.internal
    listen: [{ port: 25, tls: required }]
    tls: { cert: /pki/out.pem, key: ../out.key }
    users:
      - { username: one, password: { secret: "app/Ä one" } }
      - { username: two, password: { secret: app--one } }
    routes:
      - recipient: "*@gmail.com"
        smarthost: { hostname: smtp.gmail.com, username: me, token: { command: [get-token, me] } }
    smarthost:
      pool:
        - to: { hostname: smtp.office365.com, port: 587, username: me, token: { file: tokens/me } }
`;

test('secrets get names that a file, a credential and a key can have, each its own', () => {
  const { topology } = parsed(EVERY_FILE);
  assert.deepEqual(
    [...secretIds(topology)],
    [
      ['app/Ä one', 'app-one'],
      ['app--one', 'app--one'],
      ['tls-ca', 'tls-ca-2'],
    ],
  );
});

test('systemd: every file of a node is a credential, but that of a token, which changes', async (t) => {
  const files = await exportedFiles(t, 'systemd', EVERY_FILE);
  const unit = files.get('out/relaymesh-files-out.service') ?? '';
  assert.deepEqual(unit.match(/^LoadCredential=.*$/gm), [
    'LoadCredential=app-one:/etc/relaymesh/files/secrets/app-one',
    'LoadCredential=app--one:/etc/relaymesh/files/$HOME/a%%b',
    'LoadCredential=tls-ca-2:/run/app',
    'LoadCredential=tls-ca:/etc/relaymesh/files/ca.pem',
    'LoadCredential=tls-cert:/pki/out.pem',
    'LoadCredential=tls-key:/etc/relaymesh/out.key',
    'LoadCredential=otlp-ca:/etc/relaymesh/files/collector.pem',
    'LoadCredential=spool-ca:/etc/relaymesh/files/rabbit.pem',
  ]);
  const slice = files.get('out/out.yaml') ?? '';
  assert.match(slice, /token: \{ file: \/etc\/relaymesh\/files\/tokens\/me \}/);
  assert.match(slice, /ca: \/run\/credentials\/relaymesh-files-out\.service\/otlp-ca/);
  assert.match(
    files.get('README.md') ?? '',
    /Programs that print access tokens .*`out`: `get-token`/,
  );
  assert.deepEqual(
    places(lint(slice, { node: 'out' })).filter((one) => !/missing-c/.test(one)),
    [],
  );
});

test('compose: what is relative to the topology is kept beside the file', async (t) => {
  const text = EVERY_FILE.replace('$HOME/a%b', '/var/$USER/b');
  const compose = (await exportedFiles(t, 'compose', text)).get('compose.yaml') ?? '';
  const sources = compose.slice(compose.indexOf('\nsecrets:'), compose.indexOf('\nvolumes:'));
  assert.deepEqual(sources.match(/(?:file|environment): .*/g), [
    'environment: APP',
    'file: /var/$$USER/b',
    'file: /run/app',
    'file: ./tls/tls-ca.pem',
    'file: /pki/out.pem',
    'file: ./tls/out/tls-key.pem',
    'file: ./tls/out/token-1',
    'file: ./tls/otlp-ca.pem',
    'file: ./tls/spool-ca.pem',
  ]);
});

test('kubernetes: certificates are in a Secret of the node, all else in that of the mesh', async (t) => {
  const text = (await exportedFiles(t, 'kubernetes', EVERY_FILE)).get('README.md') ?? '';
  assert.deepEqual(text.match(/^\| `[^`]*` \| `[^`]*` \|/gm), [
    '| `files` | `app-one` |',
    '| `files` | `app--one` |',
    '| `files` | `tls-ca-2` |',
    '| `out-tls` | `ca.crt` |',
    '| `out-tls` | `tls.crt` |',
    '| `out-tls` | `tls.key` |',
    '| `files` | `token-1` |',
    '| `files` | `otlp-ca` |',
    '| `files` | `spool-ca` |',
  ]);
});

/** One node with two names, which logs in by certificates of its own at two others. */
const CERTIFICATES = `version: 1
name: files
secrets: { client-cert-1: { env: ESP } }
tls: { ca: ca.pem, cert: cert.pem, key: key.pem, certificates: [{ cert: b.pem, key: b.key }] }
nodes:
  out:
    host: out.mail.internal
    listen: [{ port: 2525, tls: required }]
    relay-from: [10.0.0.0/8]
    routes: [{ recipient: "*@b.example", smarthost: b }]
    smarthost: a
  a: { host: a.mail.internal, listen: [{ port: 2525, tls: required }], smarthost: { hostname: smtp.esp.example, username: u, password: { secret: client-cert-1 } } }
  b: { host: b.mail.internal, listen: [{ port: 2525, tls: required }], smarthost: smtp.esp.example }
links:
  - { from: out, to: a, certificate: { cert: /pki/a.pem, key: a.key } }
  - { from: out, to: b, certificate: { cert: c.pem, key: c.key, name: out.b.example } }
`;

test('certificates by name and of links are files of their node alone', async (t) => {
  const { topology } = parsed(CERTIFICATES);
  assert.deepEqual([...secretIds(topology)], [['client-cert-1', 'secret-client-cert-1']]);
  const systemd = await exportedFiles(t, 'systemd', CERTIFICATES);
  const credentials = (node: string): string[] =>
    (systemd.get(`${node}/relaymesh-files-${node}.service`) ?? '')
      .match(/^LoadCredential=.*(?:cert|key)-\d+:.*$/gm)
      ?.map((line) => line.replace(/^LoadCredential=(?!secret)/, '')) ?? [];
  assert.deepEqual(credentials('out'), [
    'tls-cert-2:/etc/relaymesh/files/b.pem',
    'tls-key-2:/etc/relaymesh/files/b.key',
    'client-cert-1:/pki/a.pem',
    'client-key-1:/etc/relaymesh/files/a.key',
    'client-cert-2:/etc/relaymesh/files/c.pem',
    'client-key-2:/etc/relaymesh/files/c.key',
  ]);
  assert.deepEqual(credentials('b'), [
    'tls-cert-2:/etc/relaymesh/files/b.pem',
    'tls-key-2:/etc/relaymesh/files/b.key',
  ]);
  for (const node of ['out', 'a', 'b']) {
    const faults = lint(systemd.get(`${node}/${node}.yaml`) ?? '', { node });
    assert.deepEqual(
      places(faults).filter((one) => !/missing-c/.test(one)),
      [],
      node,
    );
  }
  const text = (await exportedFiles(t, 'kubernetes', CERTIFICATES)).get('README.md') ?? '';
  assert.deepEqual(text.match(/^\| `out-certificates` \| `[^`]*` \|/gm)?.length, 6);
});

test('a line break in a name is refused: it would end a line of a unit', async (t) => {
  const text = LOCAL.replace('{ file: edge-core }', '{ file: "x\\nExecStartPre=/bin/false" }');
  const { faults, files } = await exported(t, 'systemd', text);
  assert.equal(files, undefined);
  assert.deepEqual(places(faults), ['invalid-value@5:22']);
});

test('containers: a node whose listeners are all on loopback is refused', async (t) => {
  const text = LOCAL.replace('[{ port: 2525,', '[{ host: 127.0.0.1, port: 2525,');
  assert.ok((await exported(t, 'systemd', text)).files);
  const { faults } = await exported(t, 'kubernetes', text);
  assert.deepEqual(places(faults), ['invalid-value@10:5']);
});
