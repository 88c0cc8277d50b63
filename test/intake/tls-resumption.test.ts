import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { test } from 'node:test';
import { Dialogue } from './dialogue.js';
import { runIntake, type IntakeOptions } from './running-intake.js';

type Version = 'TLSv1.2' | 'TLSv1.3';

/** One session that is greeted and says QUIT: was it resumed, and with what the next one may be. */
async function visit(
  port: number,
  transport: 'implicit' | 'starttls',
  version: Version,
  session?: Buffer,
): Promise<{ reused: boolean; session: Buffer | undefined }> {
  const terms = {
    host: '127.0.0.1',
    rejectUnauthorized: false,
    minVersion: version,
    maxVersion: version,
    ...(session === undefined ? {} : { session }),
  };
  let socket: tls.TLSSocket;
  if (transport === 'starttls') {
    const plain = net.connect(port, '127.0.0.1');
    const client = Dialogue.over(plain);
    await client.reply();
    await client.askAll('EHLO client.example', 'STARTTLS');
    plain.removeAllListeners('data');
    socket = tls.connect({ ...terms, socket: plain });
  } else {
    socket = tls.connect({ ...terms, port });
  }
  let ticket: Buffer | undefined;
  socket.on('session', (offered: Buffer) => (ticket = offered));
  await once(socket, 'secureConnect');
  const client = Dialogue.over(socket);
  if (transport === 'implicit') {
    assert.match(await client.reply(), /^220 /);
  }
  await client.askAll('EHLO client.example', 'NOOP');
  const reused = socket.isSessionReused();
  client.leave();
  return { reused, session: ticket };
}

const CASES: ReadonlyArray<['implicit' | 'starttls', Version]> = [
  ['implicit', 'TLSv1.3'],
  ['implicit', 'TLSv1.2'],
  ['starttls', 'TLSv1.3'],
  ['starttls', 'TLSv1.2'],
];

for (const [transport, version] of CASES) {
  test(`a client that comes back resumes its session: ${transport}, ${version}`, async (t) => {
    const listener: IntakeOptions['listener'] = {
      tls: transport === 'implicit' ? 'implicit' : 'opportunistic',
    };
    const { port } = await runIntake(t, { listener });
    const first = await visit(port, transport, version);
    assert.equal(first.reused, false);
    assert.ok(first.session !== undefined, 'it was given a ticket');
    assert.equal((await visit(port, transport, version, first.session)).reused, true);
  });
}
