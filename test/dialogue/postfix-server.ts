import { chown, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import {
  saslMechanismsFor,
  setSaslPassword,
  withoutLoginPostfix,
} from '../scenario/login-postfix.js';
import { ownerOf, POSTFIX_NAME, startPostfix } from '../scenario/postfix.js';
import { freePort, locate, run } from '../scenario/programs.js';
import { makeCertificate } from '../send/certificates.js';
import {
  MAX_MESSAGE_BYTES,
  MAX_RECIPIENTS,
  PASSWORD,
  TIMEOUT_SECONDS,
  USER,
} from './relaymesh-server.js';
import type { DialogueServer } from './speaker.js';

/** The reason why there can be no Postfix with logins here, else false. */
export const withoutPostfixServer = withoutLoginPostfix;

/** Debian's Postfix with its defaults, but for the limits that all servers under test share. */
export async function startPostfixServer(t: TestContext, hopPort: number): Promise<DialogueServer> {
  const ports = {
    relay: await freePort(),
    submission: await freePort(),
    impatient: await freePort(),
  };
  const certificate = await makeCertificate('postfix');
  await startPostfix(t, {
    relayPort: hopPort,
    port: async (config, folder) => {
      const passwords = path.join(folder, 'sasldb2');
      await setSaslPassword(passwords, USER, PASSWORD);
      const [owner, group] = await ownerOf('postfix');
      await chown(passwords, owner, group);
      await writeFile(path.join(folder, 'cert.pem'), certificate.cert);
      await writeFile(path.join(folder, 'key.pem'), certificate.key, { mode: 0o600 });
      const sasl = path.join(config, 'sasl');
      await mkdir(sasl);
      await writeFile(
        path.join(sasl, 'smtpd.conf'),
        saslMechanismsFor(passwords, ['PLAIN', 'LOGIN']),
      );
      return { masterCf: masterCf(ports), mainCf: mainCf(sasl, folder) };
    },
  });
  const { stdout } = await run(locate('postconf') ?? 'postconf', ['-d', '-h', 'mail_version']);
  const version = stdout.split('.').slice(0, 2).join('.');
  return { name: 'postfix', host: POSTFIX_NAME, version, enhancedCodes: true, ports };
}

function masterCf({ relay, submission, impatient }: DialogueServer['ports']): string {
  return `127.0.0.1:${relay} inet n - n - - smtpd
127.0.0.1:${submission} inet n - n - - smtpd
  -o mynetworks=192.0.2.0/24 -o smtpd_tls_security_level=encrypt
127.0.0.1:${impatient} inet n - n - - smtpd
  -o smtpd_timeout=${TIMEOUT_SECONDS}s
`;
}

function mainCf(sasl: string, folder: string): string {
  return `mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_tls_security_level = may
smtpd_tls_cert_file = ${folder}/cert.pem
smtpd_tls_key_file = ${folder}/key.pem
smtpd_sasl_auth_enable = yes
smtpd_sasl_path = smtpd
smtpd_sasl_type = cyrus
cyrus_sasl_config_path = ${sasl}
smtpd_sasl_local_domain = ${POSTFIX_NAME}
message_size_limit = ${MAX_MESSAGE_BYTES}
smtpd_recipient_limit = ${MAX_RECIPIENTS}
hopcount_limit = 100
smtpd_error_sleep_time = 0
`;
}
