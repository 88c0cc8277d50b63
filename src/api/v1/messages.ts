import { Hono } from 'hono';
import { isQueueId } from '../../base/identifiers.js';
import type { MessageSettings } from '../../format/message-settings.js';
import type { AttemptRecord, HopRecord } from '../../trace/record.js';
import { problem } from '../problem.js';
import type { ApiViews, ShownMessage, ShownQuarantined } from '../views.js';

/** One attempt for one recipient, in MailerQ's words (SMARTHOST: results). */
export interface DeliveryResult {
  recipient: string;
  state: AttemptRecord['state'];
  result: AttemptRecord['result'];
  /** UTC, `YYYY-MM-DD HH:MM:SS`, when the attempt ended. */
  time: string;
  /** Name of the hop that was asked. */
  mta: string;
  /** Name of this node. */
  from: string;
  /** Address and port that were connected to, or null when there was no connection. */
  to: string | null;
  code: number | null;
  /** Enhanced status code (RFC 3463). */
  status: string | null;
  description: string;
}

export function messageRoutes({ messages }: ApiViews): Hono {
  const app = new Hono();
  app.get('/v1/messages/:id', async (context) => {
    const id = context.req.param('id');
    const found = isQueueId(id) ? await messages.find(id) : null;
    return found === null
      ? problem(context, 404, 'NO_SUCH_MESSAGE', 'No message of this node has this queue id.')
      : context.json(messageJson(found));
  });
  return app;
}

/**
 * A message as MailerQ gives it back: what it came in with, except its content and its password,
 * and what became of it. Keys that it came in with and that mean nothing here stand beside ours.
 */
export function messageJson({
  record,
  settings,
  quarantine,
}: ShownMessage): Record<string, unknown> {
  const { recipients } = record.envelope;
  return {
    ...record.unknown_keys,
    queue_id: record.queue_id,
    trace_id: record.trace_id,
    envelope: record.envelope.sender,
    recipient: recipients.length === 1 ? recipients[0] : recipients,
    ...settingsJson(record, settings),
    quarantine: quarantine === null ? null : quarantineJson(quarantine),
    results: record.attempts.flatMap((attempt) =>
      attempt.recipients.map((address, index) => resultOf(record, attempt, address, index)),
    ),
  };
}

function quarantineJson({ kind, since, reason }: ShownQuarantined): Record<string, string> {
  return { kind, since, reason };
}

/** The login is only known while the message is in the queue. */
function settingsJson(
  { own_smarthost: own, settings: stated }: HopRecord,
  settings: MessageSettings | null,
): Record<string, unknown> {
  if (own === undefined) {
    return { ...stated };
  }
  const colon = own.lastIndexOf(':');
  const hostname = own.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  const username = settings?.smarthost?.username ?? null;
  const login = username === null ? {} : { username };
  return { ...stated, smarthost: { hostname, port: Number(own.slice(colon + 1)), ...login } };
}

function resultOf(
  record: HopRecord,
  attempt: AttemptRecord,
  recipient: string,
  index: number,
): DeliveryResult {
  const {
    state,
    result,
    code,
    enhanced_code: status,
    description,
  } = attempt.replies?.[index] ?? attempt;
  return {
    recipient,
    time: utcTime(Date.parse(attempt.started_at) + attempt.duration_ms),
    mta: attempt.next_hop,
    from: record.node,
    to: attempt.remote,
    state,
    result,
    code,
    status,
    description,
  };
}

function utcTime(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
}
