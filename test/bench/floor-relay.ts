import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { freePort } from '../scenario/programs.js';
import { until } from '../scenario/waiting.js';
import type { Contender } from './contender.js';
import type { FloorConfig } from './floor.js';
import { untilListening } from './hop.js';
import { programHere, startProgram } from './node-program.js';
import { processTree } from './process-cost.js';

const READY_DEADLINE_MS = 30_000;

/** The two libraries, joined in so many processes. */
export function floor(workers = 1): Contender {
  return {
    name: workers === 1 ? 'floor' : `floor x${workers}`,
    description: `smtp-server ${versionOf('smtp-server')}, nodemailer ${versionOf('nodemailer')}`,
    start: async (owner, { folder, hopPort, protection, certificate, wrap }) => {
      const port = await freePort();
      const file = path.join(folder, 'floor.json');
      const config: FloorConfig = { port, hopPort, protection, certificate, workers };
      await writeFile(file, JSON.stringify(config), { mode: 0o600 });
      const logFile = path.join(folder, 'floor.log');
      const child = startProgram(owner, [programHere('floor'), file], {
        wrap: wrap ?? [],
        logFile,
      });
      const pids = [child.pid ?? 0];
      const processes = workers === 1 ? 1 : workers + 1;
      await until('all processes of the floor', () => processTree(pids).length >= processes, {
        deadlineMs: READY_DEADLINE_MS,
      });
      await untilListening(port, READY_DEADLINE_MS, child);
      return { port, pids };
    },
  };
}

function versionOf(name: string): string {
  const file = createRequire(import.meta.url).resolve(`${name}/package.json`);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
