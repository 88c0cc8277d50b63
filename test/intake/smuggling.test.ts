import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dialogue, turns } from './dialogue.js';
import { runIntake } from './running-intake.js';

/** Ends of data that some server somewhere believes in, and ours must not. */
const FALSE_ENDS = [
  '\n.\n',
  '\n.\r\n',
  '\r.\r',
  '\r.\n',
  '\r.\r\n',
  '\n.\r',
  '\r\n.\n',
  '\r\n.\r',
  '\r\n\0.\r\n',
  '\r\n.\0\r\n',
  '\r\n.\r\r\n',
  '\r\r\n.\r\r\n',
];

const SMUGGLED =
  'MAIL FROM:<evil@x.test>\r\nRCPT TO:<v@x.test>\r\nDATA\r\nSubject: evil\r\n\r\nevil';

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
    test(`no false end of data smuggles a second message, cut at every byte, ${how}`, async (t) => {
      const { port, spool } = await runIntake(t, {
        listener: { tls: transport === 'tls' ? 'implicit' : 'opportunistic' },
      });
      for (const falseEnd of FALSE_ENDS) {
        const one = { firstLine, falseEnd, transport };
        const answers = await Promise.all(cutsAround(one).map((cut) => attack(port, one, cut)));
        for (const [reply, after] of answers) {
          assert.match(reply ?? '', /^550 5\.6\.11 /, JSON.stringify(falseEnd));
          assert.equal(after, '', JSON.stringify(falseEnd));
        }
      }
      assert.equal(spool.taken.length, 0);
      assert.equal(spool.openBodies.size, 0);
    });
  }
}

test('a message with a false end that is cut at any byte at all stays one refused message', async (t) => {
  const { port, spool } = await runIntake(t);
  const one: Attack = { firstLine: '..\r\n', falseEnd: '\n.\r\n', transport: 'plain' };
  const length = `..\r\nSubject: x\r\n\r\nbody\n.\r\n${SMUGGLED}\r\n.\r\n`.length;
  for (let from = 1; from < length; from += 25) {
    const cuts = Array.from({ length: Math.min(25, length - from) }, (_, index) => from + index);
    for (const [reply, after] of await Promise.all(cuts.map((cut) => attack(port, one, cut)))) {
      assert.match(reply ?? '', /^550 5\.6\.11 /);
      assert.equal(after, '');
    }
  }
  assert.equal(spool.taken.length, 0);
});

test('what follows a smuggling attempt in the same write is not executed', async (t) => {
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

test('lone CR, lone LF and NUL are named and refused wherever they stand', async (t) => {
  const { port, spool } = await runIntake(t);
  const table: ReadonlyArray<[content: string, named: RegExp]> = [
    ['Subject: a\rX-Mesh-Trace: b\r\n\r\nx', /bare CR/],
    ['Subject: a\nX: b\r\n\r\nx', /bare LF/],
    ['Subject: a\r\n\r\nx\0y', /NUL/],
    ['\r\r\n\r\nx', /bare CR/],
    ['Subject: a\r\n\r\nx\r', /bare CR/],
  ];
  for (const [content, named] of table) {
    const client = await Dialogue.open(port);
    const reply = await client.send(content);
    assert.match(reply, /^550 5\.6\.11 /);
    assert.match(reply, named);
    await client.closed();
  }
  assert.equal(spool.taken.length, 0);
});

test('a command that ends with a bare LF is not executed, and the session ends', async (t) => {
  const { port, spool } = await runIntake(t);
  for (const line of ['RSET\n', '\n', 'MAIL FROM:<a@x.test>\nRCPT TO:<b@y.test>\r\n', 'QUIT\n']) {
    const client = await Dialogue.open(port);
    client.write(line);
    assert.match(await client.reply(), /^521 5\.5\.2 /, JSON.stringify(line));
    assert.equal(await client.closed(), '');
  }
  const client = await Dialogue.open(port);
  await client.askAll('MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>');
  client.write('DATA\nSubject: x\r\n\r\nx\r\n.\r\n');
  assert.match(await client.reply(), /^521 /);
  await client.closed();
  assert.equal(spool.taken.length, 0);
});
