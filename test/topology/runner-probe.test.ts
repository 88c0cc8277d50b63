import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { silentLogger } from '../../src/base/log.js';
import { startSink, type RunningSink } from '../../src/sink/sink.js';
import { sendProbe, type ProbeResult } from '../../src/topology/runner/probe.js';
import type { RunState } from '../../src/topology/state.js';
import { topologyOf } from './runner-fixture.js';

/* A sink plays the whole chain; a server of prepared answers plays the API of the first node. */

let sink: RunningSink;
let api: Server;
let asked: string[];
let answers: { status: number; complete: boolean; action: string }[];

beforeEach(async () => {
  const settings = { name: 'mx', host: '127.0.0.1', port: 0, apiHost: '127.0.0.1', apiPort: 0 };
  sink = await startSink(
    { ...settings, tls: 'none', users: [], faults: [] },
    { logger: silentLogger },
  );
  asked = [];
  api = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization} ${request.headers.accept}`);
    if (request.headers.accept === 'text/plain') {
      response.setHeader('content-type', 'text/plain');
      response.end('edge ===> mx\n');
      return;
    }
    const { status, complete, action } = answers.length > 1 ? answers.shift()! : answers[0]!;
    response.writeHead(status, { 'content-type': 'application/json' });
    const hops = [{ node: 'edge', recipients: [{ action }] }];
    response.end(JSON.stringify({ trace_id: 'a', complete, hops, unreachable: [] }));
  });
  await new Promise<void>((done) => api.listen(0, '127.0.0.1', done));
});
afterEach(async () => {
  api.closeAllConnections();
  api.close();
  await sink.stop();
});

function probe(relayFrom: string[], deadlineMs = 10_000): Promise<ProbeResult> {
  const listen = [{ port: 2525 }];
  const topology = topologyOf({ nodes: { edge: { listen, 'relay-from': relayFrom } } });
  const { smtp, api: sinkApi } = sink;
  const apiUrl = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
  const state: RunState = {
    name: 'mesh',
    ready: true,
    file: 'mesh.yaml',
    apiToken: 'token',
    caFile: null,
    runner: null,
    stopDeadlineMs: 1,
    brokers: {},
    users: {},
    nodes: {
      edge: {
        pid: 1,
        started: '1',
        api: apiUrl,
        dataDir: '',
        logFile: '',
        smtp: [{ name: 'smtp', tls: 'none', ...smtp }],
      },
    },
    sinks: {
      mx: {
        pid: 1,
        started: '1',
        tls: 'none',
        logFile: '',
        ...smtp,
        api: `http://${sinkApi.host}:${sinkApi.port}`,
      },
    },
  };
  return sendProbe({ topology, state, deadlineMs, signal: new AbortController().signal });
}

test('the probe waits for its arrival and for a complete trace, and asks with the token', async () => {
  answers = [
    { status: 404, complete: false, action: 'queued' },
    { status: 200, complete: false, action: 'queued' },
    { status: 200, complete: true, action: 'relayed' },
  ];
  assert.deepEqual(await probe(['127.0.0.0/8']), {
    arrived: true,
    waterfall: 'edge ===> mx\n',
    problem: null,
  });
  assert.match(asked[0] ?? '', /^\/trace\/\S+\?chain=true Bearer token /);
});

test('a probe that bounced ends the wait and says so', async () => {
  answers = [{ status: 200, complete: true, action: 'failed' }];
  assert.match((await probe(['127.0.0.1'])).problem ?? '', /could not be delivered/);
});

test('a trace that does not become complete is told, with the path so far', async () => {
  answers = [{ status: 200, complete: false, action: 'delayed' }];
  const result = await probe(['127.0.0.1'], 300);
  assert.equal(result.arrived, true);
  assert.equal(result.waterfall, 'edge ===> mx\n');
  assert.match(result.problem ?? '', /not complete within 0\.3 s/);
});

test('without a node that takes mail from here nothing is sent', async () => {
  answers = [{ status: 500, complete: false, action: 'queued' }];
  assert.match((await probe(['192.0.2.0/24'])).problem ?? '', /no started node takes mail/);
  assert.deepEqual(asked, []);
});
