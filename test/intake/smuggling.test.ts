import assert from 'node:assert/strict';
import { FALSE_ENDS, SMUGGLED } from '../hostile/false-ends.js';
import { hostileTest } from '../hostile/rows.js';
import { Dialogue, turns, until } from './dialogue.js';
import { runIntake } from './running-intake.js';

interface Attack {
  firstLine: string;
  falseEnd: string;
  transport: 'plain' | 'tls' | 'starttls';
}

/** The reply that the content of an attack got, and what came behind it until the server closed. */
async function attack(
  port: number,
  { firstLine, falseEnd, transport }: Attack,
  cut: number,
): Promise<string[]> {
  const client = await Dialogue.open(port, transport);
  await client.beginData();
  const content = `${firstLine}Subject: x\r\n\r\nbody${falseEnd}${SMUGGLED}\r\n.\r\n`;
  const bytes = Buffer.from(content, 'latin1');
  client.write(bytes.subarray(0, cut));
  if (cut < bytes.length) {
    await turns();
    client.write(bytes.subarray(cut));
  }
  const reply = await client.reply();
  return [reply, await client.closed()];
}

/** Every cut through the false end and the bytes around it. */
function cutsAround({ firstLine, falseEnd }: Attack): number[] {
  const start = `${firstLine}Subject: x\r\n\r\nbody`.length;
  return Array.from({ length: falseEnd.length + 5 }, (_, index) => start - 2 + index);
}

for (const transport of ['plain', 'tls', 'starttls'] as const) {
  for (const firstLine of ['', '..\r\n']) {
    const how = `over ${transport}${firstLine === '' ? '' : ', with a dot as first line'}`;
    hostileTest('smuggling', `no second message, cut at every byte, ${how}`, async (t, cases) => {
      const { port, spool } = await runIntake(t, {
        listener: { tls: transport === 'tls' ? 'implicit' : 'opportunistic' },
      });
      const bystander = await Dialogue.open(port, transport);
      for (const falseEnd of FALSE_ENDS) {
        const one = { firstLine, falseEnd, transport };
        cases.add(cutsAround(one).length);
        const answers = await Promise.all(cutsAround(one).map((cut) => attack(port, one, cut)));
        for (const [reply, after] of answers) {
          assert.match(reply ?? '', /^550 5\.6\.11 /, JSON.stringify(falseEnd));
          assert.equal(after, '', JSON.stringify(falseEnd));
        }
      }
      assert.equal(spool.taken.length, 0);
      assert.equal(spool.openBodies.size, 0);
      assert.match(await bystander.send('x: y\r\n\r\nx'), /^250 /);
    });
  }
}

hostileTest(
  'smuggling',
  'cut at any byte at all it stays one refused message',
  async (t, cases) => {
    const { port, spool } = await runIntake(t);
    const one: Attack = { firstLine: '..\r\n', falseEnd: '\n.\r\n', transport: 'plain' };
    const length = `..\r\nSubject: x\r\n\r\nbody\n.\r\n${SMUGGLED}\r\n.\r\n`.length;
    for (let from = 1; from < length; from += 25) {
      const cuts = Array.from({ length: Math.min(25, length - from) }, (_, index) => from + index);
      cases.add(cuts.length);
      for (const [reply, after] of await Promise.all(cuts.map((cut) => attack(port, one, cut)))) {
        assert.match(reply ?? '', /^550 5\.6\.11 /);
        assert.equal(after, '');
      }
    }
    assert.equal(spool.taken.length, 0);
  },
);

hostileTest('smuggling', 'what follows in the same write is not executed', async (t) => {
  const { port, spool } = await runIntake(t);
  const client = await Dialogue.open(port);
  await client.beginData();
  client.write(
    `x\n.\n${SMUGGLED}\r\n.\r\nMAIL FROM:<evil@x.test>\r\nRCPT TO:<v@x.test>\r\nDATA\r\nevil\r\n.\r\n`,
  );
  assert.match(await client.reply(), /^550 5\.6\.11 /);
  assert.equal(await client.closed(), '');
  assert.equal(spool.taken.length, 0);
});

hostileTest(
  'smuggling',
  'lone CR, LF and NUL are refused wherever they stand',
  async (t, cases) => {
    const { port, spool } = await runIntake(t);
    const table: ReadonlyArray<[content: string, named: RegExp]> = [
      ['Subject: a\rX-Mesh-Trace: b\r\n\r\nx', /bare CR/],
      ['Subject: a\nX: b\r\n\r\nx', /bare LF/],
      ['Subject: a\r\n\r\nx\0y', /NUL/],
      ['\r\r\n\r\nx', /bare CR/],
      ['Subject: a\r\n\r\nx\r', /bare CR/],
    ];
    for (const [content, named] of table) {
      cases.add();
      const client = await Dialogue.open(port);
      const reply = await client.send(content);
      assert.match(reply, /^550 5\.6\.11 /);
      assert.match(reply, named);
      await client.closed();
    }
    assert.equal(spool.taken.length, 0);
  },
);

hostileTest('bare-line-feed', 'not executed, and the session ends', async (t, cases) => {
  const { port, spool } = await runIntake(t);
  const bystander = await Dialogue.open(port);
  /** What is answered before the line with the bare LF. */
  const table: ReadonlyArray<[bytes: string, before?: RegExp]> = [
    ['RSET\n'],
    ['\n'],
    ['MAIL FROM:<a@x.test>\nRCPT TO:<b@y.test>\r\n'],
    ['QUIT\n'],
    ['STARTTLS\n'],
    ['NOOP\r\nNOOP\n', /^250 /],
    ['VRFY a\r\r\n\n', /^252 /],
    ['\r\n\n', /^500 /],
  ];
  for (const [bytes, before] of table) {
    cases.add();
    const client = await Dialogue.open(port);
    client.write(bytes);
    if (before !== undefined) assert.match(await client.reply(), before);
    assert.match(await client.reply(), /^521 5\.5\.2 /, JSON.stringify(bytes));
    assert.equal(await client.closed(), '');
  }
  assert.equal(spool.taken.length, 0);
  assert.match(await bystander.send('x: y\r\n\r\nx'), /^250 /);
});

hostileTest('bare-line-feed', 'the same in every state of a session', async (t, cases) => {
  const { port, spool, listener } = await runIntake(t);
  const before: ReadonlyArray<readonly string[]> = [
    ['MAIL FROM:<a@x.test>'],
    ['MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>'],
    ['AUTH LOGIN'],
    ['AUTH PLAIN'],
  ];
  for (const commands of before) {
    for (const line of ['DATA\nSubject: x\r\n\r\nx\r\n.\r\n', 'YXBw\n', 'RCPT TO:<c@y.test>\n']) {
      for (const cut of [0, line.indexOf('\n'), line.indexOf('\n') + 1]) {
        cases.add();
        const client = await Dialogue.open(port);
        await client.askAll(...commands);
        client.write(line.slice(0, cut));
        await turns();
        client.write(line.slice(cut));
        assert.match(await client.reply(), /^521 5\.5\.2 /, JSON.stringify([commands, line]));
        assert.equal(await client.closed(), '');
      }
    }
  }
  await until(() => listener.connections.size === 0, 'the end of all sessions');
  assert.equal(spool.taken.length, 0);
  assert.match(await (await Dialogue.open(port)).send('x: y\r\n\r\nx'), /^250 /);
});
