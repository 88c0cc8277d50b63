import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { scratchFolder } from '../scenario/programs.js';
import { until } from '../scenario/waiting.js';
import { makeCertificate } from '../send/certificates.js';
import { preparedBacklog } from './backlog.js';
import { startHop } from './hop.js';
import { startWithBacklog } from './relaymesh-mesh.js';
import { measureRound } from './round.js';
import { Scope } from './scope.js';
import { startSource } from './source.js';

const MESSAGES = 30;
const DEADLINE_MS = 60_000;

test(
  'a queue is filled once, and stays while other mail passes by it',
  { timeout: 180_000 },
  async (t) => {
    const owner = new Scope();
    t.after(() => owner.end());
    const folder = await scratchFolder(owner);
    const certificate = await makeCertificate('bench');
    const said: string[] = [];
    const place = { folder, certificate, say: (text: string) => said.push(text) };
    const data = await preparedBacklog(owner, MESSAGES, place);
    const filledMs = (await stat(data)).birthtimeMs;
    assert.equal(await preparedBacklog(owner, MESSAGES, place), data);
    assert.equal((await stat(data)).birthtimeMs, filledMs);
    assert.deepEqual(said, ['filling a queue with 30 messages']);

    const common = { protection: 'clear' as const, certificate, measuresDelay: false };
    const hop = await startHop(owner, { ...common, replyDelayMs: 0 });
    const source = await startSource(owner, {
      ...common,
      ca: certificate.ca,
      deadlineMs: DEADLINE_MS,
    });
    const nodeFolder = await scratchFolder(owner);
    const start = { ...common, hopPort: hop.port, folder: nodeFolder };
    const running = await startWithBacklog(owner, start, data, []);
    const load = { sessions: 2, messages: 10, bytes: 1000, kept: true };
    await measureRound(running, load, { hop, source, deadlineMs: DEADLINE_MS, quietMs: 100 });
    const topology = await readFile(path.join(nodeFolder, 'backlog.yaml'), 'utf8');
    const apiPort = /api: \{ port: (\d+) \}/.exec(topology)?.[1];
    const token = (await readFile(path.join(data, 'api-token'), 'utf8')).trim();
    await until('the waiting messages', async () => {
      const answer = await fetch(`http://127.0.0.1:${apiPort}/v1/queues`, {
        headers: { authorization: `Bearer ${token}` },
      });
      const { queues } = (await answer.json()) as {
        queues: Array<{ ready: number; deferred: number; sending: number }>;
      };
      const counts = queues.map(({ ready, deferred, sending }) => ready + deferred + sending);
      return Math.max(...counts) === MESSAGES;
    });
  },
);
