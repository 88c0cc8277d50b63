import { existsSync } from 'node:fs';
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { freePort } from '../scenario/programs.js';
import type { TestCertificate } from '../send/certificates.js';
import { startWithBacklog } from './relaymesh-mesh.js';
import { scoped, type Scope } from './scope.js';
import { startSource } from './source.js';
import { WAITING_RECIPIENT } from './traffic.js';

/** Of each waiting message, and what it takes on the disk with its record while the store settles. */
const MESSAGE_BYTES = 1000;
const DISK_BYTES_PER_MESSAGE = 6000;
const SESSIONS = 50;
const DEADLINE_MS_PER_MESSAGE = 20;
const LEAST_DEADLINE_MS = 60_000;

/** What preparing needs of the run. */
export interface BacklogPlace {
  /** Where prepared data folders are, and are looked for. */
  folder: string;
  certificate: TestCertificate;
  say: (text: string) => void;
}

/**
 * The data folder of a node in whose queue so many messages of 1 kB wait for a hop that is down. It
 * is filled over SMTP, which takes minutes, the first time; later it is found again.
 *
 * @throws when there is no room for it
 */
export async function preparedBacklog(
  owner: Scope,
  messages: number,
  { folder, certificate, say }: BacklogPlace,
): Promise<string> {
  const place = path.join(folder, `backlog-${messages}`);
  const data = path.join(place, 'data');
  const done = path.join(place, 'filled');
  if (existsSync(done)) return data;
  await rm(place, { recursive: true, force: true });
  await mkdir(place, { recursive: true });
  const { bavail, bsize } = await statfs(place);
  if (bavail * bsize < messages * DISK_BYTES_PER_MESSAGE) {
    throw new Error(`there is no room on the disk for ${messages} messages`);
  }
  say(`filling a queue with ${messages.toLocaleString('en')} messages`);
  await scoped(owner, async (scope) => {
    const start = {
      hopPort: await freePort(),
      protection: 'clear' as const,
      certificate,
      folder: place,
    };
    const running = await startWithBacklog(scope, start, data, ['log-level=warn']);
    const source = await startSource(scope, {
      protection: 'clear',
      ca: certificate.ca,
      measuresDelay: false,
      deadlineMs: LEAST_DEADLINE_MS + messages * DEADLINE_MS_PER_MESSAGE,
    });
    const load = { sessions: SESSIONS, messages, bytes: MESSAGE_BYTES, kept: true };
    await source.send(load, running.port, WAITING_RECIPIENT);
  });
  await writeFile(done, '');
  return data;
}
