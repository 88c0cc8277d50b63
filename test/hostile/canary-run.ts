import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { mapBounded } from '../../src/topology/bounded.js';
import { relaymesh } from '../scenario/programs.js';
import { makeCertificate } from '../send/certificates.js';
import { reloadWith } from '../scenario/reload.js';
import { until } from '../scenario/waiting.js';
import { SmtpClient } from '../sink/client.js';
import { ApiRequests } from '../smarthost/api-requests.js';
import { contentFor, handIn, type Letter } from '../smarthost/mail-client.js';
import { MARK, type CanaryMesh } from './canary-mesh.js';
import type { CanarySearch } from './canary-search.js';

/* What happens to the canary: everything that a password can meet. */

export const SENDER = 'sender@canary.test';
const AT_A_TIME = 3;
const BROKEN_LOGIN = 'AUTH PLAIN ';

export function apiOf({ topology }: CanaryMesh, node: string): ApiRequests {
  const { api, apiToken = topology.state.apiToken } = topology.node(node);
  assert.ok(api !== null);
  return new ApiRequests(api, apiToken);
}

/** Mail that arrives, that is put off, that is refused, and logins that fail in both directions. */
export async function sendMail(mesh: CanaryMesh, search: CanarySearch): Promise<void> {
  const { topology, password, own } = mesh;
  const { port } = topology.relay('edge');
  const hand = async (letter: Letter): Promise<string> => {
    const reply = await handIn(port, { sender: SENDER, ...letter });
    search.look('replies by SMTP', reply);
    return reply;
  };
  const app = { username: 'app', password };
  const named = (recipient: string): string =>
    contentFor(recipient, [
      `x-mq-smarthost-hostname: ${own.host}`,
      `x-mq-smarthost-port: ${own.port}`,
      'x-mq-smarthost-username: customer',
      `x-mq-smarthost-password: ${password}`,
      `x-mq-tag: ${MARK}`,
    ]);
  for (const username of ['app', 'hashed']) {
    const login = { username, password };
    assert.match(await hand({ recipient: `${username}@taken.test`, login }), /^250 /);
  }
  for (const recipient of ['late@own.test', 'gone@own.test', 'waiting@own.test']) {
    assert.match(await hand({ recipient, login: app, content: named(recipient) }), /^250 /);
  }
  assert.match(await hand({ recipient: 'never@locked.test', login: app }), /^250 /);
  const wrong = `${password.slice(1)}${password.slice(0, 1)}`;
  for (const [username, given] of [
    ['app', wrong],
    ['hashed', wrong],
    ['nobody', password],
    ['edge', wrong],
  ] as const) {
    const login = { username, password: given };
    assert.match(await hand({ recipient: 'x@taken.test', login }), /^535 /, username);
  }
  // Who may not steer has it taken out; who may, but not there, is refused.
  const legacy = { username: 'legacy', password };
  const refused = 'never@own.test';
  const reply = await hand({ recipient: refused, login: legacy, content: named(refused) });
  assert.match(reply, /^(?:250|550 5\.7\.1) /);
  const elsewhere = named(refused).replace(`hostname: ${own.host}`, 'hostname: other.test');
  assert.match(await hand({ recipient: refused, login: app, content: elsewhere }), /^550 5\.7\.1 /);
  await injectMail(mesh, search);
}

async function injectMail(mesh: CanaryMesh, search: CanarySearch): Promise<void> {
  const { password, own } = mesh;
  const api = apiOf(mesh, 'edge');
  const recipient = 'injected@own.test';
  const login = { username: 'customer', password };
  const mail = {
    envelope: SENDER,
    recipient,
    mime: contentFor(recipient),
    smarthost: { hostname: own.host, port: own.port, ...login },
    tags: [MARK],
  };
  assert.equal((await api.inject(mail)).status, 202);
  const whole = JSON.stringify(mail);
  const broken: unknown[] = [
    { ...mail, smarthost: { hostname: 'other.test', ...login } },
    { ...mail, smarthost: { ...mail.smarthost, port: password } },
    { ...mail, smarthost: { ...mail.smarthost, password: [password] } },
    { ...mail, smarthost: { ...mail.smarthost, password: `${password}\r\n` } },
    { ...mail, smarthost: { ...mail.smarthost, pasword: password } },
    { ...mail, retries: password },
  ];
  for (const one of broken) {
    const { status, text } = await api.inject(one);
    assert.ok(status >= 400 && status < 500, `${status} ${text}`);
    search.look('refusals by HTTP', text);
  }
  const at = whole.indexOf(password);
  for (const cut of [at + 5, at + password.length, at + password.length + 1, whole.length - 1]) {
    const text = whole.slice(0, cut);
    const answer = await api.request('POST', '/v1/inject', text, 'application/json');
    assert.equal(answer.status, 400, answer.text);
    search.look('refusals of broken JSON', answer.text);
  }
}

