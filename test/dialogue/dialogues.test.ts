import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseDialogue, type Case, type ServerName } from './dialogue-file.js';
import { startExim, withoutExim } from './exim-server.js';
import { NextHop } from './next-hop.js';
import { startPostfixServer, withoutPostfixServer } from './postfix-server.js';
import { startRelaymesh } from './relaymesh-server.js';
import { holdDialogue, type DialogueServer } from './speaker.js';

/** The texts lie beside the sources of the tests. */
const FOLDER = fileURLToPath(new URL('../../../test/dialogue/', import.meta.url));

/** Only files with this in their names, for work on one of them. */
const ONLY = process.env['DIALOGUE'] ?? '';

const files = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.txt') && name.includes(ONLY))
  .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  .map((name) => ({ name, cases: parseDialogue(read(name), name) }));

const FENCE = parseDialogue(
  `== everything else has gone before
S: 220
C: EHLO client.example
S: 250
C: MAIL FROM:<fence@x.test>
S: 250
C: RCPT TO:<fence@y.test>
S: 250
C: DATA
S: 354
C~ Subject: fence\\r\\n\\r\\nfence\\r\\n.\\r\\n
S: 250
N: MAIL FROM:<fence@x.test>
N: RCPT TO:<fence@y.test>
`,
  'fence',
);

interface ServerUnderTest {
  /** Why it cannot be started here. */
  without: string | false;
  start: (t: TestContext, hopPort: number) => Promise<DialogueServer>;
  /** The version that the texts speak of, that of Debian 12; another one differs in other ways. */
  version: string;
}

const SERVERS: Record<ServerName, ServerUnderTest> = {
  relaymesh: { without: false, start: startRelaymesh, version: '' },
  postfix: { without: withoutPostfixServer(), start: startPostfixServer, version: '3.7' },
  exim: { without: withoutExim(), start: startExim, version: '4.96' },
};

for (const [name, { without, start, version }] of Object.entries(SERVERS)) {
  test(`the dialogues of RFC 5321 with ${name}`, { skip: without }, async (t) => {
    const hop = await NextHop.start(t);
    const server = await start(t, hop.port);
    if (server.version !== version) {
      t.skip(`the dialogues know version ${version}; here is ${server.version}`);
      return;
    }
    for (const file of files) {
      await t.test(file.name, (each) => holdAll(each, file.cases, server, hop, file.name));
    }
    await t.test('the next hop hears of nothing else', async () => {
      await hold(FENCE[0] as Case, server, hop, 'fence');
      hop.assertNothingElse();
    });
  });
}

function read(name: string): string {
  return readFileSync(path.join(FOLDER, name), 'utf8');
}

async function holdAll(
  t: TestContext,
  cases: readonly Case[],
  server: DialogueServer,
  hop: NextHop,
  file: string,
): Promise<void> {
  for (const one of cases) {
    const reason = one.not.get(server.name);
    const skip = reason === undefined ? false : reason;
    await t.test(one.title, { skip }, () => hold(one, server, hop, file));
  }
}

async function hold(one: Case, server: DialogueServer, hop: NextHop, file: string): Promise<void> {
  try {
    await holdDialogue(one, server, file);
    await hop.assertHeard(one, server.name, server.host);
  } catch (error) {
    // What is left of it must not look like a fault of the next one.
    hop.forget();
    throw error;
  }
}
