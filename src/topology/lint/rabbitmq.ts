import { isLoopbackHost } from '../../format/loopback.js';
import { brokerAddresses } from '../compile-rabbitmq.js';
import type { Path } from '../fault.js';
import type { NodeEntry } from '../schema.js';
import { RABBITMQ_KEYS } from '../schema-rabbitmq.js';
import { checkCaFile } from './ca-file.js';
import type { LintContext } from './context.js';

/** `rabbitmq-…` keys: what they are about, and that no login or mail crosses a network in clear. */
export function checkRabbitmq(context: LintContext): void {
  for (const [name, node] of Object.entries(context.topology.nodes)) {
    const path: Path = ['nodes', name];
    const given = RABBITMQ_KEYS.filter((key) => node[key] !== undefined);
    const [first] = given;
    if (first === undefined) continue;
    if (node['rabbitmq-address'] === undefined) {
      const keys = given.map((key) => `\`${key}\``).join(' and ');
      const verb = given.length === 1 ? 'stands' : 'stand';
      context.report(
        'flat-key-conflict',
        [...path, first],
        `${keys} ${verb} without \`rabbitmq-address\``,
        { part: 'key', hint: 'name the broker in `rabbitmq-address`' },
      );
      continue;
    }
    checkLogin(context, path, node);
    checkTransport(context, path, node);
    const ca = node['rabbitmq-ca'];
    if (ca !== undefined) checkCaFile(context, ca, [...path, 'rabbitmq-ca']);
  }
}

function checkLogin({ report }: LintContext, path: Path, node: NodeEntry): void {
  const half = (['rabbitmq-username', 'rabbitmq-password'] as const).filter(
    (key) => node[key] !== undefined,
  );
  const [only] = half;
  if (half.length !== 1 || only === undefined) return;
  const other = only === 'rabbitmq-username' ? 'rabbitmq-password' : 'rabbitmq-username';
  report('missing-credential', [...path, only], `\`${only}\` stands without \`${other}\``, {
    part: 'key',
    hint: 'give both; without either the login is that of guest',
  });
}

function checkTransport({ report }: LintContext, path: Path, node: NodeEntry): void {
  const exposed = brokerAddresses(node).find(({ host, tls }) => !tls && !isLoopbackHost(host));
  if (exposed === undefined || node['allow-insecure-auth'] === true) return;
  report(
    'plaintext-login',
    [...path, 'rabbitmq-address'],
    `the login at RabbitMQ, and mail, would cross the network to ${exposed.host} in clear`,
    { hint: 'use amqps:// (or, knowingly, allow-insecure-auth: true)' },
  );
}
