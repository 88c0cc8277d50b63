import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { loginServices, setSaslPassword, withoutLoginPostfix } from '../scenario/login-postfix.js';
import { startPostfix, withoutPostfix, type PostfixServices } from '../scenario/postfix.js';
import { freePort, locate, run } from '../scenario/programs.js';
import type { Absent, Contender, StartOptions } from './contender.js';
import { untilListening } from './hop.js';
import { LOGIN } from './traffic.js';

const NAME = 'postfix';
const READY_DEADLINE_MS = 30_000;

/**
 * Room for 200 clients, as many deliveries to the one next hop at once as relaymesh has by default,
 * from the beginning, and connections that are kept; no connection is counted against its client.
 * Beyond that it is as it comes: each message is synced before its 250.
 */
const PRODUCTION = `default_process_limit = 250
default_destination_concurrency_limit = 20
initial_destination_concurrency = 20
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
smtp_tls_connection_reuse = yes
in_flow_delay = 0
`;

/** Postfix with a configuration of its own, relaying to the next hop. */
export async function postfix(): Promise<Contender | Absent> {
  const reason = withoutPostfix();
  if (reason !== false) return { name: NAME, reason };
  const { stdout } = await run(locate('postconf') ?? 'postconf', ['-dh', 'mail_version']);
  return {
    name: NAME,
    description: `${stdout.trim()}, ${PRODUCTION.trim().replaceAll(' = ', '=').replaceAll('\n', ' ')}`,
    start: async (owner, options) => {
      const lacking = options.protection === 'clear' ? false : withoutLoginPostfix();
      if (lacking !== false) throw new Error(lacking);
      const port = await freePort();
      const { masterPid } = await startPostfix(owner, {
        relayPort: options.hopPort,
        port: (config, folder) => services(config, folder, port, options),
        wrap: options.wrap ?? [],
      });
      await untilListening(port, READY_DEADLINE_MS);
      return { port, pids: [masterPid] };
    },
  };
}

async function services(
  config: string,
  folder: string,
  port: number,
  { hopPort, protection, certificate }: StartOptions,
): Promise<PostfixServices> {
  const kept = `${PRODUCTION}smtp_connection_cache_destinations = [127.0.0.1]:${hopPort}\n`;
  const open = `mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
`;
  if (protection === 'clear') {
    return { masterCf: `127.0.0.1:${port} inet n - n - - smtpd\n`, mainCf: kept + open };
  }
  const made = await loginServices(config, folder, {
    certificate,
    services: [{ port, mechanisms: ['PLAIN'] }],
  });
  await setSaslPassword(made.passwords, LOGIN.username, LOGIN.password);
  const ca = path.join(folder, 'ca.pem');
  await writeFile(ca, certificate.ca);
  // Next hops are named by their address here, which a certificate is not compared with.
  const secured = `smtp_tls_security_level = secure
smtp_tls_secure_cert_match = localhost
smtp_tls_CAfile = ${ca}
`;
  const login = `smtp_sasl_auth_enable = yes
smtp_sasl_security_options = noanonymous
smtp_sasl_password_maps = static:${LOGIN.username}:${LOGIN.password}
`;
  return {
    // Keeps connections with TLS for the processes that deliver.
    masterCf: `${made.masterCf}tlsproxy unix - - n - 0 tlsproxy\n`,
    mainCf: made.mainCf + kept + secured + (protection === 'tls' ? open : login),
  };
}
