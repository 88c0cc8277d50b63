import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  Journal,
  openJournalFile,
  type JournalEntry,
  type OpenJournalFile,
} from '../../src/sink/journal.js';
import type { SinkStats } from '../../src/sink/store.js';
import { get, runSink, scratchDirectory, SmtpClient } from './client.js';

const PROCESS = fileURLToPath(new URL('sink-process.js', import.meta.url));
const DEADLINE_MS = 30_000;

/** A disk that does its work when it is told to, and writes down what it was asked for. */
class HandDisk {
  readonly asked: string[] = [];
  readonly #syncs: Array<(error?: Error) => void> = [];
  #arrived: () => void = () => undefined;

  readonly open: OpenJournalFile = async (path) => {
    const file = await openJournalFile(path);
    return {
      ...file,
      append: (bytes) => {
        this.asked.push(`append ${bytes.toString().split('\n').length - 1}`);
        return file.append(bytes);
      },
      truncate: (sizeBytes) => {
        this.asked.push('truncate');
        return file.truncate(sizeBytes);
      },
      sync: () =>
        new Promise((resolve, reject) => {
          this.asked.push('sync');
          this.#syncs.push((error) => (error ? reject(error) : resolve()));
          this.#arrived();
        }),
    };
  };

  /** Resolves when a sync is waiting. */
  async syncing(): Promise<void> {
    if (this.#syncs.length > 0) return;
    const signal = AbortSignal.timeout(DEADLINE_MS);
    await new Promise<void>((resolve, reject) => {
      this.#arrived = resolve;
      signal.addEventListener('abort', () => reject(new Error('no sync was asked for')));
    });
  }

  /** Ends the sync that waits. */
  async sync(error?: Error): Promise<void> {
    await this.syncing();
    this.#syncs.shift()?.(error);
  }
}

function journalFile(t: TestContext): string {
  return join(scratchDirectory(t), 'journal.jsonl');
}

function linesOf(file: string): JournalEntry[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  assert.equal(lines.pop(), '', 'the last line is whole');
  return lines.map((line) => JSON.parse(line) as JournalEntry);
}

async function acceptedBy(sink: Parameters<typeof get>[0]): Promise<number> {
  return ((await (await get(sink, '/stats')).json()) as SinkStats).accepted;
}

const ENTRY: JournalEntry = {
  id: '1',
  received_at: '2026-01-01T00:00:00.000Z',
  sender: '',
  recipients: ['b@x.example'],
  size_bytes: 1,
  sha256: '',
  body_sha256: '',
  user: null,
  tls: null,
  message_id: null,
  header_names: [],
  received_id: null,
};

test('an accepted message has a line with its envelope, hashes and the id of the hop before', async (t) => {
  const file = journalFile(t);
  const sink = await runSink(t, { journalFile: file });
  const client = await SmtpClient.greeted(sink.smtp.port);
  const content = [
    'Received: from edge (edge [127.0.0.1]; id NOT-THIS)',
    ' by exit (relaymesh) with ESMTPA id 0CQ1;',
    ' Thu, 1 Jan 2026 00:00:00 +0000',
    'Received: from a by edge id OLDER; Thu, 1 Jan 2026 00:00:00 +0000',
    'Message-ID: <1@x.example>',
    '',
    'body',
  ].join('\r\n');
  await client.send('a@x.example', ['b@x.example', 'c@x.example'], content);
  const page = (await (await get(sink, '/messages')).json()) as { messages: object[] };
  assert.deepEqual(linesOf(file), [{ ...page.messages[0], received_id: '0CQ1' }]);
  assert.equal(linesOf(file)[0]?.message_id, '<1@x.example>');
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('the line is synced before the 250, and counts only then', async (t) => {
  const disk = new HandDisk();
  const sink = await runSink(t, { journalFile: journalFile(t) }, { openJournalFile: disk.open });
  const client = await SmtpClient.greeted(sink.smtp.port);
  let answered = false;
  const replies = client.send('a@x.example', ['b@x.example'], 'x').then((all) => {
    answered = true;
    return all;
  });
  await disk.syncing();
  // A request and its answer are time enough for a reply that does not wait.
  assert.equal(await acceptedBy(sink), 0);
  assert.equal(answered, false);
  await disk.sync();
  assert.match((await replies).at(-1) as string, /^250 /);
  assert.deepEqual(disk.asked, ['append 1', 'sync']);
  assert.equal(await acceptedBy(sink), 1);
});

test('what waits while a sync is running shares the next one', async (t) => {
  const disk = new HandDisk();
  const journal = await Journal.open(journalFile(t), disk.open);
  const first = journal.append(ENTRY);
  await disk.syncing();
  const others = [journal.append(ENTRY), journal.append(ENTRY), journal.append(ENTRY)];
  await disk.sync();
  await first;
  await disk.sync();
  await Promise.all(others);
  assert.deepEqual(disk.asked, ['append 1', 'sync', 'append 3', 'sync']);
  await journal.close();
});

test('a journal that cannot be written is answered 451, and nothing of the message stays', async (t) => {
  const file = journalFile(t);
  const captureDirectory = scratchDirectory(t);
  const disk = new HandDisk();
  const settings = { journalFile: file, captureDirectory };
  const sink = await runSink(t, settings, { openJournalFile: disk.open });
  const client = await SmtpClient.greeted(sink.smtp.port);
  const refused = client.send('a@x.example', ['b@x.example'], 'x');
  await disk.sync(new Error('medium error'));
  assert.match((await refused).at(-1) as string, /^451 4\.3\.0 /);
  assert.deepEqual(await (await get(sink, '/messages')).json(), {
    messages: [],
    next_cursor: null,
  });
  assert.equal(await acceptedBy(sink), 0);
  const taken = client.send('a@x.example', ['c@x.example'], 'y');
  await disk.sync();
  assert.match((await taken).at(-1) as string, /^250 /);
  assert.deepEqual(disk.asked, ['append 1', 'sync', 'truncate', 'append 1', 'sync']);
  assert.deepEqual(
    linesOf(file).map(({ recipients }) => recipients),
    [['c@x.example']],
  );
});

test('a journal of an earlier run goes on, also behind a line that a kill tore apart', async (t) => {
  const file = journalFile(t);
  writeFileSync(file, `${JSON.stringify(ENTRY)}\n{"id":"2","rece`);
  const journal = await Journal.open(file);
  await journal.append({ ...ENTRY, id: '3' });
  await journal.append({ ...ENTRY, id: '4' });
  await journal.close();
  assert.deepEqual(
    readFileSync(file, 'utf8').split('\n'),
    [ENTRY, { ...ENTRY, id: '3' }, { ...ENTRY, id: '4' }]
      .map((entry) => JSON.stringify(entry))
      .toSpliced(1, 0, '{"id":"2","rece')
      .concat(''),
  );
});

test('a stop waits for the line that is under way', async (t) => {
  const file = journalFile(t);
  const disk = new HandDisk();
  const sink = await runSink(t, { journalFile: file }, { openJournalFile: disk.open });
  const client = await SmtpClient.greeted(sink.smtp.port);
  const replies = client.send('a@x.example', ['b@x.example'], 'x');
  await disk.syncing();
  const stopped = sink.stop();
  await disk.sync();
  assert.match((await replies).at(-1) as string, /^250 /);
  await stopped;
  assert.equal(linesOf(file).length, 1);
});

test('what got a 250 has its line also when the sink is killed', async (t) => {
  const file = journalFile(t);
  const child = spawn(process.execPath, [PROCESS, '--port', '0', '--journal', file], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.after(() => child.kill('SIGKILL'));
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const [line] = (await once(child.stdout, 'data', { signal })) as [Buffer];
  const { smtp } = JSON.parse(line.toString()) as { smtp: { port: number } };
  const client = await SmtpClient.greeted(smtp.port);
  for (const text of ['1', '2', '3']) {
    const replies = await client.send('a@x.example', [`${text}@x.example`], text);
    assert.match(replies.at(-1) as string, /^250 /);
  }
  child.kill('SIGKILL');
  await once(child, 'exit', { signal });
  assert.deepEqual(
    linesOf(file).map(({ recipients }) => recipients[0]),
    ['1@x.example', '2@x.example', '3@x.example'],
  );
});

test('a file that cannot be opened is an error of the operator', async (t) => {
  const directory = scratchDirectory(t);
  await assert.rejects(runSink(t, { journalFile: directory }), {
    code: 'SINK_JOURNAL_UNUSABLE',
    fault: 'operator',
    where: directory,
  });
  const missing = join(directory, 'missing', 'journal');
  await assert.rejects(runSink(t, { journalFile: missing }), { code: 'SINK_JOURNAL_UNUSABLE' });
});
