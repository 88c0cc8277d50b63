import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostileTest } from '../hostile/rows.js';
import { authPlain, PEER_PASSWORD, runIntake } from './running-intake.js';
import { Dialogue } from './dialogue.js';

const XMESH = '1;00-0123456789abcdef0123456789abcdef-0123456789abcdef-01;core;0ABC;core;0';

hostileTest('parameters', 'what each parameter of MAIL is answered', async (t, cases) => {
  const { port } = await runIntake(t);
  const client = await Dialogue.open(port);
  const table: ReadonlyArray<[parameters: string, reply: RegExp]> = [
    ['', /^250 2\.1\.0 /],
    [' SIZE=0', /^250 /],
    [' SIZE=10000000', /^250 /],
    [' SIZE=10000001', /^552 5\.3\.4 /],
    [' SIZE=99999999999999999999', /^552 5\.3\.4 /],
    [' SIZE=-1', /^501 5\.5\.4 /],
    [' SIZE=1e3', /^501 5\.5\.4 /],
    [' SIZE', /^501 5\.5\.4 /],
    [' SIZE=', /^501 5\.5\.4 /],
    [' size=1 body=8bitmime', /^250 /],
    [' BODY=7BIT', /^250 /],
    [' BODY=BINARYMIME', /^501 5\.5\.4 /],
    [' BODY', /^501 5\.5\.4 /],
    [' SMTPUTF8', /^250 /],
    [' SMTPUTF8=yes', /^501 5\.5\.4 /],
    [' RET=FULL', /^250 /],
    [' ret=hdrs', /^250 /],
    [' RET=ALL', /^501 5\.5\.4 /],
    [' ENVID=abc+2Bd', /^250 /],
    [` ENVID=${'x'.repeat(100)}`, /^250 /],
    [` ENVID=${'x'.repeat(101)}`, /^501 5\.5\.4 /],
    [' ENVID=ab+0D+0A', /^501 5\.5\.4 /],
    [' ENVID=ab+00', /^501 5\.5\.4 /],
    [' ENVID=ab+7F', /^501 5\.5\.4 /],
    [' ENVID=ab+0d', /^501 5\.5\.4 /],
    [' ENVID=a=b', /^501 5\.5\.4 /],
    [' ENVID', /^501 5\.5\.4 /],
    [' AUTH=<>', /^250 /],
    [' AUTH=a+40b', /^250 /],
    [' AUTH=+4', /^501 5\.5\.4 /],
    [' FOO=bar', /^555 5\.5\.4 /],
    [' FOO', /^555 5\.5\.4 /],
    [' REQUIRETLS', /^555 5\.5\.4 /],
    [' __proto__=x', /^501 5\.5\.4 /],
    [' CONSTRUCTOR=x', /^555 5\.5\.4 /],
    [' XCLIENT=x', /^555 5\.5\.4 /],
    [` XMESH=${XMESH}`, /^555 5\.5\.4 /],
    [' SIZE=1 SIZE=1', /^501 5\.5\.4 .*SIZE/],
    [' ENVID=a envid=b', /^501 5\.5\.4 .*ENVID/],
    ['SIZE=1', /^501 5\.5\.4 /],
    [' SIZE=1 \x07', /^501 5\.5\.4 /],
  ];
  cases.add(table.length);
  for (const [parameters, reply] of table) {
    assert.match(await client.ask(`MAIL FROM:<a@x.test>${parameters}`), reply, parameters);
    await client.ask('RSET');
  }
});

hostileTest('parameters', 'SIZE=1 and then too much: 552, nothing stored', async (t, cases) => {
  const { port, spool } = await runIntake(t, { settings: { maxMessageBytes: 10_000 } });
  for (const size of [' SIZE=1', ' SIZE=10000', ' SIZE=0', '']) {
    cases.add();
    const client = await Dialogue.open(port);
    await client.askAll(`MAIL FROM:<a@x.test>${size}`, 'RCPT TO:<b@y.test>', 'DATA');
    client.write(`Subject: x\r\n\r\n${'a line\r\n'.repeat(2000)}.\r\n`);
    assert.match(await client.reply(), /^552 5\.3\.4 /);
    assert.match(await client.ask('DATA'), /^503 /);
    assert.equal(spool.openBodies.size, 0);
    assert.match(await client.send('x: y\r\n\r\nx'), /^250 /);
  }
  assert.equal(spool.taken.length, 4);
});

