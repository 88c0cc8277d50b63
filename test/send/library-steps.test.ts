import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { Options } from 'nodemailer/lib/smtp-connection';
import { LibraryConnection, type LibraryError } from '../../src/send/library-connection.js';
import { until } from '../intake/dialogue.js';
import { makeCertificate } from './certificates.js';
import { runScriptedServer, type Script } from './scripted-server.js';

/*
 * The steps of the stock nodemailer connection that ours stands on and that its types do not show
 * (`Internals`). A test that fails after an update says that our connection has to be looked at again.
 */

const good = await makeCertificate('hop');
const other = await makeCertificate('hop');

const STARTTLS: Script = {
  certificate: good,
  offers: ['STARTTLS', 'SIZE 10'],
  offersInTls: ['X-IN'],
};
const IMPLICIT: Script = { certificate: good, implicit: true };

/** The library's own, which tells what it does. */
class Watched extends LibraryConnection {
  readonly steps: string[] = [];
  /** What was to be processed each time, as it stood. */
  readonly heard: string[][] = [];
  readonly errors: LibraryError[] = [];
  ends = 0;
  /** What `tls` becomes when a handshake begins by STARTTLS. */
  tlsInTime: Options['tls'] | null = null;

  constructor(options: Options) {
    super({ host: '127.0.0.1', name: 'edge.example', logger: false, ...options });
    this.on('error', (error: LibraryError) => this.errors.push(error));
    this.on('end', () => this.ends++);
  }

  override _onConnect(): void {
    this.steps.push('connect');
    super._onConnect();
  }

  override _actionGreeting(reply: string): void {
    this.steps.push(`greeting ${reply}`);
    super._actionGreeting(reply);
  }

  override _actionSTARTTLS(reply: string): void {
    this.steps.push(`starttls ${reply}`);
    super._actionSTARTTLS(reply);
  }

  override _upgradeConnection(callback: (error: Error | null, secured?: boolean) => void): void {
    this.steps.push(`upgrade of ${nameOf(this._socket)}`);
    if (this.tlsInTime != null) this.options.tls = this.tlsInTime;
    super._upgradeConnection((error, secured) => {
      this.steps.push(`upgraded to ${nameOf(this._socket)}: ${secured}`);
      callback(error, secured);
    });
  }

  override _processResponse(): void {
    this.heard.push([...this._responseQueue]);
    super._processResponse();
  }
}

function nameOf(socket: unknown): string {
  return (socket as Socket).constructor.name;
}

function watched(t: TestContext, options: Options): Watched {
  const connection = new Watched(options);
  t.after(() => connection.close());
  return connection;
}

async function opened(t: TestContext, options: Options): Promise<Watched> {
  const connection = watched(t, options);
  await new Promise<void>((resolve, reject) => {
    connection.once('error', reject);
    connection.connect((error) => (error ? reject(error) : resolve()));
  });
  return connection;
}

test('its steps are methods that it calls on itself, once each and in the order of a session', async (t) => {
  const server = await runScriptedServer(t, STARTTLS);
  const tls = { rejectUnauthorized: false };
  const connection = await opened(t, { port: server.port, tls });
  assert.deepEqual(connection.steps, [
    'connect',
    'greeting 220 hop.example ESMTP',
    'starttls 220 2.0.0 go',
    'upgrade of Socket',
    'upgraded to TLSSocket: true',
  ]);
  assert.deepEqual([connection.secure, connection._socket instanceof TLSSocket], [true, true]);
  const implicit = await runScriptedServer(t, IMPLICIT);
  const secure = await opened(t, { port: implicit.port, secure: true, tls });
  assert.deepEqual(secure.steps, ['connect', 'greeting 220 hop.example ESMTP']);
  assert.deepEqual([secure.secure, secure._socket instanceof TLSSocket], [true, true]);
  const clear = await runScriptedServer(t);
  const plain = await opened(t, { port: clear.port });
  assert.deepEqual([plain.secure, plain._socket instanceof TLSSocket], [false, false]);
  assert.ok(plain._socket instanceof Socket);
});

test('what stands in options.tls when a handshake begins counts, and a secure context before the roots beside it', async (t) => {
  const trusted = { secureContext: createSecureContext({ ca: [good.ca] }), ca: [other.ca] };
  const strange = { secureContext: createSecureContext({ ca: [other.ca] }), ca: [good.ca] };
  for (const [script, secure] of [
    [STARTTLS, false],
    [IMPLICIT, true],
  ] as const) {
    const server = await runScriptedServer(t, script);
    for (const [before, inTime, taken] of [
      [{ ca: [other.ca] }, trusted, true],
      [{ ca: [good.ca] }, strange, false],
    ] satisfies Array<[Options['tls'], Options['tls'], boolean]>) {
      const connection = watched(t, { port: server.port, secure, tls: before });
      if (secure) connection.options.tls = inTime;
      else connection.tlsInTime = inTime;
      const error = await new Promise<Error | null>((resolve) => {
        connection.once('error', resolve);
        connection.connect((failure) => resolve(failure ?? null));
      });
      assert.equal(error === null, taken, error?.message);
      if (taken) assert.equal((connection._socket as unknown as TLSSocket).authorized, true);
    }
  }
});

