import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeSettings } from '../../src/node-settings.js';
import { LIMIT_KEYS, limitKeys, LIMITS, type LimitKey } from '../../src/topology/schema-limits.js';
import { bytesOf } from '../../src/topology/size.js';
import { compile } from './compiling.js';
import { formFaults, soundBut } from './topology-files.js';

/** Where each limit arrives, in its unit. */
const ARRIVES: Record<LimitKey, (settings: NodeSettings) => number | null> = {
  'max-message-size': ({ intake }) => intake.maxMessageBytes,
  'max-header-size': ({ intake }) => intake.maxHeaderBytes,
  'max-recipients': ({ intake }) => intake.maxRecipients,
  'max-sessions': ({ intake }) => intake.maxSessions,
  'max-sessions-per-client': ({ intake }) => intake.clients.maxSessionsPerClient,
  'max-connects-per-client-per-minute': ({ intake }) =>
    intake.clients.maxConnectsPerClientPerMinute,
  'max-messages-per-client-per-minute': ({ intake }) =>
    intake.clients.maxMessagesPerClientPerMinute,
  'max-messages-per-user-per-minute': ({ intake }) => intake.clients.maxMessagesPerUserPerMinute,
  'max-login-failures-per-client': ({ intake }) => intake.clients.maxLoginFailuresPerClient,
  'max-login-failures-per-user': ({ intake }) => intake.clients.maxLoginFailuresPerUser,
  'login-failure-window': ({ intake }) => intake.clients.loginFailureWindowMs / 1000,
  'max-errors-per-session': ({ intake }) => intake.clients.maxErrorsPerSession,
  'max-errors-per-client-per-minute': ({ intake }) => intake.clients.maxErrorsPerClientPerMinute,
  'login-timeout': ({ intake }) => intake.clients.loginTimeoutMs / 1000,
  'min-data-rate': ({ intake }) => intake.clients.minDataRate,
  'command-timeout': ({ intake }) => intake.idleTimeoutMs / 1000,
  'data-timeout': ({ intake }) => intake.dataTimeoutMs / 1000,
  'max-queue-messages': ({ queue }) => queue.limits.maxMessages,
  'max-queue-size': ({ queue }) => queue.limits.maxBytes,
  'disk-reserve': ({ queue }) => queue.limits.diskReserveBytes,
  'max-body-memory': ({ queue }) => queue.limits.bodyMemoryBytes,
  'max-attempts-at-once': ({ queue }) => queue.limits.maxAttemptsAtOnce,
  'max-attempts': ({ queue }) => queue.limits.maxAttempts,
  'max-quarantined': ({ queue }) => queue.limits.maxQuarantined,
  'delivery-keys-size': ({ queue }) => queue.deliveryKeys.maxBytes,
  'max-reports-per-minute': ({ queue }) => queue.reports.maxPerMinute,
  'delay-report-after': ({ queue }) => queue.reports.delayAfterSeconds,
  'trace-max-age': ({ trace }) => trace.maxAgeSeconds,
  'trace-max-records': ({ trace }) => trace.maxRecords,
  'trace-max-size': ({ trace }) => trace.maxBytes,
};

/** The sound topology with these lines in `defaults` and in the node `edge`. */
function withLimits(defaults: readonly string[], ofNode: readonly string[] = []): string {
  const keys = ofNode.map((line) => `    ${line}\n`).join('');
  return soundBut(
    ['nodes:', `defaults: { ${defaults.join(', ')} }\nnodes:`],
    ['    smarthost: core', `${keys}    smarthost: core`],
  );
}

for (const key of LIMIT_KEYS) {
  const { unit, standard } = LIMITS[key];
  const arrived = (text: string, node = 'edge'): number | null => ARRIVES[key](compile(text, node));

  test(`\`${key}\` is what its doc says, unless the defaults or the node say otherwise`, () => {
    const [, shown] = /Default: (.+)\.$/.exec(limitKeys[key].description ?? '') ?? [];
    assert.equal(shown === 'no limit' ? null : bytesOf(shown as string), standard);
    assert.equal(arrived(soundBut()), standard);
    const [one, other] = unit === 'bytes' ? ['3MiB', '7000000'] : ['17', '19'];
    const text = withLimits([`${key}: ${one}`], [`${key}: ${other}`]);
    assert.equal(arrived(text, 'core'), bytesOf(one));
    assert.equal(arrived(text), bytesOf(other));
  });
}

test('keys of other nodes are remembered for as long as those may retry, and a day', () => {
  const { queue } = compile(withLimits(['expire-after: 1000'], ['expire-after: 200000']), 'core');
  assert.equal(queue.deliveryKeys.lifetimeSeconds, 200_000 + 86_400, 'edge has a link to core');
  const alone = compile(withLimits(['expire-after: 1000'], ['expire-after: 200000']), 'edge');
  assert.equal(alone.queue.deliveryKeys.lifetimeSeconds, 200_000 + 86_400, 'nobody has a link');
  const standard = compile(soundBut(), 'core');
  assert.equal(standard.queue.deliveryKeys.lifetimeSeconds, 432_000 + 86_400);
});

test('a size that is none is told with what is expected', () => {
  const said = (line: string): string =>
    formFaults(withLimits([], [line]))
      .map(({ message }) => message)
      .join('; ');
  assert.equal(
    said('max-queue-size: 5 mb'),
    "max-queue-size must be bytes, or a size as in 64MiB, got '5 mb'",
  );
  assert.equal(said('max-queue-size: 5kB'), 'max-queue-size must be at least 1MiB');
  assert.equal(
    said('max-queue-size: 5'),
    'max-queue-size must be a whole number of at least 1048576 or a size as in 64MiB, got 5',
  );
  assert.equal(
    said('max-body-memory: true'),
    'max-body-memory must be a whole number of at least 0 or a size as in 64MiB, got true',
  );
  assert.equal(
    said('max-recipients: 0'),
    'max-recipients must be a whole number from 1 to 50000, got 0',
  );
});
