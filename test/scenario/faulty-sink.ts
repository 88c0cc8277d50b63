import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { atEnd } from './at-end.js';
import { cleanEnvironment, endChild, MAIN_JS, scratchFolder } from './programs.js';
import { SinkClient } from './sink-client.js';
import { within } from './waiting.js';

const START_DEADLINE_MS = 20_000;
const STOP_DEADLINE_MS = 15_000;

export interface FaultySink {
  host: string;
  port: number;
  client: SinkClient;
}

interface Ready {
  smtp: { host: string; port: number };
  api: { host: string; port: number };
}

/**
 * Starts `relaymesh sink` as a process of its own, which keeps what it takes.
 *
 * @param faults A faults file, YAML.
 */
export async function startFaultySink(t: TestContext, faults: string): Promise<FaultySink> {
  const folder = await scratchFolder(t);
  const file = path.join(folder, 'faults.yaml');
  await writeFile(file, faults);
  const args = ['sink', '--port', '0', '--faults', file, '--capture', path.join(folder, 'capture')];
  const child = spawn(process.execPath, [MAIN_JS, ...args], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: cleanEnvironment(),
  });
  atEnd(t, () => endChild(child, STOP_DEADLINE_MS));
  const [ready] = (await within('the sink', START_DEADLINE_MS, once(child, 'message'))) as [Ready];
  const { smtp, api } = ready;
  return { ...smtp, client: new SinkClient(`http://${api.host}:${api.port}`) };
}
