import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as forAll, constantFrom, property, string } from 'fast-check';
import { parseMailbox } from '../../src/format/address.js';
import { buildBounce, wantsFailureReport, type BounceContext } from '../../src/queue/bounce.js';
import type { Item, ItemRecipient } from '../../src/queue/item.js';
import { anItem, aRecipient, FAILED, NOW_MS } from './samples.js';

const HEADER = 'Subject: hello\r\nX-Long: folded\r\n line\r\n\r\n';
const FULL = `${HEADER}first line\r\n.\r\nFrom the third\r\n`;

function failed(address: string, changes: Partial<ItemRecipient> = {}): ItemRecipient {
  const { code, enhanced, text } = FAILED;
  return aRecipient(address, {
    state: 'failed',
    attempts: 1,
    lastReply: { code, enhanced, text },
    ...changes,
  });
}

interface Bounce {
  text: string;
  /** Header of the whole, unfolded. */
  header: string;
  /** Header and content of each part. */
  parts: Array<{ header: string; content: string }>;
  /** The groups of the delivery status: about the message, then one a recipient. */
  groups: string[][];
}

async function bounceOf(
  recipients: ItemRecipient[],
  changes: Partial<Item> = {},
  context: Partial<BounceContext> = {},
): Promise<Bounce> {
  const bytes = await buildBounce(
    anItem('01KE6Q1XB5M0Z9AB3C', { recipients, ...changes }),
    recipients,
    {
      hostname: 'edge.mail.internal',
      remote: 'core',
      nowMs: NOW_MS + 65_000,
      original: Buffer.from(HEADER),
      full: false,
      ...context,
    },
  );
  const text = bytes.toString('utf8');
  assert.ok(!/(?<!\r)\n|\r(?!\n)/.test(text), 'every line ends with CR LF');
  for (const line of text.split('\r\n')) assert.ok(Buffer.byteLength(line) <= 998, 'line length');
  const [head, body] = halves(text);
  const boundary = /boundary="([^"]+)"/.exec(head)?.[1];
  assert.ok(boundary !== undefined);
  const pieces = `\r\n${body}`.split(`\r\n--${boundary}`);
  assert.equal(pieces.at(-1)?.trim(), '--', 'the last boundary closes');
  const parts = pieces.slice(1, -1).map((piece) => {
    const [header, content] = halves(piece.slice(2));
    return { header, content };
  });
  const groups = (parts[1]?.content ?? '')
    .trimEnd()
    .split('\r\n\r\n')
    .map((group) => group.split('\r\n'));
  return { text, header: unfolded(head), parts, groups };
}

function halves(text: string): [string, string] {
  const at = text.indexOf('\r\n\r\n');
  return [text.slice(0, at), text.slice(at + 4)];
}

function unfolded(header: string): string {
  return header.replaceAll(/\r\n(?=[ \t])/g, '');
}

test('a bounce is the report that RFC 3464 describes', async () => {
  const { text } = await bounceOf(
    [failed('one@b.example', { orcpt: 'rfc822;first+2Bone@b.example' })],
    {
      envid: 'batch+2B7',
    },
  );
  const golden = text
    .replaceAll(/--_NmP-[0-9a-f]+-Part_1/g, 'BOUNDARY')
    .replace(/^Message-ID: <[0-9a-f-]+@edge.mail.internal>\r$/m, 'Message-ID: <MESSAGE-ID>\r');
  assert.equal(
    golden,
    `From: Mail Delivery System <MAILER-DAEMON@edge.mail.internal>
To: sender@a.example
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
Date: Mon, 5 Jan 2026 12:01:05 +0000
References: <01KE6Q1XB5M0Z9AB3C@a.example>
Message-ID: <MESSAGE-ID>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
 boundary="BOUNDARY"

--BOUNDARY
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

This is the mail relay at edge.mail.internal.

Your message could not be delivered to the recipients below. It will not be=
 tried again.

<one@b.example>: core said: 550 5.1.1 no such user here

--BOUNDARY
Content-Type: message/delivery-status
Content-Transfer-Encoding: 7bit

Reporting-MTA: dns; edge.mail.internal
X-Relaymesh-Queue-ID: 01KE6Q1XB5M0Z9AB3C
Original-Envelope-Id: batch+7
Arrival-Date: Mon, 5 Jan 2026 12:00:00 +0000

Original-Recipient: rfc822; first+one@b.example
Final-Recipient: rfc822; one@b.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; core
Diagnostic-Code: smtp; 550 5.1.1 no such user here
Last-Attempt-Date: Mon, 5 Jan 2026 12:01:05 +0000

--BOUNDARY
Content-Type: text/rfc822-headers
Content-Transfer-Encoding: quoted-printable

Subject: hello
X-Long: folded
 line


--BOUNDARY--
`.replaceAll('\n', '\r\n'),
  );
});

