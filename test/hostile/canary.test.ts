import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { ClassicLevel } from 'classic-level';
import { STORE_OPTIONS } from '../../src/trace/key-values.js';
import { scratchFolder } from '../scenario/programs.js';
import { canary, formsOf } from '../smarthost/secret-forms.js';
import { isSource, MARK, startCanaryMesh, type CanaryMesh } from './canary-mesh.js';
import {
  apiOf,
  reloadAndCrash,
  runCommands,
  sendConfusedClients,
  sendMail,
  SENDER,
  untilSettled,
} from './canary-run.js';
import { CanarySearch } from './canary-search.js';
import { hostileTest } from './rows.js';

/*
 * HOSTILE.md, "Canary": one password in every place, and what came of it searched for it: real nodes,
 * a sink, two foreign smarthosts that repeat what they are told, and a collector of spans.
 */

const PRIVATE_MODE = 0o600;

hostileTest(
  'canary',
  'a secret that is planted in an outlet is found, in each form',
  async (t, cases) => {
    const secret = canary();
    for (const [form, bytes] of formsOf(secret)) {
      const search = new CanarySearch({ planted: secret });
      search.look('text', Buffer.from(`before ${bytes} behind`, 'latin1'));
      assert.ok(search.found.includes(`planted as ${form} in text`), form);
      cases.add();
    }
    const folder = await scratchFolder(t);
    const plain = Buffer.from(`\0customer\0${secret}`).toString('base64');
    await mkdir(path.join(folder, 'deep'));
    await writeFile(path.join(folder, 'deep', 'log'), `{"line":"AUTH PLAIN ${plain}"}`);
    await writeFile(path.join(folder, Buffer.from(secret).toString('hex')), 'in its name');
    const store = new ClassicLevel(path.join(folder, 'store'), STORE_OPTIONS);
    // So alike that the store does not hold the bytes of each.
    const record = (at: number): string => JSON.stringify({ at, said: `${secret} `.repeat(20) });
    await store.batch(
      Array.from({ length: 1000 }, (_, at) => ({ type: 'put', key: `${at}`, value: record(at) })),
    );
    await store.close();
    const search = new CanarySearch({ planted: secret });
    await search.lookInFolder('folder', folder, await scratchFolder(t));
    assert.ok(search.found.some((one) => /base64 at offset . in folder\/deep\/log/.test(one)));
    assert.ok(search.found.some((one) => one.startsWith('planted as hex in folder/')));
    assert.ok(search.found.includes('planted as raw in folder/store, opened'));
    assert.deepEqual(new CanarySearch({ other: canary() }).found, []);
  },
);

hostileTest(
  'canary',
  'one password of users, the link, smarthosts, the sink and a message is found in no outlet',
  async (t, cases) => {
    const mesh = await startCanaryMesh(t);
    const search = new CanarySearch({ password: mesh.password, hash: mesh.hash });
    const events = ['edge', 'exit'].map((node) => listen(t, mesh, node));
    await sendMail(mesh, search);
    await sendConfusedClients(mesh, search);
    await untilSettled(mesh);
    await lookAtProcesses(mesh, search);
    await reloadAndCrash(mesh, search);
    await runCommands(mesh, search);
    for (const node of ['edge', 'exit']) await lookAtApi(mesh, node, search);
    for (const heard of events) search.look('/v1/events', heard());
    await lookAtMail(mesh, search);
    const bodies = JSON.stringify(mesh.collector.requests.map(({ body }) => body));
    assert.ok(mesh.collector.spans.length > 0);
    search.look('spans', bodies);
    await mesh.topology.stop();
    await lookAtDisk(t, mesh, search);
    cases.add(search.cases);
    t.diagnostic(`${search.outlets.size} outlets`);
    assert.deepEqual(search.found, []);
  },
  { timeout: 300_000 },
);

/** What a node tells by server-sent events from now on, also after it was started again. */
function listen(t: TestContext, mesh: CanaryMesh, node: string): () => string {
  const { url } = apiOf(mesh, node);
  const stop = new AbortController();
  t.after(() => stop.abort());
  let heard = '';
  const authorization = `Bearer ${mesh.topology.state.apiToken}`;
  const follow = async (): Promise<void> => {
    const { body } = await fetch(`${url}/v1/events`, {
      headers: { authorization },
      signal: stop.signal,
    });
    for await (const chunk of body ?? []) heard += Buffer.from(chunk).toString();
  };
  // It ends with the node.
  void follow().catch(() => undefined);
  return () => {
    assert.match(heard, /^event: /m);
    return heard;
  };
}

/** Command lines of every process of the run; the environment of the one whose source it is. */
async function lookAtProcesses(
  { topology, password }: CanaryMesh,
  search: CanarySearch,
): Promise<void> {
  const { nodes, sinks } = topology.state;
  const pids = [...Object.values(nodes), ...Object.values(sinks)].map(({ pid }) => pid);
  for (const pid of [...pids, topology.runner.pid]) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'latin1');
    assert.match(line, /main\.js/);
    search.look('command lines', line);
  }
  const environment = await readFile(`/proc/${nodes['exit']?.pid}/environ`, 'latin1');
  assert.ok(environment.includes(password), 'the source is not where it should be');
}

