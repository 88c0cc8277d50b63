import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { assert as forAll, constantFrom, property, string } from 'fast-check';
import { parseMailbox } from '../../src/format/address.js';
import type { ReportAction } from '../../src/format/dsn.js';
import {
  buildReport,
  isEncodable,
  needsSmtpUtf8,
  wantsReport,
  type ReportContext,
  type ReportedRecipient,
} from '../../src/queue/bounce.js';
import type { Item, ItemRecipient } from '../../src/queue/item.js';
import { readIndependently, withoutPython } from './independent-report.js';
import { anItem, aRecipient, DAY_MS, DELIVERED, FAILED, NOW_MS, outcome } from './samples.js';

const HEADER = 'Subject: hello\r\nX-Long: folded\r\n line\r\n\r\n';
const FULL = `${HEADER}first line\r\n.\r\nFrom the third\r\n`;
const SMTPUTF8_HEADER = 'Subject: gr\u00fc\u00dfe\r\nFrom: <j\u00fcrgen@a.example>\r\n\r\n';

const SAID: Record<ReportAction, typeof FAILED> = {
  failed: FAILED,
  delayed: outcome('deferred', 451, '4.7.1', 'greylisted, come back'),
  relayed: DELIVERED,
};

function reportedOn(
  address: string,
  changes: Partial<ItemRecipient> = {},
  action: ReportAction = 'failed',
  remote: string | null = 'core',
): ReportedRecipient {
  const { code, enhanced, text } = SAID[action];
  const recipient = aRecipient(address, { lastReply: { code, enhanced, text }, ...changes });
  const attemptedAtMs = action === 'delayed' ? null : NOW_MS + 65_000;
  return { recipient, action, remote, words: recipient.lastReply, attemptedAtMs };
}

interface Report {
  bytes: Buffer;
  text: string;
  /** Header of the whole, unfolded. */
  header: string;
  /** Header and content of each part. */
  parts: Array<{ header: string; content: string }>;
  /** The groups of the delivery status: about the message, then one a recipient. */
  groups: string[][];
}

function contextOf(changes: Partial<ReportContext> = {}): ReportContext {
  return {
    hostname: 'edge.mail.internal',
    nowMs: NOW_MS + 65_000,
    giveUpAtMs: NOW_MS + 5 * DAY_MS,
    original: { bytes: Buffer.from(HEADER), full: false },
    ...changes,
  };
}

async function reportOf(
  reported: ReportedRecipient[],
  changes: Partial<Item> = {},
  context: Partial<ReportContext> = {},
): Promise<Report> {
  const recipients = reported.map(({ recipient }) => recipient);
  const item = anItem('01KE6Q1XB5M0Z9AB3C', { recipients, ...changes });
  const bytes = await buildReport(item, reported, contextOf(context));
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
  return { bytes, text, header: unfolded(head), parts, groups };
}

function halves(text: string): [string, string] {
  const at = text.indexOf('\r\n\r\n');
  return [text.slice(0, at), text.slice(at + 4)];
}

function unfolded(header: string): string {
  return header.replaceAll(/\r\n(?=[ \t])/g, '');
}

/** Compares with `test/golden/report-NAME.txt`; UPDATE_GOLDEN=1 writes the file instead. */
function assertGolden(name: string, { text }: Report): void {
  const shown = text
    .replaceAll(/--_NmP-[0-9a-f]+-Part_1/g, 'BOUNDARY')
    .replace(/^Message-ID: <[0-9a-f-]+@edge.mail.internal>\r$/m, 'Message-ID: <MESSAGE-ID>\r')
    .replaceAll('\r\n', '\n');
  const file = `test/golden/report-${name}.txt`;
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, shown);
  assert.equal(shown, readFileSync(file, 'utf8'), file);
}

const GOLDEN: Record<string, () => Promise<Report>> = {
  failed: () =>
    reportOf([reportedOn('one@b.example', { orcpt: 'rfc822;first+2Bone@b.example' })], {
      envid: 'batch+2B7',
    }),
  delayed: () => reportOf([reportedOn('one@b.example', {}, 'delayed')]),
  relayed: () => reportOf([reportedOn('one@b.example', {}, 'relayed')]),
  'failed-and-relayed': () =>
    reportOf(
      [reportedOn('one@b.example', {}, 'relayed'), reportedOn('two@b.example')],
      { ret: 'FULL' },
      { original: { bytes: Buffer.from(FULL), full: true } },
    ),
  international: () =>
    reportOf(
      [reportedOn('j\u00fcrgen@b\u00fccher.example', { orcpt: 'utf-8;j\\x{FC}rgen@b.example' })],
      { smtpUtf8: true, sender: 'j\u00f8rn@a.example' },
      { original: { bytes: Buffer.from(SMTPUTF8_HEADER), full: false } },
    ),
};