/** Clients that say the password where none was asked for. */
export async function sendConfusedClients(mesh: CanaryMesh, search: CanarySearch): Promise<void> {
  const { topology, password } = mesh;
  const base64 = Buffer.from(password).toString('base64');
  const ask = async (client: SmtpClient, lines: readonly string[]): Promise<void> => {
    for (const line of lines) {
      const reply = await client.ask(line);
      assert.match(reply, /^(?:334|[45]\d\d)/, `${line}: ${reply}`);
      search.look('replies to a confused client', reply);
    }
    client.destroy();
  };
  const { smtp } = topology.node('edge');
  for (const { port } of smtp) {
    // Pipelined blindly: where AUTH is refused these lines are commands.
    const lines = ['AUTH LOGIN', Buffer.from('nobody').toString('base64'), base64];
    await ask(await SmtpClient.greeted(port), lines);
    const cut = base64.slice(0, -3);
    await ask(await SmtpClient.greeted(port), [
      `${BROKEN_LOGIN}${cut}`,
      `${BROKEN_LOGIN}${password}`,
    ]);
    await ask(await SmtpClient.greeted(port), [base64, password, `AUTH ${base64}`]);
    const parts = Buffer.from(`a\0b\0c\0${password}`).toString('base64');
    await ask(await SmtpClient.greeted(port), [`${BROKEN_LOGIN}${parts}`]);
  }
}

/** Waits until all of it has had its end, or has failed often enough. */
export async function untilSettled({ topology, own, locked }: CanaryMesh): Promise<void> {
  const sink = topology.sink('mx');
  await sink.untilArrived(['app@taken.test', 'hashed@taken.test', SENDER]);
  await own.untilMessage('late@own.test');
  await own.untilMessage('injected@own.test');
  await until('logins at a locked smarthost', () => locked.logins.length > 0);
}

/** A good reload, one with the password in the file, and a crash with mail on the way. */
export async function reloadAndCrash(mesh: CanaryMesh, search: CanarySearch): Promise<void> {
  const { topology, text, password, env } = mesh;
  for (const node of ['edge', 'exit']) await reloadWith(topology, node, text);
  const broken = brokenTopologies(text, password);
  await validate(mesh, broken, search);
  for (const one of broken) {
    await writeFile(topology.file, one);
    await reloadRefused(mesh, 'edge');
  }
  await reloadWith(topology, 'edge', text);
  await topology.end('edge', 'SIGKILL');
  await topology.startByHand('edge', env);
}

async function validate(
  { folder }: CanaryMesh,
  texts: readonly string[],
  search: CanarySearch,
): Promise<void> {
  const files = texts.map((_, at) => path.join(folder, `broken-${at}.yaml`));
  for (const [at, file] of files.entries()) await writeFile(file, texts[at] ?? '');
  for (const form of [[], ['--json']]) {
    const command = ['topology', 'validate', ...files, ...form];
    const { code, stdout, stderr } = await relaymesh(command);
    assert.equal(code, 2, stderr);
    for (const file of files) assert.ok((stdout + stderr).includes(file), `${file} has no fault`);
    search.look(`relaymesh topology validate ${form.join('')}`, stdout + stderr);
  }
  // They are the places where it was written, and no outlets.
  for (const file of files) await rm(file);
}