test('what a server offers is read in the session that goes on, without its first line; its size is a number', async (t) => {
  const server = await runScriptedServer(t, STARTTLS);
  const connection = await opened(t, { port: server.port, tls: { rejectUnauthorized: false } });
  assert.deepEqual([connection._ehloLines, connection._maxAllowedSize], [['X-IN'], 0]);
  const clear = await runScriptedServer(t, { offers: ['SIZE 10', 'AUTH PLAIN LOGIN'] });
  const plain = await opened(t, { port: clear.port });
  assert.deepEqual(
    [plain._ehloLines, plain._maxAllowedSize, plain._supportedAuth],
    [['SIZE 10', 'AUTH PLAIN LOGIN'], 10, ['PLAIN', 'LOGIN']],
  );
  const old = await runScriptedServer(t, { on: { EHLO: '500 what?' } });
  const simple = await opened(t, { port: old.port });
  assert.deepEqual(
    [simple._ehloLines, simple._maxAllowedSize, simple._supportedAuth],
    [undefined, 0, []],
  );
});

test('replies stand in its queue as bytes, one entry each, the last one marked while it goes on', async (t) => {
  const server = await runScriptedServer(t, { on: { NOOP: () => undefined } });
  const connection = await opened(t, { port: server.port });
  const got: string[] = [];
  for (let reply = 0; reply < 3; reply++) {
    connection._responseActions.push((text) => got.push(text));
  }
  connection._sendCommand('NOOP é');
  await until(() => server.lines().length === 2, 'the command');
  assert.equal(Buffer.from(server.lines()[1] ?? '', 'latin1').toString(), 'NOOP é');
  const socket = server.sessions[0]?.socket as Socket;
  connection.heard.length = 0;
  socket.write('250 ü\r\n250-two\r\n');
  await until(() => connection._responsePartial, 'a part of a reply');
  assert.deepEqual(connection.heard, [], 'nothing is processed while the last one goes on');
  assert.deepEqual(connection._responseQueue, ['250 \xc3\xbc', '250-two']);
  socket.write('250 end\r\n250 three\r\n');
  await until(() => got.length === 3, 'all replies');
  assert.deepEqual(connection.heard[0], ['250 \xc3\xbc', '250-two\n250 end', '250 three']);
  assert.deepEqual(got, ['250 ü', '250-two\n250 end', '250 three']);
  assert.deepEqual([connection._responsePartial, connection._responseActions], [false, []]);
});

test('a reply that nobody asked for is an error, and a farewell an end without one', async (t) => {
  for (const [words, codes] of [
    ['250 for you', ['EPROTOCOL']],
    ['421 4.3.2 bye', []],
  ] as const) {
    const server = await runScriptedServer(t);
    const connection = await opened(t, { port: server.port });
    const ended = new Promise((resolve) => connection.once('end', () => resolve(null)));
    server.sessions[0]?.say(words);
    await ended;
    assert.deepEqual(
      connection.errors.map(({ code }) => code),
      codes,
    );
  }
});

test('an error that is reported to it is told once with its code, and then the connection has ended', async (t) => {
  const server = await runScriptedServer(t);
  const connection = await opened(t, { port: server.port });
  const ended = new Promise((resolve) => connection.once('end', () => resolve(null)));
  connection._onError(new Error('too late'), 'ETIMEDOUT', false, 'CONN');
  await ended;
  connection._onError(new Error('again'), 'EPROTOCOL', false, 'CONN');
  connection._sendCommand('NOOP');
  connection.close();
  assert.deepEqual(
    connection.errors.map(({ code, message, response }) => [code, message, response]),
    [['ETIMEDOUT', 'too late', undefined]],
  );
  assert.deepEqual([connection.destroyed, connection.ends], [true, 1]);
  await until(() => server.sessions[0]?.closed === true, 'the end of the socket');
  assert.deepEqual(server.lines(), ['EHLO edge.example']);
});

test('what is written to its socket goes out between its own commands and asks for nothing', async (t) => {
  const server = await runScriptedServer(t, { on: { NOOP: () => undefined } });
  const connection = await opened(t, { port: server.port });
  const taken: string[] = [];
  // As a transaction of ours does: its replies are taken before the library looks at them.
  connection._processResponse = () => void taken.push(...connection._responseQueue.splice(0));
  (connection._socket as unknown as Socket).write('NOOP 1\r\nNOOP 2\r\n');
  await until(() => server.lines().length === 3, 'the commands');
  server.sessions[0]?.say('250 one\n250 two');
  await until(() => taken.length === 2, 'the replies');
  assert.deepEqual([taken, connection.errors], [['250 one', '250 two'], []]);
});
