import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import { consoleRoutes } from '../../src/api/console-files.js';
import { runApi } from './api-bench.js';

const INDEX = '<!doctype html><title>console</title>';
const SCRIPT = 'console.log("console");'.repeat(100);

async function emptyFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'relaymesh-console-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** As the build leaves it. */
async function writeConsole(folder: string): Promise<void> {
  await mkdir(join(folder, 'assets'), { recursive: true });
  const files = { 'index.html': INDEX, 'assets/index-a1.js': SCRIPT };
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, `${name}.br`), brotliCompressSync(text));
    await writeFile(join(folder, `${name}.gz`), gzipSync(text));
    await writeFile(join(folder, name), text);
  }
  await writeFile(join(folder, '.hidden'), 'not served');
}

async function servedConsole(t: TestContext): Promise<ReturnType<typeof consoleRoutes>> {
  const folder = await emptyFolder(t);
  await writeConsole(folder);
  return consoleRoutes(folder);
}

test('a node leads to its console, which needs no token; what it asks does', async (t) => {
  const bench = await runApi(t);
  const root = await bench.request({ path: '/', token: undefined });
  assert.deepEqual([root.status, root.headers['location']], [302, '/console/']);
  assert.notEqual((await bench.request({ path: '/console/', token: undefined })).status, 401);
  for (const path of ['/v1/node', '/console', '/consolex/', '/console%2f']) {
    const { status } = await bench.request({ path, token: undefined });
    assert.equal(status, path === '/console' ? 301 : 401, path);
  }
});

test('every page is the index, and only files are assets', async (t) => {
  const app = await servedConsole(t);
  for (const path of ['/console/', '/console/queues/core/(smarthost)', '/console/.hidden']) {
    const answer = await app.request(path);
    assert.equal(answer.status, 200, path);
    assert.equal(await answer.text(), INDEX, path);
    assert.equal(answer.headers.get('cache-control'), 'no-cache');
    assert.equal(answer.headers.get('content-type'), 'text/html; charset=utf-8');
  }
  const script = await app.request('/console/assets/index-a1.js');
  assert.equal(await script.text(), SCRIPT);
  assert.equal(script.headers.get('cache-control'), 'public, max-age=31536000, immutable');
  for (const path of [
    '/console/assets/index-b2.js',
    '/console/assets/',
    '/console/assets/..%2findex.html',
    '/console/assets/..%2f..%2f..%2fpackage.json',
  ]) {
    const { status } = await app.request(path);
    assert.equal(status, 404, path);
  }
});

test('nothing runs or is shown but what is served here', async (t) => {
  const app = await servedConsole(t);
  for (const path of ['/console/', '/console/assets/index-a1.js', '/console/assets/none.js']) {
    const { headers } = await app.request(path);
    assert.equal(
      headers.get('content-security-policy'),
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
        "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
        "frame-ancestors 'none'",
    );
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('referrer-policy'), 'no-referrer');
  }
});

test('a file comes in the best encoding that is taken', async (t) => {
  const app = await servedConsole(t);
  const get = async (accepted: string): Promise<[string | null, Buffer]> => {
    const headers = { 'accept-encoding': accepted };
    const answer = await app.request('/console/assets/index-a1.js', { headers });
    assert.equal(answer.headers.get('vary'), 'accept-encoding');
    const body = Buffer.from(await answer.arrayBuffer());
    return [answer.headers.get('content-encoding'), body];
  };
  const [best, packed] = await get('gzip, deflate, BR;q=0.9');
  assert.deepEqual([best, brotliDecompressSync(packed).toString()], ['br', SCRIPT]);
  const [second, zipped] = await get('br;q=0, gzip;q=0.5');
  assert.deepEqual([second, gunzipSync(zipped).toString()], ['gzip', SCRIPT]);
  for (const accepted of ['', 'identity', 'gzip;q=0.0', 'deflate']) {
    const [none, plain] = await get(accepted);
    assert.deepEqual([none, plain.toString()], [null, SCRIPT], accepted);
  }
});

test('what is known already is not sent again', async (t) => {
  const app = await servedConsole(t);
  const tags = new Set<string>();
  for (const encoding of ['br', 'gzip', '']) {
    const headers: Record<string, string> = { 'accept-encoding': encoding };
    const etag = (await app.request('/console/', { headers })).headers.get('etag') ?? '';
    assert.match(etag, /^"[\w-]{27}"$/);
    tags.add(etag);
    for (const known of [etag, `"other", ${etag}`, `W/${etag}`]) {
      headers['if-none-match'] = known;
      const answer = await app.request('/console/', { headers });
      assert.deepEqual([answer.status, await answer.text()], [304, ''], known);
      assert.equal(answer.headers.get('etag'), etag);
    }
    headers['if-none-match'] = '"other"';
    assert.equal((await app.request('/console/', { headers })).status, 200);
  }
  // Bytes that differ have names that differ (RFC 9110 §8.8.3.3).
  assert.equal(tags.size, 3);
});

test('a console can only be read', async (t) => {
  const app = await servedConsole(t);
  for (const method of ['POST', 'PUT', 'DELETE']) {
    const answer = await app.request('/console/', { method });
    assert.deepEqual([answer.status, answer.headers.get('allow')], [405, 'GET, HEAD']);
  }
  assert.equal((await app.request('/console/', { method: 'HEAD' })).status, 200);
});

test('one that is not built says how to build it, and is served once it is', async (t) => {
  const folder = join(await emptyFolder(t), 'console');
  const app = consoleRoutes(folder);
  const before = await app.request('/console/');
  assert.equal(before.status, 503);
  assert.match(await before.text(), /`npm run build`/);
  assert.equal(before.headers.get('cache-control'), 'no-store');
  await writeConsole(folder);
  assert.equal(await (await app.request('/console/')).text(), INDEX);
  // From memory: a build that replaces the files does not mix old ones with new ones.
  await rm(folder, { recursive: true });
  assert.equal(await (await app.request('/console/assets/index-a1.js')).text(), SCRIPT);
});