for (const [name, make] of Object.entries(GOLDEN)) {
  test(`the report ${name.replaceAll('-', ' ')} is as in its golden file`, async () => {
    assertGolden(name, await make());
  });
}

test(
  'a program that shares nothing with us reads every kind of report',
  { skip: withoutPython },
  async () => {
    const actions: string[] = [];
    for (const make of Object.values(GOLDEN)) {
      const report = readIndependently((await make()).bytes);
      assert.deepEqual([report.type, report.reportType], ['multipart/report', 'delivery-status']);
      assert.deepEqual(report.defects, []);
      assert.equal(report.header['auto-submitted'], 'auto-replied');
      const [message, ...recipients] = report.groups;
      assert.equal(message?.['reporting-mta'], 'dns; edge.mail.internal');
      assert.equal(message['received-from-mta'], 'dns; client.example ([192.0.2.1])');
      for (const fields of recipients) {
        assert.equal(fields['final-log-id'], '01KE6Q1XB5M0Z9AB3C');
        actions.push(`${fields['action']} ${fields['status']}`);
      }
    }
    assert.deepEqual(actions, [
      'failed 5.1.1',
      'delayed 4.7.1',
      'relayed 2.0.0',
      'relayed 2.0.0',
      'failed 5.1.1',
      'failed 5.1.1',
    ]);
  },
);

test('each recipient has a group with the fields of its own', async () => {
  const reported = [
    reportedOn('one@b.example'),
    reportedOn('two@b.example', { lastReply: { code: 554, enhanced: null, text: 'refused' } }),
    reportedOn('three@b.example', { lastReply: { code: 452, enhanced: '4.2.2', text: 'full' } }),
    reportedOn('four@b.example', { lastReply: null }),
  ];
  const { groups, parts } = await reportOf(reported);
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
  const text = 'delivery time expired; last: 451 4.7.1 later';
  const lastReply = { code: null, enhanced: '5.4.7', text };
  for (const remote of [null, 'core']) {
    const { parts, groups } = await reportOf([
      reportedOn('one@b.example', { lastReply }, 'failed', remote),
    ]);
    assert.ok(!(parts[0]?.content ?? '').includes('said'));
    assert.match(parts[0]?.content ?? '', /<one@b.example>: 5\.4\.7 delivery time expired/);
    assert.ok(groups[1]?.includes('Status: 5.4.7'));
    assert.ok(groups[1]?.includes(`Diagnostic-Code: X-Relaymesh; 5.4.7 ${text}`));
    const named = (groups[1] ?? []).some((line) => line.startsWith('Remote-MTA'));
    assert.equal(named, remote !== null);
  }
});

test('what the remote says starts no line of its own and adds no field, part or header', async () => {
  const plain = await reportOf([reportedOn('one@b.example')]);
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
    for (const address of ['one@b.example', '\u00fc@b.example']) {
      const lastReply = { code: 550, enhanced: '5.1.1', text };
      const sender = 'j\u00f8rn@a.example';
      const report = await reportOf([reportedOn(address, { lastReply })], { sender });
      assert.equal(report.parts.length, 3, text);
      assert.deepEqual(report.header.split('\r\n').length, plain.header.split('\r\n').length, text);
      assert.deepEqual(
        report.groups.map((group) => group.map((line) => line.split(':')[0])),
        plain.groups.map((group) => group.map((line) => line.split(':')[0])),
        text,
      );
      const lines = (report.parts[0]?.content ?? '').split('\r\n');
      assert.equal(lines.filter((line) => line.includes('said')).length, 1);
      assert.ok(!lines.some((line) => /^(Bcc|Status|Action|\.|<script)/.test(line)), text);
    }
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
        const hex = Buffer.from(other).toString('hex').toUpperCase().replaceAll(/../g, '+$&');
        for (const type of ['rfc822', 'utf-8']) {
          const reported = reportedOn('one@b.example', {
            lastReply: { code: 550, enhanced: '5.1.1', text },
            orcpt: `${type};${hex}`,
          });
          const { parts, groups } = await reportOf([reported], { envid: hex });
          assert.equal(parts.length, 3);
          assert.equal(groups.length, 2);
          assert.match(groups.flat().join(''), /^[\x20-\x7e]*$/);
        }
      };
      runs.push(run());
    }),
    { numRuns: 60 },
  );
  await Promise.all(runs);
});

