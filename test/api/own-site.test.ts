import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { OPERATIONS } from '../../src/api/operations.js';
import { hostileTest } from '../hostile/rows.js';
import { runApi, TOKEN, type ApiBench } from './api-bench.js';
import { rawRequest, type RawAnswer, type RawRequest } from './raw-request.js';
import { localHop, runNode } from './running-node.js';

function codeOf({ body }: RawAnswer): unknown {
  return (JSON.parse(body) as { code: unknown }).code;
}

/** Every route, its parameters filled in. */
const ROUTES = OPERATIONS.map(({ method, path, open = false }) => ({
  method: method.toUpperCase(),
  path: path
    .replace('{node}', 'peer')
    .replace('{path}', 'v1/messages/Q')
    .replaceAll(/\{\w+\}/g, 'Q'),
  open,
}));

async function benchFor(t: TestContext): Promise<ApiBench> {
  return runApi(t, { hosts: ['edge', 'Edge.Mail.Internal.', 'relay.example'] });
}

hostileTest(
  'api-origin',
  'a name that is none of the API is refused on every route',
  async (t, cases) => {
    const bench = await benchFor(t);
    for (const { method, path, open } of [
      ...ROUTES,
      { method: 'GET', path: '/console/', open: false },
    ]) {
      for (const token of [TOKEN, undefined]) {
        const answer = await bench.request({ method, path, token, host: 'evil.example' });
        cases.add();
        if (open) assert.equal(answer.status, 200, path);
        else assert.deepEqual([answer.status, codeOf(answer)], [403, 'HOST_REFUSED'], path);
      }
    }
    assert.deepEqual(bench.calls, [], 'nothing was done');
  },
);

hostileTest('api-origin', 'names that only look like ours are refused', async (t, cases) => {
  const bench = await benchFor(t);
  for (const host of [
    'evil.example:8025',
    'EVIL.example',
    'localhost.evil.example',
    'evil-localhost',
    '127.0.0.1.evil.example',
    '127.0.0.1.nip.io',
    'edge.evil.example',
    'relay.example.evil.example',
    'xrelay.example',
    'relay.example..',
    '[::1].evil.example',
    'local\u0000host',
    'localhost@evil.example',
    'evil.example#localhost',
    'evil.example/localhost',
    'evil.example\\localhost',
    'localhost, evil.example',
    'localhost\r\nHost: evil.example',
    ' ',
    '',
  ]) {
    const answer = await bench.request({ path: '/v1/queues', host });
    cases.add();
    // what is no host at all is refused by the HTTP parser or the server in front of it
    assert.ok([400, 403].includes(answer.status), `${host}: ${answer.status}`);
  }
  // the host of the request line is the one that counts (RFC 9112 §3.2.2)
  const absolute = await bench.request({
    path: 'http://evil.example/v1/queues',
    host: 'localhost',
  });
  cases.add();
  assert.deepEqual([absolute.status, codeOf(absolute)], [403, 'HOST_REFUSED']);
  const socket = net.connect(bench.port, '127.0.0.1');
  socket.write(`GET /v1/queues HTTP/1.0\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`);
  const [head] = (await once(socket, 'data')) as [Buffer];
  cases.add();
  assert.match(head.toString(), /^HTTP\/1\.1 40[03] /);
  socket.destroy();
  assert.deepEqual(bench.calls, [], 'nothing was done');
});

test('addresses, localhost and the names of the node are its own, in any case and with any port', async (t) => {
  const bench = await benchFor(t);
  for (const host of [
    'localhost',
    'LOCALHOST:8025',
    'localhost.',
    '127.0.0.1:1',
    '0.0.0.0:8025',
    '192.0.2.7',
    '[::1]:8025',
    '[2001:db8::1]',
    '[::ffff:7f00:1]',
    'edge',
    'EDGE:8025',
    'edge.mail.internal',
    'relay.example:443',
    'relay.example.',
  ]) {
    assert.equal((await bench.request({ path: '/v1/queues', host })).status, 200, host);
  }
  const absolute = await bench.request({ path: 'http://edge/v1/queues', host: 'evil.example' });
  assert.equal(absolute.status, 200);
});

