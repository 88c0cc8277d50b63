import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { atEnd, type Ending } from './at-end.js';
import { locate, missing, run, scratchFolder } from './programs.js';
import { until } from './waiting.js';

/*
 * A Postfix of our own: configuration, queue, data and log in a scratch folder, one port of
 * loopback. The Postfix of the machine, its configuration and its queue are not touched.
 */

/** The reason why there can be no Postfix here, else false. */
export function withoutPostfix(): string | false {
  if (process.getuid?.() !== 0) return 'Postfix has to be started by root';
  return missing('postfix', 'postconf');
}

export interface Postfix {
  /** Process id of its master, the parent of all others. */
  masterPid: number;
  /** Everything that it has logged. */
  log(): Promise<string>;
  /** It tries all that it has again now. */
  flush(): Promise<void>;
}

/** What a Postfix takes mail by: lines of master.cf, and of main.cf what they need. */
export interface PostfixServices {
  masterCf: string;
  mainCf: string;
}

export interface PostfixOptions {
  /** Where it sends all mail: another port of loopback. */
  relayPort: number;
  /**
   * A port of loopback where it takes mail from everyone; or the services that take it, given the
   * folder of the configuration and an empty one for their files.
   */
  port: number | ((config: string, folder: string) => Promise<PostfixServices>);
  /** A command that runs the one that follows it, as in `strace -D`. */
  wrap?: readonly string[];
}

/** Name of the machine that Postfix believes to run on. */
export const POSTFIX_NAME = 'foreign.test';

/** Starts a Postfix that relays all that it takes. */
export async function startPostfix(
  t: Ending,
  { port, relayPort, wrap = [] }: PostfixOptions,
): Promise<Postfix> {
  const folder = await scratchFolder(t);
  const program = locate('postfix') ?? 'postfix';
  const logFile = path.join(folder, 'log', 'mail.log');
  const [owner, group] = await ownerOf('postfix');
  for (const name of ['etc', 'queue', 'data', 'log', 'services']) {
    await mkdir(path.join(folder, name));
    await chmod(path.join(folder, name), 0o755);
  }
  await chown(path.join(folder, 'data'), owner, group);
  const config = path.join(folder, 'etc');
  const services =
    typeof port === 'number'
      ? openService(port)
      : await port(config, path.join(folder, 'services'));
  await writeFile(
    path.join(config, 'main.cf'),
    mainCf(folder, logFile, relayPort) + services.mainCf,
  );
  await writeFile(path.join(config, 'master.cf'), services.masterCf + MASTER_CF);
  atEnd(t, async () => {
    // Exit code 1 when it did not run, which is as good.
    await run(program, ['-c', config, 'stop']);
    await until('the end of Postfix', async () => (await status(program, config)) !== 0);
  });
  const [wrapper, ...behind] = wrap;
  const args = ['-c', config, 'start'];
  const { code, stdout, stderr } = await (wrapper === undefined
    ? run(program, args)
    : run(wrapper, [...behind, program, ...args]));
  assert.equal(code, 0, `${stdout}${stderr}${await readOrNothing(logFile)}`);
  await until('Postfix', async () => (await status(program, config)) === 0);
  const flush = async (): Promise<void> => {
    const ended = await run(program, ['-c', config, 'flush']);
    assert.equal(ended.code, 0, ended.stderr);
  };
  const masterPid = Number(await readFile(path.join(folder, 'queue', 'pid', 'master.pid'), 'utf8'));
  return { masterPid, log: () => readOrNothing(logFile), flush };
}

async function status(program: string, config: string): Promise<number | null> {
  return (await run(program, ['-c', config, 'status'])).code;
}

function readOrNothing(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '');
}

/** User and group id of a user of this machine. */
export async function ownerOf(user: string): Promise<[number, number]> {
  const line = (await readFile('/etc/passwd', 'utf8'))
    .split('\n')
    .find((entry) => entry.startsWith(`${user}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return [Number(uid), Number(gid)];
}

function mainCf(folder: string, logFile: string, relayPort: number): string {
  return `compatibility_level = 3.6
queue_directory = ${folder}/queue
data_directory = ${folder}/data
maillog_file = ${logFile}
maillog_file_prefixes = ${folder}
myhostname = ${POSTFIX_NAME}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
relayhost = [127.0.0.1]:${relayPort}
smtp_tls_security_level = none
message_size_limit = 52428800
minimal_backoff_time = 1s
queue_run_delay = 1s
`;
}

/** Relays for everyone on loopback. */
function openService(port: number): PostfixServices {
  return {
    masterCf: `127.0.0.1:${port} inet n - n - - smtpd\n`,
    mainCf: `mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_tls_security_level = none
`,
  };
}

/** Without chroot, for which files of the system would have to be copied. */
const MASTER_CF = `pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
`;