test('each recipient has a group with the fields of its own', async () => {
  const recipients = [
    failed('one@b.example'),
    failed('two@b.example', { lastReply: { code: 554, enhanced: null, text: 'refused' } }),
    failed('three@b.example', { lastReply: { code: 452, enhanced: '4.2.2', text: 'full' } }),
    failed('four@b.example', { lastReply: null }),
  ];
  const { groups, parts } = await bounceOf(recipients);
  assert.equal(parts.length, 3);
  assert.equal(groups.length, 5);
  const fields = groups
    .slice(1)
    .map((group) => Object.fromEntries(group.map((line) => line.split(/: (.*)/))));
  assert.deepEqual(
    fields.map((field) => [field['Final-Recipient'], field['Status'], field['Diagnostic-Code']]),
    [
      ['rfc822; one@b.example', '5.1.1', 'smtp; 550 5.1.1 no such user here'],
      ['rfc822; two@b.example', '5.0.0', 'smtp; 554 refused'],
      // The failure is final whatever was said last: the class is 5 (RFC 3464 §2.3.4).
      ['rfc822; three@b.example', '5.0.0', 'smtp; 452 4.2.2 full'],
      ['rfc822; four@b.example', '5.0.0', undefined],
    ],
  );
  for (const field of fields) assert.equal(field['Action'], 'failed');
});

test('a next hop that said nothing is not quoted', async () => {
  const expired = {
    code: null,
    enhanced: '5.4.7',
    text: 'delivery time expired; last: 451 4.7.1 later',
  };
  for (const remote of [null, 'core']) {
    const { parts, groups } = await bounceOf(
      [failed('one@b.example', { lastReply: expired })],
      {},
      { remote },
    );
    assert.ok(!(parts[0]?.content ?? '').includes('said'));
    assert.match(parts[0]?.content ?? '', /<one@b.example>: 5\.4\.7 delivery time expired/);
    assert.ok(groups[1]?.includes('Status: 5.4.7'));
    assert.ok(!(groups[1] ?? []).some((line) => line.startsWith('Diagnostic-Code')));
    if (remote === null)
      assert.ok(!(groups[1] ?? []).some((line) => line.startsWith('Remote-MTA')));
  }
});

test('what the remote says starts no line of its own and adds no field, part or header', async () => {
  const plain = await bounceOf([failed('one@b.example')]);
  const evil = [
    'no\r\nBcc: victim@x.example\r\n\r\n<script>',
    'no\nStatus: 2.0.0',
    'no\rAction: delivered',
    'no\r\n\r\nFinal-Recipient: rfc822; other@x.example',
    'no\r\n.\r\nMAIL FROM:<x@x.example>',
    `no\r\n--${/boundary="([^"]+)"/.exec(plain.text)?.[1]}--`,
    'no\u2028Status: 2.0.0\u0085x\0y\x1b[2Jz',
  ];
  for (const text of evil) {
    const reply = { code: 550, enhanced: '5.1.1', text };
    const bounce = await bounceOf([failed('one@b.example', { lastReply: reply })]);
    assert.equal(bounce.parts.length, 3, text);
    assert.deepEqual(bounce.header.split('\r\n').length, plain.header.split('\r\n').length, text);
    assert.deepEqual(
      bounce.groups.map((group) => group.map((line) => line.split(':')[0])),
      plain.groups.map((group) => group.map((line) => line.split(':')[0])),
      text,
    );
    const lines = (bounce.parts[0]?.content ?? '').split('\r\n');
    assert.equal(lines.filter((line) => line.includes('said')).length, 1);
    assert.ok(!lines.some((line) => /^(Bcc|Status|Action|\.|<script)/.test(line)), text);
  }
});

test('whatever the remote says and the client gave, the report has its form', async () => {
  const unit = constantFrom(
    ...'aZ é\r\n\t\0:.-;<>=+"\u2028\u{1f4e7}\x7f'.split(''),
    '\r\n',
    '\r\n\r\n',
    '--',
  );
  const runs: Array<Promise<void>> = [];
  forAll(
    property(string({ unit, maxLength: 1200 }), string({ unit, maxLength: 60 }), (text, other) => {
      const run = async (): Promise<void> => {
        const recipient = failed('one@b.example', {
          lastReply: { code: 550, enhanced: '5.1.1', text },
          orcpt: `rfc822;${Buffer.from(other).toString('hex').toUpperCase().replaceAll(/../g, '+$&')}`,
        });
        const { parts, groups } = await bounceOf([recipient], {
          envid: recipient.orcpt?.slice(7) ?? null,
        });
        assert.equal(parts.length, 3);
        assert.equal(groups.length, 2);
        assert.match(groups.flat().join(''), /^[\x20-\x7e]*$/);
      };
      runs.push(run());
    }),
    { numRuns: 60 },
  );
  await Promise.all(runs);
});