hostileTest('api-origin', 'another site is refused on every route and method', async (t, cases) => {
  const bench = await benchFor(t);
  for (const { method, path } of [...ROUTES, { method: 'GET', path: '/console/' }]) {
    const foreign = { origin: 'https://evil.example' };
    const answer = await bench.request({ method, path, headers: foreign });
    cases.add();
    assert.deepEqual([answer.status, codeOf(answer)], [403, 'ORIGIN_REFUSED'], path);
    for (const mode of ['no-cors', 'cors', 'websocket']) {
      const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': mode };
      const told = await bench.request({ method, path, headers });
      cases.add();
      assert.deepEqual([told.status, codeOf(told)], [403, 'ORIGIN_REFUSED'], path);
    }
  }
  for (const origin of [
    'null',
    '',
    'http://127.0.0.1:1',
    'https://127.0.0.1.evil.example',
    'http://localhost',
    'http://localhost:3000',
    'file://',
    'ftp://127.0.0.1',
    'chrome-extension://127.0.0.1',
    'http://127.0.0.1@evil.example',
    'http://x@127.0.0.1',
    'http://127.0.0.1, http://evil.example',
    'not a url',
  ]) {
    for (const method of ['GET', 'POST', 'OPTIONS', 'PUT']) {
      const answer = await bench.request({ method, path: '/v1/queues', headers: { origin } });
      cases.add();
      assert.deepEqual([answer.status, codeOf(answer)], [403, 'ORIGIN_REFUSED'], origin);
      assert.equal(answer.headers['access-control-allow-origin'], undefined);
    }
  }
  assert.deepEqual(bench.calls, [], 'nothing was done');
});

test('a page of this very API asks, also behind a proxy that changes the host', async (t) => {
  const bench = await benchFor(t);
  const asks = async (headers: Record<string, string>, host: string): Promise<number> =>
    (await bench.request({ path: '/v1/queues', headers, host })).status;
  for (const [origin, host] of [
    ['http://127.0.0.1:8025', '127.0.0.1:8025'],
    ['http://localhost:8025', 'localhost:8025'],
    ['http://127.0.0.1', '127.0.0.1:80'],
    ['https://edge', 'edge'],
    ['https://edge', 'edge:443'],
    // in front of it a proxy speaks TLS and asks for it by its address
    ['https://relay.example', '127.0.0.1:8025'],
    ['https://relay.example:8443', 'localhost:8025'],
    ['http://[::1]:8025', '[::1]:8025'],
  ] as const) {
    assert.equal(await asks({ origin, 'sec-fetch-site': 'same-origin' }, host), 200, origin);
  }
  for (const site of ['none', 'same-origin', 'same-site']) {
    assert.equal(await asks({ 'sec-fetch-site': site }, 'localhost'), 200, site);
  }
  // a link to the console on a page of another site
  const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
  const opened = await bench.request({ path: '/', headers: link, token: undefined });
  assert.equal(opened.status, 302);
});

hostileTest(
  'api-origin',
  'a body that a form could send is refused on every route',
  async (t, cases) => {
    const bench = await benchFor(t);
    const writing = ROUTES.filter(({ method }) => method !== 'GET');
    assert.ok(writing.length > 10);
    for (const { method, path } of writing) {
      for (const type of [
        'text/plain',
        'TEXT/PLAIN; charset=utf-8',
        ' text/plain',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=x',
      ]) {
        const request: RawRequest = { method, path, headers: { 'content-type': type }, body: '{}' };
        const answer = await bench.request(request);
        cases.add();
        assert.deepEqual([answer.status, codeOf(answer)], [403, 'CONTENT_TYPE_REFUSED'], path);
      }
    }
    assert.deepEqual(bench.calls, [], 'nothing was done');
    // as some clients announce a body that there is none of
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': '0' };
    bench.queues.push({ name: 'Q' });
    const none = await bench.request({ method: 'POST', path: '/v1/queues/Q/pause', headers });
    assert.equal(none.status, 200);
  },
);

hostileTest('api-origin', 'what takes JSON takes nothing else', async (t, cases) => {
  const bench = await benchFor(t);
  for (const path of ['/v1/route', '/v1/queues/Q/capacity', '/v1/nodes/bench/v1/route']) {
    for (const type of [
      'text/html',
      'application/jsonp',
      'application/json-seq',
      'message/rfc822',
      '',
    ]) {
      const headers = { 'content-type': type };
      const answer = await bench.request({ method: 'POST', path, headers, body: '{}' });
      cases.add();
      assert.deepEqual([answer.status, codeOf(answer)], [415, 'CONTENT_TYPE_REFUSED'], type);
    }
    const packed = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    const answer = await bench.request({ method: 'POST', path, headers: packed, body: '{}' });
    cases.add();
    assert.deepEqual([answer.status, codeOf(answer)], [415, 'CONTENT_TYPE_REFUSED']);
  }
  assert.deepEqual(bench.calls, []);
});

test('names that a reload brings hold at once, and those that it takes away do not', async (t) => {
  const edge = await runNode(t, 'edge', localHop('gone', 'sink', 1));
  const port = Number(new URL(edge.url).port);
  const status = async (host: string): Promise<number> =>
    (await rawRequest(port, { path: '/v1/queues', host, token: 'token-of-edge' })).status;
  const callIt = (...hosts: string[]): Promise<unknown> =>
    edge.node.reload({ ...edge.settings, api: { ...edge.settings.api, hosts } });
  assert.equal(await status('relay.example'), 403);
  assert.deepEqual(await callIt('relay.example'), []);
  assert.equal(await status('relay.example'), 200);
  await callIt('other.example');
  assert.deepEqual([await status('relay.example'), await status('other.example')], [403, 200]);
});
