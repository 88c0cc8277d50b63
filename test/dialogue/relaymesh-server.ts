import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { startHostileNode } from '../hostile/node-process.js';
import { scratchFolder } from '../scenario/programs.js';
import { makeCertificate } from '../send/certificates.js';
import type { ListenerName } from './dialogue-file.js';
import type { DialogueServer } from './speaker.js';

/** The same at every server under test. */
export const USER = 'app';
export const PASSWORD = 'correct horse';
export const MAX_MESSAGE_BYTES = 1_000_000;
export const MAX_RECIPIENTS = 1000;
/** Of the listener `impatient`. */
export const TIMEOUT_SECONDS = 1;

const HOST = 'relaymesh.test';

/**
 * Three nodes as processes of their own. `relay` lets loopback relay; `submission` wants TLS and a
 * login; `impatient` waits for a second.
 */
export async function startRelaymesh(t: TestContext, hopPort: number): Promise<DialogueServer> {
  const folder = await scratchFolder(t);
  const file = (name: string): string => path.join(folder, name);
  const { cert, key } = await makeCertificate('relaymesh');
  await writeFile(file('cert.pem'), cert);
  await writeFile(file('key.pem'), key, { mode: 0o600 });
  await writeFile(file('users'), `${USER}: ${PASSWORD}\n`, { mode: 0o600 });
  const common = {
    hostname: HOST,
    'smtp-tls': 'opportunistic',
    'tls-cert': file('cert.pem'),
    'tls-key': file('key.pem'),
    'users-file': file('users'),
    'max-message-size': MAX_MESSAGE_BYTES,
    'max-recipients': MAX_RECIPIENTS,
  };
  const own: Record<ListenerName, Record<string, string | number>> = {
    relay: {},
    submission: { 'smtp-tls': 'required', 'relay-from': '192.0.2.0/24' },
    impatient: { 'command-timeout': TIMEOUT_SECONDS, 'data-timeout': TIMEOUT_SECONDS },
  };
  const start = async (name: ListenerName): Promise<number> => {
    const node = await startHostileNode(t, { hopPort, config: { ...common, ...own[name] } });
    return node.port;
  };
  const ports = {
    relay: await start('relay'),
    submission: await start('submission'),
    impatient: await start('impatient'),
  };
  return { name: 'relaymesh', host: HOST, version: '', enhancedCodes: true, ports };
}
