import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, chown, copyFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Dialogue } from '../intake/dialogue.js';
import { atEnd } from '../scenario/at-end.js';
import { ownerOf } from '../scenario/postfix.js';
import {
  cleanEnvironment,
  endChild,
  freePort,
  locate,
  scratchFolder,
} from '../scenario/programs.js';
import { until } from '../scenario/waiting.js';
import { makeCertificate } from '../send/certificates.js';
import {
  MAX_MESSAGE_BYTES,
  MAX_RECIPIENTS,
  PASSWORD,
  TIMEOUT_SECONDS,
  USER,
} from './relaymesh-server.js';
import type { DialogueServer } from './speaker.js';

/*
 * An Exim of our own. Debian's packages of Exim and Postfix exclude each other, so scripts/test
 * unpacks Exim into a folder of its own beside Postfix, with the libraries that it needs and one
 * that lets it find its user, which only the installation of the package would make.
 */

const HOST = 'exim.test';
const EXIM_USER = 'Debian-exim';

const UNPACKED = path.join(
  process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'),
  'relaymesh-tests',
  'exim',
);

/** How it is started. */
interface Program {
  file: string;
  /** Where its libraries lie that the system lacks; null where it is installed. */
  libraries: string | null;
}

/** The reason why there can be no Exim here, else false. */
export function withoutExim(): string | false {
  if (process.getuid?.() !== 0) return 'Exim has to be started by root';
  return find() === null ? 'not installed here: exim4' : false;
}

/** Debian's Exim with its defaults, but for the limits that all servers under test share. */
export async function startExim(t: TestContext, hopPort: number): Promise<DialogueServer> {
  const program = find();
  if (program === null) throw new Error('no Exim');
  const folder = await scratchFolder(t);
  const ports = {
    relay: await freePort(),
    submission: await freePort(),
    impatient: await freePort(),
  };
  const [owner, group] = await ownerOf('mail');
  for (const name of ['spool', 'log']) {
    await mkdir(path.join(folder, name));
    await chown(path.join(folder, name), owner, group);
  }
  const certificate = await makeCertificate('exim');
  for (const [name, text] of Object.entries({ cert: certificate.cert, key: certificate.key })) {
    await writeFile(path.join(folder, `${name}.pem`), text, { mode: 0o600 });
    await chown(path.join(folder, `${name}.pem`), owner, group);
  }
  const starter = await writeStarter(folder, program);
  const config = path.join(folder, 'exim.conf');
  await writeFile(config, configuration(folder, starter, ports, hopPort));
  const child = spawn(starter, ['-C', config, '-bdf', '-q1m'], {
    stdio: ['ignore', 'ignore', 'ignore'],
    env: cleanEnvironment(),
    detached: true,
  });
  atEnd(t, async () => {
    await endChild(child, 10_000);
    // Its children are of its group; they end by themselves, unless something hangs.
    if (child.pid !== undefined) endGroup(child.pid);
  });
  const greeting = await until('Exim', () => greetingOf(ports.relay));
  const [, version = 'unknown'] = / Exim (\d+\.\d+)/.exec(greeting) ?? [];
  return { name: 'exim', host: HOST, version, enhancedCodes: false, ports };
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left.
  }
}

async function greetingOf(port: number): Promise<string> {
  const client = await Dialogue.connect(port);
  const greeting = await client.reply();
  client.leave();
  return greeting;
}

function find(): Program | null {
  const installed = locate('exim4');
  if (installed !== null) return { file: installed, libraries: null };
  const file = path.join(UNPACKED, 'usr', 'sbin', 'exim4');
  const above = path.join(UNPACKED, 'usr', 'lib');
  const [folder] = existsSync(above)
    ? readdirSync(above).filter((name) => existsSync(path.join(above, name, 'libnss_wrapper.so')))
    : [];
  return folder !== undefined && existsSync(file)
    ? { file, libraries: path.join(above, folder) }
    : null;
}

