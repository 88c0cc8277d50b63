import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  SmtpParser,
  type ContentViolation,
  type DataReceiver,
} from '../../src/intake/smtp-parser.js';

/** What a parser made of the bytes it was given. */
interface Reading {
  commands: string[];
  messages: Array<{ content: string; violations: Set<ContentViolation>; eightBit: boolean }>;
  bareLineFeeds: number;
  error: string | null;
}

/** `DATA` switches to content, everything else is a command. `slow`: the receiver makes it wait. */
async function read(chunks: readonly Buffer[], slow = false): Promise<Reading> {
  const reading: Reading = { commands: [], messages: [], bareLineFeeds: 0, error: null };
  const parser = new SmtpParser(1000);
  parser.onBareLineFeed = () => {
    reading.bareLineFeeds++;
    parser.isClosed = true;
  };
  parser.on('error', (error: Error) => {
    reading.error = error.message;
  });
  parser.oncommand = (line, done) => {
    reading.commands.push(line.toString('latin1'));
    if (line.toString('latin1') === 'DATA') {
      parser.receive(receiverOf(reading, slow));
    }
    setImmediate(done ?? (() => undefined));
  };
  for (const chunk of chunks) {
    await new Promise<void>((resolve) => parser.write(chunk, () => resolve()));
  }
  // A stream reports its error one turn after the write that failed.
  await new Promise((resolve) => setImmediate(resolve));
  return reading;
}

function receiverOf(reading: Reading, slow: boolean): DataReceiver {
  const message = { content: '', violations: new Set<ContentViolation>(), eightBit: false };
  return {
    write(chunk) {
      message.content += chunk.toString('latin1');
      return slow ? new Promise((resolve) => setImmediate(resolve)) : undefined;
    },
    violation: (kind) => void message.violations.add(kind),
    eightBit: () => {
      message.eightBit = true;
    },
    end: async () => {
      reading.messages.push(message);
    },
  };
}

function splitAt(text: string, cuts: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text, 'latin1');
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const edges = [0, ...places, bytes.length];
  return edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
}

/** RFC 5321 §4.1.1.4 and §4.5.2 with regular expressions, over the content with its terminator. */
function expected(stream: string): {
  content: string;
  violations: Set<ContentViolation>;
  rest: string;
} {
  const lines = `\r\n${stream}`;
  const end = lines.indexOf('\r\n.\r\n');
  const raw = lines.slice(0, end + 2);
  const violations = new Set<ContentViolation>();
  if (/\r(?!\n)/.test(raw)) violations.add('bare CR');
  if (/(?<!\r)\n/.test(raw)) violations.add('bare LF');
  if (raw.includes('\0')) violations.add('NUL');
  const content = raw.replaceAll('\r\n.', '\r\n').slice(2);
  return { content, violations, rest: lines.slice(end + 5) };
}

const pieces = [
  '\r',
  '\n',
  '.',
  '\0',
  'a',
  '\r\n',
  '..',
  '\r\n.',
  '\r\n..',
  '\x80',
  'MAIL FROM:<x>\r\n',
];
const hostileContent = fc
  .array(fc.constantFrom(...pieces), { maxLength: 30 })
  .map((parts) => parts.join(''));
const cuts = fc.array(fc.nat(400), { maxLength: 12 });

test('whatever the content and wherever it is cut: unstuffed rightly, ended exactly, nothing lost', async () => {
  await fc.assert(
    fc.asyncProperty(hostileContent, cuts, fc.boolean(), async (content, places, slow) => {
      const stream = `${content}\r\n.\r\n`;
      const wanted = expected(stream);
      // Content that holds a terminator itself ends there; the rest is another test.
      fc.pre(wanted.rest === '');
      const reading = await read(splitAt(`DATA\r\n${stream}NOOP\r\n`, places), slow);
      assert.deepEqual(reading.messages, [
        {
          content: wanted.content,
          violations: wanted.violations,
          eightBit: content.includes('\x80'),
        },
      ]);
      assert.deepEqual(reading.commands, ['DATA', 'NOOP']);
    }),
    { numRuns: 600 },
  );
});

test('content that goes through a sender comes out as it went in', async () => {
  const lines = fc.array(fc.constantFrom('', '.', '..', '.x', 'x', '. ', '...'), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(lines, cuts, async (texts, places) => {
      const content = texts.map((line) => `${line}\r\n`).join('');
      const stuffed = content.replaceAll(/^\./gm, '..');
      const reading = await read(splitAt(`DATA\r\n${stuffed}.\r\n`, places));
      assert.equal(reading.messages[0]?.content, content);
      assert.equal(reading.messages[0]?.violations.size, 0);
    }),
    { numRuns: 400 },
  );
});

