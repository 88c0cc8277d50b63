import assert from 'node:assert/strict';
import { Dialogue } from '../intake/dialogue.js';
import type { Case, Expected, ListenerName, Pattern, Reply, ServerName } from './dialogue-file.js';

/** A server that dialogues are held with. */
export interface DialogueServer {
  name: ServerName;
  /** What it calls itself. */
  host: string;
  /** Of its program: two numbers; '' is ours. */
  version: string;
  /** It offers ENHANCEDSTATUSCODES. */
  enhancedCodes: boolean;
  ports: Readonly<Record<ListenerName, number>>;
}

/** Holds a dialogue. Rejects with the place in the file and all that was said up to there. */
export async function holdDialogue(one: Case, server: DialogueServer, file: string): Promise<void> {
  const client = await Dialogue.connect(server.ports[one.at]);
  const speaker = new Speaker(client, server);
  try {
    for (const step of one.steps) {
      speaker.line = step.line;
      if (step.kind === 'send') speaker.send(step.bytes);
      else if (step.kind === 'tls') await client.secure();
      else if (step.kind === 'leave') speaker.leave();
      else await speaker.expect(step.expected.own.get(server.name) ?? step.expected.all);
    }
    await speaker.end();
  } catch (error) {
    const said = speaker.said.join('\n');
    throw new Error(`${file}:${speaker.line}: ${(error as Error).message}\n${said}`, {
      cause: error,
    });
  } finally {
    client.leave();
  }
}

class Speaker {
  line = 0;
  /** Both sides, shortened. */
  readonly said: string[] = [];
  readonly #client: Dialogue;
  readonly #server: DialogueServer;
  #ended = false;

  constructor(client: Dialogue, server: DialogueServer) {
    this.#client = client;
    this.#server = server;
  }

  send(bytes: Buffer): void {
    this.#say('C', bytes.toString('latin1'));
    this.#client.write(bytes);
  }

  leave(): void {
    this.#client.leave();
    this.#ended = true;
  }

  async expect(expected: Expected): Promise<void> {
    if (expected === 'none') return;
    if (expected === 'closed') {
      this.#ended = true;
      assert.equal(await this.#client.closed(), '', 'it closes and says nothing more');
      return;
    }
    for (let count = 0; count < expected.count; count++) {
      const reply = await this.#client.reply();
      this.#say('S', reply);
      this.#check(reply, expected);
    }
  }

  /** Each reply was expected, so that the next one is that to QUIT. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.send(Buffer.from('QUIT\r\n'));
    const reply = await this.#client.reply();
    this.#say('S', reply);
    assert.match(reply, /^221/, 'QUIT at the end of the case is answered 221');
    assert.equal(await this.#client.closed(), '', 'it closes after QUIT');
  }

  #check(reply: string, { code, enhanced, patterns }: Reply): void {
    const due = `${code}${enhanced === null ? '' : ` ${enhanced}`}`;
    // RFC 5321 §4.2: three digits, of which each line has the same.
    const lines = reply.split('\n');
    const wellFormed = lines.every((line, index) =>
      line.startsWith(`${code}${index < lines.length - 1 ? '-' : ' '}`),
    );
    assert.ok(wellFormed || reply === String(code), `expected ${due}, heard ${reply}`);
    if (enhanced !== null && this.#server.enhancedCodes) {
      assert.equal(/^\d{3}[ -](\d\.\d+\.\d+)/.exec(reply)?.[1], enhanced, `expected ${due}`);
    }
    for (const pattern of patterns) this.#match(reply, pattern);
  }

  #match(reply: string, { source, absent }: Pattern): void {
    const pattern = new RegExp(source.replaceAll('{host}', this.#server.host), 'm');
    assert.equal(pattern.test(reply), !absent, `${String(pattern)} in ${reply}`);
  }

  #say(who: 'C' | 'S', text: string): void {
    const short = text.length > 300 ? `${text.slice(0, 300)}… (${text.length})` : text;
    this.said.push(`  ${who}: ${JSON.stringify(short)}`);
  }
}
