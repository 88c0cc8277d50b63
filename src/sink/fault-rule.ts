import { z } from 'zod';
import { FAULT_STAGES, type FaultDelay, type FaultRule } from './faults.js';

/*
 * A fault rule as people write it: in the faults file, in the body of POST /faults, and (with a
 * sink or a link beside it) as the step `fault` of a test.
 */

const MAX_DELAY_MS = 600_000;
const MAX_BYTES_PER_SECOND = 1_000_000_000;
const DURATION = String.raw`(\d{1,7}(?:\.\d{1,3})?) ?(ms|s|m|h)`;
const DELAY = new RegExp(`^${DURATION}(?:-${DURATION})?$`);
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets, CRLF included. */
const replySchema = z
  .string()
  .max(510)
  .regex(/^[2-5]\d\d( [\x20-\x7e]+)?$/, 'must be a reply such as "451 4.7.1 later"')
  .transform((line) => ({ code: Number(line.slice(0, 3)), text: line.slice(4) }));

const delaySchema = z
  .string()
  .regex(DELAY, 'must be a duration such as 2s or a range such as 100ms-2s')
  .transform((text) => {
    const [, least = '', leastUnit = '', most, mostUnit = ''] = DELAY.exec(text) ?? [];
    const minMs = Number(least) * (UNIT_MS[leastUnit] ?? 0);
    return { minMs, maxMs: most === undefined ? minMs : Number(most) * (UNIT_MS[mostUnit] ?? 0) };
  })
  .refine(({ minMs, maxMs }) => minMs <= maxMs, 'must begin with the shorter time')
  .refine(({ maxMs }) => maxMs <= MAX_DELAY_MS, `must be at most ${MAX_DELAY_MS / 60_000}m`);

const count = z.int().min(1).max(1_000_000_000);

const ACTIONS = ['reply', 'close', 'reset', 'stall', 'lose'] as const;

const writtenSchema = z.strictObject({
  at: z.enum(FAULT_STAGES),
  match: z.string().min(1).max(320).optional(),
  reply: replySchema.optional(),
  first: count.optional(),
  every: count.optional(),
  rate: z.number().min(0).max(1).optional(),
  close: z.boolean().optional(),
  reset: z.boolean().optional(),
  stall: z.boolean().optional(),
  lose: z.boolean().optional(),
  'delay-ms': z.int().min(0).max(MAX_DELAY_MS).optional(),
  delay: delaySchema.optional(),
  distribution: z.enum(['uniform', 'exponential', 'normal']).optional(),
  'bytes-per-second': z.int().min(1).max(MAX_BYTES_PER_SECOND).optional(),
  seed: z.int().min(0).max(4_294_967_295).optional(),
});

type Written = z.output<typeof writtenSchema>;

function actionsOf(rule: Written): string[] {
  return ACTIONS.filter((action) => rule[action] !== undefined && rule[action] !== false);
}

/**
 * Checks a written rule and gives it as a `FaultRule`. Delays are up to 10 minutes; `distribution`
 * may stand without a delay and means nothing then.
 */
export const faultRuleSchema = writtenSchema
  .refine((rule) => actionsOf(rule).length <= 1, {
    message: '`reply`, `close`, `reset`, `stall` and `lose` exclude each other',
  })
  .refine((rule) => rule.delay === undefined || rule['delay-ms'] === undefined, {
    message: '`delay` and `delay-ms` exclude each other',
  })
  .refine((rule) => rule.lose !== true || rule.at === 'message', {
    message: '`lose` is possible at `message` only: nothing else is accepted',
  })
  .refine(
    (rule) =>
      actionsOf(rule).length === 1 ||
      rule.delay !== undefined ||
      rule['delay-ms'] !== undefined ||
      rule['bytes-per-second'] !== undefined,
    {
      message:
        'does nothing: give it `reply`, `close`, `reset`, `stall`, `lose`, `delay`, `delay-ms` or `bytes-per-second`',
    },
  )
  .transform(toRule);

function toRule(written: Written): FaultRule {
  const { match, reply, first, every, rate, seed } = written;
  const delay = delayOf(written);
  const bytesPerSecond = written['bytes-per-second'];
  return {
    at: written.at,
    ...(match !== undefined && { match }),
    ...(reply !== undefined && { reply }),
    ...(first !== undefined && { first }),
    ...(every !== undefined && { every }),
    ...(rate !== undefined && { rate }),
    ...(written.close === true && { close: true }),
    ...(written.reset === true && { reset: true }),
    ...(written.stall === true && { stall: true }),
    ...(written.lose === true && { lose: true }),
    ...(delay !== null && { delay }),
    ...(bytesPerSecond !== undefined && { bytesPerSecond }),
    ...(seed !== undefined && { seed }),
  };
}

function delayOf(written: Written): FaultDelay | null {
  const { 'delay-ms': fixedMs, delay, distribution = 'uniform' } = written;
  if (fixedMs !== undefined) return { minMs: fixedMs, maxMs: fixedMs, distribution };
  return delay === undefined ? null : { ...delay, distribution };
}

/** A rule as it is written: what `faultRuleSchema` reads back as the same rule. JSON. */
export function writeFaultRule(rule: FaultRule): Record<string, unknown> {
  const { reply, delay, bytesPerSecond, ...plain } = rule;
  return {
    ...plain,
    ...(reply !== undefined && { reply: `${reply.code} ${reply.text}`.trimEnd() }),
    ...(delay !== undefined && {
      delay: delay.minMs === delay.maxMs ? `${delay.minMs}ms` : `${delay.minMs}ms-${delay.maxMs}ms`,
      distribution: delay.distribution,
    }),
    ...(bytesPerSecond !== undefined && { 'bytes-per-second': bytesPerSecond }),
  };
}
