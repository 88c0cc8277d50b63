import {
  isCount,
  isFlag,
  isNumber,
  isText,
  isTime,
  listOf,
  objectOf,
  orNull,
  type Form,
} from '../base/form.js';

/** What a stored hop record has to look like, so that nobody who shows it stumbles. */

const isReply = objectOf({
  state: isText,
  result: isText,
  code: orNull(isNumber),
  enhanced_code: orNull(isText),
  description: isText,
});

/** Every phase is a number. */
const isPhases: Form = (value) =>
  objectOf({})(value) && Object.values(value as object).every(isNumber);

const isAttempt = objectOf(
  {
    span_id: isText,
    started_at: isTime,
    duration_ms: isNumber,
    next_hop: isText,
    remote: orNull(isText),
    reused: isFlag,
    tls: orNull(objectOf({ protocol: isText, cipher: isText, verified: isFlag })),
    user: orNull(isText),
    state: isText,
    result: isText,
    code: orNull(isNumber),
    enhanced_code: orNull(isText),
    description: isText,
    remote_queue_id: orNull(isText),
    phases_ms: isPhases,
    recipients: listOf(isText),
  },
  { carrier: isText, replies: listOf(isReply) },
);

const isRecipient = objectOf(
  {
    address: isText,
    action: isText,
    code: orNull(isNumber),
    enhanced_code: orNull(isText),
    description: orNull(isText),
    attempts: isCount,
    next_attempt_at: orNull(isTime),
  },
  { orcpt: isText },
);

/** Of a hop record. */
export const isHopRecord: Form = objectOf(
  {
    trace_id: isText,
    span_id: isText,
    parent_span_id: orNull(isText),
    node: isText,
    queue_id: isText,
    path: listOf(isText),
    received_at: isTime,
    finished_at: orNull(isTime),
    queue_wait_ms: orNull(isNumber),
    total_ms: orNull(isNumber),
    protocol: isText,
    client: objectOf({ address: isText, helo: isText, user: orNull(isText) }),
    envelope: objectOf({ sender: isText, recipients: listOf(isText) }),
    size_bytes: isCount,
    message_id: orNull(isText),
    queue: isText,
    action: isText,
    attempts: listOf(isAttempt),
    attempts_dropped: isCount,
    recipients: listOf(isRecipient),
    bounce_of: orNull(isText),
  },
  {
    links: listOf(objectOf({ trace_id: isText, span_id: isText })),
    envid: isText,
    expires_at: isTime,
    removed_headers: listOf(isText),
    own_smarthost: isText,
    settings: objectOf({}, { tags: listOf(isText), retries: listOf(isNumber) }),
    unknown_keys: objectOf({}),
    tier: isText,
    accepted_by: isText,
  },
);