test('the terminator is found at every cut, also as the first line and with a dot line before it', async () => {
  for (const content of ['', '..\r\n', 'x\r\n', '.x\r\n..\r\n', 'x\r\n..\r\n']) {
    const stream = `DATA\r\n${content}.\r\nRSET\r\n`;
    for (let first = 1; first < stream.length; first++) {
      for (let second = first; second <= stream.length; second++) {
        const reading = await read(splitAt(stream, [first, second]));
        assert.deepEqual(
          reading.commands,
          ['DATA', 'RSET'],
          JSON.stringify([content, first, second]),
        );
        assert.equal(reading.messages[0]?.content, content.replaceAll(/^\./gm, ''));
      }
    }
  }
});

test('commands and whole transactions are the same in one write and in single bytes', async () => {
  const dialogue =
    'EHLO x\r\nMAIL FROM:<a@b>\r\nDATA\r\nfirst\r\n.\r\n\r\nNOOP\r\nDATA\r\n..second\r\n.\r\nQUIT\r\n';
  const whole = await read([Buffer.from(dialogue)]);
  assert.deepEqual(whole.commands, [
    'EHLO x',
    'MAIL FROM:<a@b>',
    'DATA',
    '',
    'NOOP',
    'DATA',
    'QUIT',
  ]);
  assert.deepEqual(
    whole.messages.map(({ content }) => content),
    ['first\r\n', '.second\r\n'],
  );
  assert.deepEqual(await read([...Buffer.from(dialogue)].map((byte) => Buffer.of(byte))), whole);
  for (let cut = 1; cut < dialogue.length; cut++) {
    assert.deepEqual(await read(splitAt(dialogue, [cut])), whole, `cut at ${cut}`);
  }
});

test('a command line with a bare LF ends the reading, wherever it is cut', async () => {
  const dialogue = 'NOOP\r\nMAIL FROM:<a@b>\nRSET\r\n';
  for (let cut = 0; cut < dialogue.length; cut++) {
    const reading = await read(splitAt(dialogue, [cut]));
    assert.deepEqual(reading.commands, ['NOOP'], `cut at ${cut}`);
    assert.equal(reading.bareLineFeeds, 1);
  }
  const alone = await read([Buffer.from('\n')]);
  assert.deepEqual([alone.commands, alone.bareLineFeeds], [[], 1]);
});

test('a command line over the limit is an error, in one piece and in many', async () => {
  const long = `${'x'.repeat(1001)}\r\n`;
  assert.equal((await read([Buffer.from(long)])).error, 'Command line too long');
  assert.equal(
    (await read([Buffer.from(long.slice(0, 600)), Buffer.from(long.slice(600))])).error,
    'Command line too long',
  );
  assert.equal((await read([Buffer.alloc(2000, 'x')])).error, 'Command line too long');
  const fits = await read([Buffer.from(`${'x'.repeat(998)}\r\n`)]);
  assert.deepEqual([fits.error, fits.commands[0]?.length], [null, 998]);
});

test('a line without its end when the client closes is not a command', async () => {
  const parser = new SmtpParser(1000);
  const commands: string[] = [];
  parser.oncommand = (line, done) => {
    commands.push(line.toString());
    done?.();
  };
  parser.write('NOOP\r\nQUIT');
  await new Promise<void>((resolve) => parser.end(resolve));
  assert.deepEqual(commands, ['NOOP']);
});

test('4 MB of dot-stuffed lines are read in one pass', async () => {
  const chunk = Buffer.from('..\r\n'.repeat(16_384));
  const usage = process.cpuUsage();
  const chunks = Array.from({ length: 64 }, () => chunk);
  let bytes = 0;
  const parser = new SmtpParser(1000);
  parser.receive({
    write: (slice) => {
      bytes += slice.length;
      return undefined;
    },
    violation: (kind) => assert.fail(kind),
    eightBit: () => undefined,
    end: async () => undefined,
  });
  for (const part of chunks) {
    await new Promise<void>((resolve) => parser.write(part, () => resolve()));
  }
  assert.equal(bytes, 64 * 16_384 * 3);
  const { user, system } = process.cpuUsage(usage);
  // The library takes about 3 ms a kilobyte of these: 12 s.
  assert.ok(user + system < 4_000_000, `${(user + system) / 1000} ms`);
});