/** Exim starts itself anew for each delivery, by this script as well. */
async function writeStarter(folder: string, { file, libraries }: Program): Promise<string> {
  const starter = path.join(folder, 'exim');
  const lines = ['#!/bin/sh'];
  let program = file;
  if (libraries !== null) {
    // As its own user it may not look into the folder of root.
    program = path.join(folder, 'exim4');
    const ours = path.join(folder, 'lib');
    await copyFile(file, program);
    await chmod(program, 0o755);
    await cp(libraries, ours, { recursive: true, verbatimSymlinks: true });
    const [uid, gid] = await ownerOf('mail');
    const passwd = `${await readFile('/etc/passwd', 'utf8')}${EXIM_USER}:x:${uid}:${gid}::/:/bin/false\n`;
    const groups = `${await readFile('/etc/group', 'utf8')}${EXIM_USER}:x:${gid}:\n`;
    await writeFile(path.join(folder, 'passwd'), passwd);
    await writeFile(path.join(folder, 'group'), groups);
    lines.push(
      `export LD_LIBRARY_PATH='${ours}'`,
      `export LD_PRELOAD='${path.join(ours, 'libnss_wrapper.so')}'`,
      `export NSS_WRAPPER_PASSWD='${folder}/passwd' NSS_WRAPPER_GROUP='${folder}/group'`,
    );
  }
  await writeFile(starter, `${lines.join('\n')}\nexec '${program}' "$@"\n`);
  await chmod(starter, 0o755);
  return starter;
}

function configuration(
  folder: string,
  starter: string,
  { relay, submission, impatient }: DialogueServer['ports'],
  hopPort: number,
): string {
  return `exim_path = ${starter}
exim_user = mail
exim_group = mail
keep_environment =
spool_directory = ${folder}/spool
log_file_path = ${folder}/log/%slog
pid_file_path = ${folder}/exim.pid
primary_hostname = ${HOST}
local_interfaces = <; 127.0.0.1.${relay} ; 127.0.0.1.${submission} ; 127.0.0.1.${impatient}
message_size_limit = ${MAX_MESSAGE_BYTES}
recipients_max = ${MAX_RECIPIENTS}
received_headers_max = 100
smtp_receive_timeout = \${if eq{$received_port}{${impatient}}{${TIMEOUT_SECONDS}s}{5m}}
smtp_accept_max = 100
smtp_max_synprot_errors = 100
allow_domain_literals
smtp_accept_queue_per_connection = 0
tls_advertise_hosts = *
tls_certificate = ${folder}/cert.pem
tls_privatekey = ${folder}/key.pem
dsn_advertise_hosts = *
auth_advertise_hosts = \${if and{{eq{$received_port}{${submission}}}{eq{$tls_in_cipher}{}}}{}{*}}
smtputf8_advertise_hosts = *
acl_smtp_mail = check_mail
acl_smtp_rcpt = check_rcpt
acl_smtp_data = check_data
never_users =
deliver_drop_privilege

begin acl
check_mail:
  deny condition = \${if eq{$received_port}{${submission}}}
       !encrypted = *
       message = 530 Must issue a STARTTLS command first
  accept
check_rcpt:
  accept condition = \${if !eq{$received_port}{${submission}}}
  accept authenticated = *
  deny message = relay not permitted
check_data:
  accept

begin routers
all:
  driver = manualroute
  transport = smtp
  route_list = * 127.0.0.1
  self = send

begin transports
smtp:
  driver = smtp
  port = ${hopPort}
  hosts_try_fastopen =
  hosts_avoid_tls = *
  allow_localhost

begin retry
* * F,1h,1s

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = \${if and{{eq{$auth2}{${USER}}}{eq{$auth3}{${PASSWORD}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = \${if and{{eq{$auth1}{${USER}}}{eq{$auth2}{${PASSWORD}}}}}
  server_set_id = $auth1
`;
}
