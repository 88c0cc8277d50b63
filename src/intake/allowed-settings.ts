import type { Sealer } from '../base/sealer.js';
import type { MessageSettings, MessageSmarthost } from '../format/message-settings.js';
import type { SteerTarget } from '../policy/settings.js';
import { steer, type SteeringContext } from '../policy/steering.js';
import type { StatedSettings, StatedSmarthost } from './message-settings.js';
import { refuse, type Refusal } from './refusal.js';

/** What the settings of a message are checked with. */
export interface SettingsContext extends SteeringContext {
  sealer: () => Sealer;
}

/**
 * What of the stated settings goes into the queue with the message, its password sealed; undefined
 * when that is nothing. Refused when it names a smarthost that it may not name.
 *
 * @throws RelayError SEAL_KEY_UNREADABLE
 */
export async function allowSettings(
  stated: StatedSettings,
  steerTo: readonly SteerTarget[],
  context: SettingsContext,
): Promise<{ settings: MessageSettings | undefined } | Refusal> {
  const { smarthost, tags, maxAttempts, retryIntervalsSeconds, security } = stated;
  const settings: MessageSettings = {
    ...(tags === undefined ? {} : { tags }),
    ...(maxAttempts === undefined ? {} : { maxAttempts }),
    ...(retryIntervalsSeconds === undefined ? {} : { retryIntervalsSeconds }),
    ...(security === undefined ? {} : { security }),
  };
  if (smarthost !== undefined) {
    const allowed = await allowSmarthost(smarthost, steerTo, context);
    if ('code' in allowed) {
      return allowed;
    }
    settings.smarthost = allowed;
  }
  return { settings: Object.keys(settings).length === 0 ? undefined : settings };
}

async function allowSmarthost(
  { hostname: wanted, port: wantedPort, login }: StatedSmarthost,
  steerTo: readonly SteerTarget[],
  context: SettingsContext,
): Promise<MessageSmarthost | Refusal> {
  const decision = await steer({ hostname: wanted, port: wantedPort }, steerTo, context);
  switch (decision.kind) {
    case 'refused':
      return refuse(550, '5.7.1', `Smarthost: ${decision.reason}`);
    case 'temporary':
      return refuse(451, '4.4.3', `Smarthost: ${decision.reason}`);
    case 'allowed': {
      const { hostname, port, address } = decision;
      const sealedPassword = login === null ? null : context.sealer().seal(login.password.reveal());
      return { hostname, port, address, username: login?.username ?? null, sealedPassword };
    }
  }
}