test('people read the words of the remote as they are, and nothing needs 8 bits for that', async () => {
  const lastReply = { code: 550, enhanced: '5.1.1', text: 'Empf\u00e4nger \u4e0d\u660e \u202ex' };
  const { text, groups, parts } = await reportOf([reportedOn('one@b.example', { lastReply })]);
  assert.match(text, /^[\r\n\x20-\x7e]*$/);
  assert.ok(groups[1]?.includes('Diagnostic-Code: smtp; 550 5.1.1 Empf?nger ? ?x'));
  const shown = Buffer.from(
    (parts[0]?.content ?? '')
      .replaceAll('=\r\n', '')
      .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number(`0x${hex}`))),
    'latin1',
  ).toString('utf8');
  assert.match(shown, /core said: 550 5\.1\.1 Empfänger 不明 \\u\{202e\}x/);
});

test('ENVID and ORCPT are decoded, and left out when they are not xtext', async () => {
  const good = await reportOf(
    [reportedOn('one@b.example', { orcpt: 'rfc822;a+2Bb+0D+0ABcc:+20x' })],
    { envid: 'id+3D1+0D+0AStatus:+202.0.0' },
  );
  assert.ok(good.groups[0]?.includes('Original-Envelope-Id: id=1 Status: 2.0.0'));
  assert.equal(good.groups[1]?.[0], 'Original-Recipient: rfc822; a+b Bcc: x');
  const bad = await reportOf([reportedOn('one@b.example', { orcpt: 'rfc822;a+2' })], {
    envid: '+zz',
  });
  assert.ok(!bad.text.includes('Original-'));
  const noType = await reportOf([reportedOn('one@b.example', { orcpt: 'nonsense' })]);
  assert.ok(!noType.text.includes('Original-Recipient'));
});

test('with RET=FULL the whole message comes back byte by byte, else its header', async () => {
  const header = await reportOf([reportedOn('one@b.example')]);
  assert.match(header.parts[2]?.header ?? '', /^Content-Type: text\/rfc822-headers/);
  assert.equal(header.parts[2]?.content.trimEnd(), HEADER.trimEnd());
  const original = { bytes: Buffer.from(FULL), full: true };
  const full = await reportOf([reportedOn('one@b.example')], {}, { original });
  assert.match(full.parts[2]?.header ?? '', /^Content-Type: message\/rfc822/);
  assert.ok(full.parts[2]?.content.startsWith(FULL));
});

test('a header with 8-bit bytes comes back as 7-bit, a whole message with its own bytes', async () => {
  const bytes = Buffer.from('Subject: gr\u00fc\u00dfe\r\n\r\n');
  const reported = [reportedOn('one@b.example')];
  const changes = { eightBit: true };
  const header = await reportOf(reported, changes, { original: { bytes, full: false } });
  assert.match(header.text, /^[\r\n\x20-\x7e]*$/);
  assert.match(header.parts[2]?.header ?? '', /^Content-Type: text\/rfc822-headers/);
  assert.match(header.parts[2]?.content ?? '', /Subject: gr=C3=BC=C3=9Fe/);
  const full = await reportOf(reported, changes, { original: { bytes, full: true } });
  assert.match(full.parts[2]?.header ?? '', /Content-Transfer-Encoding: 8bit/);
  assert.ok(full.parts[2]?.content.startsWith(bytes.toString('utf8')));
});

test('an internationalized message comes back as one: encoded to an ASCII sender, else as it is', async () => {
  const body = '\r\nbl\u00e4ulich\r\n';
  const cases = [
    { full: false, type: 'message/global-headers' },
    { full: true, type: 'message/global' },
  ];
  for (const { full, type } of cases) {
    const bytes = Buffer.from(full ? SMTPUTF8_HEADER + body : SMTPUTF8_HEADER);
    const reported = [reportedOn('one@b.example')];
    const changes = { smtpUtf8: true, eightBit: true };
    const context = { original: { bytes, full } };
    const encoded = await reportOf(reported, changes, context);
    assert.match(encoded.text, /^[\r\n\x20-\x7e]*$/, type);
    assert.ok(encoded.parts[2]?.header.startsWith(`Content-Type: ${type}\r\n`));
    assert.match(encoded.parts[2]?.header ?? '', /Content-Transfer-Encoding: quoted-printable/);
    assert.match(encoded.parts[2]?.content ?? '', /Subject: gr=C3=BC=C3=9Fe\r\n/);
    const sender = 'j\u00f8rn@a.example';
    const plain = await reportOf(reported, { ...changes, sender }, context);
    assert.match(plain.parts[2]?.header ?? '', /Content-Transfer-Encoding: 8bit/);
    assert.ok(plain.parts[2]?.content.startsWith(bytes.toString('utf8')));
    assert.match(plain.header, /^To: j\u00f8rn@a\.example$/m);
  }
});

