import assert from 'node:assert/strict';
import { FALSE_ENDS, SMUGGLED } from '../hostile/false-ends.js';
import { hostileTest } from '../hostile/rows.js';
import { rawRequest, type RawAnswer } from './raw-request.js';
import { localHop, runNode, type RunningNode } from './running-node.js';

const NOWHERE = localHop('gone', 'sink', 1);

function post(node: RunningNode, path: string, type: string, body: string): Promise<RawAnswer> {
  return rawRequest(Number(new URL(node.url).port), {
    method: 'POST',
    path,
    token: 'token-of-edge',
    headers: { 'content-type': type },
    body,
  });
}

hostileTest(
  'smuggling',
  'a false end of data by HTTP: 422, and nothing stored',
  async (t, cases) => {
    const node = await runNode(t, 'edge', NOWHERE);
    const query = '/v1/inject?envelope=a%40x.test&recipient=b%40y.test';
    for (const falseEnd of FALSE_ENDS) {
      for (const firstLine of ['', '..\r\n']) {
        const mime = `${firstLine}Subject: x\r\n\r\nbody${falseEnd}${SMUGGLED}`;
        const message = JSON.stringify({ envelope: 'a@x.test', recipient: 'b@y.test', mime });
        for (const answer of [
          await post(node, '/v1/inject', 'application/json', message),
          await post(node, query, 'message/rfc822', mime),
        ]) {
          cases.add();
          assert.equal(answer.status, 422, `${JSON.stringify(falseEnd)}: ${answer.body}`);
          const { code } = JSON.parse(answer.body) as { code: string };
          assert.equal(code, 'CONTENT_INVALID');
        }
      }
    }
    assert.deepEqual(await node.client.getJson('/v1/queues'), { queues: [] });
    const sound = { envelope: 'a@x.test', recipient: 'b@y.test', mime: 'x: y\r\n\r\n.\r\nx' };
    const { status } = await post(node, '/v1/inject', 'application/json', JSON.stringify(sound));
    assert.equal(status, 202);
  },
);