test('words above ASCII are shown without them and nothing needs 8 bits', async () => {
  const reply = { code: 550, enhanced: '5.1.1', text: 'Empfänger 不明 \xff\xfe' };
  const { text, groups } = await bounceOf([failed('one@b.example', { lastReply: reply })]);
  assert.match(text, /^[\r\n\x20-\x7e]*$/);
  assert.ok(groups[1]?.includes('Diagnostic-Code: smtp; 550 5.1.1 Empf?nger ? ?'));
});

test('ENVID and ORCPT are decoded, and left out when they are not xtext', async () => {
  const good = await bounceOf([failed('one@b.example', { orcpt: 'rfc822;a+2Bb+0D+0ABcc:+20x' })], {
    envid: 'id+3D1+0D+0AStatus:+202.0.0',
  });
  assert.ok(good.groups[0]?.includes('Original-Envelope-Id: id=1 Status: 2.0.0'));
  assert.equal(good.groups[1]?.[0], 'Original-Recipient: rfc822; a+b Bcc: x');
  const bad = await bounceOf([failed('one@b.example', { orcpt: 'rfc822;a+2' })], { envid: '+zz' });
  assert.ok(!bad.text.includes('Original-'));
  const noType = await bounceOf([failed('one@b.example', { orcpt: 'nonsense' })]);
  assert.ok(!noType.text.includes('Original-Recipient'));
});

test('with RET=FULL the whole message comes back byte by byte, else its header', async () => {
  const header = await bounceOf([failed('one@b.example')]);
  assert.match(header.parts[2]?.header ?? '', /^Content-Type: text\/rfc822-headers/);
  assert.equal(header.parts[2]?.content.trimEnd(), HEADER.trimEnd());
  const full = await bounceOf(
    [failed('one@b.example')],
    {},
    { original: Buffer.from(FULL), full: true },
  );
  assert.match(full.parts[2]?.header ?? '', /^Content-Type: message\/rfc822/);
  assert.ok(full.parts[2]?.content.startsWith(FULL));
});

test('a header with 8-bit bytes comes back as 7-bit, a whole message with its own bytes', async () => {
  const original = Buffer.from('Subject: gr\u00fc\u00dfe\r\n\r\n');
  const header = await bounceOf([failed('one@b.example')], { eightBit: true }, { original });
  assert.match(header.text, /^[\r\n\x20-\x7e]*$/);
  assert.match(header.parts[2]?.content ?? '', /Subject: gr=C3=BC=C3=9Fe/);
  const full = await bounceOf(
    [failed('one@b.example')],
    { eightBit: true },
    { original, full: true },
  );
  assert.match(full.parts[2]?.header ?? '', /Content-Transfer-Encoding: 8bit/);
  assert.ok(full.parts[2]?.content.startsWith(original.toString('utf8')));
});

test('every sender that has mail taken can be told', async () => {
  for (const sender of [
    '"a,b"@x.example',
    '"a\\"b"@x.example',
    '"a b"@[IPv6:2001:db8::1]',
    'a@[192.0.2.1]',
    'Smith+tag@x.example',
    '-oQ/tmp@x.example',
    '__proto__@x.example',
    'a{b=c@x.example',
    'j\u00fcrgen@b\u00fccher.example',
  ]) {
    assert.ok(parseMailbox(sender) !== null, sender);
    const { header, parts } = await bounceOf([failed('one@b.example')], { sender });
    assert.equal(parts.length, 3, sender);
    assert.equal(header.split('\r\n').filter((line) => line.startsWith('To:')).length, 1, sender);
  }
});

test('a failure is reported unless the sender is null or did not ask to hear of it', () => {
  const wanted = (notify: string | null, sender = 'a@a.example'): boolean =>
    wantsFailureReport(anItem('1', { sender }), failed('one@b.example', { notify }));
  for (const notify of [null, 'FAILURE', 'SUCCESS,FAILURE', 'FAILURE,DELAY']) {
    assert.equal(wanted(notify), true, String(notify));
    assert.equal(wanted(notify, ''), false, `null sender, ${notify}`);
  }
  for (const notify of ['NEVER', 'SUCCESS', 'DELAY', 'SUCCESS,DELAY'])
    assert.equal(wanted(notify), false, notify);
});
