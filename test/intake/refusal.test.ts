import assert from 'node:assert/strict';
import { hostileTest } from '../hostile/rows.js';
import { Dialogue } from './dialogue.js';
import { runIntake } from './running-intake.js';

hostileTest(
  'parameters',
  'a name of any length is told in a line of 512 octets',
  async (t, cases) => {
    const { port } = await runIntake(t);
    const client = await Dialogue.open(port);
    const name = 'K'.repeat(7000);
    for (const line of [
      `MAIL FROM:<a@x.test> ${name}=1`,
      `MAIL FROM:<a@x.test> ${name} ${name}`,
      `RCPT TO:<b@y.test> ${name}`,
    ]) {
      cases.add();
      if (line.startsWith('RCPT')) await client.ask('MAIL FROM:<a@x.test>');
      const reply = await client.ask(line);
      assert.match(reply, /^5\d\d 5\.5\.4 .*K{400}\.\.\./);
      assert.ok(`${reply}\r\n`.length <= 512, `${reply.length} octets`);
    }
  },
);