hostileTest(
  'parameters',
  'XCLIENT and XFORWARD from a stranger change nothing',
  async (t, cases) => {
    const { port, spool } = await runIntake(t, { policy: { relayFrom: ['192.0.2.1'] } });
    const client = await Dialogue.open(port);
    for (const command of [
      'XCLIENT ADDR=192.0.2.1',
      'XCLIENT ADDR=192.0.2.1 LOGIN=app',
      'XCLIENT NAME=ok HELO=ok PROTO=ESMTP',
      'XFORWARD ADDR=192.0.2.1',
      'xclient addr=192.0.2.1',
    ]) {
      cases.add();
      assert.match(await client.ask(command), /^500 5\.5\.2 /);
    }
    await client.ask('MAIL FROM:<a@x.test>');
    assert.match(await client.ask('RCPT TO:<b@y.test>'), /^550 5\.7\.1 /);
    assert.equal(spool.taken.length, 0);
  },
);

hostileTest('parameters', 'what each parameter of RCPT is answered', async (t, cases) => {
  const { port } = await runIntake(t);
  const client = await Dialogue.open(port);
  await client.ask('MAIL FROM:<a@x.test>');
  const table: ReadonlyArray<[parameters: string, reply: RegExp]> = [
    [' NOTIFY=NEVER', /^250 2\.1\.5 /],
    [' notify=success,Failure,DELAY', /^250 /],
    [' NOTIFY=NEVER,DELAY', /^501 5\.5\.4 /],
    [' NOTIFY=SOMETIMES', /^501 5\.5\.4 /],
    [' NOTIFY=SUCCESS,', /^501 5\.5\.4 /],
    [' NOTIFY=', /^501 5\.5\.4 /],
    [' NOTIFY', /^501 5\.5\.4 /],
    [' ORCPT=rfc822;b+40y.test', /^250 /],
    [' ORCPT=b@y.test', /^501 5\.5\.4 /],
    [' ORCPT=rfc822;', /^501 5\.5\.4 /],
    [' ORCPT=rfc822;b+0D+0AX', /^501 5\.5\.4 /],
    [` ORCPT=rfc822;${'x'.repeat(500)}`, /^501 5\.5\.4 /],
    [' ORCPT', /^501 5\.5\.4 /],
    [' ORCPT=utf-8;gr\\x{FC}n@y.test', /^250 /],
    [' ORCPT=utf-8;gr\\x{0A}n@y.test', /^501 5\.5\.4 /],
    [' ORCPT=utf-8;gr\u00fcn@y.test', /^553 5\.6\.7 .*SMTPUTF8/],
    [' NOTIFY=DELAY NOTIFY=DELAY', /^501 5\.5\.4 .*NOTIFY/],
    [' SIZE=1', /^555 5\.5\.4 /],
    [' FOO=bar', /^555 5\.5\.4 /],
  ];
  cases.add(table.length);
  for (const [parameters, reply] of table) {
    assert.match(await client.ask(`RCPT TO:<b@y.test>${parameters}`), reply, parameters);
  }
});

hostileTest(
  'parameters',
  'XMESH is for a logged-in peer alone, not for users or addresses',
  async (t) => {
    const { port } = await runIntake(t);
    const client = await Dialogue.open(port);
    const mail = `MAIL FROM:<a@x.test> XMESH=${XMESH}`;
    assert.match(await client.ask(mail), /^555 5\.5\.4 /);
    assert.match(await client.ask(authPlain('app', 'correct horse')), /^235 /);
    assert.match(await client.ask(mail), /^555 5\.5\.4 /);
    const peer = await Dialogue.open(port);
    await peer.ask(authPlain('core-login', PEER_PASSWORD));
    assert.match(await peer.ask(mail), /^250 /);
    await peer.ask('RSET');
    assert.match(await peer.ask('MAIL FROM:<a@x.test> XMESH=nonsense'), /^501 5\.5\.4 /);
  },
);

test('what DSN asks for is kept as the client wrote it', async (t) => {
  const { port, spool } = await runIntake(t);
  const client = await Dialogue.open(port);
  await client.askAll(
    'MAIL FROM:<a@x.test> RET=hdrs ENVID=QQ+2B1',
    'RCPT TO:<b@y.test> NOTIFY=success,delay ORCPT=rfc822;B+2Bb@y.test',
    'RCPT TO:<c@y.test> NOTIFY=NEVER',
    'RCPT TO:<d@y.test>',
  );
  await client.ask('DATA');
  assert.match(await client.ask('Subject: x\r\n\r\nx\r\n.'), /^250 /);
  const item = spool.taken[0]?.item;
  assert.deepEqual([item?.ret, item?.envid], ['HDRS', 'QQ+2B1']);
  assert.deepEqual(
    item?.recipients.map(({ address, notify, orcpt }) => [address, notify, orcpt]),
    [
      ['b@y.test', 'SUCCESS,DELAY', 'rfc822;B+2Bb@y.test'],
      ['c@y.test', 'NEVER', null],
      ['d@y.test', null, null],
    ],
  );
});

