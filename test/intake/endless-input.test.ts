import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { hostileTest } from '../hostile/rows.js';
import { LIMIT_DEFAULTS } from '../../src/topology/schema-limits.js';
import { Dialogue } from './dialogue.js';
import { runIntake } from './running-intake.js';

const MIB = 1024 ** 2;
const MESSAGE = 'Subject: x\r\n\r\nbody';

/** Limits as they are where nobody says anything. */
function runUsual(t: TestContext) {
  return runIntake(t, {
    settings: {
      maxMessageBytes: LIMIT_DEFAULTS['max-message-size'],
      maxHeaderBytes: LIMIT_DEFAULTS['max-header-size'],
      maxRecipients: LIMIT_DEFAULTS['max-recipients'],
    },
  });
}

/** Content of so many bytes made of one piece, without its terminator. */
async function pour(client: Dialogue, piece: string, bytes: number): Promise<void> {
  const chunk = Buffer.from(piece.repeat(Math.ceil(MIB / piece.length)), 'latin1');
  for (let sent = 0; sent < bytes; sent += chunk.length) await client.writeAndFlush(chunk);
}

hostileTest(
  'resources',
  '64 MB in one line, a header of 10 MB and one of 100,000 lines: 552, and the sessions go on',
  async (t, cases) => {
    const { port, spool } = await runUsual(t);
    const other = await Dialogue.open(port);
    const before = process.memoryUsage.rss();
    for (const [begin, piece, bytes] of [
      ['Subject: x\r\n\r\n', 'x', 64 * MIB],
      ['Subject: ', 'x', 64 * MIB],
      ['Subject: ', 'x', 10 * MIB],
      ['', 'X-Line: 0123456789\r\n', 10 * MIB],
      ['', 'X: y\r\n', 100_000 * 6],
      ['', ' \r\n', 10 * MIB],
      ['', '..\r\n', 2 * MIB],
    ] as const) {
      const client = await Dialogue.open(port);
      await client.beginData();
      client.write(begin);
      const poured = pour(client, piece, bytes);
      assert.match(await other.send(MESSAGE), /^250 /, 'in the middle of it');
      await poured;
      client.write('\r\n.\r\n');
      assert.match(await client.reply(), /^552 5\.3\.4 /, piece);
      assert.match(await client.send(MESSAGE), /^250 /);
      client.leave();
      cases.add();
    }
    assert.equal(spool.openBodies.size, 0);
    const grownMb = (process.memoryUsage.rss() - before) / MIB;
    // The spool of this test keeps what it is given in memory, up to the limit of a message.
    assert.ok(grownMb < 300, `${grownMb} MB`);
  },
);

hostileTest(
  'resources',
  '10,000 RCPT: 452 4.5.3 beyond the limit, the ones before it are kept, and so is the session',
  async (t, cases) => {
    const { port, spool } = await runUsual(t);
    const client = await Dialogue.open(port);
    await client.ask('MAIL FROM:<a@x.test>');
    client.write(
      Array.from({ length: 10_000 }, (_, index) => `RCPT TO:<${index}@y.test>\r\n`).join(''),
    );
    const codes = new Map<string, number>();
    for (const reply of await client.replies(10_000)) {
      const code = reply.slice(0, 9);
      codes.set(code, (codes.get(code) ?? 0) + 1);
      cases.add();
    }
    assert.deepEqual(
      [...codes],
      [
        ['250 2.1.5', 1000],
        ['452 4.5.3', 9000],
      ],
    );
    assert.match(await client.ask('DATA'), /^354 /);
    assert.match(await client.ask(`${MESSAGE}\r\n.`), /^250 /);
    assert.equal(spool.taken[0]?.item.recipients.length, 1000);
  },
);

hostileTest(
  'resources',
  'a command line of 1 MB at every place of a session: 500, closed, and nothing kept',
  async (t, cases) => {
    const { port, spool, listener } = await runUsual(t);
    const places: ReadonlyArray<readonly string[]> = [
      [],
      ['EHLO client.example'],
      ['EHLO client.example', 'AUTH LOGIN'],
      ['EHLO client.example', 'MAIL FROM:<a@x.test>'],
      ['EHLO client.example', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>'],
    ];
    for (const commands of places) {
      for (const line of ['x', 'MAIL FROM:<', 'AUTH PLAIN ', 'RCPT TO:<a@y.test> ORCPT=']) {
        const client = await Dialogue.connect(port);
        await client.reply();
        await client.askAll(...commands);
        client.write(line + 'x'.repeat(MIB));
        assert.match(await client.reply(), /^500 5\.5\.2 /, `${commands.join(' ')} ${line}`);
        await client.closed();
        cases.add();
      }
    }
    assert.equal(spool.taken.length, 0);
    assert.equal(listener.connections.size, 0);
  },
);
