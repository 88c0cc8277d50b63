import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { freePort } from '../scenario/programs.js';
import type { TestCertificate } from '../send/certificates.js';
import type { Absent, Contender, StartOptions } from './contender.js';
import { untilListening } from './hop.js';
import { startProgram } from './node-program.js';
import { LOGIN } from './traffic.js';

const NAME = 'haraka';
const READY_DEADLINE_MS = 30_000;
/** Where `scripts/bench` installs it: outside of the project, which does not depend on it. */
const FOLDER = path.join(
  process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'),
  'relaymesh-bench/haraka/node_modules/Haraka',
);

/** The group ffdhe2048 of RFC 7919. */
const FFDHE2048 = `-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
`;

/**
 * Haraka with its outbound queue: each message is written to a file of its own and synced before
 * its 250. As many deliveries at once as its documentation says is the default; of the log, what
 * says what became of a message. It opens a connection for each delivery and keeps none.
 */
export async function haraka(): Promise<Contender | Absent> {
  if (!existsSync(FOLDER))
    return { name: NAME, reason: 'not installed: scripts/bench installs it' };
  const manifest = await readFile(path.join(FOLDER, 'package.json'), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  return {
    name: NAME,
    description: `${version}, nodes=0 concurrency_max=100 loglevel=notice`,
    start: async (owner, options) => {
      const port = await freePort();
      await writeSettings(options, port);
      const child = startProgram(owner, [path.join(FOLDER, 'bin/haraka'), '-c', options.folder], {
        wrap: options.wrap ?? [],
        logFile: path.join(options.folder, 'haraka.log'),
        // It has no setting for whom it trusts as a client.
        env: { NODE_EXTRA_CA_CERTS: path.join(options.folder, 'config/ca.pem') },
      });
      await untilListening(port, READY_DEADLINE_MS, child);
      return { port, pids: [child.pid ?? 0] };
    },
  };
}

async function writeSettings(
  { folder, hopPort, protection, certificate }: StartOptions,
  port: number,
): Promise<void> {
  for (const name of ['config', 'plugins', 'queue']) await mkdir(path.join(folder, name));
  const login = protection === 'tls-login';
  const secured = protection === 'clear' ? [] : ['tls'];
  const files: Record<string, string> = {
    me: 'haraka.test',
    'smtp.ini': `listen=127.0.0.1:${port}\nnodes=0\n`,
    'log.ini': '[main]\nlevel=notice\n',
    'outbound.ini': `concurrency_max=100\nenable_tls=${protection !== 'clear'}\n`,
    plugins: `${[...secured, ...(login ? ['auth/flat_file'] : []), 'smarthost'].join('\n')}\n`,
    ...(protection === 'clear' ? {} : tlsFiles(certificate)),
    'auth_flat_file.ini': `[core]\nmethods=PLAIN\nconstrain_sender=false\n[users]\n${LOGIN.username}=${LOGIN.password}\n`,
  };
  for (const [name, text] of Object.entries(files)) {
    await writeFile(path.join(folder, 'config', name), text, { mode: 0o600 });
  }
  // Without it there are no greetings; the limits in it are its defaults.
  await copyFile(
    path.join(FOLDER, 'config/connection.ini'),
    path.join(folder, 'config/connection.ini'),
  );
  await writeFile(path.join(folder, 'plugins/smarthost.js'), plugin(hopPort, login));
}

/** Both sides with TLS; with the group given it does not search one for itself for half a minute. */
function tlsFiles({ ca, cert, key }: TestCertificate): Record<string, string> {
  return {
    'tls.ini':
      'key=tls_key.pem\ncert=tls_cert.pem\ndhparam=dhparams.pem\n' +
      '[outbound]\nforce_tls_hosts[]=127.0.0.1\n',
    'ca.pem': ca,
    'tls_key.pem': key,
    'tls_cert.pem': cert,
    'dhparams.pem': FFDHE2048,
  };
}

/** Everything goes to the next hop. A login makes a client one that may relay. */
function plugin(hopPort: number, login: boolean): string {
  const user = JSON.stringify(LOGIN.username);
  const password = JSON.stringify(LOGIN.password);
  const credentials = login
    ? `, auth_type: 'PLAIN', auth_user: ${user}, auth_pass: ${password}`
    : '';
  const open = `exports.hook_connect = (next, connection) => {
  connection.relaying = true;
  next();
};
`;
  return `${login ? '' : open}exports.hook_rcpt = (next, connection) => next(connection.relaying ? OK : DENY);
exports.hook_get_mx = (next) =>
  next(OK, { priority: 0, exchange: '127.0.0.1', port: ${hopPort}${credentials} });
`;
}