test('an original recipient above ASCII is kept as it came, in a transaction with SMTPUTF8', async (t) => {
  const { port, spool } = await runIntake(t);
  const client = await Dialogue.open(port);
  await client.askAll(
    'MAIL FROM:<a@x.test> SMTPUTF8',
    'RCPT TO:<b@y.test> ORCPT=utf-8;gr\u00fcn@y.test',
    'RCPT TO:<c@y.test> ORCPT=UTF-8;gr\\x{FC}n\\x{2B}1@y.test',
  );
  await client.ask('DATA');
  assert.match(await client.ask('Subject: x\r\n\r\nx\r\n.'), /^250 /);
  assert.deepEqual(
    spool.taken[0]?.item.recipients.map(({ orcpt }) => orcpt),
    ['utf-8;gr\u00fcn@y.test', 'UTF-8;gr\\x{FC}n\\x{2B}1@y.test'],
  );
});

hostileTest('state', 'a refused MAIL leaves nothing behind for the one that follows', async (t) => {
  const { port, spool } = await runIntake(t);
  const client = await Dialogue.open(port);
  const refused = 'MAIL FROM:<a@x.test> SMTPUTF8 BODY=8BITMIME RET=FULL ENVID=left FOO=bar';
  assert.match(await client.ask(refused), /^555 /);
  assert.match(await client.ask('RCPT TO:<b@y.test>'), /^503 /);
  assert.match(await client.ask('MAIL FROM:<a@x.test>'), /^250 /);
  assert.match(await client.ask('RCPT TO:<ü@y.test>'), /^553 /);
  await client.askAll('RCPT TO:<b@y.test>', 'DATA');
  assert.match(await client.ask('x: y\r\n\r\nx\r\n.'), /^250 /);
  const item = spool.taken[0]?.item;
  assert.deepEqual(
    [item?.smtpUtf8, item?.ret, item?.envid, item?.eightBit],
    [false, null, null, false],
  );
});

hostileTest(
  'addresses',
  'kept letter by letter; two that differ in case are two',
  async (t, cases) => {
    const { port, spool } = await runIntake(t);
    const client = await Dialogue.open(port);
    const addresses = [
      'Smith@x.test',
      'smith@x.test',
      '"a b"@x.test',
      '"a@b"@x.test',
      '"a\\"b"@x.test',
      '-oQ/tmp@x.test',
      '${run{id}}@x.test',
      '`id`|id@x.test',
      '__proto__@x.test',
      'constructor@x.test',
      'c%d@x.test',
      'd!c@x.test',
      'j@xn--bcher-kva.test',
      'j@XN--BCHER-KVA.test',
      'b@[192.0.2.1]',
      'b@[IPv6:2001:DB8:0:0:0:0:0:1]',
      'Postmaster',
    ];
    cases.add(addresses.length + 1);
    await client.send('x: y\r\n\r\nx', addresses, '"Q s"@xn--bcher-kva.test');
    assert.deepEqual(
      spool.taken[0]?.item.recipients.map(({ address }) => address),
      addresses,
    );
    assert.equal(spool.taken[0]?.item.sender, '"Q s"@xn--bcher-kva.test');
  },
);

hostileTest(
  'addresses',
  'a source route is dropped, and what it named not relayed through',
  async (t) => {
    const { port, spool } = await runIntake(t);
    const client = await Dialogue.open(port);
    await client.send('x: y\r\n\r\nx', ['@a.test,@b.test:c@d.test']);
    assert.deepEqual(
      spool.taken[0]?.item.recipients.map(({ address }) => address),
      ['c@d.test'],
    );
  },
);

