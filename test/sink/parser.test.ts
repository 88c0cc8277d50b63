import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { systemClock } from '../../src/base/clock.js';
import { Pacer } from '../../src/sink/pace.js';
import { SinkParser } from '../../src/sink/parser.js';

const UNHURRIED = new Pacer(systemClock);

/** RFC 5321 §4.5.2, the sender's side. */
function stuffed(content: string): string {
  return content.replace(/(^|\r\n)\./g, '$1..');
}

interface Parsed {
  content: string;
  commands: string[];
}

/** What a parser in data mode makes of `input` when it comes in pieces of these sizes. */
async function parse(input: string, sizes: readonly number[]): Promise<Parsed> {
  const parser = new SinkParser(() => UNHURRIED);
  const commands: string[] = [];
  parser.oncommand = (line, done) => {
    commands.push(line.toString('latin1'));
    done?.();
  };
  const stream = parser.startDataMode();
  const bytes = Buffer.from(input, 'latin1');
  let from = 0;
  for (let turn = 0; from < bytes.length; turn++) {
    const size = sizes.length === 0 ? bytes.length : (sizes[turn % sizes.length] as number);
    parser.write(bytes.subarray(from, from + size));
    from += size;
  }
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  parser.continue();
  await new Promise<void>((resolve) => parser.end(resolve));
  return { content: Buffer.concat(chunks).toString('latin1'), commands };
}

const content = fc
  .array(fc.constantFrom('\r\n', '.', '..', '\r', '\n', 'a', '\r\n.', '\r\n..', '\n.\n', '.\r'), {
    maxLength: 20,
  })
  .map((parts) => `${parts.join('')}\r\n`);
const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { maxLength: 6 });

test('content with any dots arrives byte for byte however it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(content, sizes, async (text, pieces) => {
      const parsed = await parse(`${stuffed(text)}.\r\nNOOP\r\n`, pieces);
      assert.deepEqual(parsed, { content: text, commands: ['NOOP'] });
    }),
    { numRuns: 500 },
  );
});

test('an empty message has no bytes', async () => {
  for (const pieces of [[], [1]]) {
    assert.deepEqual(await parse('.\r\nNOOP\r\n', pieces), { content: '', commands: ['NOOP'] });
  }
});

test('neither a bare LF nor a bare CR around the dot ends the content', async () => {
  for (const fake of ['\n.\n', '\n.\r\n', '\r.\r', '\r\n.\n', '\r\n.\r']) {
    const { content: got, commands } = await parse(`a${fake}RSET\r\n.\r\nNOOP\r\n`, [3]);
    assert.deepEqual(commands, ['NOOP'], JSON.stringify(fake));
    assert.match(got, /RSET\r\n$/);
  }
});

test('64 KiB of dots are taken in one turn of the event loop', async () => {
  const text = '.\r\n'.repeat(21_000);
  let turns = 0;
  const count = (): void => {
    turns++;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  const parsed = await parse(`${stuffed(text)}.\r\n`, []);
  clearImmediate(timer);
  assert.equal(parsed.content, text);
  assert.ok(turns < 100, `${turns} turns`);
});
