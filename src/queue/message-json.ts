import type { JsonMime } from '../format/json-mime.js';
import type { MessageSettings } from '../format/message-settings.js';
import { decodeUnitext } from '../format/unitext.js';
import { decodeXtext } from '../format/xtext.js';
import type { Item, ItemRecipient } from './item.js';

/**
 * A message as MailerQ's JSON, for some of its recipients, who have the same words for reports. Keys
 * that mean nothing here stand beside ours. The password of its smarthost is not in it.
 *
 * @param content null: it is left out
 */
export function messageJson(
  item: Item,
  recipients: readonly ItemRecipient[],
  content: JsonMime | null,
): Record<string, unknown> {
  const addresses = recipients.map(({ address }) => address);
  const json: Record<string, unknown> = {
    ...item.unknownKeys,
    envelope: item.sender,
    recipient: addresses.length === 1 ? addresses[0] : addresses,
    ...content,
  };
  if (item.settings !== undefined) {
    Object.assign(json, settingsJson(item.settings));
  }
  if (item.requireTls === true) {
    json['requiretls'] = true;
  }
  const dsn = dsnJson(item, recipients[0] as ItemRecipient);
  if (Object.keys(dsn).length > 0) {
    json['dsn'] = dsn;
  }
  return json;
}

function settingsJson(settings: MessageSettings): Record<string, unknown> {
  const { smarthost, tags, maxAttempts, retryIntervalsSeconds, security } = settings;
  const json: Record<string, unknown> = {};
  if (smarthost !== undefined) {
    const { hostname, port, username } = smarthost;
    json['smarthost'] = {
      hostname,
      ...(port === null ? {} : { port }),
      ...(username === null ? {} : { username }),
    };
  }
  if (tags !== undefined) json['tags'] = tags;
  if (maxAttempts !== undefined) json['maxattempts'] = maxAttempts;
  if (retryIntervalsSeconds !== undefined) json['retries'] = retryIntervalsSeconds;
  if (security !== undefined) json['security'] = security;
  return json;
}

/** In plain words, as JSON has them, and not in the xtext of the envelope. */
function dsnJson({ ret, envid }: Item, { notify, orcpt }: ItemRecipient): Record<string, string> {
  return {
    ...(notify === null ? {} : { notify }),
    ...(ret === null ? {} : { ret }),
    ...(orcpt === null ? {} : { orcpt: plainOrcpt(orcpt) }),
    ...(envid === null ? {} : { envid: decodeXtext(envid) ?? envid }),
  };
}

function plainOrcpt(orcpt: string): string {
  const semicolon = orcpt.indexOf(';') + 1;
  const [type, address] = [orcpt.slice(0, semicolon), orcpt.slice(semicolon)];
  const plain = type.toLowerCase() === 'utf-8;' ? decodeUnitext(address) : decodeXtext(address);
  return type + (plain ?? address);
}
