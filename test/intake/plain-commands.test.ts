import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostileTest } from '../hostile/rows.js';
import { Dialogue } from './dialogue.js';
import { runIntake } from './running-intake.js';

test('VRFY and EXPN look at nothing: 252 for every name, 501 without one', async (t) => {
  const { port, policy } = await runIntake(t);
  const client = await Dialogue.open(port);
  const names = ['root', 'app', 'nobody', '<a@x.test>', '"a b"@x.test', 'a@x.test\0', 'ü', '-v x'];
  const answers = new Set<string>();
  for (const name of names) answers.add(await client.ask(`VRFY ${name}`));
  assert.equal(answers.size, 1);
  assert.match([...answers][0] as string, /^252 2\.5\.2 /);
  assert.match(await client.ask('EXPN users'), /^252 2\.5\.2 /);
  for (const command of ['VRFY', 'VRFY ', 'EXPN', 'expn  ']) {
    assert.match(await client.ask(command), /^501 5\.5\.4 /, JSON.stringify(command));
  }
  assert.ok(policy.offersLogin, 'there was a user to be found');
});

test('RSET and QUIT with an argument change nothing; white space behind them is none', async (t) => {
  const { port, spool } = await runIntake(t);
  const client = await Dialogue.open(port);
  await client.ask('MAIL FROM:<a@x.test>');
  assert.match(await client.ask('RSET now'), /^501 5\.5\.4 /);
  assert.match(await client.ask('QUIT now'), /^501 5\.5\.4 /);
  assert.match(await client.ask('RCPT TO:<b@y.test>'), /^250 /);
  await client.ask('DATA');
  assert.match(await client.ask('x: y\r\n\r\nx\r\n.'), /^250 /);
  assert.equal(spool.taken.length, 1);
  assert.match(await client.ask('RSET  '), /^250 /);
  assert.match(await client.ask('QUIT '), /^221 /);
  assert.equal(await client.closed(), '');
});

test('AUTH without a mechanism is broken, one that nobody knows is not', async (t) => {
  const { port } = await runIntake(t);
  const client = await Dialogue.open(port);
  assert.match(await client.ask('AUTH'), /^501 5\.5\.4 /);
  assert.match(await client.ask('AUTH FOO'), /^504 5\.5\.4 /);
});

hostileTest('resources', 'white space in a command costs what letters cost', async (t, cases) => {
  const { port } = await runIntake(t);
  const cpuUs = async (verb: string, filling: string): Promise<number> => {
    const client = await Dialogue.open(port);
    const begun = process.cpuUsage();
    for (let round = 0; round < 5; round++) {
      cases.add();
      await client.ask(`${verb}a${filling.repeat(15_000)}b`);
    }
    const { user, system } = process.cpuUsage(begun);
    return user + system;
  };
  const verbs = ['EHLO ', 'HELO ', 'MAIL FROM:', 'RCPT TO:', 'DATA ', 'RSET ', 'VRFY ', 'EXPN '];
  for (const verb of [...verbs, 'NOOP ', 'QUIT ', 'AUTH ', 'AUTH PLAIN ', 'STARTTLS ']) {
    const letters = await cpuUs(verb, 'x');
    const spaces = await cpuUs(verb, ' ');
    // A cost by the square would be hundreds of milliseconds a command.
    assert.ok(spaces < letters * 5 + 100_000, `${verb}: ${letters} and ${spaces} µs`);
  }
});