test('the older types do where they can hold it: ASCII, and what is no UTF-8 at all', async () => {
  const latin1 = Buffer.from('Subject: gr\xfcn\r\n\r\n', 'latin1');
  for (const [bytes, full, type] of [
    [Buffer.from(HEADER), false, 'text/rfc822-headers'],
    [latin1, false, 'text/rfc822-headers'],
    [Buffer.from(`${HEADER}bl\u00e4u\r\n`), true, 'message/rfc822'],
    [latin1, true, 'message/rfc822'],
  ] as const) {
    const original = { bytes, full };
    const { parts } = await reportOf(
      [reportedOn('one@b.example')],
      { smtpUtf8: true, eightBit: true },
      { original },
    );
    assert.ok(parts[2]?.header.startsWith(`Content-Type: ${type}\r\n`), type);
  }
});

test('all but a whole message with 8-bit bytes that is not internationalized goes as ASCII', () => {
  const eightBit = Buffer.from(`${HEADER}bl\u00e4u\r\n`);
  const utf8 = Buffer.from(`${SMTPUTF8_HEADER}bl\u00e4u\r\n`);
  const item = anItem('1', { smtpUtf8: true });
  assert.equal(isEncodable(item, { bytes: eightBit, full: true }), false);
  assert.equal(isEncodable(item, { bytes: eightBit, full: false }), true);
  assert.equal(isEncodable(item, { bytes: Buffer.from(FULL), full: true }), true);
  assert.equal(isEncodable(item, { bytes: utf8, full: true }), true);
  assert.equal(isEncodable(anItem('1'), { bytes: utf8, full: true }), false);
});

test('every sender that has mail taken can be told, at the address that the envelope has', async () => {
  for (const sender of [
    '"a,b"@x.example',
    '"a\\"b"@x.example',
    '"a b"@[IPv6:2001:db8::1]',
    'a@[192.0.2.1]',
    'Smith+tag@x.example',
    '-oQ/tmp@x.example',
    '__proto__@x.example',
    'a{b=c@x.example',
    'postmaster',
    'j\u00fcrgen@b\u00fccher.example',
    'j\u00fcrgen@xn--bcher-kva.example',
    'plain@b\u00fccher.example',
    '\u4e0d@x.example',
  ]) {
    assert.ok(parseMailbox(sender) !== null, sender);
    const { header, parts } = await reportOf([reportedOn('one@b.example')], { sender });
    assert.equal(parts.length, 3, sender);
    const lines = header.split('\r\n').filter((line) => line.startsWith('To:'));
    assert.deepEqual(
      lines.map((line) => line.replace(/^To: <?(.*?)>?$/, '$1')),
      [sender],
    );
  }
});

test('a report needs SMTPUTF8 for nothing but the address that it goes to', async () => {
  const address = '\u00fc@b.example';
  const messageId = '<\u00fc@a.example>';
  const original = { bytes: Buffer.from(SMTPUTF8_HEADER), full: false };
  for (const sender of ['a@a.example', 'a@\u00fc.example']) {
    const changes = { sender, messageId, smtpUtf8: true };
    const { header, text } = await reportOf([reportedOn(address)], changes, { original });
    const needed = needsSmtpUtf8(anItem('1', changes));
    assert.equal(needed, sender === 'a@\u00fc.example');
    assert.equal(/^[\r\n\x20-\x7e]*$/.test(text), !needed);
    assert.equal(header.includes('References: <\u00fc@a.example>'), needed);
  }
});

test('who hears of what: of failures unless they said otherwise, of all else if they asked', () => {
  const wants = (notify: string | null, sender = 'a@a.example'): string[] =>
    (['failed', 'delayed', 'relayed'] as const).filter((action) =>
      wantsReport(anItem('1', { sender }), aRecipient('one@b.example', { notify }), action),
    );
  for (const [notify, wanted] of [
    [null, ['failed']],
    ['NEVER', []],
    ['FAILURE', ['failed']],
    ['SUCCESS', ['relayed']],
    ['DELAY', ['delayed']],
    ['SUCCESS,DELAY', ['delayed', 'relayed']],
    ['SUCCESS,FAILURE,DELAY', ['failed', 'delayed', 'relayed']],
  ] as const) {
    assert.deepEqual(wants(notify), wanted, String(notify));
    assert.deepEqual(wants(notify, ''), [], `null sender, ${notify}`);
  }
});
