import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { until } from '../scenario/waiting.js';
import { runScriptedServer, type ScriptedSession } from '../send/scripted-server.js';
import type { Case, ContentFact, HopCommand, HopFact, ServerName } from './dialogue-file.js';

/** One transaction as the next hop heard it; text is latin1, so that a character is a byte. */
interface Heard {
  mail: string;
  rcpts: string[];
  /** With its stuffed dots. */
  content: string;
}

/** What a case says that the next hop hears of one message. */
interface Message {
  mail: HopCommand;
  rcpts: HopCommand[];
  facts: ContentFact[];
}

/** Where a server under test sends all mail. It takes everything, and knows who sent what. */
export class NextHop {
  port = 0;
  /** Heard, and not yet the business of a case. */
  #heard: Heard[] = [];

  /** Starts it on a free port of loopback; it ends with the test. */
  static async start(t: TestContext): Promise<NextHop> {
    const hop = new NextHop();
    const { port } = await runScriptedServer(t, {
      offers: ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'DSN', 'SIZE 104857600'],
      on: { '.': (session) => hop.#take(session) },
    });
    hop.port = port;
    return hop;
  }

  /** Waits for what a case expects here, and compares. */
  async assertHeard(one: Case, server: ServerName, host: string): Promise<void> {
    const messages = messagesOf(one, server);
    const due = messages.reduce((sum, { rcpts }) => sum + rcpts.length, 0);
    if (due === 0) return;
    await until(`${due} recipients at the next hop`, () => this.#recipients.length >= due, {
      seen: () => this.#heard,
    });
    for (const message of messages) this.#assertMessage(message, host);
  }

  forget(): void {
    this.#heard = [];
  }

  /** Nothing came but what the cases were about. */
  assertNothingElse(): void {
    assert.deepEqual(this.#heard, [], 'the next hop heard of mail that no case expects');
  }

  get #recipients(): string[] {
    return this.#heard.flatMap(({ rcpts }) => rcpts);
  }

  #assertMessage({ mail, rcpts, facts }: Message, host: string): void {
    const wanted = rcpts.map(({ path }) => latin1(path)).toSorted();
    const isPart = (heard: Heard): boolean =>
      heard.rcpts.every((line) => wanted.includes(pathOf(line)));
    const parts = this.#heard.filter(isPart);
    this.#heard = this.#heard.filter((heard) => !isPart(heard));
    assert.deepEqual(
      parts.flatMap((heard) => heard.rcpts.map(pathOf)).toSorted(),
      wanted,
      `recipients at the next hop; it also heard ${JSON.stringify(this.#heard)}`,
    );
    for (const part of parts) {
      assertLine(part.mail, mail);
      for (const line of part.rcpts) {
        const rcpt = rcpts.find(({ path }) => latin1(path) === pathOf(line));
        assert.ok(rcpt !== undefined);
        assertLine(line, rcpt);
      }
      for (const fact of facts) assertFact(part.content, fact, host);
    }
  }

  #take(session: ScriptedSession): void {
    const start = session.lines.findLastIndex((line) => line.startsWith('MAIL FROM:'));
    this.#heard.push({
      mail: session.lines[start] ?? '',
      rcpts: session.lines.slice(start).filter((line) => line.startsWith('RCPT TO:')),
      content: session.contents.at(-1) ?? '',
    });
    session.say('250 2.0.0 Ok: queued as HOP1');
  }
}

function messagesOf({ hop }: Case, server: ServerName): Message[] {
  const messages: Message[] = [];
  for (const { expected } of hop) {
    const fact = expected.own.get(server) ?? expected.all;
    if (fact === 'none') continue;
    if (isCommand(fact) && fact.kind === 'mail') {
      messages.push({ mail: fact, rcpts: [], facts: [] });
      continue;
    }
    const message = messages.at(-1);
    assert.ok(message !== undefined, 'N: MAIL FROM comes first');
    if (isCommand(fact)) message.rcpts.push(fact);
    else message.facts.push(fact);
  }
  return messages;
}

function isCommand(fact: HopFact): fact is HopCommand {
  return fact.kind === 'mail' || fact.kind === 'rcpt';
}

function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function pathOf(line: string): string {
  return /<.*>/.exec(line)?.[0] ?? line;
}

function assertLine(line: string, { path, parameters }: HopCommand): void {
  assert.equal(pathOf(line), latin1(path), line);
  const words = line.slice(line.lastIndexOf('>') + 1).split(' ');
  for (const parameter of parameters) {
    if (parameter.startsWith('!')) {
      const keyword = parameter.slice(1);
      const absent = words.every((word) => word !== keyword && !word.startsWith(`${keyword}=`));
      assert.ok(absent, `${line} has ${keyword}`);
    } else {
      assert.ok(words.includes(latin1(parameter)), `${line} lacks ${parameter}`);
    }
  }
}

function assertFact(content: string, fact: ContentFact, host: string): void {
  const plain = content.replaceAll(/(^|\r\n)\./g, '$1');
  const end = plain.indexOf('\r\n\r\n');
  const head = end === -1 ? plain : plain.slice(0, end);
  if (fact.kind === 'body') {
    const body = end === -1 ? '' : plain.slice(end + 4);
    assert.equal(JSON.stringify(body), JSON.stringify(fact.bytes.toString('latin1')), 'body');
    return;
  }
  const fields = head.replaceAll(/\r\n(?=[ \t])/g, '').split('\r\n');
  const pattern = new RegExp(fact.source.replaceAll('{host}', host), 'i');
  const seen = `${String(pattern)} in ${JSON.stringify(fields)}`;
  if (fact.kind === 'first') assert.match(fields[0] ?? '', pattern, seen);
  else
    assert.equal(
      fields.some((field) => pattern.test(field)),
      fact.kind === 'field',
      seen,
    );
}
