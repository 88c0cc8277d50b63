import { createHash } from 'node:crypto';
import type { TestContext } from 'node:test';
import { until } from '../scenario/waiting.js';
import {
  runScriptedServer,
  type ScriptedServer,
  type ScriptedSession,
} from '../send/scripted-server.js';

/**
 * How the next hop behaves. `away`: 421 in place of a greeting. `silent`: it does not greet. `busy`: each recipient is put off.
 * `hangs-in-data`: it reads nothing behind its 354. `hangs-at-dot`: it never answers the final dot.
 */
export type Conduct = 'takes' | 'away' | 'silent' | 'busy' | 'hangs-in-data' | 'hangs-at-dot';

/** A message that was offered to its final dot. */
export interface Offered {
  recipients: string[];
  /** Of the bytes behind the first empty line. */
  bodySha256: string;
  /** It was answered 250. */
  taken: boolean;
  atMs: number;
}

/** A foreign next hop over real sockets, whose conduct a test changes while it runs. */
export class Hop {
  conduct: Conduct;
  /** Recipients who are put off, whatever the conduct. */
  busyFor: RegExp | null = null;
  /** Each time that a recipient was asked for. */
  readonly asked: { recipient: string; atMs: number }[] = [];
  readonly offered: Offered[] = [];
  #server: ScriptedServer | null = null;

  constructor(conduct: Conduct) {
    this.conduct = conduct;
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  get sessions(): readonly ScriptedSession[] {
    return this.#server?.sessions ?? [];
  }

  /** What it took, by recipient, as often as it took it. */
  get taken(): Map<string, Offered[]> {
    const taken = new Map<string, Offered[]>();
    for (const mail of this.offered.filter((one) => one.taken)) {
      for (const recipient of mail.recipients) {
        taken.set(recipient, [...(taken.get(recipient) ?? []), mail]);
      }
    }
    return taken;
  }

  /** Commands of all sessions that begin with a verb. */
  commands(verb: string): string[] {
    return (this.#server?.lines() ?? []).filter((line) => line.startsWith(verb));
  }

  async untilTaken(recipients: readonly string[], deadlineMs?: number): Promise<void> {
    let lacking: readonly string[] = recipients;
    const look = (): boolean => {
      const taken = this.taken;
      lacking = recipients.filter((recipient) => !taken.has(recipient));
      return lacking.length === 0;
    };
    await until(`${recipients.length} messages at the hop`, look, {
      seen: () => ({ lacking: lacking.length, first: lacking[0] }),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
    });
  }

  async listen(t: TestContext): Promise<void> {
    this.#server = await runScriptedServer(t, {
      offers: ['8BITMIME', 'SMTPUTF8', 'SIZE 104857600'],
      greeting: (session) => {
        if (this.conduct === 'away') session.close('421 4.3.2 away for a while');
        else if (this.conduct !== 'silent') session.say('220 hop.example ESMTP');
      },
      on: {
        RCPT: (session, line) => {
          const recipient = /<(.*?)>/.exec(line)?.[1] ?? '';
          this.asked.push({ recipient, atMs: performance.now() });
          const busy = this.conduct === 'busy' || this.busyFor?.test(recipient);
          session.say(busy ? '450 4.2.0 busy, come back' : '250 2.1.5 ok');
        },
        DATA: (session) => {
          session.expectContent();
          session.say('354 go on');
          if (this.conduct === 'hangs-in-data') session.socket.pause();
        },
        '.': (session) => this.#take(session),
      },
    });
  }

  #take(session: ScriptedSession): void {
    const taken = this.conduct !== 'hangs-at-dot';
    const content = (session.contents.at(-1) ?? '').replaceAll(/^\./gm, '');
    const body = content.slice(content.indexOf('\r\n\r\n') + 4);
    const start = session.lines.findLastIndex((line) => line.startsWith('MAIL FROM:'));
    this.offered.push({
      recipients: session.lines
        .slice(start)
        .flatMap((line) => /^RCPT TO:<(.*?)>/.exec(line)?.[1] ?? []),
      bodySha256: createHash('sha256').update(body, 'latin1').digest('hex'),
      taken,
      atMs: performance.now(),
    });
    if (taken) session.say('250 2.0.0 Ok: queued as HOP1');
  }
}

/** Starts a hop on a free port of loopback; it ends with the test. */
export async function startHop(t: TestContext, conduct: Conduct = 'takes'): Promise<Hop> {
  const hop = new Hop(conduct);
  await hop.listen(t);
  return hop;
}
