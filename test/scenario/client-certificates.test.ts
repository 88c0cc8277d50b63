import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import type { NodeStatus } from '../../src/api/shape/node.js';
import type { HopCheckReport } from '../../src/topology/hop-check/check-hops.js';
import { CertificateMaker, type MadeCertificate } from '../intake/certificate-maker.js';
import { Dialogue } from '../intake/dialogue.js';
import { BodySource, makeMail, seeded, submissionOf } from './mail-content.js';
import { submit } from './mail-sender.js';
import { relaymesh, scratchFolder } from './programs.js';
import { reload, reloadWith } from './reload.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

const source = new BodySource(seeded(8));

const TOPOLOGY = `version: 1
name: certified
tls: { ca: ca.pem, cert: core.pem, key: core-key.pem, certificates: [{ cert: mx.pem, key: mx-key.pem }] }
nodes:
  edge:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    retry-interval: [1]
    smarthost: core
  core:
    listen: [{ port: auto, tls: implicit }]
    api: { port: auto }
    smarthost: mx
links:
  - { from: edge, to: core, certificate: { cert: edge.pem, key: edge-key.pem } }
sinks:
  mx: { port: auto }
`;

test('nodes that log in by certificate: mail, checks, expiry, renewal and revocation', async (t) => {
  const folder = await scratchFolder(t);
  const maker = await CertificateMaker.make();
  const put = async (name: string, { cert, key }: MadeCertificate): Promise<void> => {
    await writeFile(path.join(folder, `${name}.pem`), cert);
    await writeFile(path.join(folder, `${name}-key.pem`), key);
  };
  const make = async (commonName: string, endsInDays = 30): Promise<MadeCertificate> =>
    maker.certificate({ commonName, endsInDays, names: [commonName, 'localhost'] });
  await writeFile(path.join(folder, 'ca.pem'), maker.ca);
  await put('core', await make('core'));
  await put('mx', await make('mx.test', 20));
  await put('edge', await make('edge', 10));
  const text = TOPOLOGY.replaceAll(
    /^ {4}listen: \[\{ port/gm,
    '    host: localhost\n    listen: [{ port',
  );
  const topology = await startTopology(t, text, { folder });

  await t.test('mail passes, with the name of the node in the record of both ends', async () => {
    await send(topology, 'first@certified.test');
    await topology.sink().untilMessage('first@certified.test');
    const [sent] = await topology.api('edge').records('first@certified.test');
    assert.equal(sent?.attempts[0]?.user, 'edge');
    assert.equal(sent.attempts[0]?.tls?.verified, true);
    const [taken] = await topology.api('core').records('first@certified.test');
    assert.deepEqual([taken?.client.user, taken?.protocol], ['edge', 'ESMTPSA']);
    assert.equal(taken?.trace_id, sent.trace_id);
  });

  await t.test('a check logs in as the node does', async () => {
    const args = ['topology', 'check', topology.file, '--node', 'edge', '--json'];
    const { stdout } = await relaymesh([...args, '--workdir', topology.workdir], { cwd: folder });
    const [check] = (JSON.parse(stdout) as HopCheckReport).checks;
    assert.deepEqual(check?.login, { username: 'edge', mechanism: 'EXTERNAL' }, stdout);
  });

  await t.test('the end of every certificate is told, those of names and logins too', async () => {
    const login = (await expiries(topology, 'edge')).get('login at link core');
    assert.equal(Math.round(days(login)), 10);
    // the first of the two that it shows
    const atCore = await expiries(topology, 'core');
    assert.equal(Math.round(days(atCore.get('listener smtp'))), 20);
    assert.equal(Math.round(days(atCore.get('clients of listener smtp'))), 365);
    const { certificates } = await topology.api('core').get<NodeStatus>('/v1/node');
    const subjects = certificates.map(({ subject }) => subject).sort();
    assert.deepEqual(subjects, ['CN=core', 'CN=mx.test', 'CN=test CA']);
  });

  await t.test('renewed files are shown after SIGHUP, and open sessions go on', async () => {
    const { port, host } = topology.node('core').smtp[0] ?? assert.fail();
    const socket = tls.connect({ host, port, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const open = Dialogue.over(socket);
    assert.match(await open.reply(), /^220 /);
    const shown = async (servername: string): Promise<string> => {
      const other = tls.connect({ host, port, servername, rejectUnauthorized: false });
      await once(other, 'secureConnect');
      const { subject, fingerprint256 } = other.getPeerCertificate();
      other.destroy();
      return `${String(subject.CN)} ${fingerprint256}`;
    };
    const before = [await shown('core'), await shown('mx.test')];
    assert.deepEqual(
      before.map((one) => one.split(' ')[0]),
      ['core', 'mx.test'],
    );
    for (const name of ['core', 'mx.test', 'edge']) {
      await put(name === 'mx.test' ? 'mx' : name, await make(name));
    }
    await reload(topology, 'core');
    await reload(topology, 'edge');
    const after = [await shown('core'), await shown('mx.test')];
    assert.deepEqual(
      after.map((one) => one.split(' ')[0]),
      ['core', 'mx.test'],
    );
    assert.ok(after.every((one, index) => one !== before[index]));
    assert.match(await open.ask('EHLO late.test'), /^250-/);
    socket.destroy();
    await send(topology, 'renewed@certified.test');
    await topology.sink().untilMessage('renewed@certified.test');
    const login = (await expiries(topology, 'edge')).get('login at link core');
    assert.equal(Math.round(days(login)), 30);
  });

  await t.test('a broken file changes nothing, and is told', async () => {
    const { cert } = await make('core');
    await writeFile(path.join(folder, 'core.pem'), cert);
    await topology.signal('core', 'SIGHUP');
    await until('the refusal', async () =>
      (await topology.log('core')).find(({ event }) => event === 'reload-refused'),
    );
    const { last_reload: told } = await topology.api('core').get<NodeStatus>('/v1/node');
    assert.equal(told?.ok, false);
    assert.match(told.problem ?? '', /the key is not that of the certificate/);
    await send(topology, 'unbroken@certified.test');
    await topology.sink().untilMessage('unbroken@certified.test');
    await put('core', await make('core'));
  });

  await t.test('who has lost the right waits, and goes on once it is given back', async () => {
    // only core learns of it
    await reloadWith(topology, 'core', withoutRight(text));
    await writeFile(topology.file, text);
    await reload(topology, 'edge');
    await send(topology, 'waits@certified.test');
    await until('the refused certificate', async () =>
      (await topology.log('core')).find(({ event }) => event === 'certificate-refused'),
    );
    await until('the fault', async () => {
      const [queue] = await topology.api('edge').queues();
      return queue?.last_fault?.description.includes('EXTERNAL') === true ? queue : null;
    });
    await reload(topology, 'core');
    await topology.sink().untilMessage('waits@certified.test');
  });
});

/** The peer of the link is somebody else. */
function withoutRight(text: string): string {
  return text.replace('edge-key.pem }', 'edge-key.pem, name: nobody.test }');
}

function send(topology: RunningTopology, recipient: string): Promise<void> {
  return submit(topology.relay('edge'), submissionOf(makeMail(recipient, 1000, source)));
}

/** What a certificate is used for → seconds since the epoch, as the metrics tell it. */
async function expiries(topology: RunningTopology, node: string): Promise<Map<string, number>> {
  const text = await topology.api(node).metrics();
  const rows = text.matchAll(/^\w*certificate_expiry\w*\{[^}]*used_by="([^"]*)"[^}]*\} (\S+)$/gm);
  return new Map([...rows].map(([, use = '', value]) => [use, Number(value)]));
}

function days(seconds = 0): number {
  return (seconds * 1000 - Date.now()) / 86_400_000;
}
