import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ContractCheck, type OpenApiDocument } from '../api/contract-check.js';
import { checker, hopThat, walkQuarantine, walkQueue } from '../api/contract-walk.js';
import { localHop } from '../api/running-node.js';
import { queueId } from '../trace/hop-records.js';
import { runMerged, TOKEN } from './merged-bench.js';

test('behind the front every route answers what the document says, with all workers or without', async (t) => {
  const hanging = await runMerged(t, localHop('core', 'sink', await hopThat(t, 'hangs')));
  const check = new ContractCheck(await hanging.client.getJson<OpenApiDocument>('/openapi.json'));
  const call = checker(hanging.url, check, TOKEN);
  await walkQueue(call);
  const refusing = await runMerged(t, localHop('mx', 'sink', await hopThat(t, 'refuses')));
  await walkQuarantine(checker(refusing.url, check, TOKEN));
  const untried = check.documented.filter((one) => / (?:200|202|204)$/.test(one));
  assert.deepEqual(
    untried.filter((one) => !check.seen.has(one)),
    // a stream that does not end
    ['listen 200'],
  );
  hanging.links[1].up = false;
  await walkQueue(call);
  hanging.links[0].up = false;
  const open = new Set(['/livez', '/readyz', '/openapi.json', '/v1/events']);
  const get = Object.entries(check.document.paths).filter(
    ([path, methods]) => 'get' in methods && !open.has(path) && !path.includes('{path}'),
  );
  for (const [path] of get) {
    const { status, body } = await call('GET', path, [queueId(999)]);
    const isList = ['/trace', '/v1/queues', '/v1/quarantine', '/metrics'].includes(path);
    assert.equal(status, isList ? 200 : 503, `${path} ${body}`);
  }
  assert.equal((await call('GET', '/readyz')).status, 503);
  assert.equal((await call('GET', '/livez')).status, 200);
});
