import type { FaultRule } from '../../../sink/faults.js';
import type { FaultEntry } from '../../schema-tests.js';
import { durationRangeMs } from '../units.js';

/**
 * The rule that a `fault` step arms.
 * @throws RelayError LAB_VALUE_INVALID for a delay that ends before it begins.
 */
export function faultRuleOf(fault: FaultEntry): FaultRule {
  const { at, match, reply, first, every, rate, delay, distribution } = fault;
  const { close, reset, stall, lose, 'bytes-per-second': bytesPerSecond } = fault;
  const rule: FaultRule = { at };
  if (match !== undefined) rule.match = match;
  if (reply !== undefined) {
    // RFC 5321 §4.2: text is optional for the grammar, yet some clients trip over a bare code.
    rule.reply = { code: Number(reply.slice(0, 3)), text: reply.slice(4) || 'fault of the test' };
  }
  if (first !== undefined) rule.first = first;
  if (every !== undefined) rule.every = every;
  if (rate !== undefined) rule.rate = rate;
  if (delay !== undefined) {
    const { min: minMs, max: maxMs } = durationRangeMs(delay);
    rule.delay = { minMs, maxMs, distribution };
  }
  if (close !== undefined) rule.close = close;
  if (reset !== undefined) rule.reset = reset;
  if (stall !== undefined) rule.stall = stall;
  if (lose !== undefined) rule.lose = lose;
  if (bytesPerSecond !== undefined) rule.bytesPerSecond = bytesPerSecond;
  return rule;
}