test('an address that is not ASCII needs SMTPUTF8', async (t) => {
  const { port, spool } = await runIntake(t);
  const client = await Dialogue.open(port);
  assert.match(await client.ask('MAIL FROM:<jürgen@x.test>'), /^553 5\.6\.7 /);
  assert.match(await client.ask('MAIL FROM:<a@bücher.test>'), /^553 5\.6\.7 /);
  assert.match(await client.ask('MAIL FROM:<a@x.test>'), /^250 /);
  assert.match(await client.ask('RCPT TO:<grün@y.test>'), /^553 5\.6\.7 /);
  await client.ask('RSET');
  assert.match(await client.ask('MAIL FROM:<jürgen@bücher.test> SMTPUTF8'), /^250 /);
  assert.match(await client.ask('RCPT TO:<grün@y.test>'), /^250 /);
  await client.ask('DATA');
  assert.match(await client.ask('x: y\r\n\r\nx\r\n.'), /^250 /);
  const item = spool.taken[0]?.item;
  assert.deepEqual(
    [item?.sender, item?.recipients[0]?.address, item?.smtpUtf8],
    ['jürgen@bücher.test', 'grün@y.test', true],
  );
});

hostileTest('addresses', 'broken ones are refused with what is wrong', async (t, cases) => {
  const { port } = await runIntake(t);
  const client = await Dialogue.open(port);
  for (const path of [
    'a@x.test',
    '<a@x.test',
    '<a@>',
    '<@x.test>',
    '<a b@x.test>',
    '<a@x..test>',
    '<a@x.test>>',
    '<a\0b@x.test>',
    '<a@-x.test>',
    '<a@[300.1.1.1]>',
    '<;id;@x.test>',
    '<a;b@x.test>',
    '<a"b@x.test>',
    '<"a"b@x.test>',
    '<"a<b>"@x.test>',
    '<a@x.test,b@y.test>',
    '<@a.test:>',
    '<@a.test,b@y.test>',
    '<a@x.test\t>',
    '<a@x.test\r>',
    '<a@x.test\u0085>',
    '<a@x\u3002test> SMTPUTF8',
    '<\ud800@x.test> SMTPUTF8',
  ]) {
    cases.add();
    const reply = await client.ask(`MAIL FROM:${path}`);
    assert.match(reply, /^501 5\.(1\.7|5\.4) /, path);
  }
  assert.match(await client.ask('MAIL'), /^501 5\.5\.2 /);
  assert.match(await client.ask('MAIL TO:<a@x.test>'), /^501 5\.5\.2 /);
  await client.ask('MAIL FROM:<>');
  assert.match(await client.ask('RCPT TO:<>'), /^501 5\.1\.3 /);
  assert.match(await client.ask('RCPT FROM:<a@x.test>'), /^501 5\.5\.2 /);
});

hostileTest('relay', 'a stranger is refused every form of recipient', async (t, cases) => {
  const { port, spool } = await runIntake(t, { policy: { relayFrom: [] } });
  const forms = [
    'b@y.test',
    '@a.test,@b.test:c@d.test',
    'c%d@edge.example',
    'd!c@edge.example',
    '"b@y.test"@edge.example',
    'b@[127.0.0.1]',
    'Postmaster',
    'b@edge.example',
    'b@xn--bcher-kva.test',
    '@edge.example:b@y.test',
    '"a b"@y.test',
    '"a@b"@y.test',
    '-oQ/tmp@y.test',
    '${run{id}}@y.test',
    '__proto__@y.test',
    'constructor@y.test',
    'Smith@y.test',
    'smith@y.test',
    'b%y.test@[127.0.0.1]',
    'b@localhost',
    'b@[IPv6:::1]',
    'postmaster@edge.example',
  ];
  for (const login of [null, authPlain('reader', 'only reads')]) {
    for (const form of forms) {
      cases.add();
      const client = await Dialogue.open(port);
      if (login !== null) assert.match(await client.ask(login), /^235 /);
      await client.ask('MAIL FROM:<a@x.test>');
      assert.match(await client.ask(`RCPT TO:<${form}>`), /^550 5\.7\.1 /, form);
      assert.match(await client.ask('DATA'), /^503 /);
      client.leave();
    }
  }
  assert.equal(spool.taken.length, 0);
});

test('recipients over the limit get 452, the others their mail', async (t) => {
  const { port, spool } = await runIntake(t, { settings: { maxRecipients: 2 } });
  const client = await Dialogue.open(port);
  const replies = await client.askAll(
    'MAIL FROM:<a@x.test>',
    ...['1', '2', '3', '4'].map((name) => `RCPT TO:<${name}@y.test>`),
  );
  assert.deepEqual(
    replies.map((reply) => reply.slice(0, 9)),
    ['250 2.1.0', '250 2.1.5', '250 2.1.5', '452 4.5.3', '452 4.5.3'],
  );
  await client.ask('DATA');
  assert.match(await client.ask('x: y\r\n\r\nx\r\n.'), /^250 /);
  assert.equal(spool.taken[0]?.item.recipients.length, 2);
});
