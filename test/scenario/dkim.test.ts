import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { dkimSign, dkimVerify } from 'mailauth';
import { createTransport } from 'nodemailer';
import { submit } from './mail-sender.js';
import { shippedTopology, startTopology, type RunningTopology } from './running-topology.js';

const HOPS = ['hop1', 'hop2', 'hop3', 'hop4', 'hop5', 'hop6', 'hop7', 'hop8'];
const DOMAIN = 'signer.test';
const SELECTOR = 'scenario';

const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'der' },
});

test('a signature from before the first of eight hops verifies behind the last', async (t) => {
  const topology = await startTopology(t, shippedTopology('eight-hops'));

  await t.test('relaxed/relaxed, signed by nodemailer', async () => {
    const signed = await signedByNodemailer();
    assert.match(signed.toString('latin1'), /^DKIM-Signature: .* c=relaxed\/relaxed;/);
    await assertSurvives(topology, 'relaxed@signed.test', signed);
  });

  // simple/simple forgives nothing: not a space, not the case of a header's name.
  await t.test('simple/simple, signed by mailauth', async () => {
    const signed = await signedSimple(AWKWARD_MESSAGE);
    assert.match(signed.toString('latin1'), /^DKIM-Signature: .* c=simple\/simple;/);
    await assertSurvives(topology, 'simple@signed.test', signed);
  });

  await t.test('a changed byte would have been noticed', async () => {
    const signed = await signedSimple(AWKWARD_MESSAGE);
    const changed = Buffer.from(signed.toString('latin1').replace('.dot', '..dot'), 'latin1');
    assert.equal(await verify(signed), 'pass');
    assert.notEqual(await verify(changed), 'pass');
  });
});

/** Odd, and within the rules: folding, tabs, spaces at ends, dots, 8-bit text, empty lines. */
const AWKWARD_MESSAGE = Buffer.from(
  [
    'From: "Someone  Else" <sender@signer.test>',
    'tO:   simple@signed.test  ',
    'SUBJECT: folded',
    '\twith a tab',
    ' and  two  spaces ',
    'Date: Wed, 1 Apr 2026 09:00:00 +0000',
    'Message-Id: <awkward@signer.test>',
    'X-Empty:',
    'Received: from long.ago.test by older.test; Wed, 1 Apr 2026 08:59:00 +0000',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    '.dot',
    '.',
    '..',
    'trailing space and tab \t',
    'Größe: 8 bit',
    'long '.repeat(190),
    '',
    'From the beginning of a line',
    '',
    '',
    '',
  ].join('\r\n'),
);

async function signedByNodemailer(): Promise<Buffer> {
  const transport = createTransport({
    streamTransport: true,
    buffer: true,
    newline: 'windows',
    dkim: { domainName: DOMAIN, keySelector: SELECTOR, privateKey },
  });
  const { message } = await transport.sendMail({
    from: `sender@${DOMAIN}`,
    to: 'relaxed@signed.test',
    subject: 'signed by nodemailer',
    text: 'A line.\n.A line with a dot.\n',
    attachments: [{ filename: 'bytes.bin', content: Buffer.alloc(50_000, 0x5a) }],
  });
  return message as Buffer;
}

async function signedSimple(message: Buffer): Promise<Buffer> {
  const signer = { signingDomain: DOMAIN, selector: SELECTOR, privateKey };
  const { signatures, errors } = await dkimSign(message, {
    canonicalization: 'simple/simple',
    ...signer,
    signatureData: [signer],
  });
  assert.deepEqual(errors, []);
  return Buffer.concat([Buffer.from(signatures), message]);
}

/** The result of the only signature; the key comes from here in place of the DNS. */
async function verify(message: Buffer): Promise<string> {
  const { results } = await dkimVerify(message, {
    resolver: async (name: string, type: string) => {
      assert.deepEqual([name, type], [`${SELECTOR}._domainkey.${DOMAIN}`, 'TXT']);
      return [[`v=DKIM1; k=rsa; p=${publicKey.toString('base64')}`]];
    },
  });
  const [found, ...others] = results;
  assert.ok(found !== undefined && others.length === 0);
  return found.status.result;
}

async function assertSurvives(
  topology: RunningTopology,
  recipient: string,
  signed: Buffer,
): Promise<void> {
  const target = await topology.submission('hop1');
  await submit(target, { sender: `sender@${DOMAIN}`, recipients: [recipient], raw: signed });
  const { id } = await topology.sink().untilMessage(recipient);
  const arrived = await topology.sink().raw(id);

  assert.equal(await verify(arrived), 'pass');

  // Byte for byte: what was handed in stands below what the hops have put on top.
  const added = arrived.subarray(0, arrived.length - signed.length).toString('latin1');
  assert.ok(arrived.subarray(arrived.length - signed.length).equals(signed));
  const fields = added.split(/\r\n(?![ \t])/).slice(0, -1);
  const { hops } = await topology.api('hop1').untilComplete(recipient);
  assert.deepEqual(
    hops.map(({ node }) => node),
    HOPS,
  );
  assert.deepEqual(
    fields.map(readReceived),
    hops.map((hop) => ({ node: hop.node, protocol: 'ESMTPSA', id: hop.queue_id })).toReversed(),
  );
}

/** What a Received line says of the hop that added it. */
function readReceived(field: string): object {
  const words = /^Received: [^;]*\sby (\S+)\s[^;]*\swith (\S+) id (\w+)\s[^;]*; /.exec(
    field.replaceAll('\r\n', ''),
  );
  const [, by, protocol, id] = words ?? [];
  return { node: by?.split('.')[0], protocol, id };
}
