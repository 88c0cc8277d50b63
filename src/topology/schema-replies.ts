import { z } from 'zod';
import { SESSION_CODES } from '../send/reply-table.js';
import { doc } from './schema-values.js';

/** The part of the topology file that says what refusals of next hops mean. */

/** Rows in one list. */
const MAX_REPLIES = 100;

const stageSchema = z.enum(['mail', 'rcpt', 'data', 'dot']);

/** The codes of a row, from and to, or undefined for what names none. */
export function replyCodes(code: number | string): [number, number] | undefined {
  const text = String(code).toLowerCase();
  const first = text.slice(0, 3).replaceAll('x', '0');
  const last = (text.split('-')[1] ?? text).replaceAll('x', '9');
  const isCode = /^[45](?:\d\d|xx)$|^[45]\d\d-[45]\d\d$/.test(text);
  return isCode && first <= last ? [Number(first), Number(last)] : undefined;
}

const codeSchema = z
  .union([
    z.int().min(400).max(599),
    z.string().meta({ pattern: '^[45](\\d\\d|[xX]{2}|\\d\\d-[45]\\d\\d)$' }),
  ])
  .refine((code) => typeof code === 'number' || replyCodes(code) !== undefined, {
    message: 'must be a code from 400 to 599, a range such as "550-559", "4xx" or "5xx"',
  })
  .meta(
    doc(
      'Reply codes that the row is about: 554, "550-559", "4xx" or "5xx".',
      554,
      '550-559',
      '4xx',
    ),
  );

const actionSchema = z
  .enum(['retry', 'slow-down', 'pause', 'bounce'])
  .meta(
    doc(
      '`retry`: the recipient waits for the next attempt. `slow-down`: the same, and the queue sends less at a time. `pause`: a fault of the hop, the queue pauses and keeps its mail, no attempt is spent. `bounce`: the sender is told.',
      'pause',
      'retry',
    ),
  );

const replySchema = z
  .strictObject({
    stage: z
      .union([stageSchema, z.array(stageSchema).min(1).max(4)])
      .optional()
      .meta(
        doc(
          'What was refused: `mail`, `rcpt`, `data`, `dot` (the whole message), or a list. Default: each of them.',
          'rcpt',
          ['mail', 'rcpt'],
        ),
      ),
    code: codeSchema,
    match: z
      .string()
      .min(1)
      .max(320)
      .optional()
      .meta(
        doc(
          'Pattern with `*` for the whole reply as in `*relay access denied*`: its enhanced code if it has one, a space, its text; without case. Default: any words.',
          '*relay access denied*',
          '5.7.1 *',
        ),
      ),
    action: actionSchema,
  })
  .refine((row) => row.action !== 'bounce' || !isOfSession(row.code), {
    message: `must not be \`bounce\` for ${SESSION_CODES.join(', ')}: they refuse the session, whatever the message`,
    path: ['action'],
  });

/** A range that reaches over such codes leaves them out of a `bounce`. */
function isOfSession(code: number | string): boolean {
  const [first, last] = replyCodes(code) ?? [];
  return first !== undefined && first === last && SESSION_CODES.includes(first);
}

export const repliesSchema = z
  .array(replySchema)
  .max(MAX_REPLIES)
  .meta({
    // under this name it stands in the JSON Schema once, not at every place
    id: 'replies',
    description:
      'What refusals mean here; the first row that fits counts: of a smarthost, its link, the node, `defaults`, then of a preset and the common table. Default none.',
    examples: [[{ stage: 'rcpt', code: 554, match: '*relay access denied*', action: 'pause' }]],
  });

export type ReplyEntry = z.output<typeof replySchema>;