function brokenTopologies(text: string, password: string): string[] {
  return [
    text.replace('password: { secret: canary }', `password: ${password}`),
    text.replace('password: { secret: canary }', `password: { secret: "${password}" }`),
    text.replace('smtp-sink-password: { secret: canary }', `smtp-sink-password: "${password}"`),
    text.replace('sink-password: { secret: canary }', `sink-password: { secret: "${password}" }`),
    text.replace('canary: { file: canary.txt }', `canary: { value: "${password}" }`),
    text.replace('username: app, ', `username: app, pasword: "${password}", `),
    text.replace('hostname: 127.0.0.1', `hostname: "customer:${password}@esp.example"`),
    text.replace('hostname: 127.0.0.1', `hostname: "smtp://customer:${password}@esp.example"`),
    text.replace('name: canary', `name: canary\n  : "${password}`),
  ];
}

async function reloadRefused({ topology }: CanaryMesh, node: string): Promise<void> {
  const refusals = async (): Promise<number> =>
    (await topology.log(node)).filter(({ event }) => event === 'reload-refused').length;
  const before = await refusals();
  await topology.signal(node, 'SIGHUP');
  await until('a refused reload', async () => (await refusals()) > before);
}

/** Every command that reads a topology or asks a node. */
export async function runCommands(mesh: CanaryMesh, search: CanarySearch): Promise<void> {
  const { topology, folder, own, locked } = mesh;
  const { file, workdir } = topology;
  const { api } = topology.node('edge');
  assert.ok(api !== null);
  const asked = ['--url', api];
  const deployed = path.join(folder, 'deployed.yaml');
  await writeFile(deployed, DEPLOYED);
  const { cert, key } = await makeCertificate('edge');
  await writeFile(path.join(folder, 'cert.pem'), cert);
  await writeFile(path.join(folder, 'key.pem'), key);
  const [record] = await apiOf(mesh, 'edge').records('late@own.test');
  assert.ok(record !== undefined);
  const steer = ['--smarthost', own.place, '--smarthost-username', 'customer'];
  const mail = ['--from', SENDER, '--to', 'injected@own.test'];
  const commands = [
    ['topology', 'validate', file],
    ['topology', 'check', file, '--workdir', workdir],
    ['topology', 'graph', file, '-f', 'json'],
    ['topology', 'ps', file, '--workdir', workdir],
    ['topology', 'logs', file, '--workdir', workdir],
    ['topology', 'schema'],
    ...['systemd', 'compose', 'kubernetes'].map((target) => [
      'topology',
      'export',
      target,
      deployed,
      '-o',
      path.join(folder, 'exported', target),
    ]),
    ['route', file, '--node', 'edge', ...mail, '--no-dns'],
    ['route', ...asked, ...mail],
    [
      'send',
      ...asked,
      ...mail,
      ...steer,
      '--smarthost-password-file',
      path.join(folder, 'canary.txt'),
    ],
    ['trace', record.trace_id, ...asked, '--chain'],
    ['trace', record.trace_id, ...asked, '--json'],
    ['queue', 'list', ...asked, '--json'],
    ['queue', 'show', `(smarthost) ${locked.place}`, ...asked],
    ['status', ...asked, '--mesh'],
    ['config', 'reference'],
  ];
  const env = { ...mesh.env, RELAYMESH_API_TOKEN: topology.state.apiToken };
  const input = contentFor('injected@own.test');
  await mapBounded(commands, AT_A_TIME, async (command) => {
    const { code, stdout, stderr } = await relaymesh(command, { env, input });
    // A smarthost that refuses logins fails the check.
    const expected = command[1] === 'check' ? 1 : 0;
    assert.equal(code, expected, `${command.join(' ')}: ${stderr}`);
    search.look(`relaymesh ${command.slice(0, 3).join(' ')}`, stdout + stderr);
  });
}

/** The like of the mesh, as it could be deployed. */
const DEPLOYED = `version: 1
name: deployed
secrets:
  canary: { file: canary.txt }
  hash: { file: canary.hash }
tls: { cert: cert.pem, key: key.pem }
nodes:
  edge:
    listen: [{ port: 2525, tls: required }]
    api: { port: 8025 }
    users: [{ username: app, password: { secret: canary } }, { username: hashed, password: { secret: hash } }]
    smarthost: { hostname: esp.example, port: 587, username: customer, password: { secret: canary } }
`;
