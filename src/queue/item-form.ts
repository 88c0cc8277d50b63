import {
  isCount,
  isFlag,
  isMoment,
  isNumber,
  isText,
  listOf,
  objectOf,
  oneOf,
  orNull,
  type Form,
} from '../base/form.js';
import { RECIPIENT_STATES } from './item.js';

/*
 * What a stored item has to look like. Its checksum only says that it is as it was written, which may
 * have been by another version: an item that the queue would stumble over at the start is corrupt.
 */

const isReply = objectOf({ code: orNull(isNumber), enhanced: orNull(isText), text: isText });
const isHop = objectOf({ queue: isText, host: isText }, { untilMs: isMoment });

const CHANGING = {
  state: oneOf(RECIPIENT_STATES),
  attempts: isCount,
  nextAttemptAtMs: orNull(isMoment),
  lastReply: orNull(isReply),
};
const SELDOM = {
  deferredAtMs: isMoment,
  delayReportedAtMs: isMoment,
  doubtAt: orNull(isHop),
  unfinished: isCount,
};

const isQuarantined = objectOf({ kind: isText, atMs: isMoment });

const isBody = objectOf(
  { kind: oneOf(['inline', 'file']), sizeBytes: isCount, ownHeaderBytes: isCount },
  { crc32: isNumber },
);

/** Of an item. */
export const isItem: Form = objectOf(
  {
    id: isText,
    sender: isText,
    recipients: notEmpty(
      objectOf(
        { address: isText, notify: orNull(isText), orcpt: orNull(isText), ...CHANGING },
        { ...SELDOM, asked: isHop },
      ),
    ),
    receivedAtMs: isMoment,
    expiresAtMs: isMoment,
    messageId: orNull(isText),
    trace: objectOf({ traceId: isText, spanId: isText, path: listOf(isText) }),
    arrival: objectOf({
      protocol: isText,
      client: objectOf({ address: isText, helo: isText, user: orNull(isText) }),
    }),
    body: isBody,
    bounceOf: orNull(isText),
    doubt: isFlag,
  },
  { quarantine: isQuarantined, heldAtMs: isMoment, acceptedBy: isText },
);

/** Of stored progress. */
export const isProgress: Form = objectOf(
  { doubt: isFlag, recipients: listOf(objectOf(CHANGING, SELDOM)) },
  { quarantine: isQuarantined, heldAtMs: isMoment, expiresAtMs: isMoment },
);

function notEmpty(form: Form): Form {
  const isList = listOf(form);
  return (value) => isList(value) && (value as unknown[]).length > 0;
}