/** Every path that can be read, of messages with and without a password of their own. */
async function lookAtApi(mesh: CanaryMesh, node: string, search: CanarySearch): Promise<void> {
  const api = apiOf(mesh, node);
  const get = async (url: string): Promise<string> => {
    const { status, text } = await api.request('GET', url);
    search.look(`GET ${url.replaceAll(/[0-9A-Za-z]{16,}/g, '…')} of ${node}`, text);
    assert.ok(status < 500, `${url}: ${status}`);
    return text;
  };
  const { paths } = JSON.parse(await get('/openapi.json')) as { paths: Record<string, object> };
  const { messages } = JSON.parse(await get('/trace?limit=100')) as {
    messages: Array<{ trace_id: string; queue_id: string }>;
  };
  assert.ok(messages.length > 0);
  const { queues } = JSON.parse(await get('/v1/queues')) as { queues: Array<{ name: string }> };
  const readable = Object.keys(paths).filter(
    (one) => 'get' in (paths[one] as object) && one !== '/v1/events',
  );
  assert.ok(readable.length > 12, String(readable.length));
  for (const one of readable) {
    for (const url of filledIn(one, messages, queues)) await get(url);
  }
  for (const { trace_id: id } of messages.slice(0, 10)) {
    for (const accept of ['text/plain', 'application/vnd.otlp+json', 'message/tracking-status']) {
      const response = await fetch(`${api.url}/trace/${id}?chain=true`, {
        headers: { accept, authorization: `Bearer ${mesh.topology.state.apiToken}` },
      });
      search.look(`traces as ${accept}`, await response.text());
    }
  }
  const page = await get('/');
  for (const [, asset = ''] of page.matchAll(/(?:src|href)="\/?([^":]+)"/g)) await get(`/${asset}`);
}

function filledIn(
  template: string,
  messages: ReadonlyArray<{ trace_id: string; queue_id: string }>,
  queues: ReadonlyArray<{ name: string }>,
): string[] {
  const all = (values: readonly string[]): string[] =>
    values.map((value) => template.replace(/\{\w+\}/, encodeURIComponent(value)));
  if (template === '/v1/nodes/{node}/{path}') {
    return ['v1/node', 'v1/node/config', 'v1/queues', 'metrics'].map(
      (one) => `/v1/nodes/exit/${one}`,
    );
  }
  if (template.includes('{queue_id}')) return all(messages.map(({ queue_id: id }) => id));
  if (template.includes('{id}'))
    return all(messages.flatMap((one) => [one.trace_id, one.queue_id]));
  if (template.includes('{name}')) return all(queues.map(({ name }) => name));
  if (template === '/v1/route') {
    return [
      `${template}?sender=${SENDER}&recipient=x@locked.test`,
      `${template}?sender=&recipient=x@y.test`,
    ];
  }
  return [template];
}

/** What left: mail and bounces at the sink, and the content that the smarthost of a message got. */
async function lookAtMail({ topology, own }: CanaryMesh, search: CanarySearch): Promise<void> {
  const sink = topology.sink('mx');
  const arrived = await sink.messages();
  const raw = await Promise.all(arrived.map(({ id }) => sink.raw(id)));
  const bounce = raw.find((one) => one.includes('multipart/report'));
  assert.ok(bounce?.includes('gone@own.test') === true, 'no bounce has arrived');
  for (const one of raw) search.look('mail at the sink', one);
  search.look('the list of the sink', JSON.stringify([arrived, await sink.stats()]));
  assert.ok(own.logins.length > 0, 'the password was never used');
  for (const { content } of own.messages) search.look('mail at the smarthost', content);
}

/** After the end of all processes: logs, stores, and whatever else lies there. */
async function lookAtDisk(t: TestContext, mesh: CanaryMesh, search: CanarySearch): Promise<void> {
  const { topology, folder } = mesh;
  // The topology file holds it no more.
  await search.lookInFolder('disk', folder, await scratchFolder(t), isSource);
  const names = [...search.outlets];
  for (const expected of ['logs/edge.log', 'logs/exit.log', 'store, opened', 'exported/compose']) {
    assert.ok(
      names.some((name) => name.includes(expected)),
      expected,
    );
  }
  const log = await readFile(topology.node('edge').logFile, 'utf8');
  assert.match(log, /"level":(?:"debug"|20)/);
  for (const file of ['state.json', path.join('sinks', 'mx', 'users')]) {
    const { mode } = await stat(path.join(topology.workdir, file));
    assert.equal(mode & 0o777, PRIVATE_MODE, file);
  }
  const marked = new CanarySearch({ mark: MARK });
  await marked.lookInFolder('disk', topology.workdir, await scratchFolder(t));
  assert.ok(
    marked.found.some((one) => one.includes('opened')),
    'the stores were not searched',
  );
  const files = await readdir(folder, { recursive: true });
  const dumps = files.filter((file) =>
    /(?:^|\/)(?:core|report\.|Heap\.|.*\.heapsnapshot)/.test(file),
  );
  assert.deepEqual(dumps, []);
}
