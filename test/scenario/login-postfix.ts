import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import type { Mechanism } from '../../src/send/mechanism.js';
import { makeCertificate, type TestCertificate } from '../send/certificates.js';
import {
  ownerOf,
  POSTFIX_NAME,
  startPostfix,
  withoutPostfix,
  type Postfix,
  type PostfixServices,
} from './postfix.js';
import { freePort, locate, missing, run } from './programs.js';

/*
 * A Postfix that takes mail only after a login, over TLS with a certificate for localhost. Cyrus
 * SASL knows the logins from a file in Postfix's own folder; that of the machine is not touched.
 */

/** A port of loopback that Postfix takes logins at. */
export interface LoginService {
  port: number;
  mechanisms: readonly Mechanism[];
  /** TLS from the first byte instead of STARTTLS. */
  implicitTls?: boolean;
}

export interface LoginPostfix extends Postfix {
  /** A user is made, or gets another password. */
  setPassword(username: string, password: string): Promise<void>;
  removeUser(username: string): Promise<void>;
}

/** The reason why there can be no such Postfix here, else false. */
export function withoutLoginPostfix(): string | false {
  const lacking = withoutPostfix() || missing('saslpasswd2');
  return lacking || (hasMechanisms() ? false : 'not installed here: libsasl2-modules');
}

/** Cyrus SASL finds its mechanisms below /usr/lib, in the folder of the architecture. */
function hasMechanisms(): boolean {
  return readdirSync('/usr/lib').some((folder) =>
    existsSync(path.join('/usr/lib', folder, 'sasl2', 'libcrammd5.so')),
  );
}

/** Where such a Postfix is going to be; it can be named in a topology before it runs. */
export interface PlannedPostfix {
  certificate: TestCertificate;
  services: LoginService[];
}

/** @param services what each of them offers, in order; the ports are chosen here */
export async function planLoginPostfix(
  services: readonly Omit<LoginService, 'port'>[],
): Promise<PlannedPostfix> {
  const planned: LoginService[] = [];
  for (const service of services) planned.push({ ...service, port: await freePort() });
  return { certificate: await makeCertificate('postfix'), services: planned };
}

/** @param relayPort where all mail goes: another port of loopback */
export async function startLoginPostfix(
  t: TestContext,
  { certificate, services }: PlannedPostfix,
  relayPort: number,
): Promise<LoginPostfix> {
  let passwords = '';
  const postfix = await startPostfix(t, {
    relayPort,
    port: async (config, folder) => {
      const made = await loginServices(config, folder, { certificate, services });
      ({ passwords } = made);
      return made;
    },
  });
  return {
    ...postfix,
    setPassword: (username, password) => setSaslPassword(passwords, username, password),
    removeUser: (username) => saslpasswd(passwords, ['-d', username]),
  };
}

/** Services that take mail after a login, and the file with the passwords for them. */
export async function loginServices(
  config: string,
  folder: string,
  { certificate, services }: PlannedPostfix,
): Promise<PostfixServices & { passwords: string }> {
  const passwords = path.join(folder, 'sasldb2');
  await setSaslPassword(passwords, 'postmaster', 'whoever-knows-this-may-relay');
  const [owner, group] = await ownerOf('postfix');
  await chown(passwords, owner, group);
  await writeFile(path.join(folder, 'cert.pem'), certificate.cert);
  await writeFile(path.join(folder, 'key.pem'), certificate.key, { mode: 0o600 });
  // Debian's looks for the folder here, whatever cyrus_sasl_config_path says.
  const sasl = path.join(config, 'sasl');
  await mkdir(sasl);
  return {
    masterCf: await masterCf(sasl, passwords, services),
    mainCf: mainCf(sasl, folder),
    passwords,
  };
}

async function masterCf(
  sasl: string,
  passwords: string,
  services: readonly LoginService[],
): Promise<string> {
  const entries = services.map(async ({ port, mechanisms, implicitTls = false }) => {
    // Each service reads the file of its own name.
    await writeFile(
      path.join(sasl, `smtpd-${port}.conf`),
      saslMechanismsFor(passwords, mechanisms),
    );
    return `127.0.0.1:${port} inet n - n - - smtpd
  -o smtpd_sasl_path=smtpd-${port}
  -o smtpd_tls_wrappermode=${implicitTls ? 'yes' : 'no'}
`;
  });
  return (await Promise.all(entries)).join('');
}

function mainCf(sasl: string, folder: string): string {
  return `smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = ${folder}/cert.pem
smtpd_tls_key_file = ${folder}/key.pem
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
cyrus_sasl_config_path = ${sasl}
smtpd_sasl_local_domain = ${POSTFIX_NAME}
smtpd_sasl_security_options = noanonymous
smtpd_sasl_authenticated_header = yes
smtpd_relay_restrictions = permit_sasl_authenticated,
  check_client_access static:{530 5.7.0 Authentication required},
  reject
`;
}

/** What Cyrus SASL reads for a service: its logins, and how they may be given. */
export function saslMechanismsFor(passwords: string, mechanisms: readonly Mechanism[]): string {
  return `pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: ${passwords}
mech_list: ${mechanisms.join(' ')}
`;
}

/** A user of Postfix's own is made, or gets another password. */
export function setSaslPassword(file: string, username: string, password: string): Promise<void> {
  return saslpasswd(file, ['-c', '-p', username], password);
}

async function saslpasswd(file: string, args: readonly string[], input?: string): Promise<void> {
  const { code, stderr } = await run(
    locate('saslpasswd2') ?? 'saslpasswd2',
    ['-f', file, '-u', POSTFIX_NAME, ...args],
    input === undefined ? {} : { input },
  );
  assert.equal(code, 0, stderr);
}
