import type { FaultEntry, SendEntry, StepEntry, WaitEntry } from '../../schema-tests.js';

/** A step as a short line: `kill core-a`, `fault mx at rcpt: 451 4.7.1 later, first 2`. */
export function titleOf(step: StepEntry): string {
  if (step.send !== undefined) return sendTitle(step.send);
  if (step.fault !== undefined) return faultTitle(step.fault);
  if (step.wait !== undefined) return waitTitle(step.wait);
  if (step.partition !== undefined) {
    const { from, to, how } = step.partition;
    return `partition ${from} from ${to}${how === 'silent' ? ', silent' : ''}${forTime(step.partition)}`;
  }
  if (step.freeze !== undefined) {
    const { freeze } = step;
    if (typeof freeze === 'string' || Array.isArray(freeze)) return `freeze ${listed(freeze)}`;
    return `freeze ${listed(freeze.name)}${forTime(freeze)}`;
  }
  if (step.pause !== undefined) {
    return `pause ${queueTitle(step.pause)}${forTime(step.pause)}`;
  }
  if (step.resume !== undefined) return `resume ${queueTitle(step.resume)}`;
  if (step.heal !== undefined) {
    const { heal } = step;
    if (heal === 'all') return 'heal all';
    return 'sink' in heal ? `heal ${heal.sink}` : `heal ${heal.from} to ${heal.to}`;
  }
  if (step.rotate !== undefined) {
    const { secret, only } = step.rotate;
    return `rotate ${secret}${only === undefined ? '' : ` at ${listed(only)}`}`;
  }
  if (step.reload !== undefined) return reloadTitle(step.reload);
  return namesTitle(step);
}

function namesTitle({ kill, stop, start, thaw, drain }: StepEntry): string {
  for (const [verb, names] of Object.entries({ kill, stop, start, thaw, drain })) {
    if (names !== undefined) return `${verb} ${listed(names)}`;
  }
  return 'nothing';
}

function sendTitle({ count, eml, via, rate, by, smarthost }: SendEntry): string {
  const files = eml === undefined ? 0 : [eml].flat().length;
  const parts = [`send ${count ?? Math.max(1, files)} to ${via}`];
  if (by === 'api') parts.push('by API');
  if (rate !== undefined) parts.push(`at ${rate}`);
  if (smarthost !== undefined) parts.push(`for ${smarthost}`);
  return parts.join(' ');
}

function faultTitle(fault: FaultEntry): string {
  const { sink, link, at, match, reply, first, every, rate, delay } = fault;
  const where = link === undefined ? sink : `${link.from} to ${link.to}`;
  const what = [
    reply,
    delay === undefined ? undefined : `delay ${delay}`,
    ...(['close', 'reset', 'stall', 'lose'] as const).filter((kind) => fault[kind] === true),
    fault['bytes-per-second'] === undefined
      ? undefined
      : `${fault['bytes-per-second']} bytes a second`,
    match === undefined ? undefined : `for ${match}`,
    first === undefined ? undefined : `first ${first}`,
    every === undefined ? undefined : `every ${every}`,
    rate === undefined ? undefined : `rate ${rate}`,
  ].filter((part) => part !== undefined);
  return `fault ${where} at ${at}: ${what.join(', ')}${forTime(fault)}`;
}

function waitTitle(wait: WaitEntry): string {
  if (typeof wait === 'string') return `wait ${wait}`;
  const { sent, drained, delivered, queued } = wait;
  const until = [
    sent === true ? 'sent' : undefined,
    drained === true ? 'drained' : undefined,
    delivered === undefined ? undefined : `${delivered.count} at ${delivered.sink}`,
    queued === undefined ? undefined : `${bounds(queued)} queued at ${queued.node}`,
  ].filter((part) => part !== undefined);
  return `wait until ${until.join(', ')}`;
}

function bounds(queued: { 'at-least'?: number | undefined; 'at-most'?: number | undefined }) {
  const { 'at-least': least, 'at-most': most } = queued;
  if (least !== undefined && most !== undefined) return `${least} to ${most}`;
  return least === undefined ? `at most ${most ?? 0}` : `at least ${least}`;
}

function reloadTitle(reload: NonNullable<StepEntry['reload']>): string {
  const { with: file, nodes, refused } = reload;
  const what = file === undefined ? 'reload with a change' : `reload with ${file}`;
  const where = nodes === undefined ? '' : ` at ${listed(nodes)}`;
  return `${what}${where}${refused === true ? ', to be refused' : ''}`;
}

function queueTitle({ node, queue }: { node: string; queue?: string | undefined }): string {
  return queue === undefined ? node : `${queue} at ${node}`;
}

function forTime(step: { for?: string | undefined }): string {
  return step.for === undefined ? '' : ` for ${step.for}`;
}

function listed(names: string | readonly string[]): string {
  return [names].flat().join(', ');
}
