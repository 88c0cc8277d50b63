import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { connect } from 'amqplib';
import { Child, PortTakenError } from '../../src/topology/runner/child.js';
import { brokerSpec } from '../../src/topology/runner/local-broker.js';
import { startBroker, withoutBroker, type TestBroker } from '../broker.js';
import { lives, until } from './runner-fixture.js';

const QUEUE = 'kept';
const LOGIN = { host: '127.0.0.1', username: 'relaymesh', password: 'secret' };

test('a broker of its own for a run', { skip: withoutBroker() }, async (t) => {
  const broker = await startBroker(t, { tls: true });

  await t.test(
    'what a durable queue has confirmed is there after a stop, and after a kill',
    async () => {
      await publish(broker, ['first']);
      await broker.stop();
      equal(broker.pid(), null);
      await broker.start();
      await publish(broker, ['second']);
      await broker.kill();
      await broker.start();
      deepEqual(await takeAll(broker), ['first', 'second']);
    },
  );

  await t.test('a client may come with TLS, and sees the certificate of the run', async () => {
    const { tls, host, username, password } = broker;
    ok(tls !== undefined);
    const connection = await connect(
      { protocol: 'amqps', hostname: host, port: tls.port, username, password },
      { ca: [tls.ca] },
    );
    await connection.close();
  });

  await t.test('another password is refused', async () => {
    const { host, port, username } = broker;
    const login = { hostname: host, port, username, password: 'wrong' };
    await rejects(connect(login), /ACCESS_REFUSED/);
  });

  await t.test(
    'its listeners are on loopback, and there is no port but theirs',
    { skip: process.platform === 'linux' ? false : 'reads /proc' },
    async () => {
      const { port, tls } = broker;
      const listening = await listeningSockets(broker.pid() ?? 0);
      deepEqual(
        listening.toSorted((a, b) => a.port - b.port),
        [port, tls?.port ?? 0]
          .toSorted((a, b) => a - b)
          .map((one) => ({ host: '127.0.0.1', port: one })),
      );
    },
  );

  await t.test(
    'nobody else may read its configuration, and its command line does not hold the password',
    async () => {
      const file = path.join(broker.folder, 'rabbitmq.conf');
      match(await readFile(file, 'utf8'), new RegExp(broker.password));
      equal((await stat(file)).mode & 0o777, 0o600);
      if (process.platform !== 'linux') return;
      const commandLine = await readFile(`/proc/${broker.pid() ?? 0}/cmdline`, 'utf8');
      ok(!commandLine.includes(broker.password));
    },
  );

  await t.test('a server that was quicker at its port is not taken for it', async (sub) => {
    const stranger = createServer((socket) => socket.end('AMQP\0\0\x09\x01'));
    stranger.listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    sub.after(() => stranger.close());
    const { port } = stranger.address() as AddressInfo;
    const folder = await scratch(sub);
    const spec = await brokerSpec({ ...LOGIN, name: 'late', port, folder, logFile: logIn(folder) });
    const child = new Child(spec, () => undefined);
    sub.after(() => child.endWithin('SIGKILL', 5000));
    await rejects(child.start(60_000), PortTakenError);
  });

  await t.test('it ends with its runner, also when that is killed', async (sub) => {
    const folder = await scratch(sub);
    const script = path.join(folder, 'runner.mjs');
    const module = (file: string): string =>
      JSON.stringify(new URL(`../../${file}`, import.meta.url).href);
    await writeFile(
      script,
      `import { startBroker } from ${module('test/broker.js')};
       const broker = await startBroker({ after: () => undefined });
       console.log(broker.pid() + ' ' + broker.folder);`,
    );
    const runner = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    sub.after(() => runner.kill('SIGKILL'));
    const [line] = (await once(runner.stdout, 'data')) as [Buffer];
    const [pid = '', ...rest] = line.toString().trim().split(' ');
    sub.after(() => rm(path.dirname(rest.join(' ')), { recursive: true, force: true }));
    ok(await lives(Number(pid)));
    const family = await processesOf(Number(pid));
    runner.kill('SIGKILL');
    for (const one of [Number(pid), ...family]) {
      await until(`the end of ${one}`, async () => !(await lives(one)));
    }
  });
});

test('without RabbitMQ it says what to install', async (t) => {
  const folder = await scratch(t);
  const broker = { ...LOGIN, name: 'rabbit', port: 1 };
  await rejects(brokerSpec({ ...broker, folder, logFile: logIn(folder) }, [folder]), {
    code: 'BROKER_NOT_INSTALLED',
    exitCode: 3,
    hint: 'apt-get install rabbitmq-server',
  });
});

async function publish(broker: TestBroker, texts: readonly string[]): Promise<void> {
  const connection = await connect(broker.url);
  try {
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue(QUEUE, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
    for (const text of texts) {
      channel.sendToQueue(QUEUE, Buffer.from(text), { persistent: true });
    }
    await channel.waitForConfirms();
  } finally {
    await connection.close();
  }
}

async function takeAll(broker: TestBroker): Promise<string[]> {
  const connection = await connect(broker.url);
  try {
    const channel = await connection.createChannel();
    const taken: string[] = [];
    for (;;) {
      const message = await channel.get(QUEUE, { noAck: true });
      if (message === false) return taken;
      taken.push(message.content.toString());
    }
  } finally {
    await connection.close();
  }
}

const logIn = (folder: string): string => path.join(folder, 'broker.log');

async function scratch(t: { after(task: () => unknown): void }): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'relaymesh broker '));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** Pids of all descendants of a process; of none where there is no /proc. */
async function processesOf(pid: number): Promise<number[]> {
  const file = `/proc/${pid}/task/${pid}/children`;
  const text = await readFile(file, 'utf8').catch(() => '');
  const children = text.split(' ').filter(Boolean).map(Number);
  return [...children, ...(await Promise.all(children.map(processesOf))).flat()];
}

/** The TCP sockets that a process listens on. */
async function listeningSockets(pid: number): Promise<{ host: string; port: number }[]> {
  const folder = `/proc/${pid}/fd`;
  const links = await Promise.all(
    (await readdir(folder)).map((fd) => readlink(path.join(folder, fd)).catch(() => '')),
  );
  const inodes = new Set(links.map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1]));
  const found: { host: string; port: number }[] = [];
  for (const table of ['tcp', 'tcp6']) {
    const rows = (await readFile(`/proc/net/${table}`, 'utf8').catch(() => ''))
      .split('\n')
      .slice(1);
    for (const row of rows) {
      const [, local = '', , state, , , , , , inode = ''] = row.trim().split(/\s+/);
      if (state !== '0A' || !inodes.has(inode)) continue;
      const [address = '', port = ''] = local.split(':');
      const bytes = [...Buffer.from(address, 'hex')].toReversed();
      found.push({ host: bytes.join('.'), port: Number.parseInt(port, 16) });
    }
  }
  return found;
}
